"""The two dialects in which a master acts: tool calls of the model's interface, or JSON text.

This is the only module that knows both. Reading accepts either, whatever the model was asked for, so a model that
writes a JSON action beside its tools is understood; a reply goes back in the dialect of its call. Nothing the master
wrote is rewritten: what the model sampled is what stays in the messages.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.messages.utils import merge_message_runs
from langchain_core.runnables import Runnable

from agentcvr_graph.graph.prompts import JSON_DIALECT
from agentcvr_graph.graph.sanitize import sanitize_value
from agentcvr_graph.graph.state import Call
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.tools import TOOLS, Toolset
from agentcvr_graph.types import Observation, whole

Dialect = Literal["tools", "json"]


def choose_dialect(master: BaseChatModel, wanted: Literal["auto", "tools", "json"]) -> Dialect:
    """`auto` is tool calls where the model's class can bind tools, else JSON text."""
    if wanted != "auto":
        return wanted
    return "tools" if type(master).bind_tools is not BaseChatModel.bind_tools else "json"


def bind_master(master: BaseChatModel, dialect: Dialect, tools: Toolset) -> Runnable[LanguageModelInput, AIMessage]:
    """The master, ready to act in a dialect."""
    return master.bind_tools(list(tools.schemas)) if dialect == "tools" else master


def instructions(dialect: Dialect, tools: Toolset = TOOLS) -> str:
    """What the system prompt says about acting; empty for tool calls, which carry their own schemas."""
    if dialect == "tools":
        return ""
    schemas = "\n".join(
        json.dumps({"action": schema["function"]["name"], "arguments": schema["function"]["parameters"]})
        for schema in tools.schemas
    )
    return JSON_DIALECT.format(schemas=schemas)


def for_model(messages: Sequence[AnyMessage], dialect: Dialect) -> list[AnyMessage]:
    """The messages as sent: several JSON-dialect replies of one turn become one user message (templates want that)."""
    if dialect == "tools":
        return list(messages)
    bare = [HumanMessage(message.text) if isinstance(message, HumanMessage) else message for message in messages]
    return cast(list[AnyMessage], merge_message_runs(bare))


def read_calls(message: AIMessage, turn: int) -> list[Call]:
    """The actions of one turn, in order; empty when the turn holds none."""
    native = [
        Call(id=call["id"] or f"turn_{turn}_{n}", tool=call["name"], arguments=call["args"])
        for n, call in enumerate(message.tool_calls)
    ]
    native += [
        Call(
            id=call["id"] or f"turn_{turn}_bad_{n}",
            tool=call["name"] or "",
            arguments={},
            problem=f"The arguments are not valid JSON: {call['args']}",
        )
        for n, call in enumerate(message.invalid_tool_calls)
    ]
    if native:
        return native
    return [
        _json_call(f"turn_{turn}_{n}", tool, arguments)
        for n, (tool, arguments) in enumerate(_json_actions(without_thoughts(message.text)))
    ]


def write_calls(calls: Sequence[Mapping[str, Any]], dialect: Dialect) -> AIMessage:
    """A turn of these calls (name, args), as a master would have written it."""
    if dialect == "json":
        actions = [json.dumps({"action": call["name"], "arguments": call["args"]}) for call in calls]
        return AIMessage("\n".join(actions))
    native = [ToolCall(name=call["name"], args=call["args"], id=f"call_{uuid.uuid4().hex[:8]}") for call in calls]
    return AIMessage("", tool_calls=native)


def thought_of(message: AIMessage) -> str:
    """The text beside the actions, as a person reads it."""
    text = message.text
    if not message.tool_calls:
        start = min(
            (text.find(mark) for mark in ('{"', "[{", "```", "<tool_call>") if mark in text),
            default=len(text),
        )
        text = text[:start]
    return re.sub(r"</?think>", "", text).strip()


MAX_BROKEN = 1000
"""Beginnings of JSON that turn out to be none, after which a turn is read no further: each costs time."""
_JSON_START = re.compile(r'\{\s*"|\[\s*\{')
FAILED_BY = "failed_by"
"""Where a message's extra fields say whose failure it tells of."""


def reply(
    call: Call, text: str, observation: Observation | None = None, *, failed_by: Literal["", "infrastructure"] = ""
) -> AnyMessage:
    """What comes back for a call, in its own dialect; the typed observation rides along as the artifact.

    Args:
        failed_by: `infrastructure` where the call was right and what it asked for failed; no model reads this.
    """
    artifact = observation.model_dump(mode="json") if observation else None
    marks: dict[str, Any] = {FAILED_BY: failed_by} if failed_by else {}
    if call.native:
        status = "error" if observation is None and text.startswith("error") else "success"
        return ToolMessage(
            text, tool_call_id=call.id, name=call.tool, artifact=artifact, status=status, additional_kwargs=marks
        )
    return HumanMessage(text, additional_kwargs={"call_id": call.id, "artifact": artifact, **marks})


def _json_call(call_id: str, tool: str, arguments: dict[str, object]) -> Call:
    try:
        return Call(id=call_id, tool=whole(tool), arguments=sanitize_value(arguments), native=False)
    except ValueError as error:
        problem = f"The arguments cannot be used: {error}"
        return Call(id=call_id, tool=whole(tool), arguments={}, native=False, problem=problem)


def _json_actions(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Every `{"action": ..., "arguments": ...}` in a text, wherever it stands; `name` is read as `action`."""
    decoder = json.JSONDecoder()
    position, broken = 0, 0
    while broken < MAX_BROKEN and (match := _JSON_START.search(text, position)) is not None:
        try:
            value, position = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):  # no JSON; a number of thousands of digits; brackets in thousands
            position, broken = match.start() + 1, broken + 1
            continue
        items = cast(list[Any], value) if isinstance(value, list) else [value]
        for item in items:
            if isinstance(item, Mapping):
                yield from _json_action(cast(Mapping[str, Any], item))


def _json_action(item: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, object]]]:
    tool = item.get("action", item.get("name"))
    arguments = item.get("arguments", item.get("parameters"))
    if isinstance(tool, str) and isinstance(arguments, Mapping):
        yield tool, dict(cast(Mapping[str, object], arguments))
