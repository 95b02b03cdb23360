"""Sanitize a model's output, so that a checkpoint and a file can store it.

Models and their servers sometimes write values that JSON allows and that cannot be stored: lone surrogates, numbers of
more than 64 bits, very deeply nested lists. Lone surrogates are removed. Arguments with one of the others are rejected
as invalid, and the error is returned to the master.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.messages.tool import invalid_tool_call

from agentcvr_graph.types import whole

MAX_DEPTH = 32
_MAX_INTEGER = 2**63
_HOLDERS = (dict, list, tuple)
NOT_SERIALIZABLE = "a number of more than 64 bits, or lists within lists more than 32 deep"


def sanitize_value(value: Any, depth: int = 0) -> Any:
    """Return a JSON value without lone surrogates.

    Raises:
        ValueError: the value cannot be stored.
    """
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise ValueError(NOT_SERIALIZABLE)
    if not isinstance(value, _HOLDERS):
        return value
    if depth >= MAX_DEPTH:
        raise ValueError(NOT_SERIALIZABLE)
    if isinstance(value, dict):
        items = cast(dict[Any, Any], value).items()
        return {whole(str(key)): sanitize_value(inner, depth + 1) for key, inner in items}
    return [sanitize_value(inner, depth + 1) for inner in cast(list[Any], value)]


def sanitize_message(message: AIMessage) -> AIMessage:
    """Return the message, changed only where it could not be stored."""
    calls: list[Any] = []
    invalid: list[Any] = [{**call, "args": whole(call["args"] or "")} for call in message.invalid_tool_calls]
    for call in message.tool_calls:
        try:
            calls.append(sanitize_value(call))
        except ValueError as error:
            name, call_id = whole(call["name"]), whole(call["id"] or "")
            invalid.append(invalid_tool_call(name=name, args=str(error), id=call_id, error=str(error)))
    update: dict[str, Any] = {"content": _content(message), "tool_calls": calls, "invalid_tool_calls": invalid}
    changed = {name: value for name, value in update.items() if value != getattr(message, name)}
    return message.model_copy(update=changed) if changed else message


def _content(message: AIMessage) -> Any:
    try:
        return sanitize_value(message.content)
    except ValueError:
        return whole(message.text)
