"""Accuracy against coverage, and calibration: figures checked by hand."""

from __future__ import annotations

import pytest

from agentcvr_graph.eval.reliability import by_method, calibration_bins, reliability_of, reliability_table
from agentcvr_graph.eval.rows import Outcome, Row


def row(score: float, confidence: float | None, outcome: Outcome = "wrong", method: str = "agent") -> Row:
    ended: Outcome = "right" if score == 1 else "partly" if score else outcome
    return Row(id="q", method=method, task="CC", kind="choice", outcome=ended, score=score, confidence=confidence)


FIVE = [row(0, 0.6), row(1, 0.9), row(0, None, "abstained"), row(1, 0.75), row(0, None, "unparsable")]


def test_the_surest_answers_come_first_and_unanswered_questions_last():
    found = reliability_of("agent", FIVE)
    assert [point.coverage for point in found.curve] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert [point.accuracy for point in found.curve] == pytest.approx([1, 1, 2 / 3, 2 / 4, 2 / 5])
    assert found.area == pytest.approx((1 + 1 + 2 / 3 + 1 / 2 + 2 / 5) / 5)
    assert (found.coverage, found.abstained) == (0.6, 0.2)
    assert found.accuracy_when_answered == pytest.approx(2 / 3)


def test_answers_of_equal_confidence_have_no_order_among_them():
    one, other = [row(1, 0.5), row(0, 0.5)], [row(0, 0.5), row(1, 0.5)]
    assert reliability_of("agent", one).curve == reliability_of("agent", other).curve
    assert [point.accuracy for point in reliability_of("agent", one).curve] == [0.5, 0.5]


def test_answers_without_a_confidence_come_after_those_with_one():
    found = reliability_of("agent", [row(0, None), row(1, 0.0)])
    assert [point.accuracy for point in found.curve] == [1.0, 0.5]


def test_the_calibration_error_weights_bins_by_their_answers():
    stated = [(0.95, 1.0), (0.85, 0.0), (0.85, 1.0), (0.81, 1.0), (1.0, 1.0), (0.0, 0.0)]
    bins = calibration_bins(stated)
    assert [part.count for part in bins] == [1, 3, 2]
    assert [part.confidence for part in bins] == pytest.approx([0.0, 2.51 / 3, 0.975])
    assert [part.accuracy for part in bins] == pytest.approx([0.0, 2 / 3, 1.0])
    found = reliability_of("agent", [row(score, confidence) for confidence, score in stated])
    assert found.calibration_error == pytest.approx((1 * 0 + 3 * (2.51 / 3 - 2 / 3) + 2 * 0.025) / 6)
    assert found.brier == pytest.approx((0.05**2 + 0.85**2 + 0.15**2 + 0.19**2 + 0 + 0) / 6)


@pytest.mark.parametrize(("confidence", "number"), [(0.0, 0), (0.1, 1), (0.3, 3), (0.7, 7), (0.99, 9), (1.0, 9)])
def test_a_bin_includes_its_lower_edge(confidence: float, number: int):
    others = [(n / 10 + 0.05, 1.0) for n in range(10) if n != number]
    bins = calibration_bins([*others, (confidence, 0.0)])
    assert [part.accuracy for part in bins].index(0.0) == number


def test_a_run_without_abstentions_and_confidences_has_nothing_to_show():
    plain, abstaining = by_method([row(1, None), row(0, None, method="other"), row(0, None, "abstained", "other")])
    assert not plain.is_shown
    assert abstaining.is_shown
    assert reliability_table([abstaining])[1] == [["other", "50", "50", "0", "0.000", "", ""]]
