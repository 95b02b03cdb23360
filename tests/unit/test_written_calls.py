"""Calls that models write as text: every family's form, JSON that is slightly wrong, and prose that is no call."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph.models.chat_format.loose_json import MAX_REPAIRED, Unreadable, decoded, place, read_at, read_whole
from agentcvr_graph.models.chat_format.written_calls import WrittenCall, written_calls

PARAMETERS = {
    "observe": ("targets", "focus"),
    "listen": ("video", "start_s", "end_s", "focus"),
    "answer": ("value", "rationale", "citations"),
}
ARGUMENTS = '{"video": 1, "start_s": 0, "end_s": 5}'
XML = "\n".join(f"<parameter={key}>\n{value}\n</parameter>" for key, value in json.loads(ARGUMENTS).items())
INVOKE = "\n".join(f'<parameter name="{key}">{value}</parameter>' for key, value in json.loads(ARGUMENTS).items())
PYTHON = "listen(video=1, start_s=0, end_s=5)"
DSML = "\n".join(
    f'<\uff5cDSML\uff5cparameter name="{key}" string="false">{value}</\uff5cDSML\uff5cparameter>'
    for key, value in json.loads(ARGUMENTS).items()
)
SEP = "<\uff5ctool\u2581sep\uff5c>"
DEEPSEEK = "<|tool_calls_begin|><|tool_call_begin|>{}<|tool_call_end|>".replace("|", "\uff5c").replace("_", "\u2581")

FORMS: dict[str, str] = {
    "ours": f'{{"action": "listen", "arguments": {ARGUMENTS}}}',
    "name and parameters": f'{{"name": "listen", "parameters": {ARGUMENTS}}}',
    "tool and args": f'{{"tool": "listen", "args": {ARGUMENTS}}}',
    "tool_name and input": f'{{"tool_name": "listen", "input": {ARGUMENTS}}}',
    "tool and tool_input": f'{{"tool": "listen", "tool_input": {ARGUMENTS}}}',
    "AgentCVR": f'{{"action": "listen", "thought": "Speech decides.", "params": {ARGUMENTS}}}',
    "arguments beside the name": '{"action": "listen", "video": 1, "start_s": 0, "end_s": 5}',
    "arguments as a string": json.dumps({"action": "listen", "arguments": ARGUMENTS}),
    "arguments encoded twice": json.dumps({"action": "listen", "arguments": json.dumps(ARGUMENTS)}),
    "arguments encoded three times": json.dumps({"action": "listen", "arguments": json.dumps(json.dumps(ARGUMENTS))}),
    "the whole encoded": json.dumps(f'{{"action": "listen", "arguments": {ARGUMENTS}}}'),
    "arguments in a list": f'{{"action": "listen", "arguments": [{ARGUMENTS}]}}',
    "OpenAI": json.dumps({"id": "x", "type": "function", "function": {"name": "listen", "arguments": ARGUMENTS}}),
    "OpenAI's tool_calls": f'{{"tool_calls": [{{"function": {{"name": "listen", "arguments": {ARGUMENTS}}}}}]}}',
    "OpenAI's parallel": f'{{"tool_uses": [{{"recipient_name": "functions.listen", "parameters": {ARGUMENTS}}}]}}',
    "Llama": f'{{"type": "function", "name": "listen", "parameters": {ARGUMENTS}}}',
    "Llama, function as the name": f'{{"type": "function", "function": "listen", "parameters": {ARGUMENTS}}}',
    "function_call": f'{{"function_call": {{"name": "listen", "arguments": {ARGUMENTS}}}}}',
    "function calls in camel case": f'{{"functionCall": {{"name": "listen", "args": {ARGUMENTS}}}}}',
    "toolName": f'{{"toolName": "listen", "Arguments": {ARGUMENTS}}}',
    "Anthropic": f'{{"type": "tool_use", "id": "x", "name": "listen", "input": {ARGUMENTS}}}',
    "the name as the type": '{"thought": "x", "action": {"type": "listen", "video": 1, "start_s": 0, "end_s": 5}}',
    "the name before the arguments": f"Listen: {ARGUMENTS}",
    "the name on its own line": f"**listen**\n```json\n{ARGUMENTS}\n```",
    "the tool as a tag": "<listen>\n<video>1</video>\n<start_s>0</start_s>\n<end_s>5</end_s>\n</listen>",
    "JSON in a tag of the tool": f"<listen>{ARGUMENTS}</listen>",
    "Hermes, the name alone": f"<tool_call>\nlisten\n{ARGUMENTS}\n</tool_call>",
    "ReAct in Python": f"Thought: Hm.\nAction: {PYTHON}",
    "a prefix": f'{{"name": "functions.listen", "arguments": {ARGUMENTS}}}',
    "the tool as the key": f'{{"listen": {ARGUMENTS}}}',
    "a list": f'[{{"action": "listen", "arguments": {ARGUMENTS}}}]',
    "a fence": f'I listen.\n```json\n{{"action": "listen", "arguments": {ARGUMENTS}}}\n```\nThat should do.',
    "a fence without an end": f'```json\n{{"action": "listen", "arguments": {ARGUMENTS}}}',
    "Hermes": f'<tool_call>\n{{"name": "listen", "arguments": {ARGUMENTS}}}\n</tool_call>',
    "Hermes without an end": f'<tool_call>\n{{"name": "listen", "arguments": {ARGUMENTS}}}',
    "Hermes, a list": f'<tool_call>[{{"name": "listen", "arguments": {ARGUMENTS}}}]</tool_call>',
    "Hermes, a fence": f'<tool_call>\n```json\n{{"name": "listen", "arguments": {ARGUMENTS}}}\n```\n</tool_call>',
    "Hermes, a brace less": f'<tool_call>\n{{"name": "listen", "arguments": {ARGUMENTS}\n</tool_call>',
    "Qwen3-Coder": f"<tool_call>\n<function=listen>\n{XML}\n</function>\n</tool_call>",
    "Qwen3-Coder without its wrapper": f"<function=listen>\n{XML}\n</function>",
    "Qwen3-Coder without ends": f"<tool_call>\n<function=listen>\n{XML.replace('</parameter>', '')}",
    "Llama's function tag": f"<function=listen>{ARGUMENTS}</function>",
    "GLM": "<tool_call>listen\n"
    + "\n".join(f"<arg_key>{k}</arg_key>\n<arg_value>{v}</arg_value>" for k, v in json.loads(ARGUMENTS).items())
    + "\n</tool_call>",
    "Claude": f'<function_calls>\n<invoke name="listen">\n{INVOKE}\n</invoke>\n</function_calls>',
    "MiniMax": f'<minimax:tool_call>\n<invoke name="listen">\n{INVOKE}\n</invoke>\n</minimax:tool_call>',
    "python_tag": f'<|python_tag|>{{"name": "listen", "parameters": {ARGUMENTS}}}',
    "python_tag and a call": f"<|python_tag|>{PYTHON.replace('listen', 'listen.call')}",
    "Mistral": f'[TOOL_CALLS] [{{"name": "listen", "arguments": {ARGUMENTS}}}]',
    "Mistral's newer form": f"[TOOL_CALLS]listen[ARGS]{ARGUMENTS}",
    "Mistral's form with an id": f"[TOOL_CALLS]listen[CALL_ID]a1b2c3d4e[ARGS]{ARGUMENTS}",
    "DeepSeek V3": DEEPSEEK.format(f"function{SEP}listen\n```json\n{ARGUMENTS}\n```"),
    "DeepSeek V3.1": DEEPSEEK.format(f"listen{SEP}{ARGUMENTS}"),
    "DeepSeek V3.2": f'<\uff5cDSML\uff5cinvoke name="listen">\n{DSML}\n</\uff5cDSML\uff5cinvoke>',
    "Kimi": f"<|tool_call_begin|>functions.listen:0<|tool_call_argument_begin|>{ARGUMENTS}<|tool_call_end|>",
    "Harmony": f"<|channel|>analysis<|message|>Listen.<|end|><|start|>assistant<|channel|>commentary "
    f"to=functions.listen <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
    "Harmony, the name first": "<|start|>assistant to=functions.listen<|channel|>commentary json<|message|>"
    + ARGUMENTS,
    "ReAct": f"Thought: I must listen.\nAction: listen\nAction Input: {ARGUMENTS}",
    "ReAct, numbered and quoted": f"Action 1: `listen`\n**Action Input 1:**\n```json\n{ARGUMENTS}\n```",
    "ReAct, arguments without JSON": "Action: listen\nAction Input: video=1, start_s=0, end_s=5",
    "a tag with a namespace": f'<step:invoke name="listen">\n{INVOKE}\n</step:invoke>',
    "doubled braces": f'<tool_call>\n{{{{"name": "listen", "arguments": {ARGUMENTS}}}}}\n</tool_call>',
    "Python, assigned in a block": f"```python\nresult = {PYTHON}\nprint(result)\n```",
    "Phi and Granite": f'<|tool_call|>[{{"name": "listen", "arguments": {ARGUMENTS}}}]<|/tool_call|>',
    "InternLM": f'<|action_start|><|plugin|>\n{{"name": "listen", "parameters": {ARGUMENTS}}}<|action_end|>',
    "Glaive": f'<functioncall> {{"name": "listen", "arguments": \'{ARGUMENTS}\'}}',
    "Gemma": f"```tool_code\n{PYTHON}\n```",
    "Gemma, printed": f"```tool_code\nprint(default_api.{PYTHON})\n```",
    "FunctionGemma": "<start_function_call>call:listen{video:1,start_s:0,end_s:5}<end_function_call>",
    "Python in a list": f"[{PYTHON}]",
    "Python on a line": f"I listen first.\n{PYTHON}",
    "Python by position": "listen(1, 0, 5)",
    "LFM": f"<|tool_call_start|>[{PYTHON}]<|tool_call_end|>",
    # JSON that is slightly wrong
    "trailing commas": '{"action": "listen", "arguments": {"video": 1, "start_s": 0, "end_s": 5,},}',
    "Python's literals": "{'action': 'listen', 'arguments': {'video': 1, 'start_s': 0, 'end_s': 5}}",
    "comments": '{"action": "listen", // the "speech" {\n"arguments": {"video": 1, /* from } */ "start_s": 0, '
    '"end_s": 5}}',
    "a comment of Python": '{"action": "listen", # sound\n"arguments": {"video": 1, "start_s": 0, "end_s": 5}}',
    "a brace less": f'{{"action": "listen", "arguments": {ARGUMENTS}',
    "a brace less, then words": f'{{"action": "listen", "arguments": {ARGUMENTS}\n\nI listen now.',
    "a brace more": f'{{"action": "listen", "arguments": {ARGUMENTS}}}}}',
    "smart quotes": "{\u201caction\u201d: \u201clisten\u201d, \u201carguments\u201d: "
    "{\u201cvideo\u201d: 1, \u201cstart_s\u201d: 0, \u201cend_s\u201d: 5}}",
    "single smart quotes": "{\u2018action\u2019: \u2018listen\u2019, \u2018arguments\u2019: {\u2018video\u2019: 1, "
    "\u2018start_s\u2019: 0, \u2018end_s\u2019: 5}}",
    "full-width punctuation": '{"action"\uff1a "listen"\uff0c "arguments"\uff1a {"video": 1\uff0c "start_s": 0, '
    '"end_s": 5}}',
    "no quotes": "{action: listen, arguments: {video: 1, start_s: 0, end_s: 5}}",
    "a missing comma": '{"action": "listen" "arguments": {"video": 1 "start_s": 0 "end_s": 5}}',
    "escaped quotes": f'{{"action": "listen", "arguments": {ARGUMENTS}}}'.replace('"', '\\"'),
}


def calls_in(text: str) -> list[WrittenCall]:
    return written_calls(text, PARAMETERS)


@pytest.mark.parametrize("form", FORMS)
def test_one_call_is_read_from_every_form(form: str) -> None:
    (call,) = calls_in(FORMS[form])
    assert (call.name.lower(), call.problem) == ("listen", "")
    assert {name: float(value) for name, value in call.arguments.items()} == {"video": 1, "start_s": 0, "end_s": 5}


@pytest.mark.parametrize("first", list(FORMS)[::6])
@pytest.mark.parametrize("second", ["ours", "Hermes", "a fence", "Qwen3-Coder", "trailing commas"])
def test_a_call_written_in_two_forms_counts_once(first: str, second: str) -> None:
    assert [call.name.lower() for call in calls_in(f"{FORMS[first]}\n\n{FORMS[second]}")] == ["listen"]


@pytest.mark.parametrize(
    "text",
    [
        '[{"action": "listen", "arguments": {"video": 1}}, {"action": "listen", "arguments": {"video": 2}}]',
        "[listen(video=1), listen(video=2)]<|eot|>",
        "<|python_tag|>listen(video=1)\nlisten(video=2)",
        '{"action": "listen", "arguments": {"video": 1}}\n{"action": "listen", "arguments": {"video": 2}}',
        '{"action": "listen", "arguments": {"video": 1}\n{"action": "listen", "arguments": {"video": 2}',
        '{"actions": [{"action": "listen", "arguments": {"video": 1}}, {"tool": "listen", "args": {"video": 2}}]}',
        '<tool_call>{"name": "listen", "arguments": {"video": 1}}\n{"name": "listen", "arguments": {"video": 2}}',
        '<|python_tag|>{"name": "listen", "parameters": {"video": 1}}; {"name": "listen", "parameters": {"video": 2}}',
        "[listen(video=1), listen(video=2)]",
        "listen(video=1)\nlisten(video=2)",
        "[TOOL_CALLS]listen[ARGS]{\"video\": 1}[TOOL_CALLS]listen[ARGS]{'video': 2}",
    ],
)
def test_several_calls_are_read_in_order(text: str) -> None:
    assert [(call.name, call.arguments) for call in calls_in(text)] == [("listen", {"video": n}) for n in (1, 2)]


def test_calls_behind_a_marker_are_marked() -> None:
    marked = {form for form in FORMS if calls_in(FORMS[form])[0].marked}
    assert {"Hermes", "Qwen3-Coder", "GLM", "Mistral", "DeepSeek V3", "Kimi", "Harmony", "LFM", "python_tag"} <= marked
    assert not marked & {"ours", "OpenAI", "a fence", "Python on a line", "trailing commas", "AgentCVR"}
    both = calls_in('<tool_call>{"name": "a", "arguments": {}}\n{"name": "b", "arguments": {}}</tool_call>')
    assert [call.marked for call in both] == [True, True]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"final_answer": "C"}', {"value": "C"}),
        ('{"answer": "C", "rationale": "It is red."}', {"value": "C", "rationale": "It is red."}),
        ('{"final_answer": {"content": ["A", "C"]}}', {"value": ["A", "C"]}),
        ('{"action": "answer", "thought": "So it is.", "final_answer": "C"}', {"final_answer": "C"}),
        ('{"action": "answer", "params": {}, "final_answer": "C"}', {"final_answer": "C"}),
        ('answer("C")', {"value": "C"}),
        ('Action: answer("C")', {"value": "C"}),
        ('<answer>{"value": "C"}</answer>', {"value": "C"}),
        ('{"answer": {"value": "C", "rationale": "x"}}', {"value": "C", "rationale": "x"}),
        ('{"action": "answer", "arguments": {"value": "C", "rationale": "He said "no", then left"}}', None),
    ],
)
def test_answers_are_read(text: str, arguments: dict[str, Any] | None) -> None:
    (call,) = calls_in(text)
    arguments = arguments or {"value": "C", "rationale": 'He said "no", then left'}
    assert (call.name, call.arguments, call.problem) == ("answer", arguments, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<tool_call>look at it</tool_call>", "no call follows <tool_call>. It reads: <tool_call>look at it"),
        ('{"action": "observe", "arguments": [1, 2]}', "the arguments of observe are not a JSON object: [1, 2]"),
        ('{"arguments": {"video": 1}}', 'it names no action; write {"action": NAME, "arguments": {...}}'),
        ('Now:\n{"action": "look", "arguments": ' + "[" * 4000, "its JSON cannot be read at line 2"),
        ("observe(video 1, start=0)", "its arguments cannot be read. It reads: observe(video 1, start=0)"),
        ("<function=listen>video one</function>", "the arguments of listen are not in tags"),
    ],
)
def test_what_cannot_be_read_is_quoted_with_its_place(text: str, says: str) -> None:
    (call,) = calls_in(text)
    assert says in call.problem
    assert call.problem.startswith(f"The action at line {2 if text.startswith('Now') else 1}, column 1 cannot be used")


@pytest.mark.parametrize(
    "text",
    [
        "Just words.",
        "The set {x: 1, y: 2} of things.",
        'A cook: {"name": "red cook", "age": 3}',
        "I use f(x) = {x}.",
        "answer(s): B",
        "First observe(video=1) and then decide.",
        "I could call `listen(video=1)` here.",
        '[[1, 2], [3, 4]] and {"start": 1}',
        "[video 1, 0.0-5.0 s] answer(value='B')",
        '<think>{"action": "listen", "arguments": {"video": 1}}</think>Hm.',
        '{"action": "listen", "arguments": {"video": 1}}</think>Hm.',
        '<think><tool_call>{"name": "listen", "arguments": {}}</tool_call>',
        '<|channel|>analysis<|message|>{"action": "listen", "arguments": {}}<|end|>',
        "",
    ],
)
def test_prose_and_reasoning_hold_no_call(text: str) -> None:
    assert calls_in(text) == []


def test_an_object_without_a_name_is_reported_only_if_the_turn_holds_no_action() -> None:
    (call,) = calls_in(f"I look at {ARGUMENTS}.")
    assert "it names no action" in call.problem and ARGUMENTS in call.problem
    (call,) = calls_in(f"I look at {ARGUMENTS}.\n{FORMS['Hermes']}")
    assert (call.name, call.problem) == ("listen", "")


def test_beside_a_call_in_json_python_is_talk_about_a_call() -> None:
    (call,) = calls_in(f'answer("B")\n{FORMS["ours"]}')
    assert call.name == "listen"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "end_s": 1', {"a": 1}),
        ('{"a": 1, "end_s": ', {"a": 1}),
        ('{"a": 1, "en', {"a": 1}),
        ('{"a": "B", "r": "The red', {"a": "B"}),
        ('{"a": "B"', {"a": "B"}),
        ('{"a": "B", "t": [{"video": 1}, {"video": 2, "sta', {"a": "B", "t": [{"video": 1}, {"video": 2}]}),
    ],
)
def test_a_value_that_the_end_of_the_text_cuts_is_dropped(text: str, value: object) -> None:
    assert read_at(text, 0).value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'w': 'it's red', 'x': 'it\\'s'}", {"w": "it's red", "x": "it's"}),
        ('{"a": "x" "b": 2}', {"a": "x", "b": 2}),
        ('{"a": "C:\\path \\u00e9\\n.",}', {"a": "C:\\path \u00e9\n."}),
        ('{"a": "http://x/y#z", "b": 1,}', {"a": "http://x/y#z", "b": 1}),
        ('{"start_s": 00:12, "end_s": 1:15.5}', {"start_s": "00:12", "end_s": "1:15.5"}),
        ('{"a": True, "b": None, "c": [1, 2,]}', {"a": True, "b": None, "c": [1, 2]}),
        ('{"a": "x", ...}', {"a": "x"}),
        ('{"a": {"t": [{"b": 1}}}', {"a": {"t": [{"b": 1}]}}),
    ],
)
def test_json_that_is_slightly_wrong_is_read(text: str, value: object) -> None:
    found = read_at(text + " and so on", 0)
    assert (found.value, found.end) == (value, len(text))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.lists(st.text(max_size=4))))
def test_strict_json_is_read_as_it_is(value: dict[str, object]) -> None:
    assert read_at(f"x {json.dumps(value)} y", 2).value == value
    assert decoded(json.dumps(json.dumps(value))) == value


@given(st.dictionaries(st.sampled_from("abc"), st.text("x '\"\\", max_size=6), min_size=1))
def test_the_literal_of_a_dictionary_in_python_is_read(value: dict[str, str]) -> None:
    text = repr(value)
    if not any("'" in inner or '"' in inner or "\\" in inner for inner in value.values()):
        assert read_at(text, 0).value == value


def test_values_that_are_no_json_stay_text() -> None:
    assert read_whole("a pan") == "a pan"
    assert read_whole("[video 1] a pan") == "[video 1] a pan"
    assert decoded("B") == "B" and decoded(3) == 3 and read_whole(" True ") is True


def test_long_texts_are_refused_quickly_and_the_place_is_right() -> None:
    started_s = time.process_time()
    with pytest.raises(Unreadable) as error:
        read_at('\n{"a": x y "' + "b " * MAX_REPAIRED, 1)
    assert time.process_time() - started_s < 5
    assert place('\n{"a": x', error.value.position) == "line 2, column 7"


MEGABYTE = {
    "half objects": '{"a": [1, 2, {"b": "c d e"}], "text": "The cook adds salt", ',
    "half calls": '{"action": "observe", "arguments": {"x": ',
    "objects with escaped marks": '{\\"a\\": 1} ',
    "objects of Python": "{'a': True} ",
    "smart quotes": "{\u201ca\u201d: ",
    "tools as tags": "<observe><a>",
    "tags with blanks": "<observe>" + " " * 200,
    "Python that is not closed": "observe(targets=[\n",
    "angles": "<",
    "marks of reasoning": "<think>a</think>",
    "calls": '{"action": "observe", "arguments": {"n": 1}}\n',
}


@pytest.mark.parametrize("name", MEGABYTE)
def test_a_megabyte_is_read_or_ignored_in_a_moment(name: str) -> None:
    """A turn is read on the event loop. Each of these takes 0.1 to 0.25 s of CPU; the limit leaves room for others."""
    text = (MEGABYTE[name] * 1_000_000)[:1_000_000]
    started_s = time.process_time()
    calls_in(text)
    assert time.process_time() - started_s < 1


def test_blanks_behind_a_name_cost_no_more_than_their_length() -> None:
    started_s = time.process_time()
    assert calls_in("observe" + " " * 100_000 + "x{") == []
    assert time.process_time() - started_s < 1


def test_a_call_at_either_end_of_a_turn_that_repeats_itself_is_read() -> None:
    call = '{"action": "answer", "arguments": {"value": "B"}}'
    noise = "and so on. " * 50_000
    for text in (f"{call}\n{noise}", f"{noise}\n{call}"):
        assert [(one.name, one.arguments) for one in calls_in(text)] == [("answer", {"value": "B"})]


def test_an_answer_in_the_form_of_react_needs_no_json() -> None:
    (call,) = calls_in("Thought: Done.\nAction: answer\nAction Input: the left one (video 2)")
    assert (call.name, call.arguments) == ("answer", {"value": "the left one (video 2)"})
