"""Find the calls that a model wrote as text, whatever its family writes them in.

    {"action": ..., "arguments": ...}                    JSON anywhere in the text (`call_shapes.py` lists the shapes)
    <tool_call>{...}</tool_call>                         Hermes, Qwen
    <function=NAME><parameter=KEY>...</parameter>        Qwen3-Coder; <invoke name=NAME> of Claude, MiniMax, DeepSeek
    <tool_call>NAME<arg_key>...<arg_value>...            GLM
    [TOOL_CALLS]NAME[ARGS]{...}                          Mistral; markers of DeepSeek, Kimi and Gemma, "Action Input:"
    to=functions.NAME ... <|message|>{...}               Harmony
    NAME(key=value)                                      Python, alone on its line or behind a marker

Text and reasoning around the calls are ignored. JSON is read tolerantly (`loose_json.py`). What is clearly meant as a
call and cannot be read is returned with the reason and the place; prose with brackets is no call. A call that is
written twice in one turn, as some models do in two forms, counts once.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, cast

from agentcvr_graph.models.chat_format.call_shapes import Shape, arguments_of, shapes_of, tool_name
from agentcvr_graph.models.chat_format.loose_json import Unreadable, place, read_at, read_whole
from agentcvr_graph.models.chat_format.python_calls import MAX_CALL, closing_bracket, read_python_call
from agentcvr_graph.models.chat_format.thoughts import without_thoughts

MAX_BROKEN = 50
"""Failed attempts to read a value after which the rest of a turn is ignored, because each attempt takes time."""
MAX_CALLS = 200
"""Calls of a turn that are read."""
MAX_STARTS = 2000
"""Places of a turn at which a call is looked for."""
MAX_WORK = 40_000
"""Characters of a turn that are scanned one by one or repaired; the rest is ignored, because a turn is read on the
event loop. What is cheaper counts at a fraction."""
MAX_TEXT = 200_000
"""Longest text in characters; of a longer one, as a model writes that repeats itself, the middle is ignored."""
MAX_XML = 6000
"""Longest call in characters whose tag is the tool."""
MAX_PARAMETERS = 50
"""Parameters of a call that stand in tags."""

NAMELESS = 'it names no action; write {"action": NAME, "arguments": {...}}'
MAX_SNIPPET = 80
"""Characters of an unreadable action that the master reads again."""

Parameters = Mapping[str, Sequence[str]]
"""The names of each known tool's parameters, in order."""


@dataclass(frozen=True)
class WrittenCall:
    """A call in a text."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    problem: str = ""
    """Why it cannot be read, and where; empty if it can."""
    start: int = 0
    end: int = 0
    marked: bool = False
    """True if it stands behind a marker of tool calls, False if it is JSON or Python alone."""
    python: bool = False
    """True if it is in the syntax of Python without a marker."""


# Quantifiers that need not give back are possessive, so that no text takes time that grows with its square.
_LABEL = r"[A-Za-z_][\w.-]{0,80}+"
_BAR = "[|\uff5c]"
_MARKERS = (
    rf"\[TOOL_CALLS\]|<{_BAR}?tool[_\u2581]calls?(?:[_\u2581](?:section[_\u2581])?(?:begin|start))?{_BAR}?>"
    rf"|<{_BAR}tool[_\u2581]sep{_BAR}>|<{_BAR}python_tag{_BAR}>|<{_BAR}?function_?calls?{_BAR}?>|<functioncall>"
    r"|<start_function_call>|<\|action_start\|>|<\|plugin\|>|```tool_(?:code|call)s?"
)
_ACTION, _INPUT = r"\b[Aa]ction(?: ?\d+)?:[*_]*", r"[*_]*(?i:Action[ _]Input)(?: ?\d+)?:[*_]*"
"""Labels of ReAct, numbered by some and bold in Markdown."""
_BETWEEN = rf"(?:\[ARGS\]|\[CALL_ID\]\w+|<{_BAR}[^<>{{}}]{{1,40}}{_BAR}>|```(?:json)?|{_INPUT}|json\b|>|\s)*+"
_SPACE = rf"(?:{_BAR}DSML{_BAR}|[a-z]{{1,20}}:)?"
"""The namespace of a tag: DeepSeek's, or the name of a family."""
_START = re.compile(
    rf"(?=<{_BAR}?\w|[\[{{`,]|^|\b[tcaA])(?:"  # what calls begin with: most of prose ends here
    rf"(?P<tag><{_SPACE}(?:function=|function\s+name=|invoke\s+name=)[\"']?(?P<tag_name>{_LABEL})[\"']?\s*>)"
    rf"|(?P<glm><tool_call>\s*+(?P<glm_name>{_LABEL})\s*+(?=<arg_key>))"
    rf"|(?P<named>(?:(?:{_MARKERS})\s*+(?:call:)?|\bto=|\bcall:|{_ACTION}\s*+[`\"'*\[]*+)"
    rf"(?P<name>{_LABEL})[`\"'*\]]*+(?::\d+)?{_BETWEEN}(?=\{{))"
    rf"|(?P<react>{_ACTION}[ \t]*+(?P<react_name>{_LABEL})[ \t]*+\n[ \t]*+{_INPUT}[ \t]*+"
    r"(?P<input>[^\s{[`][^\n]{0,500}))"
    rf"|(?P<python>(?:(?:{_MARKERS}|```python)\s*+\[?(?:\w++\s*+=\s*+)?"
    rf"|^[ \t>*-]*+(?:Action:\s*+)?`?\[?|(?<=\)),\s*+)(?:print\()?"
    rf"(?P<python_name>{_LABEL})\()"
    rf"|(?P<marker>{_MARKERS})"
    rf"|(?P<xml><(?P<xml_name>{_LABEL})>\s*+(?=[{{<]))"
    rf"|(?P<lead>^[ \t>*_-]*+`?(?P<lead_name>{_LABEL})[*_`]*+\s*+[:=]?\s*+(?:```(?:json)?\s*+)?(?=\{{))"
    r"|(?P<json>\[\s*+(?=\{)|\{(?=\s*+(?:[\"'`\\\u201c\u2018]|\w++\s*+[:\uff1a]|//|/\*|\#))))",
    re.M,
)
_ANY = re.compile(r"[{<(]|\[TOOL|[Aa]ction")
"""What every call holds."""
_TAG_END = re.compile(
    rf"</{_SPACE}(?:function|invoke)>|</tool_call>|(?=<(?:tool_call>|{_SPACE}function=|{_SPACE}invoke\s))"
)
_PARAMETER = re.compile(
    rf"<{_SPACE}parameter(?:=|\s+name=)[\"']?(?P<key>[\w.-]+)[\"']?(?:\s+string=\"(?P<text>\w+)\")?\s*>"
    rf"(?P<value>.*?)(?:</{_SPACE}parameter>|(?=<{_SPACE}parameter)|\Z)",
    re.S,
)
_GLM_PAIR = re.compile(
    r"<arg_key>(?P<key>[^<>]{1,80})</arg_key>\s*<arg_value>(?P<value>(?:(?!</arg_value>|<arg_key>).)*)", re.S
)
_CHILD = re.compile(r"<(\w{1,40})>")
_BLANK = re.compile(r"\s*")
_ALONE = re.compile(rf"[ \t\])`;.,]*(?:\n|\Z|<{_BAR}\w{{1,40}}{_BAR}>|</s>|{_LABEL}\()")
"""What may follow a call in the syntax of Python; words after it make it prose about a call."""
_NOISE = re.compile(r"```(?:json|tool_code|python)?|</?[\w:|\uff5c\u2581 ]{1,40}>|[\s\[\],;]+|\{\s*\Z")
"""What may stand between a marker and its call, and between two calls of one marker."""
_REPORTED = ("<tool_call>", "[TOOL_CALLS]", "<function_call>")
"""Markers that are reported if no call follows; the others also occur alone."""
_HARMONY = re.compile(r"\bto=(?:functions\.)?([\w.-]{1,80}+)([^{}]{0,200}?<\|message\|>)\s*(?=\{)")
_QUOTES = re.compile(r"<\|\"\|>|</?escape>")
_MEANT = re.compile(
    r"[\"'`\u201c]?\b(?:action|tool|tool_name|function|arguments|args|params|parameters|final_answer|tool_calls)\b"
    r"[\"'`\u201d]?\s*[:\uff1a]"
)
"""What a value holds that is meant as a call."""


def written_calls(text: str, parameters: Parameters) -> list[WrittenCall]:
    """Return the calls in a turn, in order, without those in its reasoning; each call once.

    Positions count in the text without its reasoning.

    Args:
        text: what the model wrote.
        parameters: of the known tools, for calls in the syntax of Python.
    """
    seen: list[tuple[str, dict[str, Any]]] = []
    calls: list[WrittenCall] = []
    found = list(islice(_Reader(said(text), parameters).calls(), MAX_CALLS))
    if any(not call.problem for call in found):
        found = [call for call in found if call.name or NAMELESS not in call.problem]  # an object beside an action
    if not all(call.python for call in found):
        found = [call for call in found if not call.python]  # beside calls in another form it is talk about a call
    for call in found:
        if call.problem or (call.name, call.arguments) not in seen:
            seen.append((call.name, call.arguments))
            calls.append(call)
    return calls


def said(text: str) -> str:
    """Return a turn without its reasoning, in which `written_calls` counts positions."""
    if "<|message|>" in text:
        # The name stands in the channel's header, which goes with the reasoning.
        text = _HARMONY.sub(r"\2<function=\1>", text)
    text = without_thoughts(text)
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]}\n{text[-MAX_TEXT // 2 :]}"
    return _QUOTES.sub('"', text)


class _Reader:
    """One pass over a text."""

    def __init__(self, text: str, parameters: Parameters) -> None:
        self._text, self._parameters = text, parameters
        self._position = self._broken = self._work = 0
        self._marker: re.Match[str] | None = None
        """The last marker of tool calls, until a call follows it."""
        self._marked_end = -1
        """Where the last call behind a marker ended; one that follows directly belongs to the same marker."""

    def calls(self) -> Iterator[WrittenCall]:
        if not _ANY.search(self._text):
            return
        for _ in range(MAX_STARTS):
            start = _START.search(self._text, self._position)
            if start is None or self._broken > MAX_BROKEN or self._work > MAX_WORK:
                break
            yield from self._next(start)
        yield from self._left_over(len(self._text))

    def _next(self, start: re.Match[str]) -> Iterator[WrittenCall]:
        if (label := start["lead_name"] or start["xml_name"]) and label.casefold() not in self._parameters:
            self._position = start.end()
            return
        own = start["marker"] is None
        begin = self._marker.end() if self._marker else self._marked_end
        belongs = begin >= 0 and not _NOISE.sub("", self._text[begin : start.start()])
        if not belongs:
            yield from self._left_over(start.start())
        self._position = start.end()
        if not own:
            self._marker = start
            return
        for call in self._read(start):
            marked = belongs or call.marked
            begin = self._marker.start() if belongs and self._marker else call.start
            yield replace(call, start=begin, marked=marked, python=call.python and not belongs)
            self._marker = None
            self._marked_end = self._position if marked else -1

    def _left_over(self, end: int) -> Iterator[WrittenCall]:
        """Report a marker that no call follows."""
        marker, self._marker, self._marked_end = self._marker, None, -1
        if marker is None or not marker[0].startswith(_REPORTED):
            return
        body = self._text[marker.end() : end].partition("</")[0]
        if body.strip():
            self._broken += 1
            yield self._call(Shape("", problem=f"no call follows {marker[0]}"), marker, True, marker.end() + len(body))

    def _read(self, start: re.Match[str]) -> Iterator[WrittenCall]:
        if start["tag"]:
            yield from self._tagged(start, tool_name(start["tag_name"]))
        elif start["glm"]:
            yield self._paired(start, tool_name(start["glm_name"]))
        elif start["named"]:
            yield from self._value(start, start.end(), tool_name(start["name"]))
        elif start["react"]:
            yield self._call(self._plain_input(tool_name(start["react_name"]), start["input"].strip()), start, True)
        elif start["lead"]:
            yield from self._value(start, start.end(), start["lead_name"], marked=False)
        elif start["xml"]:
            yield from self._xml(start, start["xml_name"])
        elif start["python"]:
            yield from self._python(start)
        else:
            yield from self._value(start, start.start())

    def _plain_input(self, name: str, said: str) -> Shape:
        """Return the call whose input is no JSON: "video=2, start_s=5", or the text of the first parameter."""
        read = read_python_call(f"{name}({said})", self._parameters) if "=" in said else None
        first = self._parameters.get(name.casefold(), ("value",))[0]
        return Shape(name, read[1] if read else {first: said})

    def _tagged(self, start: re.Match[str], name: str) -> Iterator[WrittenCall]:
        """Read the body of a tag: parameters in tags of their own, or JSON."""
        blank = _BLANK.match(self._text, start.end())
        at = blank.end() if blank else start.end()
        if self._text.startswith("{", at):
            yield from self._value(start, at, name)
            return
        ends = _TAG_END.search(self._text, start.end())
        end = ends.start() if ends else len(self._text)
        body = self._text[start.end() : end]
        self._position = ends.end() if ends else end
        found = islice(_PARAMETER.finditer(body), MAX_PARAMETERS)
        pairs = {pair["key"]: self._tag_value(pair["value"], pair["text"] == "true") for pair in found}
        problem = "" if pairs or not body.strip() else f"the arguments of {name} are not in tags"
        yield self._call(Shape(name, pairs, problem), start, True)

    def _xml(self, start: re.Match[str], name: str) -> Iterator[WrittenCall]:
        """Read a call whose tag is the tool and whose inner tags are the parameters, or JSON."""
        if self._text.startswith("{", start.end()):
            yield from self._value(start, start.end(), name, marked=False)
            return
        body = self._text[start.end() : start.end() + MAX_XML].partition(f"</{start['xml_name']}>")[0]
        self._work += len(body) // 8
        found = islice(_children(body, self._parameters[name.casefold()]), MAX_PARAMETERS)
        pairs = {key: self._tag_value(value) for key, value in found}
        if pairs:
            self._position = start.end() + len(body)
            yield self._call(Shape(name, pairs), start, False)

    def _paired(self, start: re.Match[str], name: str) -> WrittenCall:
        end = self._text.find("</tool_call>", start.end())
        body = self._text[start.end() : end if end >= 0 else len(self._text)]
        self._position = start.end() + len(body)
        found = islice(_GLM_PAIR.finditer(body), MAX_PARAMETERS)
        pairs = {pair["key"].strip(): self._tag_value(pair["value"]) for pair in found}
        return self._call(Shape(name, pairs), start, True)

    def _value(self, start: re.Match[str], at: int, name: str = "", *, marked: bool = True) -> Iterator[WrittenCall]:
        """Read the JSON at a position: the arguments of `name`, or calls."""
        try:
            found = read_at(self._text, at)
        except Unreadable as problem:
            yield from self._unreadable(problem, start, at, name)
            return
        raw, self._position = self._text[at : found.end], max(found.end, self._position)
        self._work += found.work or len(raw) // 4
        shapes = list(shapes_of(found.value, tuple(self._parameters)))
        if name and not shapes:
            shapes = [Shape(name, arguments_of(found.value) or {})]
        if not shapes and (_MEANT.search(raw[:500]) or self._is_arguments(found.value)):
            shapes = [Shape("", problem=NAMELESS)]
        for shape in shapes:
            yield self._call(shape, start, bool(name) and marked)

    def _is_arguments(self, value: Any) -> bool:
        """Return whether an object holds the arguments of a tool, without its name."""
        given = set(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else set[str]()
        return bool(given) and any(given <= set(parameters) for parameters in self._parameters.values())

    def _unreadable(self, problem: Unreadable, start: re.Match[str], at: int, name: str) -> Iterator[WrittenCall]:
        self._broken += 1
        self._work += problem.work
        part = self._text[at : problem.end]
        if name or _MEANT.search(part[:500]):
            self._position = max(problem.end, self._position)
            reason = f"its JSON cannot be read at {place(self._text, problem.position)} ({problem.reason})"
            yield self._call(Shape(name, problem=reason), start, bool(name))

    def _python(self, start: re.Match[str]) -> Iterator[WrittenCall]:
        name = start.start("python_name")
        end = closing_bracket(self._text, start.end() - 1)
        self._work += (end - name if end > 0 else MAX_CALL) // 8
        read = read_python_call(self._text[name:end], self._parameters) if end > 0 else None
        known = tool_name(start["python_name"]).casefold() in self._parameters
        marked = "<" in start[0] or "TOOL_CALLS" in start[0] or "```" in start[0]
        if end < 0 or not (marked or _ALONE.match(self._text, end)):
            return
        if read is not None and (known or read[1]):
            shape = Shape(tool_name(read[0]), read[1])
        elif known and "=" in self._text[name:end]:
            shape = Shape(start["python_name"], problem="its arguments cannot be read")
        else:
            return
        self._position = end
        yield replace(self._call(shape, start, marked), python=not marked)

    def _tag_value(self, raw: str, is_text: bool = False) -> Any:
        """Return the value of a parameter in a tag: JSON where it is JSON, else text without line breaks around it."""
        text = html.unescape(raw.removeprefix("\n").removesuffix("\n"))
        self._work += len(text) if text.lstrip().startswith(("{", "[")) else 0
        return text if is_text or self._work > MAX_WORK else read_whole(text)

    def _call(self, shape: Shape, start: re.Match[str], marked: bool, end: int = 0) -> WrittenCall:
        begin, end = start.start(), end or self._position
        problem = shape.problem
        if problem:
            snippet = " ".join(self._text[begin : min(end, begin + MAX_SNIPPET)].split())
            problem = f"The action at {place(self._text, begin)} cannot be used: {problem}. It reads: {snippet}"
        return WrittenCall(shape.name, shape.arguments, problem, begin, end, marked)


def _children(body: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each tag with one of these names, up to one that is not closed."""
    position = 0
    while child := _CHILD.search(body, position):
        position = child.end()
        if child[1] in names:
            end = body.find(f"</{child[1]}>", position)
            if end < 0:
                return
            yield child[1], body[position:end]
            position = end
