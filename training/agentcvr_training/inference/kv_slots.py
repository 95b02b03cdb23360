"""Keys and values of many conversations side by side, each from position 0 of a slot of its own.

transformers' own caches hold one batch that starts and ends together. Here a row is a conversation that stays: its
slot grows turn by turn while other slots start, rest and end. Because every conversation begins at position 0, one rule
masks all of them: a query at position p attends to positions up to p. What lies beyond is left over from before, and
never seen.

A row that has fewer new tokens than its batch is padded on the left; padding is written to one spare position at the
end, which no query reaches. `run_model` is one forward pass over chosen slots.

There are two ways to attend. On an accelerator all rows attend at once, up to the longest (`SlotCache`). On a processor
the time goes into reading keys and values from memory, so every row attends by itself, over its own length and in place
(`InPlaceCache`): rows that lie apart are not copied together, and nothing is read that a row does not hold.
"""

# transformers leaves its caches and configurations open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, PretrainedConfig
from transformers.cache_utils import Cache, DynamicLayer

from agentcvr_graph.errors import SetupError
from agentcvr_training.trainer.attention import FULL, attending, layer_kinds

GROWTH = 256
"""Positions by which the slots grow."""
# transformers 5.24 gave the argument a new name in every model and warns about the old one.
CACHE_ARGUMENT = "cache" if Version(transformers.__version__) >= Version("5.24") else "past_key_values"

IN_PLACE = "agentcvr_in_place"
"""Name of our attention among those of transformers."""


class SlotCache(Cache):
    """A transformers cache over slots. `select` says which rows and positions the next forward pass is about."""

    attention: str | None = None
    """The attention that reads what `update` gives, where it is not the model's own."""
    copy_cost: int = 3
    """A pass over slots that lie apart copies what they hold; over a whole stretch of slots it is read in place. The
    copy pays where the stretch is this many times as long as the slots that are needed."""

    def __init__(self, model: Any, slots: int) -> None:
        super().__init__(layer_class_to_replicate=DynamicLayer)
        text: Any = model.config.get_text_config()
        device, dtype = model.device, next(model.parameters()).dtype
        heads = int(getattr(text, "num_key_value_heads", None) or text.num_attention_heads)
        size = int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
        self._store = torch.zeros(2 * text.num_hidden_layers, slots, heads, GROWTH, size, device=device, dtype=dtype)
        self._rows: slice | torch.Tensor = slice(0, 0)
        self._positions = torch.zeros(0, 0, dtype=torch.long, device=device)
        self._longest = 0

    @property
    def capacity(self) -> int:
        """Positions of a slot; the last one is the spare."""
        return self._store.shape[3]

    def select(self, rows: slice | list[int], positions: torch.Tensor, spans: Sequence[Span]) -> None:
        """Aim the next forward pass.

        Args:
            rows: the slots, in the order of the batch; a slice reads them without a copy.
            positions: where the new tokens go, -1 for padding. (rows, new tokens)
            spans: what each row holds and what is new.
        """
        self._longest = max(span.end for span in spans)
        while self._longest >= self.capacity:
            self._grow()
        self._rows = rows if isinstance(rows, slice) else torch.tensor(rows, device=positions.device)
        self._positions = torch.where(positions < 0, self.capacity - 1, positions)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Any, Any]:
        """Write the new keys and values, and give all that the selected rows hold. (rows, heads, positions, size)"""
        self._write(2 * layer_idx, key_states)
        self._write(2 * layer_idx + 1, value_states)
        return self._read(2 * layer_idx), self._read(2 * layer_idx + 1)

    def _write(self, place: int, new: torch.Tensor) -> None:
        held = self._store[place]
        if isinstance(self._rows, slice):
            index = self._positions[:, None, :, None].expand(-1, new.shape[1], -1, new.shape[3])
            held[self._rows].scatter_(2, index, new.to(held.dtype))
        else:
            # (rows, new tokens, heads, size): indices that stand apart move to the front.
            held[self._rows[:, None], :, self._positions] = new.transpose(1, 2).to(held.dtype)

    def _read(self, place: int) -> Any:
        return self._store[place][self._rows, :, : self._longest]

    def copy(self, source: int, target: int, length: int) -> None:
        """Give one slot the first positions of another."""
        self._store[:, target, :, :length] = self._store[:, source, :, :length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions in use; masks and positions are given explicitly, so nothing is derived from it."""
        return self._longest

    def _grow(self) -> None:
        added = torch.zeros_like(self._store[:, :, :, :1]).expand(-1, -1, -1, max(GROWTH, self.capacity // 2), -1)
        self._store = torch.cat([self._store, added], dim=3)


@dataclass(frozen=True)
class Span:
    """Positions of a row: what it holds, and after it what a pass adds."""

    held: int
    new: int

    @property
    def end(self) -> int:
        """Positions that the row holds after the pass."""
        return self.held + self.new


@dataclass(frozen=True)
class Held:
    """Keys or values of a layer where they lie, and which of them belong to the rows of a pass."""

    store: torch.Tensor
    """(slots, heads, positions, size)"""
    rows: Sequence[int]
    spans: Sequence[Span]


class InPlaceCache(SlotCache):
    """Slots whose rows attend one by one, where they lie."""

    attention = IN_PLACE
    copy_cost = 0  # nothing is copied
    _aim: tuple[Sequence[int], Sequence[Span]] = ((), ())

    def select(self, rows: slice | list[int], positions: torch.Tensor, spans: Sequence[Span]) -> None:
        """Aim the next forward pass."""
        super().select(rows, positions, spans)
        self._aim = range(self._store.shape[1])[rows] if isinstance(rows, slice) else rows, spans

    def _read(self, place: int) -> Held:
        return Held(self._store[place], *self._aim)


def attend_in_place(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: Held,
    value: Held,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers over what `InPlaceCache` gives.

    Args:
        query: (rows, heads, new tokens, size), padded on the left.
        attention_mask: (rows, 1, new tokens, positions)

    Returns:
        (rows, new tokens, heads, size), and no weights.
    """
    width = query.shape[2]
    grouped = query.shape[1] != key.store.shape[1]
    # Views of all slots at once: to index them one by one took a fifth of a pass.
    keys, values = key.store.split(1), value.store.split(1)
    attended: list[torch.Tensor] = []
    for n, (asked, slot, span) in enumerate(zip(query.split(1), key.rows, key.spans, strict=True)):
        padded = width - span.new
        own = asked.narrow(2, padded, span.new)
        if span.new:
            # One new token sees all that there is; of a prompt each sees what is before it.
            seen = attention_mask[n, None, :, padded:, : span.end] if span.held and span.new > 1 else None
            own = scaled_dot_product_attention(
                own,
                keys[slot].narrow(2, 0, span.end),
                values[slot].narrow(2, 0, span.end),
                seen,
                is_causal=not span.held and span.new > 1,
                scale=scaling,
                enable_gqa=grouped,
            )
        attended.append(pad(own, (0, 0, padded, 0)) if padded else own)
    return torch.cat(attended).transpose(1, 2), None


AttentionInterface.register(IN_PLACE, attend_in_place)


def slot_cache(model: Any, slots: int) -> SlotCache:
    """The cache that suits the device of a model."""
    return (InPlaceCache if model.device.type == "cpu" else SlotCache)(model, slots)


def run_model(
    model: Any, cache: SlotCache, rows: slice | list[int], unread: Sequence[Sequence[int]], held: Sequence[int]
) -> torch.Tensor:
    """One forward pass over chosen slots: the logits after the last unread token of each. (rows, vocabulary)

    Args:
        rows: the slots; a slice reads them without a copy.
        unread: the new tokens of each row; none for a row that only lies between others.
        held: positions before them that the row holds keys and values for.
    """
    spans = [Span(start, len(ids)) for ids, start in zip(unread, held, strict=True)]
    width = max(span.new for span in spans)
    tokens = [[0] * (width - len(ids)) + list(ids) for ids in unread]
    places = [[-1] * (width - span.new) + list(range(span.held, span.end)) for span in spans]
    inputs, positions = torch.tensor([tokens, places]).to(model.device)  # (rows, width) each
    cache.select(rows, positions, spans)
    positions = positions.clamp(min=0)
    longest = torch.arange(cache.get_seq_length(), device=model.device)
    with attending(model, cache.attention):
        out = model(
            input_ids=inputs,
            attention_mask=longest <= positions[:, None, :, None],  # (rows, 1, width, longest)
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{CACHE_ARGUMENT: cache},
        )
    return out.logits[:, -1]


def check_layers(config: PretrainedConfig) -> None:
    """See that the model is one that slots can serve.

    Raises:
        SetupError: it has layers that keep something else than keys and values of all positions.
    """
    kinds = layer_kinds(config)
    if kinds != {FULL}:
        raise SetupError(
            f"The model {getattr(config, 'model_type', '?')!r} has layers of other kinds than full attention: "
            f"{', '.join(sorted(kinds - {FULL}))}.",
            fix="Choose the engine 'vllm' or 'continuous' for it.",
        )
