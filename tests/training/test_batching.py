"""Batching removes padding that no row uses and groups rows of similar length."""

from __future__ import annotations

import torch
from agentcvr_training.trainer.batching import by_length, trimmed

INPUTS = {
    "prompt_ids": torch.tensor([[0, 0, 5, 6], [0, 7, 8, 9]]),
    "prompt_mask": torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]]),
    "completion_ids": torch.tensor([[1, 2, 0, 0, 0], [3, 4, 5, 0, 0]]),
    "completion_mask": torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]),
    "tool_mask": torch.tensor([[1, 0, 0, 0, 0], [1, 1, 1, 0, 0]]),
    "advantages": torch.tensor([1.0, -1.0]),
    "num_items_in_batch": torch.tensor(4),
    "note": "as it was",
}


def test_columns_that_hold_only_padding_are_removed():
    cut = trimmed(INPUTS)
    assert cut["prompt_ids"].tolist() == [[0, 5, 6], [7, 8, 9]]
    assert cut["prompt_mask"].tolist() == [[0, 1, 1], [1, 1, 1]]
    assert cut["completion_ids"].tolist() == [[1, 2, 0], [3, 4, 5]]
    assert cut["tool_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert cut["advantages"] is INPUTS["advantages"] and cut["note"] == "as it was"


def test_trimming_twice_changes_nothing():
    once = trimmed(INPUTS)
    again = trimmed(once)
    assert all(torch.equal(once[n], again[n]) for n in once if isinstance(once[n], torch.Tensor))


def test_a_batch_without_sampled_tokens_keeps_one_column():
    empty = {**INPUTS, "completion_mask": torch.zeros(2, 5, dtype=torch.long)}
    assert trimmed(empty)["completion_ids"].shape == (2, 1)


def test_rows_of_similar_length_are_batched_together():
    def part(*lengths):
        mask = torch.tensor([[1] * n + [0] * (5 - n) for n in lengths])
        return {
            "completion_mask": mask,
            "reward": torch.tensor(lengths) * 10.0,
            "items": torch.tensor(9),
            "other": None,
        }

    parts = by_length([part(1, 5), part(4, 2)])
    assert [one["completion_mask"].sum(1).tolist() for one in parts] == [[5, 4], [2, 1]]
    assert [one["reward"].tolist() for one in parts] == [[50.0, 40.0], [20.0, 10.0]]
    assert [one["items"].item() for one in parts] == [9, 9] and parts[0]["other"] is None
