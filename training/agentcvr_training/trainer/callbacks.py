"""Callbacks of the trainers: gradient checks, complete checkpoints, progress, curves, and trajectory reports."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from agentcvr_graph.report import write_report
from agentcvr_graph.utils.progress import ProgressBar
from agentcvr_training._typed import gather
from agentcvr_training.rollout.episodes import Episode
from agentcvr_training.trainer.checkpoints import WHOLE, all_checkpoints, restart_hint
from agentcvr_training.trainer.curves import HELD_OUT, draw_curves
from agentcvr_training.trainer.trainers import TrainingStopped

DRAWN_EVERY_S = 30.0
"""Minimum time between two drawings: one takes half a second, as long as a step of a small model."""


class FiniteGradients(TrainerCallback):
    """Stops before a step with an invalid gradient; `trainers.py` checks the loss."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Check every gradient; with sharded weights each process has a part of it, and all of them stop.

        Raises:
            TrainingStopped: a gradient is not finite.
        """
        here = [
            name
            for name, weight in model.named_parameters()
            if weight.grad is not None and not bool(torch.isfinite(_part_of(weight.grad)).all())
        ]
        bad = list(dict.fromkeys(gather(here)))
        if bad:
            raise TrainingStopped(
                f"Step {state.global_step + 1}: the gradient of {bad[0]} ({len(bad)} of the weights) is not a number; "
                "no weight was changed.",
                fix=restart_hint(args),
            )


def _part_of(gradient: torch.Tensor) -> torch.Tensor:
    """Return the part of a gradient that is in this process. A DTensor's `bool` is that of its part, too."""
    return gradient.to_local() if isinstance(gradient, DTensor) else gradient


class WholeCheckpoints(TrainerCallback):
    """Marks a checkpoint as complete once all processes have written their parts."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remove checkpoints that were not written completely."""
        if state.is_world_process_zero:
            for path in all_checkpoints(Path(args.output_dir)):
                if not (path / WHOLE).exists():
                    shutil.rmtree(path)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint."""
        args.distributed_state.wait_for_everyone()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


ALERTS = ("infrastructure_failures",)
"""Metrics that a step's line shows only where they are not 0."""


class TrainingProgress(TrainerCallback):
    """A progress bar over the steps, on a terminal; nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: ProgressBar | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the bar."""
        if state.is_world_process_zero:
            self._bar = ProgressBar("", state.max_steps, completed=state.global_step, console=self._console)
            self._bar.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Advance the bar."""
        if self._bar is not None:
            self._bar.update(completed=state.global_step)

    def close(self) -> None:
        """Remove the bar, also after an error."""
        if self._bar is not None:
            self._bar.close()


class Curves(TrainerCallback):
    """Prints one line per step, and draws all curves into one picture, at most every `DRAWN_EVERY_S` and at the end."""

    def __init__(self, path: Path, console: Console, shown: Sequence[str]) -> None:
        self._drawn_s = -DRAWN_EVERY_S
        self._path = path
        self._console = console
        self._shown = shown
        self._held_out = [f"{HELD_OUT}{name}" for name in shown]

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Print the new values, and redraw the picture if it is older than `DRAWN_EVERY_S`."""
        if not state.is_world_process_zero or not logs:
            return
        shown = [f"{title_of(name)} {logs[name]:.3g}" for name in self._shown if _is_number(logs.get(name))]
        shown += [f"{name} {logs[name]:.3g}" for name in ALERTS if logs.get(name)]
        held_out = [f"{title_of(name)} {logs[name]:.3g}" for name in self._held_out if _is_number(logs.get(name))]
        if held_out:
            shown.append(f"held out: {'  '.join(held_out)}")
        if shown:
            self._console.print(f"step {state.global_step}/{state.max_steps}  {'  '.join(shown)}", highlight=False)
        if time.monotonic() - self._drawn_s >= DRAWN_EVERY_S:
            self._draw(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Draw the whole run."""
        if state.is_world_process_zero:
            self._draw(state)

    def _draw(self, state: Any) -> None:
        draw_curves(state.log_history, self._path)
        self._drawn_s = time.monotonic()


def title_of(name: str) -> str:
    """Return the short name of a metric for the console."""
    return name.removeprefix(HELD_OUT).removeprefix("rewards/").removesuffix("/mean")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


@dataclass
class TrajectoryReports:
    """Writes HTML reports of the trajectories of up to `count` scripts, every `every` steps."""

    folder: Path
    every: int
    count: int

    def __call__(self, episodes: Sequence[Episode], training: bool, trainer: Any) -> None:
        """Write the first trajectory of each script in a training batch, for up to `count` scripts."""
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
