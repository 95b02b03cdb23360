"""Batching: decide which rows are learned from together, and remove the padding that they do not need.

TRL pads all rows of a generation to the longest of them, and then learns from it in parts. Trajectories differ in
length by a factor of five and more, so most of a part can be padding. `learning_order` puts rows of similar length into
one part, within the parts of one optimizer step, and `trimmed` removes columns that no row of a part uses. The order
is decided before old log probabilities are computed, so these are computed over the same parts as the new ones.

Which rows share a part changes the gradient of a step only where a term is a ratio or a quantile over the tokens of one
part. `sorting_changes_loss` names these terms, and with them rows are not sorted: loss type `bnpo` (divides by the
tokens of the part), a bonus for entropy (the mean over the part), `top_entropy_quantile` (a quantile of the part), and
the load-balancing loss of a mixture of experts. Everything else is summed over rows, or divided by numbers of the whole
batch, and stays equal except for rounding. Two logged numbers are means of parts, not of tokens, and do depend on the
order: `entropy` and the `clip_ratio` family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any

import torch

ROW = "row"
"""Name of the column that holds the place of a row in its generation; TRL's shuffle moves it with the row."""


def trimmed(ids: torch.Tensor, mask: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return the tokens, their mask and the width of the completions, without columns that are padding in every row.

    Args:
        ids: (rows, prompt + completion); prompts are padded on their left, completions on their right.
        mask: 1 at tokens, 0 at padding; of the same shape.
        kept: columns of the completions.
    """
    prompt, completion = mask[:, :-kept], mask[:, -kept:]
    start = int((prompt.amax(0) == 0).sum())
    width = max(1, int(completion.amax(0).sum()))
    end = prompt.shape[1] + width
    return ids[:, start:end], mask[:, start:end], width


def learning_order(lengths: torch.Tensor, parts: int, parts_a_step: int, *, by_length: bool) -> torch.Tensor:
    """Return the rows of a generation in the order in which they are learned from; every part has as many rows.

    Rows are dealt to optimizer steps at random, with torch's generator. Within a step, the longest come first.

    Args:
        lengths: tokens of each row. (rows,)
        parts: parts of the generation.
        parts_a_step: parts whose gradients one optimizer step adds up.
        by_length: sort the rows of a step; otherwise they stay in random order.
    """
    steps = parts // gcd(parts, parts_a_step)
    dealt = torch.randperm(len(lengths), device="cpu").chunk(steps)
    if not by_length:
        return torch.cat(dealt)
    known = lengths.cpu()
    # Rows of equal length stay in the order of the generation.
    ordered = (rows.sort().values for rows in dealt)
    return torch.cat([rows[known[rows].argsort(descending=True, stable=True)] for rows in ordered])


def rearranged(parts: Sequence[Mapping[str, Any]], order: torch.Tensor) -> list[dict[str, Any]]:
    """Return the same rows in as many parts, in the given order.

    Args:
        parts: of equal size, with a column `ROW`; tensors hold one row an entry of their first axis, other values are
            equal in all parts.
        order: places in the generation.
    """
    places = torch.cat([part[ROW] for part in parts]).cpu().argsort()[order]

    def moved(name: str) -> Sequence[Any]:
        values = [part[name] for part in parts]
        if not isinstance(values[0], torch.Tensor) or values[0].dim() == 0:
            return values
        return torch.cat(values)[places.to(values[0].device)].chunk(len(parts))

    columns = {name: moved(name) for name in parts[0]}
    return [{name: values[n] for name, values in columns.items()} for n in range(len(parts))]


def sorting_changes_loss(arguments: Any, *, balances_experts: bool = False) -> bool:
    """Return whether a term of the loss is a ratio or a quantile over the tokens of one part.

    Args:
        arguments: TRL's `GRPOConfig`.
        balances_experts: whether the loss has a load-balancing term.
    """
    has_bonus = bool(arguments.entropy_coef) or bool(arguments.use_adaptive_entropy)
    return arguments.loss_type == "bnpo" or has_bonus or float(arguments.top_entropy_quantile) < 1 or balances_experts
