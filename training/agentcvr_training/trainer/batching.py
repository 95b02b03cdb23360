"""Batching: remove padding that a part of a batch does not need.

TRL pads all rows of a generation to the longest of them, and then learns from it in parts. Trajectories differ in
length by a factor of five and more, so most of a part can be padding. `by_length` puts rows of similar length into one
part, and `trimmed` removes columns that no row of a part uses. The loss does not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

PROMPT = "prompt_"
"""Prefix of the names of prompt columns; prompts are padded on their left."""


def trimmed(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a step without the columns that are padding in every row.

    Args:
        inputs: `prompt_mask` (rows, prompt) padded on the left, `completion_mask` (rows, completion) padded on the
            right, and tensors of the same widths.
    """
    padded = int((inputs["prompt_mask"].amax(0) == 0).sum())
    length = max(1, int(inputs["completion_mask"].amax(0).sum()))
    widest = inputs["completion_mask"].shape

    def cut(name: str, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.dim() < 2:
            return value
        if name.startswith(PROMPT):
            return value[:, padded:]
        return value[:, :length] if value.shape == widest else value

    return {name: cut(name, value) for name, value in inputs.items()}


def by_length(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the same rows in as many parts, sorted by length. One step must learn from all parts.

    Args:
        parts: of equal size; tensors hold one row an entry of their first axis, other values are equal in all parts.
    """
    order = torch.cat([part["completion_mask"].sum(1) for part in parts]).argsort(descending=True, stable=True)

    def sorted_parts(name: str) -> Sequence[Any]:
        values = [part[name] for part in parts]
        if not isinstance(values[0], torch.Tensor) or values[0].dim() == 0:
            return values
        return torch.cat(values)[order].chunk(len(parts))

    columns = {name: sorted_parts(name) for name in parts[0]}
    return [{name: values[n] for name, values in columns.items()} for n in range(len(parts))]
