"""Batching removes padding that no row uses and groups rows of similar length."""

from __future__ import annotations

import pytest
import torch
from agentcvr_training.trainer.batching import ROW, learning_order, rearranged, sorting_changes_loss, trimmed
from trl import GRPOConfig

# Two columns of padding before the prompts' own, one of them in both rows; two after the completions, one unused.
IDS = torch.tensor([[0, 0, 5, 6, 1, 2, 0, 0], [0, 7, 8, 9, 3, 4, 5, 0]])
MASK = torch.tensor([[0, 0, 1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1, 1, 0]])


def test_columns_that_hold_only_padding_are_removed():
    ids, mask, width = trimmed(IDS, MASK, 4)
    assert ids.tolist() == [[0, 5, 6, 1, 2, 0], [7, 8, 9, 3, 4, 5]]
    assert mask.tolist() == [[0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]]
    assert width == 3


def test_trimming_twice_changes_nothing():
    once = trimmed(IDS, MASK, 4)
    again = trimmed(*once)
    assert torch.equal(once[0], again[0]) and torch.equal(once[1], again[1]) and once[2] == again[2]


def test_rows_without_completions_keep_one_column():
    mask = torch.cat([MASK[:, :4], torch.zeros(2, 4, dtype=torch.long)], 1)
    ids, _, width = trimmed(IDS, mask, 4)
    assert ids.shape == (2, 4) and width == 1


LENGTHS = torch.tensor([3, 9, 4, 8, 9, 1, 7, 2])


def test_rows_of_one_step_are_sorted_by_length_and_ties_keep_their_order():
    order = learning_order(LENGTHS, parts=4, parts_a_step=4, by_length=True)
    assert order.tolist() == [1, 4, 3, 6, 2, 0, 7, 5]


def test_rows_are_dealt_to_steps_at_random_and_sorted_within_each():
    torch.manual_seed(0)
    first, second = (learning_order(LENGTHS, parts=4, parts_a_step=2, by_length=True) for _ in range(2))
    assert sorted(first.tolist()) == list(range(8)) and first.tolist() != second.tolist()
    for step in first.chunk(2):
        assert LENGTHS[step].tolist() == sorted(LENGTHS[step].tolist(), reverse=True)


def test_rows_that_may_not_be_sorted_stay_in_random_order():
    torch.manual_seed(0)
    drawn = torch.randperm(8)
    torch.manual_seed(0)
    assert learning_order(LENGTHS, parts=2, parts_a_step=2, by_length=False).tolist() == drawn.tolist()


def test_shuffled_parts_are_rearranged_by_their_places():
    def part(*rows):
        return {ROW: torch.tensor(rows), "reward": torch.tensor(rows) * 10.0, "items": torch.tensor(9), "other": None}

    parts = rearranged([part(2, 0), part(3, 1)], torch.tensor([1, 3, 0, 2]))
    assert [one["reward"].tolist() for one in parts] == [[10.0, 30.0], [0.0, 20.0]]
    assert [one["items"].item() for one in parts] == [9, 9] and parts[0]["other"] is None


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"loss_type": "dapo"}, False),
        ({"loss_type": "grpo"}, False),
        ({"loss_type": "dr_grpo"}, False),
        ({"loss_type": "bnpo"}, True),
        ({"entropy_coef": 0.01}, True),
        ({"use_adaptive_entropy": True}, True),
        ({"top_entropy_quantile": 0.5}, True),
    ],
)
def test_terms_over_the_tokens_of_a_part_forbid_sorting(settings, changes, tmp_path):
    arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], **settings)
    assert sorting_changes_loss(arguments) is changes
    assert sorting_changes_loss(arguments, balances_experts=True)
