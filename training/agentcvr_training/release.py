"""Release a policy: weights in bf16 and a model card, in a folder that `transformers:FOLDER` and servers load.

The card says what a stranger needs to judge the weights: the scripts and the configuration that they come from, what
was measured beside its baselines, and the licence.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard, ModelCardData

from agentcvr_graph.cli.console import err
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.metrics import mean_score
from agentcvr_graph.models.clients.errors import one_line
from agentcvr_graph.utils.jsonl_log import read_rows
from agentcvr_training.config.loading import load_format, load_model
from agentcvr_training.config.settings import Model, Settings
from agentcvr_training.measures.evaluation import MeasuredQuestion
from agentcvr_training.trainer.run import explain_write_error

CARD = """---
{{ card_data }}
---

# {{ name }}

A master for [agentcvr_graph](https://pypi.org/project/agentcvr-graph/): it decides where to look and listen in several
videos, turn by turn, and answers with citations. Weights in bf16.

    agentcvr ask --master transformers:{{ name }} ...

## Data

{{ data }}

## Scores

{{ scores }}

## Recipe

{{ recipe }}
"""


@dataclass(frozen=True)
class Release:
    """What is released, and what its card says."""

    policy: Path
    to: Path
    licence: str
    settings: Settings | None = None
    """The configuration that it was trained with; None if it is not known."""
    scores: Path | None = None
    """What `agentcvr train evaluate --out` wrote."""


def release(wanted: Release) -> Path:
    """Write the folder and return it; it appears when it is complete.

    Raises:
        InputError: the folder exists, or the scores cannot be read.
        SetupError: the policy cannot be loaded, or the folder cannot be written.
    """
    if wanted.to.exists():
        raise InputError(f"{wanted.to} exists.", fix="Name another folder with --out, or remove this one.")
    card = _card(wanted)
    model = Model(path=str(wanted.policy), dtype="bfloat16")
    weights, form = load_model(model), load_format(model)
    draft = wanted.to.with_name(f"{wanted.to.name}.part")
    with explain_write_error(wanted.to):
        shutil.rmtree(draft, ignore_errors=True)
        weights.save_pretrained(str(draft))
        tokenizer: Any = form.tokenizer
        tokenizer.save_pretrained(str(draft))
        card.save(draft / "README.md")
        draft.rename(wanted.to)
    err.print(f"released to {wanted.to}")
    return wanted.to


def _card(wanted: Release) -> ModelCard:
    about = ModelCardData(
        license=wanted.licence, library_name="transformers", pipeline_tag="text-generation", tags=["agentcvr", "grpo"]
    )
    cards: Any = ModelCard  # its template's words are open in type
    return cards.from_template(
        about,
        template_str=CARD,
        name=wanted.to.name,
        data=_data(wanted.settings),
        scores=_scores(_read(wanted.scores) if wanted.scores else []),
        recipe=_recipe(wanted.settings),
    )


def _read(path: Path) -> list[MeasuredQuestion]:
    """Return the questions of an evaluation.

    Raises:
        InputError: the file is missing, or a line is no question.
    """
    try:
        return [MeasuredQuestion.model_validate_json(row) for _, row in read_rows(path)]
    except (OSError, ValueError) as error:
        raise InputError(
            f"The scores {path} cannot be read: {one_line(str(error))}.",
            fix="Write them with `agentcvr train evaluate --out FILE`.",
        ) from error


def _data(settings: Settings | None) -> str:
    if settings is None:
        return "Not stated."
    parts = {"trained on": settings.scripts, "held out": settings.held_out}
    return "\n".join(f"- {name}: {_source(part.model_dump())}" for name, part in parts.items() if part)


def _source(part: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in part.items() if value not in ("", (), {}))


def _recipe(settings: Settings | None) -> str:
    if settings is None:
        return "Not stated."
    dumped = settings.model_dump(mode="json", exclude={"output"}, exclude_none=True)
    return f"```yaml\n{yaml.safe_dump(dumped, sort_keys=False).strip()}\n```"


def _scores(questions: Sequence[MeasuredQuestion]) -> str:
    """Return the scores by budget and task as Markdown, with 95 % intervals."""
    if not questions:
        return "Not measured."
    lines = ["| budget | task | questions | score % (95 %) |", "|---|---|---|---|"]
    for share, task in sorted({(one.share, one.task) for one in questions}):
        own = [one.score for one in questions if (one.share, one.task) == (share, task)]
        lines.append(f"| {100 * share:.0f} % | {task} | {len(own)} | {mean_score(own)} |")
    return "\n".join(lines)
