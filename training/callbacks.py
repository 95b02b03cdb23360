"""What happens beside training: guards, checkpoints that are whole, curves, and trajectories for a person to read."""

# transformers leaves the arguments of its callbacks open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import TrainerCallback

from agentcvr_graph.errors import InputError
from agentcvr_graph.report import write_report
from training.curves import draw_curves
from training.episodes import Episode

WHOLE = "whole"
"""An empty file that says a checkpoint was written to its end."""


class TrainingStopped(InputError):
    """Training cannot go on; the last whole checkpoint is untouched."""


class Guard(TrainerCallback):
    """Stops before a step that would spoil the weights."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Look at every gradient.

        Raises:
            TrainingStopped: one is not a number.
        """
        bad = [
            name
            for name, weight in model.named_parameters()
            if weight.grad is not None and not bool(torch.isfinite(weight.grad).all())
        ]
        if bad:
            raise TrainingStopped(
                f"Step {state.global_step + 1}: the gradient of {bad[0]} ({len(bad)} of the weights) is not a number.",
                fix="Lower the learning rate, or resume from the last checkpoint with another seed.",
            )


class WholeCheckpoints(TrainerCallback):
    """Marks a checkpoint as whole once all of it is on disk."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the mark."""
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; those that were cut off while being written are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in found:
        if not (path / WHOLE).exists():
            shutil.rmtree(path)
    return next((path for path in reversed(found) if path.exists()), None)


class Curves(TrainerCallback):
    """One line a step on the console, and one picture of all curves."""

    def __init__(self, path: Path, console: Console, shown: Sequence[str]) -> None:
        self._path = path
        self._console = console
        self._shown = shown

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Print what changed, and draw everything so far."""
        if not state.is_world_process_zero or not logs:
            return
        parts = [
            f"{name.removeprefix('rewards/').removesuffix('/mean')} {logs[name]:.3g}"
            for name in self._shown
            if name in logs
        ]
        held_out = [
            f"{name} {value:.3g}" for name, value in logs.items() if name.startswith("eval_rewards/answer/mean")
        ]
        if parts or held_out:
            self._console.print(f"step {state.global_step}/{state.max_steps}  {'  '.join([*parts, *held_out])}")
        draw_curves(state.log_history, self._path)


@dataclass
class Gallery:
    """Writes a few whole trajectories as HTML every so many steps, so that a person sees what the policy does."""

    folder: Path
    every: int
    count: int

    def __call__(self, episodes: Sequence[Episode], training: bool, trainer: Any) -> None:
        """Write the first of each script of a batch."""
        step = trainer.state.global_step
        if not training or not self.every or step % self.every or not trainer.accelerator.is_main_process:
            return
        first = list({episode.script.id: episode for episode in reversed(episodes)}.values())[::-1]
        for episode in first[: self.count]:
            path = self.folder / f"step-{step:05d}" / f"{episode.script.id}.html"
            write_report(
                episode.trajectory,
                path,
                models={"master": f"policy, step {step}", "vision": "script", "audio": "script"},
            )


def is_number(value: Any) -> bool:
    """Whether a logged value can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)
