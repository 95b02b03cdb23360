"""TRL's two trainers, with what ours do besides.

Both stop at a loss that is not a number before a weight is changed. The one for graph trajectories also asks held-out
scripts its own way: TRL would score them in training batches and run the model over every trajectory once more for a
loss that says nothing, and a last batch that is not full would count as much as the others. And on a processor neither
scores positions that have no label.
"""

# TRL and transformers leave their trainers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import gather_object
from trl.trainer import utils as trl_utils
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.sft_trainer import SFTTrainer

from agentcvr_graph.errors import InputError
from agentcvr_training.rewards import reward_metric, total_reward
from agentcvr_training.rollout.episodes import Facts
from agentcvr_training.trainer.attention import attending, attention_for_training
from agentcvr_training.trainer.batching import by_length, trimmed

GO_ON = "Give the same command again; it goes on from the last whole checkpoint."


class TrainingStopped(InputError):
    """Training cannot go on; the last whole checkpoint is untouched."""


def finite(loss: torch.Tensor, step: int) -> torch.Tensor:
    """The loss of a step, counted from 0.

    Raises:
        TrainingStopped: it is not a number.
    """
    if not bool(torch.isfinite(loss).all()):
        raise TrainingStopped(
            f"Step {step + 1}: the loss is {loss.item()}; no weight was changed.",
            fix=f"Lower the learning rate, or take another seed. {GO_ON}",
        )
    return loss


@contextmanager
def scoring_labels_only() -> Generator[None]:
    """Let TRL's head score the positions that have a label, and no others.

    TRL does so where it has kernels for it. Elsewhere it scores all positions, for compilers that want one shape, and
    forgets the others afterwards: prompts and padding, and in a warm start all that the world wrote, which on a
    processor is a fifth of a step.
    """
    of_trl: Any = trl_utils
    before = of_trl._use_triton

    def compact(device: torch.device) -> bool:
        return device.type == "cpu" or bool(before(device))

    of_trl._use_triton = compact
    try:
        yield
    finally:
        of_trl._use_triton = before


@contextmanager
def placing_as_sampled(model: Any) -> Generator[None]:
    """Let the first token of every row stand at position 0, where it stood when the row was sampled.

    TRL counts padding in front of a prompt too. Rotary positions are relative, but their angles are rounded: log
    probabilities of a small, sharp model differed by up to 9e-4. Learned positions would be wrong.
    """

    def place(module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is None or kwargs.get("position_ids") is not None:
            return args, kwargs
        return args, {**kwargs, "position_ids": (mask.long().cumsum(1) - 1).clamp(min=0)}

    hook = model.register_forward_pre_hook(place, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


class ImitationTrainer(SFTTrainer):
    """TRL's SFTTrainer, guarded."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """The loss of what was labelled."""
        with scoring_labels_only(), attending(self.model, attention_for_training(self.model)):
            return super().compute_loss(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Forward and backward of one part of a batch."""
        return finite(super().training_step(*args, **kwargs), self.state.global_step)


class GraphTrainer(GRPOTrainer):
    """TRL's GRPOTrainer over a `GraphRollout`, guarded; its prompts are ids of scripts."""

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Forward and backward of one part of a batch; where a new batch is due, it is played first."""
        return finite(super().training_step(*args, **kwargs), self.state.global_step)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """The next part of the batch; of a new batch whose parts make one step, the parts hold similar lengths."""
        before: Any = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        arguments: Any = self.args
        steps = int(arguments.steps_per_generation or 1)
        if self._buffered_inputs is before or steps != arguments.gradient_accumulation_steps:
            return inputs
        self._buffered_inputs = by_length(self._buffered_inputs)
        return self._buffered_inputs[self._step % steps]

    def _compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
        attention = attending(self.model, attention_for_training(self.model))
        with scoring_labels_only(), placing_as_sampled(model), attention:
            return super()._compute_loss(model, trimmed(inputs))

    def evaluate(
        self, eval_dataset=None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Play every held-out script once; the means, which are logged too.

        Args:
            eval_dataset: prompts in place of the trainer's own.
        """
        asked: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        prompts: Sequence[str] = asked["prompt"]
        share = prompts[self.accelerator.process_index :: self.accelerator.num_processes]
        rollout: Any = self.rollout_func
        model: Any = self.model
        training = model.training
        model.eval()
        try:
            episodes = rollout.play(share, self)
            found: list[Facts] = gather_object([episode.facts for episode in episodes])
            metrics = {f"{metric_key_prefix}_{name}": value for name, value in self.means(found).items()}
            self.log(metrics)
        finally:
            model.train(training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def means(self, episodes: Sequence[Facts]) -> dict[str, float]:
        """Means over episodes under the names that TRL logs for training; those in which the world failed have no part
        in the rewards."""
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
