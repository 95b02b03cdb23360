"""The dialects in which a master acts: tool calls of the model's interface, or JSON text, free or bound to a schema.

This is the only module that knows them. It reads either form, whatever the model was asked for, so it understands a
model that writes JSON actions although it has tools. A reply uses the dialect of its call. The master's messages are
never rewritten: they stay exactly as the model sampled them.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.utils import merge_message_runs
from langchain_core.runnables import Runnable

from agentcvr_graph.answers import stated_answer
from agentcvr_graph.errors import SetupError
from agentcvr_graph.graph.action_schema import TurnBounds, turn_schema
from agentcvr_graph.graph.arrival import CLOSING, unreadable_text
from agentcvr_graph.graph.context import WantedDialect
from agentcvr_graph.graph.prompts import CANCELLED, JSON_DIALECT, SCHEMA_DIALECT, tools_in_brief
from agentcvr_graph.graph.sanitize import sanitize_value
from agentcvr_graph.graph.state import Call
from agentcvr_graph.models.chat_format.loose_json import why_unreadable
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.models.chat_format.written_calls import WrittenCall, said, written_calls
from agentcvr_graph.models.clients.refusals import SCHEMA, refused_features
from agentcvr_graph.models.clients.refusals import TOOLS as TOOL_CALLS
from agentcvr_graph.models.clients.replies import tolerant
from agentcvr_graph.models.clients.structured import schema_options
from agentcvr_graph.tools import TOOLS, Toolset
from agentcvr_graph.tools.outline import Outlines, parameters_of
from agentcvr_graph.types import Observation, whole

Dialect = Literal["tools", "schema", "json"]
"""`schema` is JSON text that the engine constrains to the schema of a turn (`action_schema.py`)."""
MAX_SHOWN = 300
"""Characters of unreadable arguments that the master reads again."""
SCHEMA_NAME = "turn"
"""The name under which a server gets the schema of a turn."""
FAILED_BY = "failed_by"
"""Key in a message's `additional_kwargs` that says which side failed."""
FAILED_MODALITY = "failed_modality"
"""Key in a message's `additional_kwargs`, beside `FAILED_BY`: the modality of the tool that failed."""


def choose_dialect(master: BaseChatModel, wanted: WantedDialect) -> Dialect:
    """Return the dialect; `auto` means the first of tool calls, a schema and JSON text that the model takes.

    A model takes what its client offers and its server has not refused.

    Raises:
        SetupError: a schema is wanted, and the model's client cannot send one.
    """
    if wanted == "schema" and not _can_constrain(master):
        raise SetupError(
            f"The dialect 'schema' needs a server with `response_format` or a model in this process; "
            f"{type(master).__name__} is neither.",
            fix="Choose the dialect auto, tools or json.",
        )
    if wanted != "auto":
        return wanted
    refused = refused_features(master)
    if type(master).bind_tools is not BaseChatModel.bind_tools and TOOL_CALLS not in refused:
        return "tools"
    return "schema" if TOOL_CALLS in refused and SCHEMA not in refused and _can_constrain(master) else "json"


def _can_constrain(master: BaseChatModel) -> bool:
    return schema_options(master, SCHEMA_NAME, {}) is not None


def bind_master(
    master: BaseChatModel, dialect: Dialect, tools: Toolset, bounds: TurnBounds
) -> Runnable[LanguageModelInput, AIMessage]:
    """Return the master with the tools or the schema of the turn bound, as the dialect demands."""
    master = tolerant(master)
    if dialect == "tools":
        return master.bind_tools(list(tools.schemas))
    if dialect == "schema":
        return master.bind(**schema_options(master, SCHEMA_NAME, turn_schema(tools, bounds)) or {})
    return master


def instructions(dialect: Dialect, tools: Toolset = TOOLS) -> str:
    """Return the system prompt's part on how to act; empty for tool calls, which have their own schemas."""
    if dialect == "tools":
        return ""
    written = "\n".join(tool.signature for tool in tools)
    return {"schema": SCHEMA_DIALECT, "json": JSON_DIALECT}[dialect].format(signatures=written)


def with_instructions(messages: Sequence[AnyMessage], dialect: Dialect, tools: Toolset) -> list[AnyMessage]:
    """Return the messages whose system prompt says how to act in this dialect.

    The brief has written it there, unless the model has refused the dialect of the brief since.
    """
    said = instructions(dialect, tools)
    first = messages[0] if messages else None
    if not said or not isinstance(first, SystemMessage) or said in first.text:
        return list(messages)
    parts = [part for part in str(first.text).split("\n\n") if part not in _all_instructions(tools)]
    return [SystemMessage("\n\n".join([*parts, said]), id=first.id), *messages[1:]]


def _all_instructions(tools: Toolset) -> list[str]:
    return [instructions(cast(Dialect, dialect), tools) for dialect in get_args(Dialect)]


def for_model(messages: Sequence[AnyMessage], dialect: Dialect) -> list[AnyMessage]:
    """Return the messages to send, in which every call has its reply.

    JSON-dialect replies of one turn become one user message, as templates expect.
    """
    messages = answered_calls(messages)
    if dialect == "tools":
        return messages
    bare = [HumanMessage(message.text) if isinstance(message, HumanMessage) else message for message in messages]
    return cast(list[AnyMessage], merge_message_runs(bare))


def answered_calls(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with one reply directly after each native call, as OpenAI's interface demands.

    A turn that has this form stays as it is. In any other turn the replies are put in the order of the calls, missing
    ones say that the call was cancelled, and replies to no call are dropped.
    """
    starts = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
    complete = list(messages[: starts[0] if starts else None])
    for start, end in zip(starts, [*starts[1:], len(messages)], strict=False):
        complete += _answered_turn(cast(AIMessage, messages[start]), messages[start + 1 : end])
    return complete


def _answered_turn(message: AIMessage, after: Sequence[AnyMessage]) -> list[AnyMessage]:
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    first = [reply.tool_call_id for reply in after[: len(calls)] if isinstance(reply, ToolMessage)]
    ids = [call["id"] or "" for call in calls]
    if sorted(first) == sorted(ids) or not all(ids):  # the graph makes up the id of a call that has none
        return [message, *after]
    replies = [reply for reply in after if isinstance(reply, ToolMessage)]
    others = [other for other in after if not isinstance(other, ToolMessage)]
    return [message, *(_reply_to(call, replies) for call in calls), *others]


def _reply_to(call: ToolCall | InvalidToolCall, replies: list[ToolMessage]) -> ToolMessage:
    """Take the reply to a call out of the replies of its turn, or return that it was cancelled."""
    for reply in replies:
        if reply.tool_call_id == call["id"]:
            replies.remove(reply)
            return reply
    return ToolMessage(CANCELLED, tool_call_id=call["id"] or "", name=call["name"] or "", status="error")


def read_calls(message: AIMessage, turn: int, tools: Outlines = TOOLS.outlines) -> list[Call]:
    """Return the actions of one turn, in order; empty if there are none.

    Args:
        tools: what the master could call, for calls that are written as text.
    """
    return _native_calls(message, turn) or _text_calls(message, turn, tools)


def calls_of_turn(message: AIMessage, turn: int, thread: Sequence[AnyMessage]) -> list[Call]:
    """Return the actions of one turn, as `read_calls` with the tools in the brief of its conversation."""
    return _native_calls(message, turn) or _text_calls(message, turn, tools_in_brief(thread))


def _native_calls(message: AIMessage, turn: int) -> list[Call]:
    native = [
        Call(id=call["id"] or f"turn_{turn}_{n}", tool=call["name"], arguments=call["args"])
        for n, call in enumerate(message.tool_calls)
    ]
    return native + [
        Call(
            id=call["id"] or f"turn_{turn}_bad_{n}",
            tool=call["name"] or "",
            arguments={},
            problem=_not_json(unreadable_text(call)),
        )
        for n, call in enumerate(message.invalid_tool_calls)
    ]


def _text_calls(message: AIMessage, turn: int, tools: Outlines) -> list[Call]:
    base = message.id or f"turn_{turn}"
    found = _written(message.text, tools)
    if not any(call.name for call in found) and (prose := _prose_of(message)):
        return [_prose_answer(f"{base}_0", prose, tools)]
    return [_written_call(f"{base}_{n}", call) for n, call in enumerate(found)]


def write_calls(calls: Sequence[Mapping[str, Any]], dialect: Dialect) -> AIMessage:
    """Return a turn with these calls (name, args), as a master would write it."""
    if dialect != "tools":
        actions = [json.dumps({"action": call["name"], "arguments": call["args"]}) for call in calls]
        return AIMessage("\n".join(actions))
    native = [ToolCall(name=call["name"], args=call["args"], id=f"call_{uuid.uuid4().hex[:8]}") for call in calls]
    return AIMessage("", tool_calls=native)


def words_of(message: AIMessage) -> str:
    """Return all that a turn says, for display: its text as the model wrote it, then its native calls."""
    calls = [f"{call['name']}({json.dumps(call['args'], ensure_ascii=False)})" for call in message.tool_calls]
    calls += [f"{call['name'] or ''}({unreadable_text(call)})" for call in message.invalid_tool_calls]
    return "\n".join(part for part in (message.text.strip(), *calls) if part)


def thought_of(message: AIMessage, tools: Outlines = TOOLS.outlines) -> str:
    """Return the text beside the actions, for display."""
    text = message.text
    if not message.tool_calls:
        calls = _written(text, tools)
        reply = said(text)
        thought = text.removesuffix(reply) if text.endswith(reply) else ""
        text = thought + re.sub(r"```\w*\s*\Z", "", reply[: calls[0].start] if calls else reply)
    return re.sub(r"</?think>", "", text).strip() or _thought_inside(message.text)


def _thought_inside(text: str) -> str:
    """Return the thought of a turn that is one object with a thought and actions; empty for another turn."""
    if not text.lstrip().startswith("{"):
        return ""
    try:
        turn = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return ""
    thought: object = turn.get("thought")
    return thought.strip() if isinstance(thought, str) else ""


def reply(
    call: Call,
    text: str,
    observation: Observation | None = None,
    *,
    failed_by: Literal["", "infrastructure"] = "",
    modality: str = "",
) -> AnyMessage:
    """Return the reply to a call, in the dialect of the call. The typed observation is the reply's artifact.

    Args:
        failed_by: `infrastructure` if the call was valid and carrying it out failed; no model reads this.
        modality: with `failed_by`, the modality of the tool that failed.
    """
    artifact = observation.model_dump(mode="json") if observation else None
    marks: dict[str, Any] = {FAILED_BY: failed_by, FAILED_MODALITY: modality} if failed_by else {}
    if call.native:
        status = "error" if observation is None and text.startswith("error") else "success"
        return ToolMessage(
            text, tool_call_id=call.id, name=call.tool, artifact=artifact, status=status, additional_kwargs=marks
        )
    return HumanMessage(text, additional_kwargs={"call_id": call.id, "artifact": artifact, **marks})


def call_answered(reply: AnyMessage) -> str:
    """Return the id of the call that a message replies to; empty for a message that replies to no call."""
    return reply.tool_call_id if isinstance(reply, ToolMessage) else str(reply.additional_kwargs.get("call_id", ""))


def _not_json(text: str) -> str:
    shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return f"The arguments are not valid JSON ({why_unreadable(text)}): {shown}"


@functools.lru_cache(maxsize=256)
def _written(text: str, tools: Outlines) -> tuple[WrittenCall, ...]:
    """Return the calls in a turn's text. A turn is read when it is planned, routed and reported, so they are kept."""
    return tuple(written_calls(text, parameters_of(tools)))


def _prose_of(message: AIMessage) -> str | None:
    """Return what a turn without an action says as its answer: all of it where only an answer was asked for."""
    if message.additional_kwargs.get(CLOSING):
        return without_thoughts(message.text).strip()
    return _stated(message.text)


_stated = functools.lru_cache(maxsize=256)(stated_answer)


def _prose_answer(call_id: str, said: str, tools: Outlines) -> Call:
    """Return the call for an answer that a turn without an action gives in prose."""
    name = next(tool.name for tool in tools if tool.ends)
    return Call(id=call_id, tool=name, arguments={"value": whole(said)}, native=False, prose=True)


def _written_call(call_id: str, written: WrittenCall) -> Call:
    arguments, problem = dict[str, object](), whole(written.problem)
    try:
        arguments = sanitize_value(written.arguments)
    except ValueError as error:
        problem = f"The arguments cannot be used: {error}"
    return Call(id=call_id, tool=whole(written.name), arguments=arguments, native=False, problem=problem)
