"""Code that the training benchmarks share: a policy, its scripts, and functions to roll it out over them.

The policy is a real one, a folder with weights, tokenizer and chat template, so turns, lengths and mistakes are
realistic.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agentcvr_training.config.loading import load_format, load_model
from agentcvr_training.config.settings import Model
from agentcvr_training.inference.base import Sampling
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.rewards import preset_weights
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import Episode, RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel
from agentcvr_training.rollout.trl_rollout import GraphRollout, reward_functions
from agentcvr_training.trainer.trainers import GraphTrainer
from datasets import Dataset
from transformers import PrinterCallback
from trl import GRPOConfig

from agentcvr_graph import CVRContext
from agentcvr_graph.models.providers.tiny import TINY
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script, Task
from training.recipes.tiny.cpu_training import fast_on_cpu

POLICY = TINY
"""The checkpoint that ships with the library; `--policy FOLDER` chooses another."""
TASKS: tuple[Task, ...] = ("STOP", "SPOT", "COST")
"""The tasks that the shipped policy was trained on."""
LEVEL = LEVELS["normal"].with_settings({"videos": 3, "scenes": 6})
FIRST_SEED = 900_000
"""First seed of scripts that no training run uses."""
SHARES = (0.15, 1.0)
"""Budgets, as shares of what it costs to look at and hear everything; drawn for each script as in its training."""
GROUP = 4
"""Episodes per script, as in GRPO."""
LIVE_GRAPHS = 64
MAX_LENGTH = 1536
SAMPLING = Sampling(temperature=1.0, max_new_tokens=220)
CONTEXT = CVRContext(max_turns=6, abstain="never")


@dataclass(frozen=True)
class Player:
    """A policy in a folder."""

    folder: Path
    device: str = "cpu"

    def model(self) -> Any:
        """Load the weights in fp32."""
        return load_model(self._settings).eval().to(self.device)

    @cached_property
    def form(self) -> ChatFormat:
        """Return the chat format with the policy's tokenizer and template."""
        return load_format(self._settings)

    def rollout(
        self, played: Sequence[Script], perception: Perception, make: type[GraphRollout] = GraphRollout, **options: Any
    ) -> GraphRollout:
        """Make the rollout function of a trainer."""
        return make(
            scripts={script.id: script for script in played},
            perception=perception,
            form=self.form,
            context=CONTEXT,
            sampling=SAMPLING,
            engine_factory=lambda trainer: CachedEngine(
                trainer.accelerator.unwrap_model(trainer.model),
                self.form.stop_ids,
                slots=LIVE_GRAPHS,
                max_length=MAX_LENGTH,
            ),
            max_length=MAX_LENGTH,
            live_graphs=LIVE_GRAPHS,
            budget_shares=SHARES,
            **options,
        )

    def trainer(
        self, rollout: GraphRollout, played: Sequence[Script], folder: Path, callbacks: Sequence[Any] = ()
    ) -> GraphTrainer:
        """Make a trainer for one step over all scripts, with one group per script."""
        rewards, weights = reward_functions(preset_weights())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using 'rollout_func'")
            trainer = GraphTrainer(
                forward_context=fast_on_cpu,
                model=self.model(),
                args=trainer_settings(
                    folder, GROUP * len(played), use_cpu=self.device == "cpu", reward_weights=weights
                ),
                reward_funcs=rewards,
                rollout_func=rollout,
                train_dataset=Dataset.from_dict({"prompt": [script.id for script in played]}),
                processing_class=self.form.tokenizer,
                callbacks=list(callbacks),
            )
        trainer.remove_callback(PrinterCallback)
        return trainer

    @property
    def _settings(self) -> Model:
        return Model(path=str(self.folder), dtype="float32")

    def play(
        self, model: Any, tasks: Sequence[RolloutTask], live_graphs: int = LIVE_GRAPHS
    ) -> tuple[list[Episode], float]:
        """Roll out tasks in swap mode; return the episodes and the seconds."""
        library = ScriptLibrary.of({task.script.id: task.script for task in tasks}.values())
        started = time.perf_counter()
        with CachedEngine(model, self.form.stop_ids, slots=live_graphs, max_length=MAX_LENGTH) as engine:
            policy = PolicyChatModel(engine=engine, form=self.form, sampling=SAMPLING, max_length=MAX_LENGTH)
            runner = RolloutRunner(policy, ScriptedPerception(library), CONTEXT, live_graphs)
            episodes = asyncio.run(runner.run(tasks))
        return episodes, time.perf_counter() - started


def trainer_settings(folder: Path, batch: int, **changes: Any) -> GRPOConfig:
    """Return TRL's settings for one step over a batch of `batch` trajectories."""
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": batch,
        "num_generations": GROUP,
        "max_steps": 1,
        "temperature": SAMPLING.temperature,
        "max_completion_length": MAX_LENGTH,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "disable_tqdm": True,
        "beta": 0.0,
        **changes,
    }
    return GRPOConfig(**settings)


def scripts(count: int) -> list[Script]:
    """Make `count` scripts, alternating between the tasks."""
    each = -(-count // len(TASKS))
    made = [list(make_scripts({task: each}, FIRST_SEED, LEVEL, "held-out")) for task in TASKS]
    return [column[n] for n in range(each) for column in made][:count]


def task_of(script: Script, seed: int) -> RolloutTask:
    """Return a rollout task with the budgets that the first step of a trainer draws for the script."""
    return RolloutTask.drawn(script, seed, SHARES, 0, 0)


def tasks_of(played: Sequence[Script]) -> list[RolloutTask]:
    """Return a group of `GROUP` rollout tasks for each script."""
    return [task_of(script, GROUP * n + k) for n, script in enumerate(played) for k in range(GROUP)]


def sampled_tokens(episodes: Sequence[Episode]) -> int:
    """Count the tokens that the policy sampled."""
    return sum(row.sampled for episode in episodes for row in episode.rows)
