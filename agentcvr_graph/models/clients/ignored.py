"""Find out what a model's server ignores without an error, once for each model in a process.

    tools              one short call that asks for a tool; a model whose server passes tools on calls it
    response_format    the reply itself: one that is bound to a schema is an object

Only models behind a server that can constrain are asked, because only for them is there something better than words. A
tool call of the model proves that its server takes tools, and no call is spent on it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage

from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.models.clients.refusals import SCHEMA, TOOLS, identity, note_ignored
from agentcvr_graph.models.clients.replies import tolerant
from agentcvr_graph.models.clients.structured import has_server
from agentcvr_graph.models.clients.unstreamed import UNSTREAMED
from agentcvr_graph.models.clients.usage import cost_of
from agentcvr_graph.types import Cost

logger = logging.getLogger(__name__)

READY: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "ready",
        "description": "Says that you are ready.",
        "parameters": {"type": "object", "properties": {}, "required": []},
    },
}
REQUEST = "Call the tool `ready` now. Write nothing else."
_settled: set[str] = set()
"""Models of which is known whether their servers take tools."""
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()
"""For each event loop and model: runs in parallel ask once, and the others wait for the reply."""


def calls_natively(message: AIMessage) -> bool:
    """Return whether a reply has tool calls, readable or not."""
    return bool(message.tool_calls or message.invalid_tool_calls)


async def check_tools(model: BaseChatModel, reply: AIMessage, *, acts: bool) -> Cost | None:
    """Record that the server ignores tools, if that is why a reply has no tool call.

    Args:
        model: the model, without tools bound.
        reply: its reply to a call with tools.
        acts: whether the reply has an action in its text.

    Returns:
        The cost of asking; None if nothing was asked.
    """
    if not has_server(model):
        return None
    key = identity(model)
    if calls_natively(reply):
        _settled.add(key)
    if acts or key in _settled:
        return None
    async with _lock(key):
        return None if key in _settled else await _ask(model)


async def _ask(model: BaseChatModel) -> Cost:
    said = await tolerant(model).bind_tools([READY]).ainvoke([HumanMessage(REQUEST)], UNSTREAMED)
    _settled.add(identity(model))
    if not calls_natively(said):
        note_ignored(model, TOOLS)
        logger.warning("The server of %s ignores tools: the master acts in a schema from now on.", _name(model))
    return cost_of(said)


def _lock(key: str) -> asyncio.Lock:
    return _locks.setdefault(asyncio.get_running_loop(), {}).setdefault(key, asyncio.Lock())


def check_schema(model: BaseChatModel, reply: AIMessage) -> None:
    """Record that the server ignores schemas, if a reply to a call with one is no object."""
    text = without_thoughts(reply.text).strip()
    if text and not text.startswith("{") and note_ignored(model, SCHEMA):
        logger.warning("The server of %s ignores schemas: the master writes JSON from now on.", _name(model))


def _name(model: BaseChatModel) -> str:
    return identity(model).partition(" ")[2].strip()
