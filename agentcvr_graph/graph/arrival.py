"""Tidy a master's message when it arrives, before it is stored: the one place that changes what a model wrote.

Servers that enforce OpenAI's rule refuse a conversation in which two calls share an id, a call has no id, or arguments
are no JSON object, from the next turn on. So the stored message has

- call ids that are unique in the thread, nine letters and digits where one had to be made (what Mistral asks for);
- names without what the model's format put around them (`functions.observe`, `observe<|channel|>commentary`);
- arguments as objects; those that cannot be read stand under `UNREADABLE`, with the reason in the call's `error`;
- an id of its own, because LangGraph replaces a message by a later one with the same id, and because the ids of calls
  that are written as text are made from it;
- a mark (`CLOSING`) if only an answer was asked for, because then a text without a call is read as an answer.

Calls that are written as text stay text: nothing that a policy sampled is rewritten.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call

from agentcvr_graph.graph.sanitize import sanitize_message, sanitize_value
from agentcvr_graph.models.chat_format.call_shapes import arguments_of, tool_name

UNREADABLE = "unreadable"
"""The argument that holds the text of arguments that cannot be read."""
CLOSING = "closing"
"""Key in a message's `additional_kwargs`: it was written when only an answer was asked for. No model reads it."""
NAME_LENGTH = 64
ID_LENGTH = 9


def tidy(message: AIMessage, thread: Sequence[AnyMessage], *, closing: bool = False) -> AIMessage:
    """Return a message as it is stored; unchanged if nothing is wrong with it.

    Args:
        message: what the master wrote.
        thread: the messages of the thread so far; may hold the message itself.
        closing: whether only an answer was asked for.
    """
    message = sanitize_message(message)
    earlier = [one for one in thread if one is not message and not _same(one, message, thread)]
    taken = {str(call["id"]) for one in earlier if isinstance(one, AIMessage) for call in _calls(one)}
    names = _Ids(taken, str(len(earlier)))
    calls = [_tidy_call(call, names) for call in message.tool_calls]
    repaired, invalid = _repaired(message.invalid_tool_calls, names)
    others = {key: value for key, value in message.additional_kwargs.items() if key != CLOSING}
    marks = {**others, CLOSING: True} if closing else others
    update: dict[str, Any] = {"tool_calls": [*calls, *repaired], "invalid_tool_calls": invalid}
    update["additional_kwargs"] = marks
    if message.id is None or any(one.id == message.id for one in earlier):
        update["id"] = str(uuid.uuid4())
    changed = {name: value for name, value in update.items() if value != getattr(message, name)}
    return message.model_copy(update=changed) if changed else message


def unreadable_text(call: InvalidToolCall) -> str:
    """Return what a model wrote as the arguments of a call that cannot be read."""
    try:
        return str(json.loads(call["args"] or "")[UNREADABLE])
    except (ValueError, KeyError, TypeError):
        return call["args"] or ""


class _Ids:
    """Makes call ids unique in a thread."""

    def __init__(self, taken: set[str], seed: str) -> None:
        self._taken, self._seed, self._number = taken, seed, 0

    def unique(self, wanted: object) -> str:
        """Return the id that a call has, or another if it has none or an earlier call has it."""
        call_id = "" if wanted is None else str(wanted)
        while not call_id or call_id in self._taken:
            self._number += 1
            call_id = hashlib.sha256(f"{self._seed}:{self._number}".encode()).hexdigest()[:ID_LENGTH]
        self._taken.add(call_id)
        return call_id


def _same(one: AnyMessage, message: AIMessage, thread: Sequence[AnyMessage]) -> bool:
    """Return whether a message of the thread is the one that is tidied: the last, with the same id."""
    return one is thread[-1] and one.id is not None and one.id == message.id


def _calls(message: AIMessage) -> Iterable[ToolCall | InvalidToolCall]:
    return (*message.tool_calls, *message.invalid_tool_calls)


def _tidy_call(call: ToolCall, ids: _Ids) -> ToolCall:
    name = tool_name(call["name"])[:NAME_LENGTH] or call["name"]
    return ToolCall(name=name, args=call["args"], id=ids.unique(call["id"]), type="tool_call")


def _repaired(invalid: Sequence[InvalidToolCall], ids: _Ids) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """Sort calls that a client could not read into those that can be read after all, and the others."""
    calls: list[ToolCall] = []
    others: list[InvalidToolCall] = []
    for call in invalid:
        text, call_id = unreadable_text(call), ids.unique(call["id"])
        name = tool_name(call["name"] or "")[:NAME_LENGTH]
        arguments = arguments_of(text) if name and text.strip() else None
        try:
            arguments = sanitize_value(arguments)
        except ValueError:
            arguments = None
        if arguments is None:
            args = json.dumps({UNREADABLE: text})
            others.append(invalid_tool_call(name=name, args=args, id=call_id, error=call["error"]))
        else:
            calls.append(ToolCall(name=name, args=cast(dict[str, Any], arguments), id=call_id, type="tool_call"))
    return calls, others
