"""Score a policy on scripts: `agentcvr train evaluate POLICY`.

A number is believed when its baselines stand beside it: what guessing is worth, and what the same policy scores without
any evidence (blind).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from agentcvr_graph.cli.console import err, new_file, out
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.metrics import mean_score
from agentcvr_graph.models.providers.in_process import trained_turns
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.progress import ProgressBar
from agentcvr_training.config.settings import Model, Scripts, Settings
from agentcvr_training.measures.evaluation import MeasuredQuestion, measure_policy, simulator_of


def settings_for(policy: Path) -> Settings:
    """Return the default settings for a policy without a configuration, with the turns that its folder states.

    Raises:
        InputError: there is no such folder.
        SetupError: what it states is not a number of turns.
    """
    if not policy.is_dir():
        raise InputError(
            f"There is no policy in {policy}.", fix="Name the folder that a training wrote, `OUTPUT/policy`."
        )
    turns = trained_turns(policy)
    return Settings(
        output=str(policy),
        model=Model(path=str(policy), dtype="float32"),
        scripts=Scripts(),
        graph={"max_turns": turns} if turns else {},
    )


def evaluate(
    policy: Path, settings: Settings, scripts: Sequence[Script], shares: Sequence[float], to: Path | None
) -> None:
    """Print the scores of a policy at each budget, beside the blind baseline and chance; write the questions to a file.

    Args:
        shares: budgets as shares of what it costs to look at and hear everything; each counts once.

    Raises:
        InputError: the file exists.
    """
    shares = list(dict.fromkeys(shares))
    target = None if to is None else new_file(to, force=False)
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    with ProgressBar("answering", 2 * len(scripts) * len(shares), console=err) as progress:
        found = measure_policy(policy, settings, scripts, shares, on_question=progress.advance)
        nothing = BlindPerception(simulator_of(scripts, settings))
        blind = measure_policy(policy, settings, scripts, shares, perception=nothing, on_question=progress.advance)
    out.print(_table(found, blind, chance_level(scripts)))
    if target is not None:
        atomic_write_text(target, "".join(f"{one.model_dump_json()}\n" for one in found))


def _table(found: Sequence[MeasuredQuestion], blind: Sequence[MeasuredQuestion], chance: float) -> Table:
    table = Table(
        "budget", "task", "questions", "score % (95 %)", "blind %", "turns", "frames", "s of sound", "hit rate %"
    )
    for share in dict.fromkeys(one.share for one in found):
        own, unseeing = ([one for one in all_ if one.share == share] for all_ in (found, blind))
        tasks = dict.fromkeys(one.task for one in own)
        for task in [*tasks, ""] if len(tasks) > 1 else tasks:
            table.add_row(f"{100 * share:.0f} %", *_cells(task, _of(task, own), _of(task, unseeing)))
    table.caption = f"chance: {100 * chance:.1f} %"
    return table


def _of(task: str, questions: Sequence[MeasuredQuestion]) -> list[MeasuredQuestion]:
    return [one for one in questions if task in (one.task, "")]


def _cells(task: str, own: Sequence[MeasuredQuestion], blind: Sequence[MeasuredQuestion]) -> Iterator[str]:
    yield task or "all"
    yield str(len(own))
    yield str(mean_score([one.score for one in own]))
    yield f"{100 * statistics.fmean(one.score for one in blind):.0f}"
    yield f"{statistics.fmean(one.turns for one in own):.1f}"
    yield f"{statistics.fmean(one.frames for one in own):.0f}"
    yield f"{statistics.fmean(one.audio_s for one in own):.0f}"
    yield f"{100 * statistics.fmean(one.hit_rate for one in own):.0f}"
