"""The six answer kinds: which values are parsed, which are rejected, and how they are scored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.answers import (
    KINDS,
    AnswerSpec,
    parse_answer,
    resolve_kind,
    score_answer,
    score_of,
    temporal_iou,
)
from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn

OPTIONS = ["salt first", "meat first", "pepper first"]


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("choice", "B", "B"),
        ("choice", "b)", "B"),
        ("choice", "(c)", "C"),
        ("choice", "Option A", "A"),
        ("choice", "B. meat first", "B"),
        ("choice", ["B"], "B"),
        ("choice", "Pepper first", "C"),
        ("choices", ["c", "A"], ["A", "C"]),
        ("choices", "A, C", ["A", "C"]),
        ("choices", "AC", ["A", "C"]),
        ("choices", "A and B", ["A", "B"]),
        ("choices", '["A"]', ["A"]),
        ("choices", '["A, C"]', ["A", "C"]),
        ("choices", '["AC"]', ["A", "C"]),
        ("order", "2->1->3", "2->1->3"),
        ("order", [2, 1, 3], "2->1->3"),
        ("order", "2, 1, 3", "2->1->3"),
        ("order", "213", "2->1->3"),
        ("order", "B then A then C", "2->1->3"),
        ("order", "video 3 -> video 1 -> video 2", "3->1->2"),
        ("interval", [74, 89], (74.0, 89.0)),
        ("interval", "74-89", (74.0, 89.0)),
        ("interval", "1:14 to 1:29", (74.0, 89.0)),
        ("interval", "74.5 s - 89 s", (74.5, 89.0)),
        ("interval", {"start_s": 1, "end_s": 2}, (1.0, 2.0)),
        ("number", 3, 3.0),
        ("number", "3", 3.0),
        ("number", "about 2.5 kg", 2.5),
        ("text", "  the blue one ", "the blue one"),
    ],
)
def test_valid_values_are_parsed(kind, raw, value):
    assert parse_answer(raw, kind, OPTIONS, 3).value == value


@pytest.mark.parametrize(
    ("kind", "raw", "says"),
    [
        ("choice", "D", "A to C"),
        ("choice", "", "A to C"),
        ("choice", ["A", "B"], "One letter"),
        ("choices", [], "At least one"),
        ("choices", ["A", "Z"], "A to C"),
        ("choices", 7, "list of letters"),
        ("order", "1->2", "1 to 3"),
        ("order", "1->1->2", "1 to 3"),
        ("order", "none", "1 to 3"),
        ("interval", [9, 3], "end after its start"),
        ("interval", [-2, 3], "start at 0"),
        ("interval", "later", "[start_s, end_s]"),
        ("interval", [1], "[start_s, end_s]"),
        ("interval", [float("nan"), 3], "end after its start"),
        ("number", "many", "not a number"),
        ("number", True, "not a number"),
        ("text", "   ", "empty"),
        ("text", None, "empty"),
    ],
)
def test_invalid_values_raise_a_one_line_action_error(kind, raw, says):
    with pytest.raises(ActionError) as error:
        parse_answer(raw, kind, OPTIONS, 3)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "value", "key", "score"),
    [
        ("choice", "A", "A", 1),
        ("choice", "A", "B", 0),
        ("choices", ["A", "C"], ["C", "A"], 1),
        ("choices", ["A"], ["A", "C"], 0),
        ("order", "2->1->3", "2->1->3", 1),
        ("interval", (0.0, 10.0), (5.0, 15.0), 5 / 15),
        ("interval", (0.0, 1.0), (5.0, 6.0), 0),
        ("number", 3.0, 3, 1),
        ("text", "My Mother ", "my mother", 1),
    ],
)
def test_answers_are_scored_by_kind(kind, value, key, score):
    assert score_answer(kind, value, key) == pytest.approx(score)


def test_iou_of_empty_intervals_is_zero():
    assert temporal_iou((3.0, 3.0), (3.0, 3.0)) == 0.0


@pytest.mark.parametrize(("kind", "options", "resolved"), [("auto", ["a", "b"], "choice"), ("auto", [], "text")])
def test_auto_kind_is_resolved_from_the_options(kind, options, resolved):
    assert resolve_kind(kind, options) == resolved


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("choice", [], "at least 2 options"),
        ("choices", ["one"], "at least 2 options"),
        ("guess", [], "auto, choice"),
        ("choice", [str(n) for n in range(27)], "at most 26"),
    ],
)
def test_kinds_that_do_not_fit_the_options_raise_input_error(kind, options, says):
    with pytest.raises(InputError) as error:
        resolve_kind(kind, options)
    assert says in str(error.value)


@given(st.sampled_from(list(KINDS)), st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text())))
def test_any_value_is_parsed_or_raises_action_error(kind, raw):
    try:
        answer = parse_answer(raw, kind, OPTIONS, 3)
    except ActionError:
        return
    assert parse_answer(answer.value, kind, OPTIONS, 3).value == answer.value


def parse_moment(raw, options, n_items):
    try:
        return read_time_s(raw)
    except ValueError as error:
        raise ActionError(f"{raw!r} is not a time; write it as 1:14.") from error


MOMENT = AnswerSpec(
    name="moment",
    format="a time, for example 1:14",
    parse=parse_moment,
    score=lambda value, key: max(0.0, 1 - abs(value - key) / 10),
    text=lambda value, options: f"{value:.0f} s",
)
"""An answer kind that the library does not have. It takes one object to define."""


@pytest.fixture
def moment(monkeypatch):
    monkeypatch.setitem(KINDS, MOMENT.name, MOMENT)  # the one line that registers a kind


async def test_a_registered_kind_answers_a_question(moment):
    master = FakeMaster(
        turns=[
            turn("", observe((1, 0, 10, 4))),
            turn("", answer("later")),
            turn("", answer("0:07")),
        ]
    )
    graph = create_cvr_graph(master, FakePerception()).compile()
    output = await graph.ainvoke({"question": "When does the car appear?", "videos": ["a.mp4"], "kind": "moment"})
    assert "Answer format (moment): a time, for example 1:14" in str(master.seen[0][-1].content)
    assert "'later' is not a time; write it as 1:14." in str(master.seen[2][-1].content)
    assert (output["answer"].kind, output["answer"].value, output["answer"].text) == ("moment", 7.0, "7 s")
    assert score_of(output["answer"], 5.0) == 0.8


def test_a_registered_kind_is_valid_in_scripts(moment):
    script = make_script("NUM", 1).model_copy(update={"kind": "moment", "key": 12.5})
    assert Script.model_validate_json(script.model_dump_json()) == script
    assert check_script(script) == []


def test_scripts_refuse_an_unknown_kind():
    with pytest.raises(ValueError, match="unknown answer kind 'moment'; choose one of: choice, "):
        Script.model_validate({**make_script("NUM", 1).model_dump(), "kind": "moment"})


def test_a_missing_answer_scores_zero():
    assert score_of(None, "A") == 0.0
