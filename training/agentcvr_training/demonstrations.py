"""Demonstrations: conversations of some master with the graph, as rows to imitate.

A demonstration is what any master said and what the world replied, so it can come from the offline master, from a
large model behind an API, or from people. It is stored as messages, not as tokens: the tokens follow from the chat
template of whoever learns from it.

`python -m agentcvr_training.demonstrations` records them, one line each as it ends, so a run that was stopped goes on
where it was. Budgets and dialect are part of the conversation: give the configuration of the training that will learn
from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, messages_from_dict, messages_to_dict
from pydantic import BaseModel, ValidationError
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agentcvr_graph.answers import score_of
from agentcvr_graph.cli.console import NO_ANSWER, err, one_of, out, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.builder import create_cvr_graph, recursion_limit
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dialects import Dialect, choose_dialect, for_model
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import GENERATORS, LEVELS
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_training.config.settings import Scripts, Settings, load_settings
from agentcvr_training.rewards import infrastructure_failed
from agentcvr_training.rollout.chat_format import ChatFormat, Tools
from agentcvr_training.rollout.ledger import Row

UNANSWERED = 20
"""Conversations in a row that the world ended, after which a recording stops: all others would fail too."""


class Demonstration(BaseModel):
    """One recorded conversation."""

    script_id: str
    score: float
    """Of the answer, by the script's key; 0 where there is none."""
    messages: list[dict[str, object]]
    """As `langchain_core.messages.messages_to_dict` writes them, without artifacts."""
    dialect: Dialect = "tools"
    """In which the master acted."""
    imitated_from: int = 0
    """The first turn that is imitated. What came before it is only read: to teach an answer and not the way to it."""

    def conversation(self) -> list[BaseMessage]:
        """The messages as the master read them, its own turns among them."""
        return list(for_model(cast(list[AnyMessage], messages_from_dict(self.messages)), self.dialect))


async def demonstrate(
    master: BaseChatModel,
    perception: Perception,
    scripts: Iterable[Script],
    context: CVRContext,
    *,
    live_graphs: int = 16,
) -> AsyncIterator[Demonstration | None]:
    """Let a master answer scripts, and give each conversation as it ends; None for one that the world ended."""
    graph = create_cvr_graph(master, perception).compile()
    places = asyncio.Semaphore(live_graphs)
    dialect = choose_dialect(master, context.dialect)

    async def one(script: Script) -> Demonstration | None:
        async with places:
            output: Any = await graph.ainvoke(
                as_input(script.as_question()), {"recursion_limit": recursion_limit(context)}, context=context
            )
        trajectory = trajectory_of(output)
        if infrastructure_failed(trajectory):
            return None
        bare = [
            message.model_copy(update={"artifact": None, "additional_kwargs": {}}) for message in output["messages"]
        ]
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
    """The demonstrations in a file whose answer scored at least so much, one after the other: they may be many.

    Raises:
        InputError: the file is missing, a line is not a demonstration, or (at the end) none was good enough.
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
    """A conversation as the row that a policy would have left: its own tokens masked 1, the world's 0.

    Args:
        imitated_from: turns before this one (from 0) count as the world's.

    Raises:
        ValueError: there is no turn in it.
    """
    turns = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
    if not turns:
        raise ValueError("a conversation without a turn teaches nothing")
    row = Row(form.opening(messages[: turns[0]], tools))
    for number, (start, end) in enumerate(zip(turns, [*turns[1:], None], strict=True)):
        message = messages[start]
        assert isinstance(message, AIMessage)
        ids = form.turn(message)
        if number < imitated_from:
            row.add_environment(ids)
        else:
            row.add_policy(ids, [0.0] * len(ids), node)
        if end is not None:
            row.add_environment(form.between(ids, messages[start + 1 : end]))
    return row


EXAMPLES = """
[bold]Examples[/bold]

python -m agentcvr_training.demonstrations --config configs/tiny.yaml --out demonstrations.jsonl

python -m agentcvr_training.demonstrations --master openai:gpt-4.1 --scripts train.jsonl --out demonstrations.jsonl

python -m agentcvr_training.demonstrations --task CC --task FSA --each 500 --seed 9000 --out demonstrations.jsonl
"""
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(epilog=EXAMPLES)
def main(
    to: Annotated[
        Path, typer.Option("--out", help="The .jsonl file; lines are appended, what it holds is not redone.")
    ],
    master: Annotated[
        str, typer.Option(help="Model string of who shows how: offline, openai:..., http://...")
    ] = "offline",
    config: Annotated[
        Path | None, typer.Option(help="A training configuration: its graph, noise and, unless named here, scripts.")
    ] = None,
    scripts: Annotated[str, typer.Option(help="A file or folder of scripts.")] = "",
    tasks: Annotated[
        list[str] | None, typer.Option("--task", "-t", help=f"Worlds to make scripts of: {', '.join(GENERATORS)}.")
    ] = None,
    each: Annotated[int, typer.Option(min=1, help="With --task: scripts of each.")] = 100,
    seed: Annotated[int, typer.Option(help="With --task: seed of the first script of each.")] = 0,
    difficulty: Annotated[str, typer.Option(help=f"With --task: {', '.join(LEVELS)}.")] = "normal",
    dialect: Annotated[str, typer.Option(help="auto, tools or json; that of --config when left out.")] = "",
    live_graphs: Annotated[int, typer.Option(min=1, help="Conversations at a time.")] = 16,
) -> None:
    """Record how a master answers scripts, for the policy to imitate."""
    settings = load_settings(config) if config else None
    context = settings.context if settings else CVRContext()
    if dialect:
        context = replace(context, dialect=cast(Any, one_of("--dialect", dialect, ("auto", "tools", "json"))))
    chosen = _scripts(settings, scripts, tasks or [], each, seed, difficulty)
    perception = ScriptedPerception(ScriptLibrary.of(chosen), settings.rollout.noise if settings else "off")
    missing = _missing(chosen, to)
    asked = demonstrate(resolve_chat_model(master), perception, missing, context, live_graphs=live_graphs)
    raise typer.Exit(asyncio.run(_record(asked, to, len(chosen) - len(missing), len(chosen))))


def _scripts(
    settings: Settings | None, library: str, tasks: Sequence[str], each: int, seed: int, difficulty: str
) -> list[Script]:
    """Those that the command line names, else those of the configuration."""
    if settings is not None and not library and not tasks:
        return settings.scripts.load()
    chosen = [one_of("--task", task.upper(), tuple(GENERATORS)) for task in tasks]
    level: Literal["easy", "normal", "hard"] = cast(Any, one_of("--difficulty", difficulty, tuple(LEVELS)))
    return Scripts(
        library=library, tasks=cast(Any, tuple(chosen)), each=each if chosen else 0, seed=seed, difficulty=level
    ).load()


def _missing(scripts: Sequence[Script], path: Path) -> list[Script]:
    """The scripts that a file holds no demonstration of; a line that was cut off while it was written is removed."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return list(scripts)
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        path.write_bytes(text[: text.rfind(b"\n") + 1])
    done = {demonstration.script_id for demonstration in _read(path)}
    return [script for script in scripts if script.id not in done]


async def _record(demonstrations: AsyncIterator[Demonstration | None], path: Path, done: int, wanted: int) -> int:
    """Append what comes; the exit status."""
    failed = in_a_row = 0
    columns = (TextColumn("recording"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    with path.open("a", encoding="utf-8") as file, Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("", total=wanted, completed=done)
        async for one in demonstrations:
            failed, in_a_row = (failed, 0) if one else (failed + 1, in_a_row + 1)
            if in_a_row >= UNANSWERED:
                break
            if one:
                file.write(one.model_dump_json() + "\n")
                file.flush()
                done += 1
                progress.update(bar, completed=done)
    out.print(f"{done} demonstrations: {escape(str(path))}")
    if failed:
        err.print(
            f"[red]could not answer:[/] the master or the world failed in {failed}; the same command tries them again"
        )
    return NO_ANSWER if failed else 0


if __name__ == "__main__":
    run_app(app, "training")
