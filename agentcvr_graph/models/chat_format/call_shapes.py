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

# Keys, without case and underscores; earlier ones win.
NAMES = ("action", "name", "tool", "toolname", "function", "functionname", "actionname", "recipientname")
ARGUMENTS = ("arguments", "args", "params", "parameters", "input", "toolinput", "actioninput", "toolargs", "kwargs")
LISTS = ("toolcalls", "actions", "calls", "functioncalls", "tooluses", "tools")
NESTED = ("function", "toolcall", "functioncall", "action", "tool", "call", "tooluse")
ANSWERS = ("finalanswer", "answer")
BESIDE = frozenset({"thought", "thoughts", "think", "reasoning", "type", "id", "callid", "index", "role", "status"})
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
    keys = {_plain(key): key for key in reversed(list(item))}
    if listed := _first(item, keys, LISTS, list):
        yield from shapes_of(item[listed], tools)
        return
    name, nested = _first(item, keys, NAMES, str), _first(item, keys, NESTED, dict, list)
    if not name and str(item.get("type")).casefold() in tools:
        name = "type"
    if name:
        yield from _named(name, item, tools)
    elif nested:
        # {"type": "function", "function": {"name": ...}, "parameters": ...}: some put the arguments outside
        inner = item[nested]
        outside = {key: item[key] for plain, key in keys.items() if plain in ARGUMENTS}
        yield from shapes_of({**outside, **inner} if isinstance(inner, Mapping) else inner, tools)
    elif any(key in keys for key in ANSWERS):
        yield Shape("answer", _answer_arguments(item))
    elif item and all(key.casefold() in tools and isinstance(inner, Mapping) for key, inner in item.items()):
        for key, inner in item.items():
            yield Shape(key, dict(cast(Mapping[str, Any], inner)))


def _named(key: str, item: Mapping[str, Any], tools: Sequence[str]) -> Iterator[Shape]:
    written, name = str(item[key]), tool_name(str(item[key]))
    beside = {
        other: inner
        for other, inner in item.items()
        if other != key and _plain(other) not in BESIDE and _plain(other) not in ARGUMENTS
    }
    given = [other for wanted in ARGUMENTS for other in item if _plain(other) == wanted and other != key]
    if not given and name.casefold() not in tools and (key == "name" or not _NAME.fullmatch(written.strip())):
        return  # {"name": "red cook", "age": 30} is no call
    arguments = arguments_of(item[given[0]]) if given else {}
    if arguments is None:
        yield Shape(name, problem=f"the arguments of {name} are not a JSON object: {_snippet(item[given[0]])}")
    else:
        yield Shape(name, arguments or _unwrapped(beside))


def _answer_arguments(item: Mapping[str, Any]) -> dict[str, Any]:
    key = next(key for wanted in ANSWERS for key in item if _plain(key) == wanted)
    rest = {name: inner for name, inner in item.items() if _plain(name) not in (*ANSWERS, *BESIDE)}
    if isinstance(item[key], Mapping) and "value" in item[key]:
        return {**rest, **item[key]}
    return _unwrapped({"value": item[key], **rest})


def _unwrapped(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an answer with its content alone: AgentCVR also writes {"content": ["A"]}."""
    return {
        name: cast(Mapping[str, Any], inner)["content"]
        if isinstance(inner, Mapping) and set(cast(Mapping[str, Any], inner)) == {"content"}
        else inner
        for name, inner in arguments.items()
    }


def _plain(key: str) -> str:
    return str(key).replace("_", "").replace("-", "").casefold()


def _first(item: Mapping[str, Any], keys: Mapping[str, str], wanted: Sequence[str], *kinds: type) -> str:
    """Return the first key of an object that is wanted and whose value is of one of the kinds; empty if none is."""
    return next((keys[key] for key in wanted if key in keys and isinstance(item[keys[key]], kinds)), "")


def _snippet(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."
