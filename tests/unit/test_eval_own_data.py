"""Users' own questions are read in every form that spreadsheets, scripts and data sets have, or refused in one line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcvr_graph import InputError
from agentcvr_graph.eval import Benchmark, load_benchmark
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.types import Question
from tests.support.examples import examples


@pytest.fixture(autouse=True)
def videos(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4", "c;d.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def load(path: Path, text: str | bytes | list[Any] | dict[str, Any], **more: Any) -> Benchmark:
    data = text if isinstance(text, str | bytes) else json.dumps(text)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return load_benchmark("own", path, **more)


def one(path: Path, text: str | bytes | list[Any] | dict[str, Any]) -> Question:
    (question,) = load(path, text).questions
    return question


def message(path: Path, text: str | bytes | list[Any] | dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        load(path, text)
    return str(error.value)


def test_a_file_of_scripts_is_refused_with_the_option_for_it(tmp_path: Path) -> None:
    path = tmp_path / "tours.jsonl"
    write_scripts(make_scripts({"SPOT": 2}), path)
    with pytest.raises(InputError, match=r"holds scripts, not questions .*agentcvr eval --scripts .*tours"):
        load_benchmark("own", path)


ASKED = {"question": "Which?", "videos": ["a.mp4", "b.mp4"], "options": ["red", "blue"], "answer": "B"}
RECORDS: dict[str, dict[str, Any]] = {
    "a list of options": ASKED,
    "an object of options": ASKED | {"options": {"A": "red", "B": "blue"}},
    "options as JSON text": ASKED | {"options": '["red", "blue"]'},
    "options in one string": ASKED | {"options": "red;blue"},
    "lettered options": ASKED | {"options": ["B. blue", "A. red"]},
    "columns of options": {**ASKED, "options": None, "option_a": "red", "option_b": "blue"},
    "letters as columns": {**ASKED, "options": None, "A": "red", "B": "blue", "C": None},
    "a key as JSON text": ASKED | {"answer": '["B"]'},
    "numbered options": {**ASKED, "options": None, "option_1": "red", "option_2": "blue", "answer": 2},
    "choices": {**ASKED, "options": None, "choices": {"label": ["A", "B"], "text": ["red", "blue"]}},
    "videos in one string": ASKED | {"videos": "a.mp4; b.mp4"},
    "videos between commas": ASKED | {"videos": "a.mp4, b.mp4"},
    "videos as JSON text": ASKED | {"videos": '["a.mp4", "b.mp4"]'},
    "numbered videos": {**ASKED, "videos": None, "video_1": "a.mp4", "video_2": "b.mp4", "video_3": None},
    "videos as objects": ASKED | {"videos": [{"source": "a.mp4"}, {"source": "b.mp4"}]},
    "the field video": {**ASKED, "videos": None, "video": ["a.mp4", "b.mp4"]},
    "the field key": {**ASKED, "answer": None, "key": "B"},
    "the option's text": ASKED | {"answer": "Blue."},
    "letter and text": ASKED | {"answer": "B. blue"},
    "a list of one": ASKED | {"answer": ["B"]},
    "an index from 0": {**ASKED, "answer": None, "answer_index": 1},
    "a number from 1": {**ASKED, "answer": None, "answer_number": "2"},
    "the last of two": ASKED | {"answer": 2},
    "names in capitals": {name.upper(): value for name, value in ASKED.items()},
    "a kind in capitals": ASKED | {"kind": "Choice"},
}


@pytest.mark.parametrize("form", RECORDS)
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_every_form_of_a_record_is_the_same_question(tmp_path, form, suffix):
    record: Any = RECORDS[form] if suffix == ".jsonl" else [RECORDS[form]]
    question = one(tmp_path / f"mine{suffix}", record)
    assert question.options == ("red", "blue") and question.key == "B"
    assert [video.source for video in question.videos] == [f"{tmp_path}/a.mp4", f"{tmp_path}/b.mp4"]


WRAPPED = {
    "a list": [ASKED],
    "one object": ASKED,
    "a field with the list": {"version": 1, "data": [ASKED]},
    "an object by id": {"x7": ASKED},
    "columns": {name: [value] for name, value in ASKED.items()},
    "columns by row": {name: {"0": value} for name, value in ASKED.items()},
}


@pytest.mark.parametrize("form", WRAPPED)
def test_a_json_file_may_hold_its_questions_in_several_ways(tmp_path, form):
    question = one(tmp_path / "mine.json", WRAPPED[form])
    assert question.key == "B" and question.id == ("x7" if form == "an object by id" else "q1")


def test_json_lines_and_json_lists_are_read_under_either_suffix(tmp_path):
    assert one(tmp_path / "lines.json", json.dumps(ASKED) + "\n\n").key == "B"
    assert one(tmp_path / "list.jsonl", json.dumps([ASKED], indent=1)).key == "B"


def test_a_parquet_file_is_read(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist([ASKED, ASKED | {"answer": "A"}]), tmp_path / "mine.parquet")
    assert [question.key for question in load_benchmark("own", tmp_path / "mine.parquet").questions] == ["B", "A"]
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load_benchmark("own", tmp_path / "bad.parquet")


HEAD = "question,videos,options,answer\n"
ROW = "Which?,a.mp4;b.mp4,red;blue,B\n"
TABLES: dict[str, tuple[str, str | bytes]] = {
    "commas": ("csv", HEAD + ROW),
    "a byte order mark": ("csv", "\ufeff" + HEAD + ROW),
    "lines of Windows": ("csv", (HEAD + ROW).replace("\n", "\r\n")),
    "lines of an old Mac": ("csv", (HEAD + ROW).replace("\n", "\r")),
    "empty lines": ("csv", f"\n{HEAD}\n,,,\n{ROW}\n\n"),
    "UTF-16": ("csv", (HEAD + ROW).encode("utf-16")),
    "Excel's semicolons": ("csv", 'question;videos;options;answer\nWhich?;"a.mp4;b.mp4";"red;blue";B\n'),
    "Excel's hint": ("csv", f"sep=,\n{HEAD}{ROW}"),
    "tabs": ("tsv", "question\tvideos\toptions\tanswer\nWhich?\ta.mp4;b.mp4\tred;blue\tB\n"),
    "tabs in a csv": ("csv", "question\tvideos\toptions\tanswer\nWhich?\ta.mp4;b.mp4\tred;blue\tB\n"),
    "capitals and spaces": ("csv", " Question , Videos,OPTIONS, Answer\n" + ROW),
    "empty cells at the end": ("csv", HEAD + "Which?,a.mp4;b.mp4,red;blue,B,,\n"),
    "JSON in cells": ("csv", HEAD + 'Which?,"[""a.mp4"", ""b.mp4""]","{""A"": ""red"", ""B"": ""blue""}",B\n'),
    "a Python list in cells": ("csv", HEAD + "Which?,\"['a.mp4', 'b.mp4']\",\"['red', 'blue']\",B\n"),
    "columns of options": (
        "csv",
        "question,video_1,video_2,option_a,option_b,answer\nWhich?,a.mp4,b.mp4,red,blue,blue\n",
    ),
    "labels in one cell": ("csv", HEAD + 'Which?,a.mp4;b.mp4,"A. red\nB. blue",B\n'),
}


@pytest.mark.parametrize("form", TABLES)
def test_every_form_of_a_table_is_the_same_question(tmp_path, form):
    suffix, text = TABLES[form]
    question = one(tmp_path / f"mine.{suffix}", text)
    assert (question.question, question.options, question.key) == ("Which?", ("red", "blue"), "B")
    assert [video.source for video in question.videos] == [f"{tmp_path}/a.mp4", f"{tmp_path}/b.mp4"]


def test_windows_letters_are_read_with_a_note(tmp_path):
    loaded = load(tmp_path / "mine.csv", (HEAD + "Caf\xe9?,a.mp4,r\xf6d;blau,A\n").encode("cp1252"))
    assert loaded.questions[0].question == "Caf\xe9?" and loaded.questions[0].options[0] == "r\xf6d"
    assert "is not UTF-8; it was read as Windows-1252" in loaded.notes[0]


def test_a_video_may_have_a_separator_or_a_backslash_in_its_name(tmp_path):
    assert one(tmp_path / "m.jsonl", ASKED | {"videos": "c;d.mp4"}).videos[0].source == f"{tmp_path}/c;d.mp4"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/x.mp4").write_bytes(b"x")
    assert one(tmp_path / "m.jsonl", ASKED | {"videos": "sub\\x.mp4"}).videos[0].source == f"{tmp_path}/sub/x.mp4"


CLIPS = [
    ({"begin": ["00:01:05", 2], "end": ["0:01:10", "9.5"]}, ["#t=65.000,70.000", "#t=2.000,9.500"]),
    ({"begin": "5; 0:10"}, ["#t=5.000", "#t=10.000"]),
    ({"begin_2": "0:10", "end_2": 20}, ["", "#t=10.000,20.000"]),
    ({"begin": [None, 5], "end": [7, None]}, ["#t=0.000,7.000", "#t=5.000"]),
    ({"begin": "", "end": None}, ["", ""]),
]


@pytest.mark.parametrize(("times", "clips"), CLIPS)
def test_begin_and_end_cut_the_videos(tmp_path, times, clips):
    question = one(tmp_path / "m.jsonl", ASKED | times)
    assert [video.source.partition(".mp4")[2] for video in question.videos] == clips


def test_an_answer_that_is_a_place_counts_as_the_file_counts(tmp_path):
    def rows(*answers: Any) -> str:
        return "\n".join(json.dumps(ASKED | {"options": ["x", "y", "z"], "answer": answer}) for answer in answers)

    from_0 = load(tmp_path / "m.jsonl", rows(0, 1, 2))
    assert [question.key for question in from_0.questions] == ["A", "B", "C"]
    assert from_0.notes == ("answers that are numbers count the options from 0",)
    assert [question.key for question in load(tmp_path / "m.jsonl", rows(1, 3, "2", 2.0)).questions] == list("ACBB")
    for answers in ((1,), (1, 2), (0, 3)):
        said = message(tmp_path / "m.jsonl", rows(*answers))
        assert "may count the options from 0 or from 1" in said
        assert "m.jsonl:1: " in said
    assert "answer_index" in message(tmp_path / "m.jsonl", rows(1))


def test_a_number_that_is_the_text_of_an_option_is_that_option(tmp_path):
    assert one(tmp_path / "m.jsonl", ASKED | {"options": [2, 3, 4], "answer": 3}).key == "B"


def test_a_letter_is_the_answer_where_the_kind_is_text(tmp_path):
    question = one(tmp_path / "m.json", [ASKED | {"options": None, "kind": "text"}])
    assert (question.kind, question.key) == ("text", "B")


@pytest.mark.parametrize("arrow", ["->", " \u2192 ", ">", ";", ", "])
def test_an_order_is_read_with_any_arrow(tmp_path, arrow):
    assert one(tmp_path / "m.json", [ASKED | {"options": None, "kind": "order", "answer": f"2{arrow}1"}]).key == "2->1"


def test_other_columns_are_kept_for_grouping(tmp_path):
    text = "question,videos,answer,Difficulty,group\nq1,a.mp4,x,hard,g1\nq2,b.mp4,y,easy,g2\n"
    loaded = load(tmp_path / "m.csv", text)
    assert loaded.notes == ("columns that are not read: difficulty. Results can be grouped by one: --group-by",)
    assert [question.group for question in loaded.questions] == ["g1", "g2"]
    assert [question.group for question in loaded.grouped_by("Difficulty").questions] == ["hard", "easy"]
    with pytest.raises(InputError, match=r"m has no column 'x' to group by\. Choose from: difficulty"):
        loaded.grouped_by("x")
    assert loaded.grouped_by("difficulty").fingerprint != loaded.fingerprint


BAD: dict[str, tuple[str, str | bytes, str]] = {
    "too many cells": ("csv", HEAD + "Which, of all?,a.mp4,red;blue,B\n", "m.csv:2: 5 cells in this row, but 4"),
    "an open quote": ("csv", HEAD + '"Which?,a.mp4,red;blue,B\n' + ROW, "m.csv:2: a quotation mark opens"),
    "no header": ("csv", ROW, "has no column 'question'; its first line is 'Which?"),
    "a column twice": ("csv", "question,videos,videos\nq,a.mp4,b.mp4\n", "the column 'videos' occurs twice"),
    "an empty file": ("csv", "", "m.csv is empty"),
    "a header alone": ("csv", HEAD, "holds no question"),
    "no videos": ("csv", "question,answer\nq,x\n", "m.csv:2 has no 'videos'. Fill in this column or field."),
    "no question": (
        "jsonl",
        '{"videos": ["a.mp4"], "answer": "x"}',
        "m.jsonl:1 has no 'question'. Fill in this column or field.",
    ),
    "a broken line": ("jsonl", "{oops\n", "m.jsonl:1: it is not JSON: "),
    "a line without an object": ("jsonl", "3\n", "m.jsonl:1: it is a int, not an object"),
    "broken JSON": ("json", "[{", "m.json is not JSON"),
    "a JSON text": ("json", '"x"', "holds no list of questions"),
    "deep JSON": ("json", "[" * 100_000, "brackets in brackets without end"),
    "two answers": ("jsonl", json.dumps(ASKED | {"key": "A"}), "both 'answer' and 'key' give an answer"),
    "an index beyond": (
        "jsonl",
        json.dumps(ASKED | {"answer": None, "answer_index": 2}),
        "the place 2 is not one of 0 to 1",
    ),
    "a wrong letter": ("jsonl", json.dumps(ASKED | {"answer": "C"}), "is not one of the options A to B"),
    "an unknown kind": ("jsonl", json.dumps(ASKED | {"kind": "guess"}), "Unknown answer kind 'guess'"),
    "one option": ("jsonl", json.dumps(ASKED | {"options": ["x"], "kind": "choice"}), "needs at least 2 options"),
    "options of numbers": ("jsonl", json.dumps(ASKED | {"options": 3}), "the options 3 are a int"),
    "options in options": ("jsonl", json.dumps(ASKED | {"options": [["x"], ["y"]]}), "is not a text"),
    "27 options": (
        "jsonl",
        json.dumps(ASKED | {"options": [str(n) for n in range(27)]}),
        "more than there are letters",
    ),
    "times of another number": ("jsonl", json.dumps(ASKED | {"begin": [1]}), "holds 1 times for 2 videos"),
    "no time": ("jsonl", json.dumps(ASKED | {"begin": ["soon", 1]}), "'begin' is 'soon'"),
    "an end before the begin": ("jsonl", json.dumps(ASKED | {"begin": [5, 0], "end": [4, 1]}), "the clip ends at 4 s"),
    "a video of numbers": ("jsonl", json.dumps(ASKED | {"videos": [{"path": "a.mp4"}]}), "m.jsonl:1: source"),
    "bytes": ("csv", bytes([0x81, 0x8D, 0x00, 0x9D]), "is not a text in UTF-8"),
    "a missing video": ("jsonl", json.dumps(ASKED | {"videos": ["none.mp4"]}), "none.mp4 ("),
    "a video of nobody": ("jsonl", json.dumps(ASKED | {"videos": ["~nobody0/a.mp4"]}), "~nobody0/a.mp4 ("),
    "a video of a sentence": ("jsonl", json.dumps(ASKED | {"videos": ["x" * 5000]}), "xxx ("),
    "a video with a NUL": ("jsonl", json.dumps(ASKED | {"videos": ["a\0.mp4"]}), "Missing files"),
    "a clip twice": ("jsonl", json.dumps(ASKED | {"videos": ["a.mp4#t=1,2"], "begin": [1]}), "has a clip already"),
    "options between commas": ("jsonl", json.dumps(ASKED | {"options": "red, blue"}), "are a single text"),
    "no options": ("jsonl", json.dumps(ASKED | {"options": None, "kind": "choice"}), "needs at least 2 options"),
    "a letter without options": ("jsonl", json.dumps(ASKED | {"options": None}), "has the answer 'B', but no options"),
    "a key with a double": ("jsonl", json.dumps(ASKED | {"options": ["red", "blue", "Blue "]}), "may be option B ("),
    "options beside an interval": (
        "jsonl",
        json.dumps(ASKED | {"kind": "interval", "answer": [0, 5]}),
        "m.jsonl:1: A question of kind 'interval' takes no options, and has 2",
    ),
    "an option twice": (
        "jsonl",
        json.dumps(ASKED | {"options": ["A. red", "B. blue", "C. red"]}),
        "m.jsonl:1: The option 'red' is given more than once",
    ),
    "a label twice": (
        "jsonl",
        json.dumps(ASKED | {"options": ["A. Smith", "A. Jones", "B. Brown"]}),
        "may be option B ('A. Jones') or C ('B. Brown')",
    ),
    "another name of the key": (
        "jsonl",
        json.dumps({**ASKED, "answer": None, "correct": "B"}),
        "Note: columns that are not read: correct",
    ),
    "no answer": ("jsonl", json.dumps(ASKED | {"answer": None}), "m.jsonl:1: q1 has no answer to score by"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_is_one_clear_line(tmp_path, name):
    suffix, text, expected = BAD[name]
    said = message(tmp_path / f"m.{suffix}", text)
    assert expected in said and f"m.{suffix}" in said


def test_one_bad_row_does_not_hide_the_others(tmp_path):
    text = HEAD + ROW + "x,a.mp4,red;blue,Q\n" + ROW + ",a.mp4,,\n"
    said = message(tmp_path / "m.csv", text)
    assert "2 of 4 questions cannot be used" in said and "m.csv:3: " in said and "m.csv:5 has no 'question'" in said
    assert len(load(tmp_path / "m.csv", text, skip_unusable=True).questions) == 2


def test_ids_that_occur_twice_are_named_with_both_places(tmp_path):
    rows = "".join(json.dumps(ASKED | {"id": "a"}) + "\n" for _ in range(2))
    assert f"{tmp_path}/m.jsonl:2: the id 'a' occurs twice, first at {tmp_path}/m.jsonl:1" in message(
        tmp_path / "m.jsonl", rows
    )


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(rows=st.lists(st.lists(CELL, min_size=1, max_size=8), max_size=6), delimiter=st.sampled_from(",;\t|"))
@settings(max_examples=examples(200))
def test_any_table_is_read_or_refused_as_an_input_error(tmp_path_factory, rows, delimiter):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerows([["question", "videos", "options", "answer", "begin"], *rows])
    path = tmp_path_factory.mktemp("any") / "m.csv"
    with contextlib.suppress(InputError):
        load(path, buffer.getvalue(), skip_unusable=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | CELL,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(CELL, inner, max_size=4),
    max_leaves=10,
)
FIELD = st.sampled_from(
    ["question", "videos", "options", "answer", "begin", "end", "kind", "id", "option_a", "video_1"]
)


@given(records=st.lists(st.dictionaries(FIELD, JSON, max_size=6) | JSON, max_size=4))
@settings(max_examples=examples(200))
def test_any_json_is_read_or_refused_as_an_input_error(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("any") / "m.json"
    with contextlib.suppress(InputError):
        load(path, records, skip_unusable=True)


def test_a_folder_and_a_pattern_stand_for_their_videos(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "1.mp4").write_bytes(b"x")
    for named in ("clips", "clips/", "clips/*.mp4", "clips/**/*.mp4#t=0,5"):
        (video,) = one(tmp_path / "q.json", [ASKED | {"videos": [named]}]).videos
        assert video.source.rstrip("/") == f"{tmp_path}/{named}".rstrip("/")
    assert "Missing files" in message(tmp_path / "q.json", [ASKED | {"videos": ["clips/*.mov"]}])
