"""Options and gold keys are read in every form that data files have, and a doubtful key is an error."""

from __future__ import annotations

import pytest

from agentcvr_graph import InputError
from agentcvr_graph.errors import ActionError
from agentcvr_graph.eval.benchmarks.gold import read_gold
from agentcvr_graph.eval.benchmarks.options import read_options

FORMS = {
    "a list": ["red", "blue"],
    "lettered": ["A. red", "B. blue"],
    "lettered without a space": ["A.red", "B.blue"],
    "out of order": ["B. blue", "A. red"],
    "brackets": ["(a) red", "(b) blue"],
    "square brackets": ["[A] red", "[B] blue"],
    "a closing bracket": ["A) red", "B) blue"],
    "a colon": ["A: red", "B: blue"],
    "a dash": ["A - red", "B - blue"],
    "bold": ["**A.** red", "**B.** blue"],
    "in words": ["Option A: red", "Option B: blue"],
    "full width": ["A\uff0ered", "B\u3001blue"],
    "numbers": ["1) red", "2) blue"],
    "numbers out of order": ["2. blue", "1. red"],
    "numbers from 0": ["0. red", "1. blue"],
    "an object": {"A": "red", "B": "blue"},
    "an object out of order": {"B": "blue", "A": "red"},
    "an object of columns": {"option_a": "red", "option_b": "blue"},
    "labels and texts": {"label": ["A", "B"], "text": ["red", "blue"]},
    "a list of objects": [{"label": "A", "text": "red"}, {"label": "B", "text": "blue"}],
    "a list of single objects": [{"A": "red"}, {"B": "blue"}],
    "JSON of a list": '["red", "blue"]',
    "JSON of an object": '{"A": "red", "B": "blue"}',
    "a Python literal": "['red', 'blue']",
    "semicolons": "red; blue",
    "bars": "red|blue",
    "lines": "red\nblue",
    "lettered lines": "A) red\nB) blue",
    "packed": "A. red B. blue",
    "packed in a list": ["A. red; B. blue"],
    "a list with empty places": ["red", "blue", None, None],
}


@pytest.mark.parametrize("form", FORMS)
def test_options_are_shown_once_and_in_order(form):
    options = read_options(FORMS[form])
    assert options.texts == ("red", "blue")
    assert [options.letter_of(key) for key in ("red", "Blue.", "B. blue")] == ["A", "B", "B"]


TEXTS = {
    "decimal numbers": ["1.5 m", "2.5 m"],
    "times": ["1:30", "2:10"],
    "abbreviations": ["U.S. army", "U.K. army"],
    "times of day": ["A.M.", "P.M."],
    "names with one initial": ["A. Smith", "A. Jones"],
    "letters": ["A", "B"],
    "dates": ["1. May", "3. May"],
}


@pytest.mark.parametrize("form", TEXTS)
def test_the_beginning_of_a_text_is_no_label(form):
    assert list(read_options(TEXTS[form]).texts) == TEXTS[form]


def test_labels_with_gaps_and_options_without_a_label_keep_their_meaning():
    gap = read_options(["A. red", "C. blue", "D. green"])
    assert gap.texts == ("red", "blue", "green")
    assert (gap.letter_of("C"), gap.letter_of("D")) == ("B", "C")
    assert read_gold("B", "choice", read_options(["A. red", "B. blue", "none of these"]), 2) == "B"
    roman = read_options(["i) red", "ii) blue", "iii) green"])
    assert roman.texts == ("red", "blue", "green") and roman.letter_of("iii") == "C"


KEYS = [
    (["Yes. ", "No. "], "Yes", "A"),
    (["Yes. ", "No. "], "no", "B"),
    (["Yes. ", "No. "], "B", "B"),
    (["x", "y"], ["B"], "B"),
    (["x", "y"], "b)", "B"),
    (["1) x", "2) y"], "2", "B"),
    (["1) x", "2) y"], "B", "B"),
    (["0. x", "1. y"], 1, "B"),
    (["2", "4"], 4, "B"),
    (["B. x", "A. y"], "B", "B"),
    ({"A": "x", "B": "y"}, "b", "B"),
    ({"1": "B", "2": "A"}, "1", "A"),
    ({"1": "B", "2": "A"}, "2. A", "B"),
    (["B", "A"], "A. B", "A"),
    (["0. x", "1. y"], "1. y", "B"),
    (["i) x", "ii) y"], "ii", "B"),
    ({"red": "x", "blue": "y"}, "BLUE", "B"),
    ([True, False], False, "B"),
    (["a \u201cred\u201d pan", "x"], 'A "red" pan.', "A"),
]


@pytest.mark.parametrize(("options", "raw", "key"), KEYS)
def test_a_key_is_a_label_a_letter_or_a_text(options, raw, key):
    assert read_gold(raw, "choice", read_options(options), 2) == key


DOUBTFUL = [
    (["B", "A"], "A", "may be option A"),
    (["red", "red."], "red", "may be option A"),
    (["x", "y"], "C", "is not one of the options A to B"),
    (["x", "y"], "3", "is not one of the options"),
    (["x", "y"], "B. x", "is not one of the options"),
    (["x", "y"], "A or B", "is not one of the options"),
    (["x", "y"], ["A", "B"], "names 2 options"),
    (["x", "y"], "", "is not one of the options"),
    (["2) one", "1) 2"], "2", "may be option"),
    ({"1": "2", "2": "x"}, 2, "may be option A"),
    (["A. red", "C. blue"], "B", "is not one of the options A, C"),
]


@pytest.mark.parametrize(("options", "raw", "message"), DOUBTFUL)
def test_a_doubtful_key_is_an_error(options, raw, message):
    with pytest.raises(InputError, match=message):
        read_gold(raw, "choice", read_options(options), 2)


@pytest.mark.parametrize(
    "raw",
    [["A", "C"], "AC", "A, C", "A and C", "A;C", "C A", ["C", "A"], "red; sky blue", ["red", "sky blue"], '["A", "C"]'],
)
def test_a_key_of_several_options_is_read(raw):
    assert read_gold(raw, "choices", read_options(["red", "green", "sky blue"]), 3) == ["A", "C"]


@pytest.mark.parametrize(
    ("options", "raw", "key"),
    [
        (["1. x", "2. y", "3. z"], "1,3", ["A", "C"]),
        (["0. x", "1. y", "2. z"], [0, 2], ["A", "C"]),
        (["1. x", "2. y", "3. z"], ["1", "z"], ["A", "C"]),
        (["A. x", "C. y", "D. z"], "AD", ["A", "C"]),
        (["x", "y", "z"], "[A, C]", ["A", "C"]),
        (["x", "y", "z"], "['x', 'z']", ["A", "C"]),
        (["x", "y", "z"], ["AC"], ["A", "C"]),
        (["x and y", "y", "z"], "x and y", ["A"]),
        (["x", "y", "z"], "B", ["B"]),
    ],
)
def test_a_key_of_several_options_is_read_in_the_labels_of_its_file(options, raw, key):
    assert read_gold(raw, "choices", read_options(options), 3) == key


def test_a_key_of_several_options_that_names_a_stranger_is_an_error():
    for raw in ("AD", "A, D", ["A", "x"], "red, blue", "", None, "A, A", ["A", "A"], "A or B", "A-C"):
        with pytest.raises((InputError, ActionError)):
            read_gold(raw, "choices", read_options(["red", "green", "sky blue"]), 3)


OTHER_KEYS = [
    ("interval", "1:10-1:20", [], (70.0, 80.0)),
    ("interval", ["0:01:10", 80], [], (70.0, 80.0)),
    ("interval", "70, 80", [], (70.0, 80.0)),
    ("interval", {"start_s": 70, "end_s": 80}, [], (70.0, 80.0)),
    ("order", "2->1", [], "2->1"),
    ("order", [2, 1], [], "2->1"),
    ("order", "B->A", ["A. chop", "B. fry"], "2->1"),
    ("order", "1->0", ["0. chop", "1. fry"], "2->1"),
    ("order", "2->1", ["chop", "fry"], "2->1"),
    ("number", "3.5", [], 3.5),
    ("text", 7, [], "7"),
]


@pytest.mark.parametrize(("kind", "raw", "options", "key"), OTHER_KEYS)
def test_keys_of_other_kinds_are_read_in_their_exact_forms(kind, raw, options, key):
    assert read_gold(raw, kind, read_options(options), 2) == key


def test_an_order_outside_the_numbers_of_its_file_is_an_error():
    with pytest.raises(InputError, match="no order of the labels 0, 1"):
        read_gold("1->2", "order", read_options(["0. chop", "1. fry"]), 2)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        *[("interval", raw) for raw in ("80-70", "70", "soon-later", "-5,20", [1, 2, 3], None)],
        *[("order", raw) for raw in ("1->1", "1->2->3", "first", [1], None, "2-1")],
        *[("number", raw) for raw in ("1,234", "3 or 4", "three", True, None)],
        *[("text", raw) for raw in ("", None, ["x"])],
    ],
)
def test_a_key_that_does_not_fit_its_kind_is_an_error(kind, raw):
    with pytest.raises(InputError):
        read_gold(raw, kind, read_options([]), 2)
