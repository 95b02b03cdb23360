"""Log each episode of a run as one line of `episodes.jsonl`: the step that learned from it, script, reward, turns.

    {"step": 3, "held_out": false, "script": "cc-000041", "task": "CC", "seed": 902..., "reward": {"answer": 1.0, ...},
     "turns": 4, "frames": 12, "audio_s": 8.0, "sampled": 211, "left_out": 0, "budget_share": 0.5, "failure": ""}

`step` counts from 1, as on the console; a held-out episode has the step after which it ran. A run that resumes from a
checkpoint first drops the lines of later steps, so no episode is listed twice. `reward` holds the values before
weighting, or null if the infrastructure failed; then `failure` says what did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_training._typed import gather
from agentcvr_training.rollout.episodes import Episode


class EpisodeLog(TrainerCallback):
    """The log: a batch callback of a `GraphRollout` and a callback of its trainer. Only the main process writes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Drop the lines after the step from which the run resumes."""
        if state.is_world_process_zero:
            kept = [row for row in read_episodes(self._path) if row["step"] <= state.global_step]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_text(self._path, "".join(_line(row) for row in kept))

    def __call__(self, episodes: Sequence[Episode], training: bool, trainer: Any) -> None:
        """Append the episodes of a batch, gathered from all processes."""
        step = trainer.state.global_step + 1 if training else trainer.state.global_step
        head = {"step": step, "held_out": not training}
        rows = gather([{**head, **episode.summary} for episode in episodes])
        if trainer.accelerator.is_main_process:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(_line(row) for row in rows)


def read_episodes(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log; skip an incomplete line."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
