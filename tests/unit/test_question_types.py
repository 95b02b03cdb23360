"""The types that callers pass as question, videos, options and kind: read, or refused with the name of the field."""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict, deque
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import InputError, Question, Video, create_cvr_graph
from agentcvr_graph.graph.prompts import option_lines
from agentcvr_graph.graph.question import check_question
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn

ASKED = {"question": "Which is red?", "videos": ["a.mp4"]}


def checked(**changes) -> Question:
    return check_question(ASKED | changes)


@pytest.mark.parametrize(
    "given",
    [
        "a.mp4",
        Path("a.mp4"),
        Video(source="a.mp4"),
        {"source": "a.mp4"},
        ["a.mp4"],
        [Path("a.mp4")],
        ("a.mp4",),
        [{"source": "a.mp4"}],
        (name for name in ["a.mp4"]),
        map(Path, ["a.mp4"]),
        deque(["a.mp4"]),
    ],
)
def test_one_video_in_any_form(given):
    assert checked(videos=given).videos == (Video(source="a.mp4"),)


def test_a_name_that_is_not_utf_8_is_named_with_its_bytes():
    with pytest.raises(InputError, match=r"The name '\\udcff\.mp4' \(str\) of a video holds bytes .* Rename the file"):
        checked(videos=[Path(os.fsdecode(b"\xff.mp4"))])


def test_several_videos_keep_their_order():
    for given in (["b.mp4", Path("a.mp4")], ("b.mp4", "a.mp4"), iter(["b.mp4", "a.mp4"])):
        assert [video.source for video in checked(videos=given).videos] == ["b.mp4", "a.mp4"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "`videos` is 5 (int), which is not a list."),
        (2.5, "`videos` is 2.5 (float)"),
        (True, "`videos` is True (bool)"),
        (b"a.mp4", "`videos` is b'a.mp4' (bytes)"),
        ({"a.mp4"}, "`videos` is {'a.mp4'} (set)"),
        ({"src": "a.mp4"}, "A video cannot be understood: source: Field required."),
        ([None], "`videos` holds None (NoneType), which is not a video."),
        ([["a.mp4"]], "`videos` holds ['a.mp4'] (list)"),
        ([b"a.mp4"], "`videos` holds b'a.mp4' (bytes)"),
        (itertools.count(), "`videos` holds 0 (int)"),
        (["a.mp4", " "], "A video has an empty name."),
        (None, "There is no video to look at."),
        ([], "There is no video to look at."),
        ((), "There is no video to look at."),
    ],
)
def test_other_videos_are_refused(given, says):
    with pytest.raises(InputError) as error:
        checked(videos=given)
    assert str(error.value).startswith(says) and "\n" not in str(error.value) and error.value.fix


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (None, ()),
        ([], ()),
        ({}, ()),
        (("red", "blue"), ("red", "blue")),
        ((text for text in ("red", "blue")), ("red", "blue")),
        ([1, 2.5], ("1", "2.5")),
        ({"A": "red", "B": "blue"}, ("red", "blue")),
        (OrderedDict(b="blue", a="red"), ("red", "blue")),
        ({"1": "red", "2": "blue"}, ("red", "blue")),
        ({2: "blue", 1: "red"}, ("red", "blue")),
        ({"A": "red", "B": "blue"}.values(), ("red", "blue")),
        ([" red ", "blue\ud800"], ("red", "blue")),
    ],
)
def test_options_in_any_form(given, options):
    assert checked(options=given).options == options


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("A,B", "`options` is the text 'A,B'"),
        (3, "`options` is 3 (int), which is not a list."),
        (b"AB", "`options` is b'AB' (bytes)"),
        (frozenset({"red"}), "`options` is frozenset({'red'}) (frozenset)"),
        ([None, "red"], "`options` holds None (NoneType), which is not a text."),
        ([True, False], "`options` holds True (bool)"),
        ([float("nan"), 1.0], "`options` holds nan (float)"),
        ([["red"], "blue"], "`options` holds ['red'] (list)"),
        ({"x": "red", "y": "blue"}, "`options` has the keys ['x', 'y']"),
        ({"A": "red", "C": "blue"}, "`options` has the keys ['A', 'C']"),
        ({"A": "red", "a": "blue"}, "`options` has the keys ['A', 'a']"),
        (["red", ""], "An option is empty."),
        (["red"], "A question of kind 'choice' needs at least 2 options, and has 1."),
        (["red", "blue", "red"], "The option 'red' is given more than once. Give each option a text of its own."),
        (["a  ball", "a ball "], "The option 'a ball' is given more than once."),
        (["A. red", "B. red"], "The option 'red' is given more than once."),
    ],
)
def test_other_options_are_refused(given, says):
    with pytest.raises(InputError) as error:
        checked(options=given)
    assert str(error.value).startswith(says) and "\n" not in str(error.value) and error.value.fix


@pytest.mark.parametrize("kind", ["interval", "number"])
def test_options_beside_a_kind_that_reads_none_are_refused(kind):
    with pytest.raises(InputError, match=f"A question of kind '{kind}' takes no options, and has 2. Leave"):
        checked(options=["red", "blue"], kind=kind)


def test_options_may_differ_by_case_alone():
    """A question may be about the spelling of a sign, and letters tell its options apart."""
    assert checked(options=["Open", "OPEN"]).options == ("Open", "OPEN")


@pytest.mark.parametrize(
    ("kind", "given", "shown"),
    [
        ("choice", ["red", "blue"], ["A. red", "B. blue"]),
        ("choice", ["A. red", "B. blue"], ["A. red", "B. blue"]),
        ("choice", ["(A) red", "(B) blue"], ["A. red", "B. blue"]),
        ("choices", ["A) red", "B) blue"], ["A. red", "B. blue"]),
        ("choice", ["A: red", "B: blue"], ["A. red", "B. blue"]),
        ("choice", ["A. Smith", "A. Jones"], ["A. A. Smith", "B. A. Jones"]),
        ("choice", ["1. red", "2. blue"], ["A. 1. red", "B. 2. blue"]),
        ("choice", ["A", "B"], ["A. A", "B. B"]),
        ("order", ["1. chop", "2. fry"], ["1. chop", "2. fry"]),
        ("order", ["A. chop", "B. fry"], ["1. A. chop", "2. B. fry"]),
    ],
)
def test_labels_that_options_carry_are_shown_once(kind, given, shown):
    question = checked(options=given, kind=kind)
    assert option_lines(question.options, kind) == shown


@pytest.mark.parametrize("said", ["B", "blue", "B. blue", "(B) blue"])
async def test_an_option_with_a_label_is_chosen_by_letter_or_text(said):
    graph = create_cvr_graph(
        FakeMaster(turns=[turn("", observe((1, 0, 5, 1))), turn("", answer(said))]), FakePerception()
    )
    output = await graph.compile().ainvoke(ASKED | {"options": ["A. red", "B. blue"]})
    assert (output["answer"].value, output["answer"].text) == ("B", "blue")


@pytest.mark.parametrize("given", [None, "", "auto"])
def test_no_kind_means_auto(given):
    assert checked(kind=given).kind == "text"
    assert checked(kind=given, options=["red", "blue"]).kind == "choice"


@pytest.mark.parametrize("given", [5, ["choice"], {"kind": "choice"}, True])
def test_a_kind_that_is_no_text_is_refused(given):
    with pytest.raises(InputError, match=r"^`kind` is .*, which is not a text\. Choose one of: auto, choice"):
        checked(kind=given)


@pytest.mark.parametrize("given", ["foo", "Choice", "choice "])
def test_an_unknown_kind_is_refused_with_the_known_ones(given):
    with pytest.raises(InputError, match=r"^Unknown answer kind .*Choose one of: auto, choice"):
        checked(kind=given)


@pytest.mark.parametrize("given", [5, b"Which?", ["Which?"], {"text": "Which?"}, HumanMessage("Which?")])
def test_a_question_that_is_no_text_is_refused(given):
    with pytest.raises(InputError, match=r"^`question` is .*, which is not a text\. Ask in plain words\.$"):
        checked(question=given)


@pytest.mark.parametrize("given", [None, "", " \n", "\ud800"])
def test_an_empty_question_is_refused(given):
    with pytest.raises(InputError, match="The question is empty"):
        checked(question=given)


def test_long_values_are_cut_in_errors():
    with pytest.raises(InputError) as error:
        checked(videos=[["a" * 5000]])
    assert len(str(error.value)) < 250


def app(**options):
    turns = [turn("", observe((1, 0, 5, 1))), turn("", answer("A"))]
    return create_cvr_graph(FakeMaster(turns=turns), FakePerception()).compile(**options)


@pytest.mark.parametrize("saver", [None, InMemorySaver()])
async def test_iterators_run_with_and_without_a_checkpointer(saver):
    given = {"question": "Which?", "videos": map(Path, ["a.mp4", "b.mp4"]), "options": (text for text in ("x", "y"))}
    config = {"configurable": {"thread_id": "t"}}
    output = await app(checkpointer=saver).ainvoke(given, config, context=None)
    assert output["checked_question"].options == ("x", "y")
    assert [info.video.source for info in output["sources"]] == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("Which is red?", "The input is a str."),
        (["Which is red?"], "The input is a list."),
        (3.5, "The input is a float."),
        ({"question": "Which?", "videos": ["a.mp4"], "option": ["x", "y"]}, "The input has the field 'option'."),
        ({}, "The question is empty."),
        ({"question": "Which?"}, "There is no video to look at."),
    ],
)
async def test_an_input_that_is_no_question_is_refused(given, says):
    with pytest.raises(InputError) as error:
        await app().ainvoke(given)
    assert str(error.value).startswith(says)
