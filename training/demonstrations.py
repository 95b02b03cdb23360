"""Demonstrations: conversations of some master with the graph, as rows to imitate.

A demonstration is what any master said and what the world replied, so it can come from the offline master, from a
large model behind an API, or from people. It is stored as messages, not as tokens: the tokens follow from the chat
template of whoever learns from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, messages_from_dict, messages_to_dict
from pydantic import BaseModel, ValidationError

from agentcvr_graph.errors import InputError
from agentcvr_graph.graph import create_cvr_graph
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.state import CVRContext, as_input
from agentcvr_graph.trajectory import trajectory_of
from training.chat_format import ChatFormat, Tools
from training.episodes import recursion_limit
from training.rewards import answer_score
from training.tokens import Row


class Demonstration(BaseModel):
    """One recorded conversation."""

    script_id: str
    score: float
    """Of the answer, by the script's key; 0 where there is none."""
    messages: list[dict[str, object]]
    """As `langchain_core.messages.messages_to_dict` writes them, without artifacts."""

    def conversation(self) -> list[BaseMessage]:
        """The messages."""
        return messages_from_dict(self.messages)


async def demonstrate(
    master: BaseChatModel,
    perception: Perception,
    scripts: Iterable[Script],
    context: CVRContext,
    *,
    live_graphs: int = 16,
) -> AsyncIterator[Demonstration]:
    """Let a master answer scripts, and give each conversation as it ends."""
    graph = create_cvr_graph(master, perception).compile()
    places = asyncio.Semaphore(live_graphs)

    async def one(script: Script) -> Demonstration:
        async with places:
            output = await graph.ainvoke(
                as_input(script.as_question()), {"recursion_limit": recursion_limit(context)}, context=context
            )
        messages: Sequence[BaseMessage] = output["messages"]
        bare = [message.model_copy(update={"artifact": None, "additional_kwargs": {}}) for message in messages]
        score = answer_score(trajectory_of(output), script)  # pyright: ignore[reportArgumentType]
        return Demonstration(script_id=script.id, score=score, messages=messages_to_dict(bare))

    for done in asyncio.as_completed([asyncio.ensure_future(one(script)) for script in scripts]):
        yield await done


def read_demonstrations(path: Path, least_score: float = 0.0) -> list[Demonstration]:
    """The demonstrations in a file whose answer scored at least so much.

    Raises:
        InputError: the file is missing, a line is not a demonstration, or none is good enough.
    """
    found: list[Demonstration] = []
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                found.append(Demonstration.model_validate_json(line))
    except OSError as error:
        raise InputError(f"The demonstrations {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        fault = error.errors()[0]
        raise InputError(f"{path}:{len(found) + 1}: {fault['msg']}") from None
    good = [demonstration for demonstration in found if demonstration.score >= least_score]
    if not good:
        raise InputError(f"None of the {len(found)} demonstrations in {path} scores {least_score:g} or more.")
    return good


def row_of(messages: Sequence[BaseMessage], form: ChatFormat, tools: Tools = None, node: str = "master") -> Row:
    """A conversation as the row that a policy would have left: its own tokens masked 1, the world's 0.

    Raises:
        ValueError: there is no turn in it.
    """
    turns = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
    if not turns:
        raise ValueError("a conversation without a turn teaches nothing")
    row = Row(form.opening(messages[: turns[0]], tools))
    for start, end in zip(turns, [*turns[1:], None], strict=True):
        message = messages[start]
        assert isinstance(message, AIMessage)
        ids = form.turn(message)
        row.add_policy(ids, [0.0] * len(ids), node)
        if end is not None:
            row.add_world(form.between(ids, messages[start + 1 : end]))
    return row
