"""Carry out `agentcvr ask` and `agentcvr demo`: run the graph, show progress, print the answer, write the report."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import typer
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from rich.panel import Panel
from rich.status import Status
from rich.style import Style
from rich.text import Text

from agentcvr_graph.answers import headline, score_of, standing
from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.console import ANSWERED, NO_ANSWER, err, escape, out, print_notes
from agentcvr_graph.errors import shown_address
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dialects import words_of
from agentcvr_graph.graph.events import Progress
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.prompts import since_brief
from agentcvr_graph.graph.state import ChatInput, CVRInput, CVROutput, as_input
from agentcvr_graph.models.clients.keys import without_keys
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import cost_text, window_label, without_unseen
from agentcvr_graph.scripts.budgets import full_cost
from agentcvr_graph.scripts.bundled import find_script
from agentcvr_graph.tools.features import read_features
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import AnswerValue, Citation, Verdict, Verification, VideoInfo

OFFLINE_NOTICE = (
    "Offline models recognise on-screen text, colours, motion, clear English speech and simple sounds only. "
    "Choose better models with --master, --vision and --audio."
)
PHRASING_BYTES = 2**28
LONG_S = 1.0
"""Duration of a look from which its end is printed without a terminal."""


class FinishedRun(NamedTuple):
    """A finished run, with what the report of it needs."""

    trajectory: Trajectory
    key: AnswerValue | None = None
    live: bool = True


class Words:
    """Prints what the master says and reads, once each, while the run goes on."""

    def __init__(self) -> None:
        self._printed = set[str]()

    def print_new(self, messages: Sequence[AnyMessage]) -> None:
        """Print the messages after the brief that were not printed yet."""
        for message in since_brief(messages):
            said = words_of(message) if isinstance(message, AIMessage) else message.text
            key = message.id or said
            if key not in self._printed:
                self._printed.add(key)
                who = "master" if isinstance(message, AIMessage) else "reply"
                err.print(f"[bold]{who}:[/bold] {escape(without_keys(said)) or '[dim](nothing)[/dim]'}")


@dataclass(frozen=True)
class RunSettings:
    """How the question is answered and shown."""

    context: CVRContext = shared.DEFAULTS
    features: str = ""
    """Names of features, separated by commas."""
    verbose: bool = False


def run_live(given: CVRInput, models: ModelStrings, settings: RunSettings) -> FinishedRun:
    """Answer a question about video."""
    from agentcvr_graph.perception.factory import resolve_perception

    perception = resolve_perception(models.vision, models.audio)
    print_offline_notice(models)
    return FinishedRun(_run(given, models.master, perception, settings))


def print_offline_notice(models: ModelStrings) -> None:
    """Say what the offline models recognise, if one of them is used."""
    if "offline" in astuple(models):
        err.print(f"[dim]{OFFLINE_NOTICE}[/dim]")


def run_scripted(
    spec: str, master: str, noise: str, settings: RunSettings, phrasing: str = "", budget: float | None = None
) -> FinishedRun:
    """Answer the question of a script, in swap mode.

    Args:
        budget: frames and seconds of sound, as a share of the full cost of the script; None for those of the settings.
    """
    library, script = find_script(spec)
    perception: Perception = ScriptedPerception(library, noise)
    if phrasing:
        perception = _phrased(perception, phrasing)
    if budget is not None:
        settings = replace(settings, context=settings.context.with_share_of(full_cost(script), budget))
    trajectory = _run(as_input(script.as_question()), master, perception, settings)
    return FinishedRun(trajectory, script.key, live=False)


def _phrased(perception: Perception, model: str) -> Perception:
    from agentcvr_graph.media.cache import DiskCache, default_cache_dir
    from agentcvr_graph.models.registry import resolve_chat_model
    from agentcvr_graph.perception.phrased import PhrasedPerception

    return PhrasedPerception(
        perception, resolve_chat_model(model), DiskCache(default_cache_dir() / "phrased", PHRASING_BYTES), model
    )


def present(run: FinishedRun, models: ModelStrings, *, as_json: bool, report: Path | None) -> None:
    """Print the answer, write the report, and exit with the status of the run."""
    trajectory = run.trajectory
    out.print_json(json.dumps(as_record(trajectory))) if as_json else _show(trajectory)
    if trajectory.failure is not None and trajectory.failure.boundary == "infrastructure" and run.live:
        err.print(f"Check the models: {escape(doctor_command(models))}")
    if run.key is not None and trajectory.answer and not trajectory.answer.abstained and not as_json:
        score = score_of(trajectory.answer, run.key)
        out.print(f"[dim]the key of the script: {escape(str(run.key))}; score {score:.2f}[/dim]")
    if report is not None:
        write_run_report(run, report, models)
    raise typer.Exit(ANSWERED if trajectory.answer and trajectory.answer.is_usable else NO_ANSWER)


def doctor_command(models: ModelStrings) -> str:
    """Return the command that checks these models."""
    chosen = [(f"--{role}", shlex.quote(shown_address(spec))) for role, spec in asdict(models).items()]
    return " ".join(["agentcvr doctor", *(part for flag, spec in chosen if spec != "offline" for part in (flag, spec))])


def as_record(trajectory: Trajectory) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "answer": trajectory.answer.model_dump(mode="json") if trajectory.answer else None,
        "failure": trajectory.failure.model_dump(mode="json") if trajectory.failure else None,
        "turns": len(trajectory.turns),
        "usage": trajectory.usage.model_dump(mode="json"),
        "verifications": [one.model_dump(mode="json", exclude={"observation"}) for one in trajectory.verifications],
        "notes": list(trajectory.notes),
    }


def _run(given: CVRInput, master: str, perception: Perception, settings: RunSettings) -> Trajectory:
    from agentcvr_graph.models.registry import resolve_chat_model

    features = read_features(settings.features, "--features")
    graph = create_cvr_graph(resolve_chat_model(master), perception, features=features).compile()
    return trajectory_of(asyncio.run(stream_run(graph, given, settings)))


async def stream_run(
    graph: Any, given: CVRInput | ChatInput, settings: RunSettings, config: RunnableConfig | None = None
) -> CVROutput:
    """Run the graph and print its progress on stderr, with the master's words if the settings want them."""
    output: Any = None
    words = Words() if settings.verbose else None
    modes, context = ["custom", "values"], settings.context
    with err.status("opening the videos") as status:
        async for mode, event in graph.astream(given, config, context=context, stream_mode=modes):
            if mode == "values":
                output = event
                if words is not None:
                    words.print_new(policy_messages(event))
                continue
            _show_progress(cast(Progress, event), status)
    return cast(CVROutput, output)


def _show_progress(progress: Progress, status: Status) -> None:
    """Show what starts beside the spinner, and print the rest.

    Without a terminal there is no spinner: what starts is printed, and the end of a look if it took long.
    """
    line, event = escape(progress["text"]), progress["event"]
    if event == "start":
        status.update(line)
        if err.is_terminal or progress["stage"] == "master":
            return
    if event == "failure" and not progress["windows"]:
        return  # the end of the run, which is printed last
    if progress["stage"] == "conclude" and err.is_terminal:
        return  # the answer, which is printed next
    if event == "end" and progress["windows"] and not err.is_terminal and (progress["duration_s"] or 0) < LONG_S:
        return
    turn = f"turn {progress['turn']}  " if progress["turn"] and progress["stage"] != "master" else ""
    style = "yellow" if event in ("retry", "failure") else ""
    err.print(f"[dim]{turn}[/dim]", Text.from_markup(line, style=style), sep="")


def _show(trajectory: Trajectory) -> None:
    """Print the notes, the answer, its citations and the cost."""
    print_notes(trajectory.notes)
    if trajectory.answer is None:
        failure = trajectory.failure
        err.print(f"[red]could not answer:[/] {escape(failure.message if failure else 'no answer')}")
        return
    answer = trajectory.answer
    _print_boxed(headline(answer), trajectory.question)
    if answer.rationale:
        out.print(escape(answer.rationale), style="dim")
    if note := standing(answer):
        out.print(f"  {note}", style="dim")
    for citation in answer.citations:
        out.print(_cited(citation, trajectory.video(citation.video)))
        if (check := trajectory.verification_of(citation)) is not None:
            out.print(_checked(check))
    usage = trajectory.usage
    out.print(f"[dim]{len(trajectory.turns)} turns, {cost_text(usage)}, {usage.wall_s:.1f} s[/dim]")


def _print_boxed(answer: str, question: str) -> None:
    """Print the answer in a box as wide as the terminal; for a program that reads it, print its text alone."""
    if out.is_terminal:
        box = Panel(f"[bold]{escape(answer)}[/bold]", title=escape(question), title_align="left")
        out.print(box, soft_wrap=False)
    else:
        out.print(escape(answer))


def _cited(citation: Citation, info: VideoInfo) -> Text:
    """Return the line of a citation; terminals that can open links open the video at its moment."""
    from agentcvr_graph.report.moments import link_on_terminal

    place = Style(color="cyan", link=link_on_terminal(info.video, citation.start_s) or None)
    where, title = Text(window_label(citation), style=place), without_unseen(info.title)
    return Text.assemble("  ", where, f" ({title}), {citation.modality}")


VERDICT_STYLES: Mapping[Verdict, str] = {"supported": "green", "contradicted": "red", "unclear": "yellow"}


def _checked(check: Verification) -> Text:
    """Return the line of the check of a citation: the verdict, the claim and the reason."""
    claim = f": {without_unseen(check.citation.claim)}" if check.citation.claim else ""
    reason = f" ({without_unseen(check.reason)})" if check.reason else ""
    return Text.assemble("    ", (check.verdict, VERDICT_STYLES[check.verdict]), f"{claim}{reason}")


def write_run_report(run: FinishedRun, path: Path, models: ModelStrings) -> None:
    """Write the evidence report of a run."""
    from agentcvr_graph.report import MediaThumbnails, write_report

    thumbnails, names = None, asdict(models)
    if run.live:
        from agentcvr_graph.media.library import MediaLibrary

        thumbnails = MediaThumbnails(MediaLibrary())
    else:
        names |= {"vision": "script", "audio": "script"}
    written = write_report(run.trajectory, path, thumbnails=thumbnails, models=names)
    err.print(f"report: {escape(str(written))}")
