"""Check that the trained tokens are the sampled tokens, measured at both ends of a real training step.

One end is the engine: its sampled turns are recorded as it returns them. The other end is TRL's loss: the ids, masks
and log probabilities that `GRPOTrainer` computes with. No code between them takes part in the measurement, so none can
hide a difference.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from agentcvr_training.inference.base import Call, Sampled
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.rewards import preset_weights
from agentcvr_training.rollout.ledger import Drift
from agentcvr_training.rollout.trl_rollout import GraphRollout, reward_functions
from agentcvr_training.trainer.trainers import GraphTrainer
from datasets import Dataset
from transformers import PrinterCallback
from trl import GRPOConfig

from training.recipes.tiny.cpu_training import fast_on_cpu

PADDING = -1


class NotedEngine(CachedEngine):
    """A cached engine that records every turn that it samples."""

    def __init__(self, *args, notes: dict[str, list[tuple[Call, Sampled]]], **options) -> None:
        super().__init__(*args, **options)
        self._notes = notes

    async def sample(self, call: Call) -> Sampled:
        sampled = await super().sample(call)
        self._notes.setdefault(call.session, []).append((call, sampled))
        return sampled


class WatchedTrainer(GraphTrainer):
    """A trainer that records the inputs and log probabilities of its loss."""

    losses: list[tuple[dict, torch.Tensor]]

    def _compute_loss(self, model, inputs):
        self._watched = []
        loss = super()._compute_loss(model, inputs)
        self.losses.append((inputs, self._watched[-1]))
        return loss

    def _get_per_token_logps_and_entropies(self, *args, **kwargs):
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if hasattr(self, "_watched"):
            self._watched.append(found[0].detach())
        return found


@dataclass
class Exactness:
    """Result of the comparison."""

    trajectories: int = 0
    sampled: int = 0
    """Tokens that engines sampled."""
    trained: int = 0
    """Tokens with mask 1 in the trainer."""
    unmatched: int = 0
    """Trajectories in the trainer whose ids and mask match no conversation with an engine."""
    worst: float = 0.0
    """Largest absolute difference between the sampler's and the trainer's log probability of a token."""
    squares: float = 0.0
    """Sum of the squared differences."""
    old_gap: float = math.nan
    """Largest absolute difference between a token's log probability before learning and in the first step's loss; NaN
    if the trainer did not compute the former."""
    drifts: Counter[Drift] = field(default_factory=Counter)

    @property
    def typical(self) -> float:
        """Return the root mean square of the differences."""
        return math.sqrt(self.squares / max(1, self.trained))


def train_one_step(
    folder: Path,
    model,
    rollout: GraphRollout,
    prompts: list[str],
    count: int,
    *,
    group: int = 4,
    batch: int = 16,
    **changes: Any,
) -> tuple[WatchedTrainer, Exactness]:
    """Run one step of GRPO over `count` trajectories, `batch` per backward pass, and compare both ends.

    A second iteration is announced and not run, so that TRL computes log probabilities before it learns.

    Args:
        folder: output folder of the trainer.
        rollout: its `engine_factory` is replaced by one that makes recording engines.
        prompts: ids of scripts.
        changes: other settings of TRL.
    """
    notes: dict[str, list[tuple[Call, Sampled]]] = {}
    rollout.engine_factory = lambda trainer: NotedEngine(
        trainer.accelerator.unwrap_model(trainer.model),
        rollout.form.stop_ids,
        slots=rollout.live_graphs,
        max_length=rollout.max_length,
        notes=notes,
    )
    rewards, weights = reward_functions(preset_weights())
    settings = {
        "output_dir": str(folder),
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": count // batch,
        "num_iterations": 2,
        "num_generations": group,
        "max_steps": 1,
        "temperature": rollout.sampling.temperature,
        "reward_weights": weights,
        "report_to": [],
        "use_cpu": model.device.type == "cpu",
        "bf16": False,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "disable_tqdm": True,
        "beta": 0.0,
        **changes,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer = WatchedTrainer(
            forward_context=fast_on_cpu,
            model=model,
            args=GRPOConfig(**settings),
            reward_funcs=rewards,
            rollout_func=rollout,
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=rollout.form.tokenizer,
        )
    trainer.losses = []
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer, compare(list(notes.values()), trainer.losses, rollout.drifts)


def compare(
    conversations: list[list[tuple[Call, Sampled]]],
    losses: list[tuple[dict, torch.Tensor]],
    drifts: Counter[Drift],
) -> Exactness:
    """Compare the conversations of engines with the inputs of losses."""
    found = Exactness(drifts=Counter(drifts))
    wanted: dict[tuple[int, ...], list[list[float]]] = {}
    for turns in conversations:
        ids, mask, logprobs = _written(turns)
        found.sampled += sum(mask)
        wanted.setdefault((*ids, PADDING, *mask), []).append(logprobs)
    for inputs, logps in losses:
        if "old_per_token_logps" in inputs:
            kept = (inputs["completion_mask"] * inputs["tool_mask"]).bool()
            gap = (inputs["old_per_token_logps"] - logps)[kept].abs().max().item()
            found.old_gap = gap if math.isnan(found.old_gap) else max(found.old_gap, gap)
        for n in range(len(logps)):
            found.trajectories += 1
            ids, mask, trained = _trained(inputs, logps, n)
            found.trained += sum(mask)
            if not wanted.get((*ids, PADDING, *mask)):
                found.unmatched += 1
                continue
            # Two episodes of a group may have the same tokens; then they have the same log probabilities too.
            sampled = wanted[(*ids, PADDING, *mask)].pop()
            gaps = [abs(a - b) for a, b, own in zip(sampled, trained, mask, strict=True) if own]
            found.worst = max([found.worst, *gaps])
            found.squares += sum(gap * gap for gap in gaps)
    return found


def _written(turns: list[tuple[Call, Sampled]]) -> tuple[list[int], list[int], list[float]]:
    """Merge the calls of a conversation: return ids of the last prompt and turn, sampled mask, log probabilities."""
    last, sampled = turns[-1]
    ids = [*last.prompt_ids, *sampled.ids]
    mask, logprobs = [0] * len(ids), [0.0] * len(ids)
    for call, turn in turns:
        start = len(call.prompt_ids)
        end = start + len(turn.ids)
        assert ids[start:end] == turn.ids, "a sampled turn is not in the prompts after it"
        mask[start:end], logprobs[start:end] = [1] * len(turn.ids), turn.logprobs
    return ids, mask, logprobs


def _trained(inputs: dict, logps: torch.Tensor, n: int) -> tuple[list[int], list[int], list[float]]:
    """Return row n of a loss without padding: ids, loss mask, and log probabilities (0 for the prompt)."""
    prompt = inputs["prompt_ids"][n][inputs["prompt_mask"][n].bool()].tolist()
    kept = inputs["completion_mask"][n].bool()
    mask = (inputs["completion_mask"] * inputs["tool_mask"])[n][kept].int().tolist()
    ids = [*prompt, *inputs["completion_ids"][n][kept].tolist()]
    return ids, [0] * len(prompt) + mask, [0.0] * len(prompt) + logps[n][kept].tolist()
