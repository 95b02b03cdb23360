"""TRL's two trainers, extended.

Both stop at a loss that is not finite, before a weight changes. `GraphTrainer` also evaluates held-out scripts in its
own way, because TRL would score them in training batches, run the model over every trajectory once more for a
meaningless loss, and give an incomplete last batch the same weight as the others.
"""

# TRL and transformers leave their trainers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.sft_trainer import SFTTrainer

from agentcvr_graph.errors import CVRError
from agentcvr_training._typed import gather
from agentcvr_training.rewards import reward_metric, total_reward
from agentcvr_training.rollout.episodes import EpisodeSummary
from agentcvr_training.trainer.batching import ROW, learning_order, rearranged, sorting_changes_loss, trimmed
from agentcvr_training.trainer.checkpoints import restart_hint
from agentcvr_training.trainer.sharded_checkpoints import WeightsOnce

ForwardContext = Callable[[Any], AbstractContextManager[object]]
"""Makes a context for one loss computation of a model; settings name one by import path (`model.forward_context`)."""


class TrainingStopped(CVRError):
    """Raised when training cannot continue; the last complete checkpoint is untouched."""

    exit_status = 3


def finite(loss: torch.Tensor, step: int, arguments: Any) -> torch.Tensor:
    """Return the loss of a step, counted from 0, if it is finite.

    Args:
        arguments: of the trainer.

    Raises:
        TrainingStopped: the loss is not finite.
    """
    if not bool(torch.isfinite(loss).all()):
        raise TrainingStopped(
            f"Step {step + 1}: the loss is {loss.item()}; no weight was changed.",
            fix=restart_hint(arguments),
        )
    return loss


@contextmanager
def positions_as_sampled(model: Any) -> Generator[None]:
    """Put the first token of every row at position 0, where it was when the row was sampled.

    TRL counts padding in front of a prompt too. Rotary positions are relative, but their angles are rounded: log
    probabilities of a small, sharp model differed by up to 9e-4. Learned positions would be wrong.
    """

    def add_positions(module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is None or kwargs.get("position_ids") is not None:
            return args, kwargs
        return args, {**kwargs, "position_ids": (mask.long().cumsum(1) - 1).clamp(min=0)}

    hook = model.register_forward_pre_hook(add_positions, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


class ImitationTrainer(WeightsOnce, SFTTrainer):
    """TRL's SFTTrainer with a check for losses that are not finite.

    Args:
        forward_context: opened around every loss computation.
    """

    def __init__(self, *args: Any, forward_context: ForwardContext = nullcontext, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._forward_context = forward_context

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the loss of the labelled tokens."""
        with self._forward_context(self.model):
            return super().compute_loss(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Run forward and backward on one part of a batch."""
        return finite(super().training_step(*args, **kwargs), self.state.global_step, self.args)


class GraphTrainer(WeightsOnce, GRPOTrainer):
    """TRL's GRPOTrainer over a `GraphRollout`, with a check for losses that are not finite; prompts are script ids.

    Args:
        forward_context: opened around every loss computation.
    """

    def __init__(self, *args: Any, forward_context: ForwardContext = nullcontext, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._forward_context = forward_context
        self._order: torch.Tensor | None = None

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Run forward and backward on one part of a batch; if a new batch is due, run its rollouts first."""
        return finite(super().training_step(*args, **kwargs), self.state.global_step, self.args)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """Run the rollouts of a batch; note the place of each row, so that `_prepare_inputs` can put them in order."""
        self._order = None
        scored = super()._generate_and_score_completions(inputs)
        rows: torch.Tensor = scored["completion_ids"]
        return {**scored, ROW: torch.arange(len(rows), device=rows.device)}

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """Return the next part of the batch; the parts of a new batch are put in the order of `learning_order`."""
        before: Any = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is before:
            return inputs
        parts: Any = self._buffered_inputs
        lengths = [part["prompt_mask"].sum(1) + part["completion_mask"].sum(1) for part in parts]
        places = torch.cat([part[ROW] for part in parts]).argsort()
        self._buffered_inputs = rearranged(parts, self._learning_order(torch.cat(lengths)[places]))
        return self._buffered_inputs[self._step % len(parts)]

    def _learning_order(self, lengths: torch.Tensor) -> torch.Tensor:
        """Return the order of the rows of a generation; the first call of a generation decides it."""
        arguments: Any = self.args
        if self._order is None:
            unsorted = sorting_changes_loss(arguments, balances_experts=self.aux_loss_enabled)
            parts = int(arguments.steps_per_generation or 1)
            self._order = learning_order(lengths, parts, arguments.gradient_accumulation_steps, by_length=not unsorted)
        return self._order

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **options: Any,
    ) -> tuple[Any, Any, Any]:
        """Compute log probabilities of a whole generation (before it is learned from) or of one part (in the loss).

        Both are computed over the same parts, without their padding and with the same positions and attention, so a
        policy that has not changed gets the same numbers: the ratio of new to old is 1, in any precision.
        """
        if batch_size is None:
            return self._score_part(model, input_ids, attention_mask, logits_to_keep, **options)
        order = self._learning_order(attention_mask.sum(1)).to(input_ids.device)
        logps = [
            self._score_part(model, input_ids[rows], attention_mask[rows], logits_to_keep, **options)[0]
            for rows in order.split(batch_size)
        ]
        return torch.cat(logps)[order.argsort()], None, None

    def _score_part(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, kept: int, **options: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        """Compute log probabilities, entropies and the load-balancing loss of one part; 0 at padding. (rows, kept)"""
        ids, mask, width = trimmed(ids, mask, kept)
        with self._forward_context(self.accelerator.unwrap_model(model)), positions_as_sampled(model):
            logps, entropies, balance = super()._get_per_token_logps_and_entropies(model, ids, mask, width, **options)
        padded = partial(torch.nn.functional.pad, pad=(0, kept - width))
        return padded(logps), None if entropies is None else padded(entropies), balance

    def evaluate(
        self, eval_dataset=None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Run every held-out script once; log and return the means.

        Args:
            eval_dataset: prompts in place of the trainer's own.
        """
        dataset: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        prompts: Sequence[str] = dataset["prompt"]
        share = prompts[self.accelerator.process_index :: self.accelerator.num_processes]
        rollout: Any = self.rollout_func
        model: Any = self.model
        training = model.training
        model.eval()
        try:
            episodes = rollout.run(share, self)
            found: list[EpisodeSummary] = gather([episode.summary for episode in episodes])
            metrics = {f"{metric_key_prefix}_{name}": value for name, value in self.means(found).items()}
            self.log(metrics)
        finally:
            model.train(training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def means(self, episodes: Sequence[EpisodeSummary]) -> dict[str, float]:
        """Return means over episodes under the names that TRL logs for training; the means of the rewards leave out
        episodes without rewards."""
        scored = [one["reward"] for one in episodes if one["reward"] is not None]
        weights = dict(zip(self.reward_func_names, self.reward_weights.tolist(), strict=True))
        rewards = {name: _mean([reward[name] for reward in scored]) for name in weights}
        means = {reward_metric(name): mean for name, mean in rewards.items()}
        means["reward"] = total_reward(rewards, weights)
        for name in ("turns", "frames", "audio_s"):
            means[name] = _mean([float(one[name]) for one in episodes])
        means["infrastructure_failures"] = _mean([float(one["reward"] is None) for one in episodes])
        return means


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
