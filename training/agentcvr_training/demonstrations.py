"""Demonstrations: record conversations of any master with the graph, and convert them to rows to imitate.

A demonstration holds the master's turns and the environment's replies, so it can come from the offline master, from a
large model behind an API, or from a human. It is stored as messages, not as tokens, because the tokens depend on the
chat template of the model that learns from it.

`agentcvr train demonstrate` appends each conversation to a JSONL file when it ends, so the same command resumes a
recording. Budgets and dialect shape the conversation, so pass the configuration of the training that will use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, messages_from_dict, messages_to_dict
from pydantic import BaseModel, ValidationError
from rich.markup import escape

from agentcvr_graph.answers import score_of
from agentcvr_graph.cli.console import NO_ANSWER, err, one_of, out
from agentcvr_graph.cli.options import context_of
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.builder import create_cvr_graph, recursion_limit
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dialects import Dialect, choose_dialect, for_model
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.budgets import drawn_share
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import TOOLS
from agentcvr_graph.tools.spec import AnyTool
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.utils.jsonl_log import append_row, exclusive_writer, repair_last_row
from agentcvr_graph.utils.progress import ProgressBar
from agentcvr_training.config.named_scripts import named_scripts
from agentcvr_training.config.settings import Settings
from agentcvr_training.rewards import infrastructure_failure
from agentcvr_training.rollout.chat_format import ChatFormat, Tools
from agentcvr_training.rollout.episodes import RolloutTask
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.rollout.policy import seed_of

MOST_FAILURES = 20
"""Consecutive infrastructure failures after which a recording stops, because the rest would fail too."""
ROW_START = '{"script_id":'


class Demonstration(BaseModel):
    """One recorded conversation."""

    script_id: str
    score: float
    """Score of the answer by the script's key; 0 without an answer."""
    messages: list[dict[str, object]]
    """Output of `langchain_core.messages.messages_to_dict`, without artifacts."""
    dialect: Dialect = "tools"
    """The dialect of the master."""
    imitated_from: int = 0
    """Index of the first imitated turn. Earlier turns carry no loss, so that only the answer is learned."""

    def conversation(self) -> list[BaseMessage]:
        """Return the messages as the master read them, including its own turns."""
        return list(for_model(cast(list[AnyMessage], messages_from_dict(self.messages)), self.dialect))


async def demonstrate(
    master: BaseChatModel,
    perception: Perception,
    scripts: Iterable[Script],
    context: CVRContext,
    *,
    live_graphs: int = 16,
    tools: Iterable[AnyTool] = TOOLS,
    budget_shares: tuple[float, float] | None = None,
) -> AsyncIterator[Demonstration | None]:
    """Yield a demonstration for each script as its run ends; None where the infrastructure failed.

    Args:
        budget_shares: budgets are drawn between these shares of the full cost of a script; None for the context's.
    """
    graph = create_cvr_graph(master, perception, tools=tools).compile()
    limit = asyncio.Semaphore(live_graphs)
    dialect = choose_dialect(master, context.dialect)

    def share_of(script: Script) -> float | None:
        return None if budget_shares is None else drawn_share(budget_shares, seed_of(0, script.id))

    async def one(script: Script) -> Demonstration | None:
        async with limit:
            config: Any = {"recursion_limit": recursion_limit(context), "metadata": {"question_id": script.id}}
            own = RolloutTask(script, seed=0, budget_share=share_of(script)).settings(context)
            output: Any = await graph.ainvoke(as_input(script.as_question()), config, context=own)
        trajectory = trajectory_of(output)
        if infrastructure_failure(trajectory):
            return None
        without: Any = {"artifact": None, "additional_kwargs": {}}
        bare = [message.model_copy(update=without) for message in policy_messages(output)]
        return Demonstration(
            script_id=script.id,
            score=score_of(trajectory.answer, script.key),
            messages=messages_to_dict(bare),
            dialect=dialect,
        )

    tasks = [asyncio.ensure_future(one(script)) for script in scripts]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def read_demonstrations(path: Path, least_score: float = 0.0) -> Iterator[Demonstration]:
    """Yield the demonstrations of a file whose answer scores at least `least_score`.

    Raises:
        InputError: the file is missing, a line is not a demonstration, or (at the end) no score was high enough.
    """
    found = good = 0
    for demonstration in _read(path):
        found += 1
        if demonstration.score >= least_score:
            good += 1
            yield demonstration
    if not good:
        raise InputError(f"None of the {found} demonstrations in {path} scores {least_score:g} or more.")


def _read(path: Path) -> Iterator[Demonstration]:
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                number += 1
                yield Demonstration.model_validate_json(line)
    except OSError as error:
        raise InputError(f"The demonstrations {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise InputError(f"{path}:{number}: {error.errors()[0]['msg']}") from None


def row_of(
    messages: Sequence[BaseMessage],
    form: ChatFormat,
    tools: Tools = None,
    node: str = "master",
    *,
    imitated_from: int = 0,
) -> Row:
    """Return a conversation as the row that a rollout would have recorded: mask 1 for the policy's tokens, else 0.

    Args:
        imitated_from: turns before this one (counted from 0) count as the environment's.

    Raises:
        ValueError: the conversation has no turn of the master.
    """
    turns = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
    if not turns:
        raise ValueError("a conversation without a turn teaches nothing")
    row = Row(form.prompt_ids(messages[: turns[0]], tools))
    for number, (start, end) in enumerate(zip(turns, [*turns[1:], None], strict=True)):
        message = messages[start]
        assert isinstance(message, AIMessage)
        ids = form.turn_ids(message)
        if number < imitated_from:
            row.add_environment(ids)
        else:
            row.add_policy(ids, [0.0] * len(ids), node)
        if end is not None:
            row.add_environment(form.environment_ids(ids, messages[start + 1 : end]))
    return row


def choose_scripts(
    settings: Settings | None, library: str, tasks: Sequence[str], each: int, seed: int, difficulty: str
) -> list[Script]:
    """Return the scripts that the command line names, else those of the configuration.

    Raises:
        InputError: a name is unknown, or there are no scripts.
    """
    if settings is not None and not library and not tasks:
        return settings.scripts.load()
    return named_scripts(library, tasks, each, seed, difficulty)


def record(
    path: Path, master: str, scripts: Sequence[Script], settings: Settings | None, *, dialect: str, live_graphs: int
) -> int:
    """Append a demonstration of every script that a file does not hold yet; return the exit status.

    Args:
        master: model string of the demonstrating master.
        settings: source of graph settings, tools and noise; None for the defaults.
        dialect: replaces the dialect of the settings unless empty.

    Raises:
        InputError: another run is writing the file, or it is no file of demonstrations.
    """
    context = settings.context if settings else context_of(master, abstain="never")
    if dialect:
        context = context.model_copy(update={"dialect": one_of("--dialect", dialect, ("auto", "tools", "json"))})
    perception = ScriptedPerception(ScriptLibrary.of(scripts), settings.rollout.noise if settings else "off")
    tools = settings.load_tools() if settings else TOOLS
    with exclusive_writer(path):
        missing = _missing(scripts, path)
        found = demonstrate(
            resolve_chat_model(master),
            perception,
            missing,
            context,
            live_graphs=live_graphs,
            tools=tools,
            budget_shares=settings.rollout.budget_shares if settings else None,
        )
        return asyncio.run(_append(found, path, len(scripts) - len(missing), len(scripts)))


def _missing(scripts: Sequence[Script], path: Path) -> list[Script]:
    """Return the scripts that have no demonstration in a file; first remove an incomplete last line from it."""
    if not path.exists():
        return list(scripts)
    repair_last_row(path, ROW_START)
    done = {demonstration.script_id for demonstration in _read(path)}
    return [script for script in scripts if script.id not in done]


async def _append(demonstrations: AsyncIterator[Demonstration | None], path: Path, done: int, wanted: int) -> int:
    """Append demonstrations as they complete; return the exit status."""
    failed = in_a_row = 0
    with ProgressBar("recording", wanted, completed=done, console=err) as progress:
        async for one in demonstrations:
            failed, in_a_row = (failed, 0) if one else (failed + 1, in_a_row + 1)
            if in_a_row >= MOST_FAILURES:
                break
            if one:
                append_row(path, one.model_dump_json())
                done += 1
                progress.advance()
    out.print(f"{done} demonstrations: {escape(str(path))}")
    if failed:
        err.print(
            f"[red]could not answer:[/] the master or the infrastructure failed in {failed}; the same command retries"
        )
    return NO_ANSWER if failed else 0
