"""Parsers of subtitles, scripts, actions, answers and addresses end quickly in a result or a typed error on any input.

The texts below are known to break parsers: brackets 100,000 levels deep, numbers of thousands of digits, lone
surrogates, repetitions on which a naive regular expression backtracks for ever. Hypothesis generates more.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import CVRContext, InputError, create_cvr_graph
from agentcvr_graph.answers import KINDS, parse_answer, resolve_kind
from agentcvr_graph.errors import CVRError
from agentcvr_graph.graph.dialects import read_calls, thought_of
from agentcvr_graph.graph.question import check_question
from agentcvr_graph.graph.sanitize import MAX_DEPTH, sanitize_message, sanitize_value
from agentcvr_graph.media.source import parse_source
from agentcvr_graph.media.subtitles import read_subtitles
from agentcvr_graph.models.adapters.chat_vision import read_statements
from agentcvr_graph.models.adapters.transcripts import body_of, read_transcript
from agentcvr_graph.models.chat_format.hermes import read_calls as read_hermes
from agentcvr_graph.models.chat_format.read_turn import read_turn
from agentcvr_graph.models.registry import read_model_string
from agentcvr_graph.models.text_judge import read_grades
from agentcvr_graph.render import plain, read_evidence, read_picture
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.scripts.formats import FORMATS, import_file
from agentcvr_graph.scripts.library import ScriptLibrary, parse_script, script_json
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.tools import TOOLS, Budget
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Video, VideoInfo, Window
from tests.support.examples import examples
from tests.support.tiny_models import tokenizer

SOON_S = 10.0
"""Time limit of one parse. Far above what any parser needs, far below what one with quadratic running time needs."""
MANY = 100_000
WINDOW = Window(video=1, start_s=0, end_s=5)
HARD: dict[str, str] = {
    "lists": "[" * MANY,
    "objects": '{"a":' * MANY,
    "lists of objects": '[{"a":' * MANY,
    "braces": "{" * MANY,
    "closed lists": "[" * MANY + "]" * MANY,
    "actions in actions": '{"action":' * MANY + "1" + "}" * MANY,
    "objects one by one": '{"a":1}' * MANY,
    "half objects": '[{"a' * MANY,
    "digits": "9" * MANY,
    "a number": '{"action":"answer","arguments":{"value":' + "9" * 5000 + "}}",
    "infinity": '{"action":"answer","arguments":{"value":1e999}}',
    "no number": '{"action":"answer","arguments":{"value":NaN}}',
    "half a character": '{"action":"answer","arguments":{"value":"\\ud800"}}',
    "calls": "<tool_call>" * MANY,
    "calls of braces": '<tool_call>{"' * MANY,
    "a call of a number": '<tool_call>{"name":"answer","arguments":{"value":' + "9" * 5000 + "}}</tool_call>",
    "thoughts": "<think>" * MANY,
    "quotation marks": '"' * MANY,
    "semicolons": "; " * MANY,
    "quoted semicolons": '; "' * MANY,
    "spaces": " " * MANY,
    "lines": "\n" * MANY,
    "colons": "1:" * MANY,
    "commas": "," * MANY,
    "arrows": "->" * MANY,
    "windows": "video 1, " * 20_000,
    "a video's number": f"[video {'1' * 5000}, 1-2 s] x",
    "a window's time": f"[video 1, {'9' * 400}-2 s] x",
    "bullets": "- *1." * MANY,
    "arabic digits": "\u0663" * 5000,
    "zeros": "\x00" * MANY,
    "halves": "\ud800" * MANY,
}
READERS: dict[str, Callable[[str], object]] = {
    "actions": lambda text: read_calls(AIMessage(text), 1),
    "thought": lambda text: thought_of(AIMessage(text)),
    "hermes": read_hermes,
    "turn": lambda text: read_turn(tokenizer(), tokenizer().encode(text[:20_000])) if text.isascii() else None,
    "transcript": lambda text: list(read_transcript(body_of(text) or {}, WINDOW)),
    "statements": lambda text: list(read_statements(text, [WINDOW])),
    "evidence": read_evidence,
    "picture": read_picture,
    "plain": plain,
    "grades": lambda text: read_grades(text, 2),
    "script": lambda text: parse_script(text, "here"),
    "source": lambda text: parse_source(Video(source=text)),
    "clip": lambda text: parse_source(Video(source=f"{__file__}#t={text}")),
    "rate": lambda text: parse_source(Video(source=f"{Path(__file__).parent}#fps={text}")),
    "address": lambda text: parse_source(Video(source=f"http://{text}")),
    "model": read_model_string,
    "server": lambda text: read_model_string(f"http://{text}"),
    **{kind: functools.partial(lambda kind, text: parse_answer(text, kind, ["x", "y"], 2), kind) for kind in KINDS},
    **{f"{kind}, in a list": lambda text, kind=kind: parse_answer([text] * 2, kind, ["x"] * 2, 2) for kind in KINDS},
}


def ended(read: Callable[[], object]) -> None:
    """Assert that `read` ends within `SOON_S` in a result or in a typed error with a message."""
    started_s = time.process_time()  # CPU time: wall time depends on the load of the machine
    try:
        read()
    except CVRError as error:
        problem: CVRError | None = error
    else:
        problem = None
    assert time.process_time() - started_s < SOON_S
    assert problem is None or str(problem)


@pytest.mark.parametrize("reader", READERS)
def test_pathological_texts_are_parsed_or_refused_quickly(reader):
    for text in HARD.values():
        ended(lambda text=text: READERS[reader](text))


loose = settings(
    max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
jsonlike = st.text(st.sampled_from('[]{}",:\\ abc012-.eE\n<>/|'), max_size=60) | anything.map(json.dumps)


@loose
@given(st.sampled_from(list(READERS)), st.text() | jsonlike)
def test_any_text_is_parsed_or_refused(reader, text):
    ended(lambda: READERS[reader](text))


@loose
@given(st.sampled_from(list(KINDS)), anything)
def test_any_value_is_parsed_as_an_answer_or_refused(kind, value):
    ended(lambda: parse_answer(value, kind, ["x", "y"], 2))


def deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_deeply_nested_lists_are_parsed_or_refused(kind):
    for depth in (10, 900, 100_000):
        ended(lambda depth=depth: parse_answer(deep(depth), kind, ["x", "y"], 2))


@loose
@given(st.sampled_from(TOOLS.names), st.dictionaries(st.text(max_size=6), anything) | anything)
def test_any_tool_arguments_are_planned_or_refused(tool, arguments):
    ended(lambda: _planned(tool, arguments))


WINDOWS = (
    {"video": 10**400, "start_s": 1e308, "end_s": float("inf"), "frames": 10**300},
    {"video": 1, "start_s": float("nan"), "end_s": float("nan"), "frames": 1},
    {"video": 1, "start_s": float("-inf"), "end_s": float("inf"), "frames": 10**30},
    {"video": 1, "start_s": -1e308, "end_s": 1e308, "frames": 0},
    {"video": -1, "start_s": "0", "end_s": [], "frames": None},
)


@pytest.mark.parametrize("window", WINDOWS)
def test_out_of_range_windows_are_clipped_or_refused(window):
    ended(lambda: _planned("observe", {"targets": [window] * 2000}))
    ended(lambda: _planned("listen", window))
    cited = TOOLS.read("answer", {"value": "x", "citations": [{**window, "modality": "visual"}]})
    assert all(abs(one.start_s) < float("inf") and abs(one.end_s) < float("inf") for one in cited.citations)


def _planned(tool: str, arguments: Any) -> None:
    info = VideoInfo(number=1, video=Video(source="a"), duration_s=10, width=9, height=9, has_sound=True)
    budget = Budget(turns=1, frames=512, audio_s=100, frames_per_call=128)
    read = TOOLS.read(tool, arguments)
    if not TOOLS.ends(tool):
        request, _ = TOOLS.spec(tool).plan(read, [info], budget)
        assert all(0 <= window.start_s < window.end_s <= 10 for window in request.windows)


@loose
@given(st.dictionaries(st.sampled_from(["text", "segments", "usage"]), anything), anything)
def test_any_transcription_reply_is_parsed_or_refused(body, segment):
    """It raises nothing, and returns no invalid time."""
    timed = {"text": "y", "start": segment, "end": segment}
    for reply in (body, {"text": "x", "segments": [segment]}, {"text": "x", "segments": [timed]}):
        found = list(read_transcript(reply, WINDOW))
        assert all(0 <= said.window.start_s <= said.window.end_s <= 5 for said in found if said.window)


# Subtitles: any bytes.


@loose
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_parsed_as_valid_subtitles_or_give_none(tmp_path, data):
    video = tmp_path / "film.mp4"
    for head in (b"", b"WEBVTT\n\n", b"1\n00:00:00,000 --> 00:00:01,000\n", b"[Script Info]\n[Events]\nDialogue: "):
        for ending in (".srt", ".vtt", ".ass", ".ssa"):
            sidecar = video.with_suffix(ending)
            sidecar.write_bytes(head + data)
            assert all(cue.end_s > cue.start_s and cue.text for cue in read_subtitles(video).cues)
            sidecar.unlink()


# Scripts: in the stored format, and in the formats of other generators.


def good() -> dict[str, Any]:
    return json.loads(script_json(next(iter(bundled_library()))))


def odd_scripts() -> dict[str, bytes]:
    text = json.dumps(good())
    changed = {
        "key of lists": {"key": deep(3)},
        "options": {"options": [str(n) for n in range(10_000)]},
        "seed": {"origin": {"generator": "x", "seed": 10**4000}},
        "id": {"id": "x" * MANY},
        "order": {"kind": "order", "key": "9" * 5000},
        "number": {"kind": "number", "key": "9" * 5000},
        "videos": {"videos": good()["videos"] * 500},
        "half": {"question": "\ud800"},
    }
    texts = {
        **HARD,
        "deep extra": f'{text[:-1]}, "extra": {{"a": {"[" * MANY}{"]" * MANY}}}}}',
        "no length": text.replace('"duration_s": ', '"duration_s": NaN, "x": ', 1),
        "endless": text.replace('"duration_s": ', '"duration_s": 1e999, "x": ', 1),
        **{name: json.dumps({**good(), **fields}) for name, fields in changed.items()},
        "twice": f"{text}\n{text}\n",
        "many lines": "{}\n" * 20_000,
    }
    stored = {name: text.encode("utf-8", "surrogatepass") for name, text in texts.items()}
    stored |= {"bytes": bytes(range(256)) * 100, "mark": b"\xef\xbb\xbf" + text.encode()}
    return stored | {"name": b'{"id":"\xff\xfe"}', "no name": b'{"id":5}'}


ODD_SCRIPTS = odd_scripts()


@pytest.mark.parametrize("name", ODD_SCRIPTS)
def test_a_malformed_script_library_opens_or_raises_a_typed_error(tmp_path, name):
    for ending in (".json", ".jsonl"):
        path = tmp_path / f"scripts{ending}"
        path.write_bytes(ODD_SCRIPTS[name])
        ended(lambda path=path: list(ScriptLibrary(path)))


@pytest.mark.parametrize("generator", [None, *FORMATS])
def test_a_malformed_file_is_imported_or_raises_a_typed_error(tmp_path, generator):
    path = tmp_path / "records.json"
    for data in ODD_SCRIPTS.values():
        path.write_bytes(data)
        ended(lambda: import_file(path, generator))


@loose
@given(st.sampled_from([None, *FORMATS]), st.dictionaries(st.sampled_from([*good(), "segments", "answer"]), anything))
def test_any_record_is_imported_or_refused(tmp_path, generator, record):
    path = tmp_path / "record.json"
    path.write_text(json.dumps([record, {**good(), **record}]))
    ended(lambda: import_file(path, generator))
    path.write_text(json.dumps({**good(), **record}))
    ended(lambda: list(ScriptLibrary(path)))


# Questions.


@loose
@given(st.text(), st.lists(st.text(max_size=5) | st.dictionaries(st.text(max_size=5), anything), max_size=3), st.text())
def test_any_question_is_accepted_or_refused(question, videos, kind):
    ended(lambda: check_question({"question": question, "videos": videos, "kind": kind}))


def test_ten_thousand_options_raise_input_error():
    options = [str(n) for n in range(10_000)]
    with pytest.raises(InputError, match="more than there are letters"):
        check_question({"question": "?", "videos": ["a"], "options": options})
    with pytest.raises(InputError):
        resolve_kind("order", options)


# Output of a model is written to checkpoints and files.

HALF = "\ud800 half"
TURNS: dict[str, list[AIMessage]] = {
    "text": [
        AIMessage(f'{HALF} {{"action": "observe", "arguments": {{"targets": [{json.dumps(WINDOWS[2])}]}}}}'),
        AIMessage('{"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 5}]}}'),
        AIMessage('{"action": "answer", "arguments": {"value": "\\ud800 x"}}'),
    ],
    "arguments": [turn(HALF, observe((1, 0, 5, 1), focus=HALF)), turn("", answer(HALF, HALF))],
    "id": [turn("", observe((1, 0, 5, 1), id=HALF)), turn("", answer("x"))],
    "tool": [turn("", {"name": HALF, "args": {HALF: HALF}}), turn("", observe((1, 0, 5, 1))), turn("", answer("x"))],
    "number": [turn("", observe((1, 0, 5, 10**30))), turn("", observe((1, 0, 5, 1))), turn("", answer("x"))],
    "lists": [turn("", observe((1, 0, 5, 1))), turn("", answer(deep(300))), turn("", answer("x"))],
    "no number": [
        turn("", observe((1, 0, float("inf"), 1))),
        turn("", answer("x", citations=[{"video": 1, "start_s": float("nan"), "end_s": 2, "modality": "visual"}])),
    ],
}


@pytest.mark.parametrize("name", TURNS)
async def test_any_output_of_the_master_can_be_stored_in_a_checkpoint(name):
    graph = create_cvr_graph(FakeMaster(turns=TURNS[name]), FakePerception(text=HALF))
    app = graph.compile(checkpointer=InMemorySaver())
    given_ = {"question": "Which?", "videos": ["a.mp4"], "kind": "text"}
    output = await app.ainvoke(given_, {"configurable": {"thread_id": "1"}}, context=CVRContext(max_turns=6))
    assert output["answer"] is not None and output["answer"].value in ("x", "half")
    stored = trajectory_of(output).model_dump_json()
    assert json.loads(stored, parse_constant=lambda name: pytest.fail(name))


@loose
@given(anything)
def test_values_are_stored_unchanged_or_refused(value):
    try:
        kept = sanitize_value(value)
    except ValueError:
        return
    assert json.dumps(kept, ensure_ascii=False).encode()
    if json.dumps(value, ensure_ascii=False).isascii():
        assert json.dumps(kept) == json.dumps(value)


def test_serializable_messages_are_not_changed():
    for message in (turn("I look. \u52a0\u76d0", observe((1, 0, 5, 1))), AIMessage("x"), AIMessage([{"type": "text"}])):
        assert sanitize_message(message) is message
    with pytest.raises(ValueError, match="32 deep"):
        sanitize_value(deep(MAX_DEPTH + 1))
