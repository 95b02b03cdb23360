"""Call the master's model in the best dialect that it takes.

A server that takes no tool calls says so with an error. The refusal is recorded for the model, and the same turn is
asked for in the next dialect: a schema, then JSON text. Some servers ignore tools or a schema without an error, which
shows in a reply in words: that turn counts, and the next one is asked for in the next dialect. The next question starts
in the dialect that is left. A dialect that the settings name is used as it is, and its refusal is an error of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage

from agentcvr_graph.errors import SetupError
from agentcvr_graph.graph.action_schema import TurnBounds
from agentcvr_graph.graph.context import WantedDialect
from agentcvr_graph.graph.dialects import (
    Dialect,
    bind_master,
    choose_dialect,
    for_model,
    read_calls,
    with_instructions,
)
from agentcvr_graph.models.clients.errors import detail_of
from agentcvr_graph.models.clients.ignored import check_schema, check_tools
from agentcvr_graph.models.clients.refusals import SCHEMA, TOOLS, note_ignored, note_refusal
from agentcvr_graph.models.clients.unstreamed import UNSTREAMED
from agentcvr_graph.models.clients.usage import cost_of
from agentcvr_graph.tools import Toolset
from agentcvr_graph.types import Cost

logger = logging.getLogger(__name__)

REFUSABLE: dict[str, tuple[str, ...]] = {"tools": (TOOLS,), "schema": (SCHEMA,), "json": ()}
"""The feature of the model's server that each dialect needs."""


class MasterReply(NamedTuple):
    """A turn of the master, and what it cost."""

    message: AIMessage
    cost: Cost


async def call_master(
    master: BaseChatModel,
    wanted: WantedDialect,
    messages: Sequence[AnyMessage],
    tools: Toolset,
    bounds: TurnBounds,
) -> MasterReply:
    """Return the next turn of the master.

    Raises:
        SetupError: the model cannot act in the wanted dialect.
        Exception: what the model's client raises, unless it refuses a dialect and another one is left.
    """
    while True:
        dialect = choose_dialect(master, wanted)
        try:
            bound = bind_master(master, dialect, tools, bounds)
        except NotImplementedError as error:  # of `bind_tools`: a class that passes it on to a model without tool calls
            if wanted != "auto":
                raise SetupError(
                    f"{type(master).__name__} takes no tool calls, which the dialect {wanted!r} needs.",
                    fix="Choose the dialect auto or json.",
                ) from error
            note_ignored(master, TOOLS)
            continue
        try:
            message = await bound.ainvoke(for_model(with_instructions(messages, dialect, tools), dialect), UNSTREAMED)
        except Exception as error:
            if wanted != "auto" or note_refusal(master, error, REFUSABLE[dialect]) is None:
                raise
            logger.info("%s; the master acts in another dialect.", detail_of(error))
        else:
            cost = cost_of(message)
            if wanted == "auto" and not bounds.closing and (asked := await _check(master, dialect, message, tools)):
                cost += asked
            return MasterReply(message, cost)


async def _check(master: BaseChatModel, dialect: Dialect, message: AIMessage, tools: Toolset) -> Cost | None:
    """Record what the server ignored, if that shows in the reply; return the cost of asking, None if it was not asked.

    Not called where only an answer is allowed: words may end a run.
    """
    acts = bool(read_calls(message, 0, tools.outlines))
    if dialect == "tools":
        return await check_tools(master, message, acts=acts)
    if dialect == "schema" and not acts:
        check_schema(master, message)
    return None
