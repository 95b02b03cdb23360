"""Carry out `agentcvr chat`: read messages line by line, run the graph on one thread, print its replies."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agentcvr_graph.cli.ask_run import FinishedRun, RunSettings, print_offline_notice, stream_run, write_run_report
from agentcvr_graph.cli.console import ANSWERED, NO_ANSWER, err, escape, out, print_notes
from agentcvr_graph.errors import CVRError
from agentcvr_graph.graph.builder import create_cvr_graph, recursion_limit
from agentcvr_graph.graph.catalogues import list_videos, probe_first
from agentcvr_graph.graph.chat.mentions import asks_nothing
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.policy_messages import PolicyMessage
from agentcvr_graph.graph.question import read_videos
from agentcvr_graph.graph.state import ChatInput
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import cost_text
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.tools.features import read_features
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Cost, FrozenModel, Video

REPORT = "agentcvr-chat.html"
"""File of a report that is named no other."""
PROMPT = "you> "
_COMMAND = re.compile(r"/\w*(\s|$)")
"""A line that is a command; a path with more parts is none."""
COMMANDS = "Commands: /report [FILE] writes the evidence of the last answer, /cost, /quit. Other lines are messages."
AGAIN = "Press Ctrl-C again to end the conversation."


class Chat:
    """A conversation with the graph on one thread."""

    def __init__(
        self, graph: CompiledCVRGraph, videos: Sequence[str], models: ModelStrings, settings: RunSettings, *, live: bool
    ) -> None:
        self._graph, self._models, self._settings, self._live = graph, models, settings, live
        self._videos: list[str | Video] = list(videos)
        self._last: FinishedRun | None = None
        self._cost, self._wall_s, self._questions = Cost(), 0.0, 0
        self._notes = set[str]()
        self.status = ANSWERED
        """Exit status of the last question."""

    async def ask(self, text: str) -> None:
        """Send a message, and print the reply."""
        before, self.status = self.status, NO_ANSWER
        given = ChatInput(messages=[HumanMessage(text)])
        if self._videos:  # later messages go on with those of the conversation
            given["videos"] = self._videos
        config: Any = {
            "configurable": {"thread_id": "chat"},
            "recursion_limit": recursion_limit(self._settings.context),
        }
        output = await stream_run(self._graph, given, self._settings, config)
        self._videos = []
        self._print(output)
        if asks_nothing(text):
            self.status = before

    def _print(self, output: Any) -> None:
        usage, failure, answer = output["usage"], output["failure"], output["answer"]
        if failure is None or failure.boundary != "input":
            trajectory = trajectory_of(output)
            print_notes([note for note in trajectory.notes if note not in self._notes])
            self._notes.update(trajectory.notes)
            self._last = FinishedRun(trajectory, live=self._live)
            self._cost, self._wall_s = self._cost + usage, self._wall_s + usage.wall_s
            self._questions += 1
        out.print(escape(str(output["messages"][-1].text)), "", sep="\n")
        self.status = ANSWERED if answer is not None and answer.is_usable else NO_ANSWER

    def command(self, line: str) -> bool:
        """Carry out a line that begins with a slash; return whether the conversation goes on."""
        name, _, rest = line.partition(" ")
        commands: dict[str, Callable[[str], None]] = {"/report": self._report, "/cost": self._print_cost}
        if name in ("/quit", "/exit"):
            return False
        if name not in (*commands, "/help", "/"):
            err.print(f"[red]error:[/] Unknown command {escape(repr(name))}.")
        commands.get(name, self._help)(rest.strip())
        return True

    def _report(self, named: str) -> None:
        if self._last is None:
            err.print("There is no answer yet. Ask something first.")
            return
        path = _page(named)
        if path.suffix.lower() not in (".html", ".htm"):
            err.print(f"[red]error:[/] {escape(str(path))}: a report is an HTML page. Name it {REPORT}, for example.")
            return
        try:
            write_run_report(self._last, path, self._models)
        except OSError as error:
            err.print(f"[red]error:[/] {escape(str(path))} cannot be written: {escape(error.strerror or str(error))}.")

    def _print_cost(self, _: str) -> None:
        count = f"{self._questions} question{'' if self._questions == 1 else 's'}"
        out.print(f"{count}: {cost_text(self._cost)}, {self._wall_s:.1f} s")

    def _help(self, _: str) -> None:
        err.print(COMMANDS)


def run_chat(videos: Sequence[str], models: ModelStrings, settings: RunSettings, *, noise: str | None) -> None:
    """Hold a conversation until its input ends, and exit with the status of the last question.

    Args:
        noise: of the scripted perception; None for real video.

    Raises:
        InputError: the videos cannot be read.
    """
    perception = _perception(models, noise)
    chat = Chat(_graph(perception, models, settings), videos, models, settings, live=noise is None)
    stream = sys.stdin
    talks = stream.isatty()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a byte that is no text must not end the conversation
    if noise is None:
        print_offline_notice(models)
    if talks:
        err.print(COMMANDS)
    with asyncio.Runner() as runner:
        if videos:
            runner.run(_check_videos(perception, videos, settings))
        for line in _lines(talks):
            if _COMMAND.match(line):
                if not chat.command(line):
                    break
                continue
            try:
                runner.run(chat.ask(line))
            except (CVRError, KeyboardInterrupt) as error:
                if not talks:
                    raise
                err.print(f"[red]error:[/] {escape(str(error))}" if isinstance(error, CVRError) else "stopped")
    raise typer.Exit(chat.status)


def _page(named: str) -> Path:
    """Return the file that a command names, with or without quotation marks."""
    try:
        names = shlex.split(named)
    except ValueError:  # a quotation mark that is not closed, as in it's.html
        names = [named]
    return Path(*(names[:1] or [REPORT]))


def _perception(models: ModelStrings, noise: str | None) -> Perception:
    from agentcvr_graph.perception.factory import resolve_perception

    if noise is None:
        return resolve_perception(models.vision, models.audio)
    return ScriptedPerception(bundled_library(), noise)


async def _check_videos(perception: Perception, videos: Sequence[str], settings: RunSettings) -> None:
    """Open the first videos, so that a wrong name is an error before the first question."""
    catalogue = await list_videos(perception, read_videos(list(videos)))
    await probe_first(perception, catalogue, settings.context)


def _graph(perception: Perception, models: ModelStrings, settings: RunSettings) -> CompiledCVRGraph:
    from agentcvr_graph.models.registry import resolve_chat_model

    features = read_features(settings.features, "--features")
    graph = create_cvr_graph(resolve_chat_model(models.master), perception, features=features)
    return graph.compile(checkpointer=InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=_types())))


def _types() -> list[tuple[str, str]]:
    """Return the types that a checkpoint may hold; LangGraph warns of any other."""
    kinds: list[type[Any]] = [PolicyMessage]
    open_ = [FrozenModel]
    while open_:
        kind = open_.pop()
        kinds.append(kind)
        open_ += kind.__subclasses__()
    return [(kind.__module__, kind.__name__) for kind in kinds]


def _lines(talks: bool) -> Iterator[str]:
    """Yield the lines of the input that are not empty; a terminal shows a prompt, with a history and line editing."""
    if talks:
        with contextlib.suppress(ImportError):  # not on Windows
            importlib.import_module("readline")  # importing it gives `input` a history
    stopped = False
    while True:
        try:
            line = input(PROMPT if talks else "")
        except EOFError:
            return
        except KeyboardInterrupt:
            if not talks:
                raise
            if stopped:
                err.print("")
                return
            err.print(f"\n{AGAIN}")
            stopped = True
            continue
        stopped = False
        if line.strip():
            yield line.strip()
