"""Which engine a configuration names, over the present weights of a trainer's model."""

# TRL and accelerate leave their trainers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from training.engine.base import Engine
from training.engine.cached import CachedEngine
from training.rollout import OpenEngine
from training.settings import Rollout


def engine_opener(rollout: Rollout, stop_ids: Sequence[int]) -> OpenEngine:
    """A function that opens the configured engine over a trainer for one batch."""

    def cached(trainer: Any) -> AbstractContextManager[Engine]:
        model = trainer.accelerator.unwrap_model(trainer.model)
        return CachedEngine(model, stop_ids, slots=rollout.live_graphs, max_length=rollout.max_length)

    return cached
