"""How long a run takes: tokens divided by the speeds of this machine, which are measured on a few passes.

A token of a demonstration is learned from (forward and backward) once an epoch. A token of an episode is read or
sampled once, and in reinforcement learning also learned from.
"""

# transformers leaves its models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import BaseModel

from training.recipes.pretrained.demonstrations import Lengths

ROWS = 8
"""Conversations that are sampled side by side in the measurement."""
STEPS = 6
"""Tokens that are sampled in the measurement."""


class Speeds(BaseModel):
    """Tokens per second of one process."""

    learning: float
    reading: float
    sampling: float
    """Of all conversations together."""


@dataclass(frozen=True)
class Episode:
    """Tokens of a typical episode."""

    read: float
    sampled: float

    @classmethod
    def like(cls, lengths: Sequence[Lengths]) -> Episode:
        """Return an episode as long as the demonstrations are on average."""
        own = statistics.fmean(one.own for one in lengths)
        return cls(statistics.fmean(one.whole for one in lengths) - own, own)

    def seconds(self, speeds: Speeds) -> float:
        """Return the time to run it."""
        return self.read / speeds.reading + self.sampled / speeds.sampling

    def learning_seconds(self, speeds: Speeds) -> float:
        """Return the time to run it and to learn from it."""
        return self.seconds(speeds) + (self.read + self.sampled) / speeds.learning


def measure_speeds(model: Any, tokens: int, threads: int) -> Speeds:
    """Measure the speeds of a model on this machine.

    Args:
        tokens: length of the row.
        threads: threads of one process; what torch uses is restored afterwards.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ids = torch.randint(0, int(model.config.vocab_size), (1, tokens), device=model.device)  # (1, tokens)
        learning_s = _seconds(lambda: model(ids, labels=ids).loss.backward())
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            reading_s = _seconds(lambda: model(ids, logits_to_keep=1))
            prompts = ids[:, : tokens // 8].expand(ROWS, -1)  # (rows, tokens)
            sampling_s = max(1e-9, _sampling_s(model, prompts, STEPS + 1) - _sampling_s(model, prompts, 1))
    finally:
        torch.set_num_threads(before)
    return Speeds(learning=tokens / learning_s, reading=tokens / reading_s, sampling=ROWS * STEPS / sampling_s)


def _sampling_s(model: Any, prompts: torch.Tensor, count: int) -> float:
    """Return the seconds to read the prompts and to sample so many tokens after each."""
    mask = torch.ones_like(prompts)
    lengths = {"min_new_tokens": count, "max_new_tokens": count, "do_sample": False}
    return _seconds(lambda: model.generate(prompts, attention_mask=mask, **lengths))


def _seconds(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return max(1e-9, time.perf_counter() - started_s)


def duration(seconds: float) -> str:
    """Return a duration for display.

    >>> duration(59), duration(600), duration(9000)
    ('1 min', '10 min', '2.5 h')
    """
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
