"""The token ledger, with readable ids: two digits for environment tokens, three digits for policy tokens."""

from __future__ import annotations

import pytest
from agentcvr_training.rollout.ledger import MAX_REALIGNED, Drift, DriftError, Ledger, Row
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph.errors import BugError


def test_two_turns_without_drift_are_recorded_in_one_row():
    ledger = Ledger(strict=True)
    assert ledger.open_call([10, 11, 12]) is Drift.CLEAN
    ledger.close_call([100, 101], [-0.5, -0.25])
    assert ledger.open_call([10, 11, 12, 100, 101, 20, 21]) is Drift.CLEAN
    ledger.close_call([110], [-1.0])
    (row,) = ledger.rows
    assert row.prompt_ids == [10, 11, 12]
    assert row.completion_ids == [100, 101, 20, 21, 110]
    assert row.mask == [1, 1, 0, 0, 1]
    assert row.logprobs == [-0.5, -0.25, 0.0, 0.0, -1.0]
    assert row.nodes == ["master", "master", "", "", "master"]
    assert ledger.drifts == {Drift.CLEAN: 1}
    assert (row.sampled, row.ids[:4]) == (3, [10, 11, 12, 100])


def test_a_rewritten_end_of_turn_realigns():
    """The policy samples 199 as its end of turn, and the template writes 98 in its place."""
    ledger = Ledger(strict=True)
    ledger.open_call([10])
    ledger.close_call([100, 199], [-0.1, -0.2])
    assert ledger.open_call([10, 100, 98, 20]) is Drift.REALIGN
    assert ledger.rows[0].completion_ids == [100, 98, 20]
    assert ledger.rows[0].mask == [1, 0, 0]  # tokens that were not sampled are not trained on
    assert ledger.rows[0].logprobs == [-0.1, 0.0, 0.0]


def test_a_prompt_without_the_last_sampled_token_realigns():
    ledger = Ledger(strict=True)
    ledger.open_call([10])
    ledger.close_call([100, 101], [-0.1, -0.2])
    assert ledger.open_call([10, 100]) is Drift.REALIGN
    assert ledger.rows[0].completion_ids == [100]


def test_rewritten_history_forks():
    """The template drops the reasoning (100) of the first turn."""
    ledger = Ledger()
    ledger.open_call([10])
    ledger.close_call([100, 101], [-0.1, -0.2])
    ledger.open_call([10, 100, 101, 20])
    ledger.close_call([110], [-0.3])
    assert ledger.open_call([10, 101, 20, 110, 30]) is Drift.FORK
    ledger.close_call([120], [-0.4])
    assert [row.prompt_ids for row in ledger.rows] == [[10], [10, 101, 20, 110, 30]]
    assert [row.completion_ids for row in ledger.rows] == [[100, 101, 20, 110], [120]]
    assert ledger.drifts == {Drift.CLEAN: 1, Drift.FORK: 1}


def test_a_strict_ledger_reports_the_position_of_a_drift():
    ledger = Ledger(strict=True)
    ledger.open_call([10, 11])
    ledger.close_call([100], [-0.1])
    with pytest.raises(DriftError, match=r"at position 1: recorded \[11, 100\], sent \[12, 100, 20\]"):
        ledger.open_call([10, 12, 100, 20])


def test_environment_tokens_never_realign():
    """Any change of an environment token is a fork, however short."""
    ledger = Ledger()
    ledger.open_call([10])
    ledger.close_call([100], [-0.1])
    ledger.open_call([10, 100, 20])
    assert ledger.open_call([10, 100, 21]) is Drift.FORK


def test_a_long_rewritten_turn_forks():
    sampled = list(range(100, 101 + MAX_REALIGNED))
    ledger = Ledger()
    ledger.open_call([10])
    ledger.close_call(sampled, [-0.1] * len(sampled))
    assert ledger.open_call([10, 55]) is Drift.FORK


def test_mismatched_calls_raise_bug_error():
    ledger = Ledger()
    with pytest.raises(BugError, match="before a prompt was recorded"):
        ledger.close_call([1], [0.0])
    ledger.open_call([10])
    with pytest.raises(BugError, match="2 sampled tokens came with 1 log"):
        ledger.close_call([1, 2], [0.0])


def test_loss_can_be_limited_to_some_nodes():
    row = Row([10])
    row.add_policy([100], [-1.0], "master")
    row.add_environment([20])
    row.add_policy([110, 111], [-1.0, -1.0], "critic")
    assert row.trained_on(None) == [1, 0, 1, 1]
    assert row.trained_on(["critic"]) == [0, 0, 1, 1]
    assert row.trained_on([]) == [0, 0, 0, 0]


TURNS = st.lists(st.tuples(st.lists(st.integers(100, 199), min_size=1), st.lists(st.integers(10, 99))), min_size=1)


@given(st.lists(st.integers(10, 99), min_size=1), TURNS)
def test_recorded_tokens_equal_the_sampled_and_sent_tokens(prompt, turns):
    """In any clean run the lists have equal lengths, the mask is 1 exactly on sampled tokens, and no id changes."""
    ledger = Ledger(strict=True)
    sent, sampled = list(prompt), []
    for ids, reply in turns:
        ledger.open_call(sent)
        ledger.close_call(ids, [-0.5] * len(ids))
        sampled += ids
        sent += [*ids, *reply]
    (row,) = ledger.rows
    assert len(row.completion_ids) == len(row.mask) == len(row.logprobs) == len(row.nodes)
    assert [token for token, kept in zip(row.completion_ids, row.mask, strict=True) if kept] == sampled
    assert row.ids == sent[: len(row.ids)]
    assert set(ledger.drifts) <= {Drift.CLEAN}
