"""Muon for the matrices inside the layers and AdamW for the rest, combined into one optimizer for a trainer.

A small model that learns from random weights needs fewer steps with Muon (Jordan et al., "Muon", 2024). For a model
that was pretrained with AdamW, AdamW is the usual choice, and the default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainingArguments

EMBEDDINGS = ("embed_tokens", "lm_head")
"""Matrices whose rows are tokens; orthogonalizing their updates, as Muon does, makes no sense."""


class MuonAndAdamW(torch.optim.Optimizer):
    """Two optimizers that act as one. Both follow the same schedule of the learning rate."""

    def __init__(self, model: torch.nn.Module, arguments: TrainingArguments) -> None:
        named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        inner = [w for name, w in named if w.dim() == 2 and not any(part in name for part in EMBEDDINGS)]
        chosen = {id(weight) for weight in inner}
        others = [weight for _, weight in named if id(weight) not in chosen]
        rate, decay = float(arguments.learning_rate), float(arguments.weight_decay)
        betas = (float(arguments.adam_beta1), float(arguments.adam_beta2))
        super().__init__([{"params": inner}, {"params": others}], {"lr": rate})
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(inner, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, betas=betas, weight_decay=0.0),
        ]
        self._share_groups()

    def _share_groups(self) -> None:
        # The schedule writes its rate into these groups, so they must be the groups of both optimizers.
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step with both optimizers."""
        loss = closure() if closure is not None else None
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both optimizers."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the states of both optimizers."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()


def muon_and_adamw(arguments: TrainingArguments) -> tuple[Any, dict[str, Any]]:
    """Return `optimizer_cls_and_kwargs` for transformers' trainers: a factory that they call with the model."""
    return (lambda: MuonAndAdamW), {"arguments": arguments}
