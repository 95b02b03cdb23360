"""What happens beside training: guards, checkpoints that are whole, curves, and trajectories for a person to read."""

# transformers leaves the arguments of its callbacks open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback

from agentcvr_graph.report import write_report
from agentcvr_training.rollout.episodes import Episode
from agentcvr_training.rollout.trl_rollout import Listener
from agentcvr_training.trainer.curves import HELD_OUT, draw_curves
from agentcvr_training.trainer.trainers import GO_ON, TrainingStopped

WHOLE = "whole"
"""An empty file that says a checkpoint was written to its end."""

DRAWN_EVERY_S = 30.0
"""A picture takes half a second, which is as long as a step of a small model."""


class Guard(TrainerCallback):
    """Stops before a step that would spoil the weights; a loss that is not a number is caught in `trainers.py`."""

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
                f"Step {state.global_step + 1}: the gradient of {bad[0]} ({len(bad)} of the weights) is not a number; "
                "no weight was changed.",
                fix=f"Lower the learning rate, or take another seed. {GO_ON}",
            )


class WholeCheckpoints(TrainerCallback):
    """Marks a checkpoint as whole once all of it is on disk, by all processes."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remove checkpoints that were cut off while being written."""
        if state.is_world_process_zero:
            for path in _checkpoints(Path(args.output_dir)):
                if not (path / WHOLE).exists():
                    shutil.rmtree(path)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the mark."""
        args.distributed_state.wait_for_everyone()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint."""
    return next((path for path in reversed(_checkpoints(folder)) if (path / WHOLE).exists()), None)


def _checkpoints(folder: Path) -> list[Path]:
    """Whole or not, by step."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


class Bar(TrainerCallback):
    """A progress bar with the time that is left, on a terminal; nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show it."""
        if not state.is_world_process_zero or not self._console.is_terminal:
            return
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        # Steps are slow: the speed is taken over ten minutes.
        self._progress = Progress(*columns, console=self._console, speed_estimate_period=600)
        self._progress.add_task("", total=state.max_steps, completed=state.global_step)
        self._progress.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move it."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=state.global_step)

    def close(self) -> None:
        """Leave the terminal as it was, also after an error."""
        if self._progress is not None:
            self._progress.stop()


class Curves(TrainerCallback):
    """One line a step on the console, and one picture of all curves, drawn now and then and at the end."""

    def __init__(self, path: Path, console: Console, shown: Sequence[str]) -> None:
        self._drawn_s = -DRAWN_EVERY_S
        self._path = path
        self._console = console
        self._shown = shown
        self._held_out = [f"{HELD_OUT}{name}" for name in shown]

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Print what changed, and draw everything so far where the picture is old."""
        if not state.is_world_process_zero or not logs:
            return
        shown = [f"{title_of(name)} {logs[name]:.3g}" for name in self._shown if _is_number(logs.get(name))]
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
    """A metric's name as a line on the console has it."""
    return name.removeprefix(HELD_OUT).removeprefix("rewards/").removesuffix("/mean")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def all_of(*listeners: Listener) -> Listener:
    """A listener that tells others, in their order."""

    def tell(episodes: Sequence[Episode], training: bool, trainer: Any) -> None:
        for listener in listeners:
            listener(episodes, training, trainer)

    return tell


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
