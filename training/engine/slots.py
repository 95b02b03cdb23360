"""Keys and values of many conversations side by side, each from position 0 of a slot of its own.

transformers' own caches hold one batch that starts and ends together. Here a row is a conversation that stays: its
slot grows turn by turn while other slots start, rest and end. Because every conversation begins at position 0, one rule
masks all of them: a query at position p attends to positions up to p. What lies beyond is left over from before, and
never seen.

A row that has fewer new tokens than its batch is padded on the left; padding is written to one spare position at the
end, which no query reaches. `run_model` is one forward pass over chosen slots.
"""

# transformers leaves its caches and configurations open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers
from packaging.version import Version
from transformers import PretrainedConfig
from transformers.cache_utils import Cache, DynamicLayer

from agentcvr_graph.errors import SetupError

GROWTH = 256
"""Positions by which the slots grow."""
# transformers 5.24 gave the argument a new name in every model and warns about the old one.
CACHE_ARGUMENT = "cache" if Version(transformers.__version__) >= Version("5.24") else "past_key_values"


class SlotCache(Cache):
    """A transformers cache over slots. `select` says which rows and positions the next forward pass is about."""

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

    def select(self, rows: slice | torch.Tensor, positions: torch.Tensor, longest: int) -> None:
        """Aim the next forward pass.

        Args:
            rows: the slots, in the order of the batch; a slice reads them without a copy.
            positions: where the new tokens go, -1 for padding. (rows, new tokens)
            longest: positions that the pass may attend to.
        """
        while longest >= self.capacity:
            self._grow()
        self._rows, self._longest = rows, longest
        self._positions = torch.where(positions < 0, self.capacity - 1, positions)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new keys and values, and give all that the selected rows hold. (rows, heads, positions, size)"""
        found: list[torch.Tensor] = []
        for offset, new in ((0, key_states), (1, value_states)):
            held = self._store[2 * layer_idx + offset]
            if isinstance(self._rows, slice):
                view = held[self._rows]
                index = self._positions[:, None, :, None].expand(-1, new.shape[1], -1, new.shape[3])
                view.scatter_(2, index, new.to(held.dtype))
                found.append(view[:, :, : self._longest])
            else:
                # (rows, new tokens, heads, size): indices that stand apart move to the front.
                held[self._rows[:, None], :, self._positions] = new.transpose(1, 2).to(held.dtype)
                found.append(held[self._rows, :, : self._longest])
        return found[0], found[1]

    def copy(self, source: int, target: int, length: int) -> None:
        """Give one slot the first positions of another."""
        self._store[:, target, :, :length] = self._store[:, source, :, :length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions in use; masks and positions are given explicitly, so nothing is derived from it."""
        return self._longest

    def _grow(self) -> None:
        added = torch.zeros_like(self._store[:, :, :, :1]).expand(-1, -1, -1, max(GROWTH, self.capacity // 2), -1)
        self._store = torch.cat([self._store, added], dim=3)


def run_model(
    model: Any, cache: SlotCache, rows: slice | list[int], unread: Sequence[Sequence[int]], held: Sequence[int]
) -> torch.Tensor:
    """One forward pass over chosen slots: the logits after the last unread token of each. (rows, vocabulary)

    Args:
        rows: the slots; a slice reads them without a copy.
        unread: the new tokens of each row; none for a row that only lies between others.
        held: positions before them that the row holds keys and values for.
    """
    width = max(len(ids) for ids in unread)
    padding = [width - len(ids) for ids in unread]
    tokens = [[0] * pad + list(ids) for pad, ids in zip(padding, unread, strict=True)]
    places = [
        [-1] * pad + list(range(start, start + len(ids))) for pad, ids, start in zip(padding, unread, held, strict=True)
    ]
    inputs, positions = torch.tensor([tokens, places]).to(model.device)  # (rows, width) each
    longest = max(start + len(ids) for ids, start in zip(unread, held, strict=True))
    cache.select(rows if isinstance(rows, slice) else torch.tensor(rows, device=model.device), positions, longest)
    positions = positions.clamp(min=0)
    visible = torch.arange(longest, device=model.device) <= positions[:, None, :, None]  # (rows, 1, width, longest)
    out = model(
        input_ids=inputs,
        attention_mask=visible,
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
    text: Any = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise SetupError(
            f"The model {getattr(config, 'model_type', '?')!r} has layers of other kinds than full attention: "
            f"{', '.join(sorted(kinds - {'full_attention'}))}.",
            fix="Choose the engine 'vllm' or 'continuous' for it.",
        )
