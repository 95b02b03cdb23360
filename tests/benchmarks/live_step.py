"""A step of GRPO in swap mode compared with the same step on real video: the time that swap mode saves.

Only the perception differs; policy, scripts, seeds and trainer are the same, and the videos are rendered from the
scripts. A step rolls out the batch, scores it, runs forward and backward, and updates the weights. It is timed from
TRL's `on_step_begin` to `on_step_end`.

- `cold`: nothing of the videos is in any cache. This is the case in nearly every step of a training run on real video,
  because a policy rarely requests the same window twice.
- `warm`: the same step again, with every request cached. This is a bound that no training run reaches.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agentcvr_training.rollout.episodes import Episode, RolloutTask
from agentcvr_training.rollout.trl_rollout import GraphRollout
from transformers import TrainerCallback

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.video import render_script, rendered_question
from agentcvr_graph.types import Question
from tests.benchmarks.policies import Player


@dataclass(frozen=True)
class Step:
    """Measurements of one training step."""

    seconds: float
    frames: int
    """Frames that the policy observed."""
    audio_s: float


@dataclass
class RenderedRollout(GraphRollout):
    """A rollout over the rendered videos of scripts instead of the scripts."""

    questions: Mapping[str, Question] = field(default_factory=dict)

    def _training_tasks(self, prompts: Sequence[str], trainer: Any) -> list[RolloutTask]:
        tasks = super()._training_tasks(prompts, trainer)
        return [replace(task, question=self.questions.get(task.script.id)) for task in tasks]


class StepClock(TrainerCallback):
    """A callback that measures the seconds of the last step."""

    seconds = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds = time.perf_counter() - self._started


def measure(player: Player, played: Sequence[Script], folder: Path) -> dict[str, Step]:
    """Measure the step in swap mode and on rendered videos, with cold and with warm caches."""
    questions = {script.id: rendered_question(script, render_script(script, folder / "videos")) for script in played}
    live = LivePerception(OfflineVision(), OfflineAudio(), MediaLibrary(cache_dir=folder / "cache"))
    scripted = ScriptedPerception(ScriptLibrary.of(played))
    _step(player, played, folder, scripted, {})  # the first step of a process loads libraries
    return {
        "swap": _step(player, played, folder, scripted, {}),
        "cold": _step(player, played, folder, live, questions),
        "warm": _step(player, played, folder, live, questions),
    }


def _step(
    player: Player, played: Sequence[Script], folder: Path, perception: Perception, questions: Mapping[str, Question]
) -> Step:
    episodes: list[Episode] = []
    rollout = player.rollout(
        played,
        perception,
        RenderedRollout,
        on_batch=[lambda found, training, trainer: episodes.extend(found)],
        questions=questions,
    )
    clock = StepClock()
    player.trainer(rollout, played, folder / "run", [clock]).train()
    usages = [episode.trajectory.usage for episode in episodes]
    return Step(clock.seconds, sum(usage.frames for usage in usages), sum(usage.audio_s for usage in usages))
