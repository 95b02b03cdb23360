"""KV-cache slots: keys and values of many conversations, each from position 0 of its own slot.

transformers' own caches hold one batch that starts and ends together. Here a row is a conversation that persists: its
slot grows turn by turn while other slots start, idle and end. Because every conversation starts at position 0, one rule
masks all of them: a query at position p attends to positions up to p. Later positions hold stale data that no query
attends to.

A row with fewer new tokens than the longest row of its batch is padded on the left. Padding is written to one spare
position at the end, which no query attends to. `run_model` runs one forward pass over chosen slots.

Attention has two implementations. On an accelerator all rows attend at once, up to the longest (`SlotCache`). On a CPU
most time goes into reading keys and values from memory, so every row attends by itself, over its own length and in
place (`InPlaceCache`): rows are not copied together, and only positions that a row holds are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import PretrainedConfig
from transformers.cache_utils import Cache, DynamicLayer

from agentcvr_graph.errors import SetupError
from agentcvr_training._typed import register_attention, rows_of_tensor
from agentcvr_training.inference.attention import FULL, layer_kinds, use_attention

GROWTH = 256
"""Positions by which the slots grow."""
# transformers 5.24 renamed the argument in every model and warns about the old name.
CACHE_ARGUMENT = "cache" if Version(transformers.__version__) >= Version("5.24") else "past_key_values"

IN_PLACE = "agentcvr_in_place"
"""Name under which our attention is registered with transformers."""


class SlotCache(Cache):
    """A transformers cache over slots. `select` sets the rows and positions of the next forward pass."""

    attention: str | None = None
    """The attention that reads what `update` returns; None for the model's own."""
    copy_cost: int = 3
    """A pass over scattered slots copies their contents; over a contiguous range they are read in place. The copy is
    faster if the range has more than this many times the needed slots."""

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
        """Return the positions of a slot; the last one is the spare."""
        return self._store.shape[3]

    def select(self, rows: slice | list[int], positions: torch.Tensor, spans: Sequence[Span]) -> None:
        """Choose what the next forward pass reads and writes.

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
        """Write the new keys and values; return all of the selected rows. (rows, heads, positions, size)"""
        self._write(2 * layer_idx, key_states)
        self._write(2 * layer_idx + 1, value_states)
        return self._read(2 * layer_idx), self._read(2 * layer_idx + 1)

    def _write(self, place: int, new: torch.Tensor) -> None:
        held = self._store[place]
        if isinstance(self._rows, slice):
            index = self._positions[:, None, :, None].expand(-1, new.shape[1], -1, new.shape[3])
            held[self._rows].scatter_(2, index, new.to(held.dtype))
        else:
            # (rows, new tokens, heads, size): indices separated by a slice move to the front.
            held[self._rows[:, None], :, self._positions] = new.transpose(1, 2).to(held.dtype)

    def _read(self, place: int) -> Any:
        return self._store[place][self._rows, :, : self._longest]

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first positions of one slot to another."""
        self._store[:, target, :, :length] = self._store[:, source, :, :length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the positions in use; masks and positions are explicit, so nothing is derived from it."""
        return self._longest

    def _grow(self) -> None:
        added = torch.zeros_like(self._store[:, :, :, :1]).expand(-1, -1, -1, max(GROWTH, self.capacity // 2), -1)
        self._store = torch.cat([self._store, added], dim=3)


@dataclass(frozen=True)
class Span:
    """Positions of a row: those it holds, then those that a pass adds."""

    held: int
    new: int

    @property
    def end(self) -> int:
        """Return how many positions the row holds after the pass."""
        return self.held + self.new


@dataclass(frozen=True)
class SlotStates:
    """Keys or values of a layer in place, and which of them belong to each row of a pass."""

    store: torch.Tensor
    """(slots, heads, positions, size)"""
    rows: Sequence[int]
    spans: Sequence[Span]


class InPlaceCache(SlotCache):
    """Slots whose rows attend one by one, in place."""

    attention = IN_PLACE
    copy_cost = 0  # nothing is copied
    _aim: tuple[Sequence[int], Sequence[Span]] = ((), ())

    def select(self, rows: slice | list[int], positions: torch.Tensor, spans: Sequence[Span]) -> None:
        """Choose what the next forward pass reads and writes."""
        super().select(rows, positions, spans)
        self._aim = range(self._store.shape[1])[rows] if isinstance(rows, slice) else rows, spans

    def _read(self, place: int) -> SlotStates:
        return SlotStates(self._store[place], *self._aim)


def attend_in_place(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: SlotStates,
    value: SlotStates,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend row by row over what `InPlaceCache` returns; an attention function of transformers.

    Args:
        query: (rows, heads, new tokens, size), padded on the left.
        attention_mask: (rows, 1, new tokens, positions)

    Returns:
        (rows, new tokens, heads, size), and no weights.
    """
    width = query.shape[2]
    grouped = query.shape[1] != key.store.shape[1]
    # Views of all slots at once: indexing them one by one took a fifth of a pass.
    keys, values = rows_of_tensor(key.store), rows_of_tensor(value.store)
    attended: list[torch.Tensor] = []
    for n, (query_row, slot, span) in enumerate(zip(rows_of_tensor(query), key.rows, key.spans, strict=True)):
        padded = width - span.new
        own = query_row.narrow(2, padded, span.new)
        if span.new:
            # A single new token attends to all positions; tokens of a prompt to those before them.
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


register_attention(IN_PLACE, attend_in_place)


def slot_cache(model: Any, slots: int) -> SlotCache:
    """Return the cache for the device of a model."""
    return (InPlaceCache if model.device.type == "cpu" else SlotCache)(model, slots)


def run_model(
    model: Any, cache: SlotCache, rows: slice | list[int], unread: Sequence[Sequence[int]], held: Sequence[int]
) -> torch.Tensor:
    """Run a forward pass over chosen slots; return the logits after the last unread token. (rows, vocabulary)

    Args:
        rows: the slots; a slice reads them without a copy.
        unread: the new tokens of each row; none for a row that is only part of the slice.
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
    with use_attention(model, cache.attention):
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
    """Check that slots can serve a model.

    Raises:
        SetupError: the model has layers that keep something other than keys and values of all positions.
    """
    kinds = layer_kinds(config)
    if kinds != {FULL}:
        raise SetupError(
            f"The model {getattr(config, 'model_type', '?')!r} has layers of other kinds than full attention: "
            f"{', '.join(sorted(kinds - {FULL}))}.",
            fix="Choose the engine 'vllm' for it.",
        )
