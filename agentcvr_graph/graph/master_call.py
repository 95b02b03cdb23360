"""Call the master's model in the best dialect that it takes.

A server that takes no tool calls says so with an error. The refusal is recorded for the model, and the same turn is
asked for in the next dialect: a schema, then JSON text. The next question starts in the dialect that is left. A dialect
that the settings name is used as it is, and its refusal is an error of the run.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage

from agentcvr_graph.graph.action_schema import TurnBounds
from agentcvr_graph.graph.context import WantedDialect
from agentcvr_graph.graph.dialects import bind_master, choose_dialect, for_model, with_instructions
from agentcvr_graph.models.clients.refusals import SCHEMA, TOOLS, note_refusal
from agentcvr_graph.tools import Toolset

REFUSABLE: dict[str, tuple[str, ...]] = {"tools": (TOOLS,), "schema": (SCHEMA,), "json": ()}
"""The feature of the model's server that each dialect needs."""


async def call_master(
    master: BaseChatModel,
    wanted: WantedDialect,
    messages: Sequence[AnyMessage],
    tools: Toolset,
    bounds: TurnBounds,
) -> AIMessage:
    """Return the next turn of the master.

    Raises:
        SetupError: the model cannot act in the wanted dialect.
        Exception: what the model's client raises, unless it refuses a dialect and another one is left.
    """
    while True:
        dialect = choose_dialect(master, wanted)
        bound = bind_master(master, dialect, tools, bounds)
        try:
            return await bound.ainvoke(for_model(with_instructions(messages, dialect, tools), dialect))
        except Exception as error:
            if wanted != "auto" or note_refusal(master, error, REFUSABLE[dialect]) is None:
                raise
