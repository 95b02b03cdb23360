"""Turn a value that a model wrote into calls: every shape of JSON in which models name a tool and its arguments.

    {"action": ..., "arguments": {...}}              ours; other keys of both are in NAMES and ARGUMENTS
    {"type": "function", "function": {...}}          OpenAI, Llama; also nested under tool_call, function_call
    {"tool_calls": [...]}, [...]                     several calls
    {"recipient_name": "functions.observe", ...}     OpenAI's parallel calls
    {"action": "answer", "final_answer": "C"}        AgentCVR: the arguments beside the name
    {"final_answer": "C"}, {"answer": "C"}           an answer alone
    {"observe": {...}}                               the tool as the key

Arguments may be JSON in a string, several times over. This module knows no text around the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from agentcvr_graph.models.chat_format.loose_json import decoded

NAMES = ("action", "name", "tool", "tool_name", "function", "function_name", "action_name", "recipient_name")
ARGUMENTS = (
    "arguments",
    "args",
    "params",
    "parameters",
    "input",
    "tool_input",
    "action_input",
    "tool_args",
    "kwargs",
)
LISTS = ("tool_calls", "actions", "calls", "function_calls", "tool_uses", "tools")
NESTED = ("function", "tool_call", "function_call", "action", "tool", "call")
ANSWERS = ("final_answer", "answer")
BESIDE = frozenset({"thought", "thoughts", "think", "reasoning", "type", "id", "call_id", "index", "role", "status"})
"""Keys that stand beside a call and are no arguments of it."""
_PREFIX = re.compile(r"^(?:functions?|tools?|default_api|tool_code|api)[.:/]", re.I)
_SUFFIX = re.compile(r"(?:<\|.*|:\d+|\.call|\(\))$", re.S)
_NAME = re.compile(r"[A-Za-z_][\w.:/-]{0,63}")


@dataclass(frozen=True)
class Shape:
    """A call as a value writes it."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    problem: str = ""
    """Why it cannot be used; empty if it can."""


def tool_name(written: str) -> str:
    """Return the name of the tool that a model names, without what its format puts around it.

    >>> tool_name("functions.observe:0"), tool_name("observe<|channel|>commentary")
    ('observe', 'observe')
    """
    return _SUFFIX.sub("", _PREFIX.sub("", written.strip())).strip()


def shapes_of(value: Any, tools: Sequence[str]) -> Iterator[Shape]:
    """Yield the calls in a value, in order; none if it is no call.

    Args:
        tools: names of tools, for the shape whose key is the tool.
    """
    if isinstance(value, list):
        for item in cast(list[Any], value):
            yield from shapes_of(item, tools)
    elif isinstance(value, Mapping):
        yield from _shapes(cast(Mapping[str, Any], value), tools)


def arguments_of(written: Any) -> dict[str, Any] | None:
    """Return the arguments of a call: an object, JSON in a string, or nothing; None if they are something else."""
    value = decoded(written)
    if isinstance(value, list) and len(cast(list[Any], value)) == 1:
        value = cast(list[Any], value)[0]
    if value is None or isinstance(value, str) and value.strip().lower() in ("", "null", "none"):
        return {}
    return dict(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else None


def _shapes(item: Mapping[str, Any], tools: Sequence[str]) -> Iterator[Shape]:
    for key in LISTS:
        if isinstance(item.get(key), list):
            yield from shapes_of(item[key], tools)
            return
    for key in NESTED:
        if isinstance(item.get(key), Mapping | list) and not _first(item, NAMES, str):
            # {"type": "function", "function": {"name": ...}, "parameters": ...}: some put the arguments outside
            inner = item[key]
            outside = {other: item[other] for other in ARGUMENTS if other in item}
            yield from shapes_of({**outside, **inner} if isinstance(inner, Mapping) else inner, tools)
            return
    name = _first(item, NAMES, str)
    if name:
        yield from _named(name, item, tools)
    elif any(key in item for key in ANSWERS):
        yield Shape("answer", _answer_arguments(item))
    elif item and all(key in tools and isinstance(inner, Mapping) for key, inner in item.items()):
        for key, inner in item.items():
            yield Shape(key, dict(cast(Mapping[str, Any], inner)))


def _named(key: str, item: Mapping[str, Any], tools: Sequence[str]) -> Iterator[Shape]:
    written, name = str(item[key]), tool_name(str(item[key]))
    beside = {name: inner for name, inner in item.items() if name != key and name not in (*BESIDE, *ARGUMENTS)}
    given = [name for name in ARGUMENTS if name in item]
    if not given and name.casefold() not in tools and (key == "name" or not _NAME.fullmatch(written.strip())):
        return  # {"name": "red cook", "age": 30} is no call
    arguments = arguments_of(item[given[0]]) if given else {}
    if arguments is None:
        yield Shape(name, problem=f"the arguments of {name} are not a JSON object: {_snippet(item[given[0]])}")
    else:
        yield Shape(name, arguments or _unwrapped(beside))


def _answer_arguments(item: Mapping[str, Any]) -> dict[str, Any]:
    key = next(key for key in ANSWERS if key in item)
    rest = {name: inner for name, inner in item.items() if name not in (*ANSWERS, *BESIDE)}
    return _unwrapped({"value": item[key], **rest})


def _unwrapped(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an answer with its content alone: AgentCVR also writes {"content": ["A"]}."""
    return {
        name: cast(Mapping[str, Any], inner)["content"]
        if isinstance(inner, Mapping) and set(cast(Mapping[str, Any], inner)) == {"content"}
        else inner
        for name, inner in arguments.items()
    }


def _first(item: Mapping[str, Any], keys: Sequence[str], kind: type) -> str:
    return next((key for key in keys if isinstance(item.get(key), kind)), "")


def _snippet(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."
