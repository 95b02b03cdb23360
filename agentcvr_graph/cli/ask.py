"""`agentcvr ask` and `agentcvr demo`: one question, live or in swap mode."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer
from rich.panel import Panel

from agentcvr_graph.answers import KINDS, score_of
from agentcvr_graph.cli.console import ANSWERED, NO_ANSWER, err, escape, one_of, out
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.events import Progress
from agentcvr_graph.graph.state import CVRInput, CVROutput, as_input
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import cost_text, window_label
from agentcvr_graph.scripts.bundled import bundled_library, find_script
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import AnswerValue, Question

ASK_EXAMPLES = """
[bold]Examples[/bold]

agentcvr ask a.mp4 b.mp4 -q "Which cook adds salt first?" -o "Cook 1" -o "Cook 2"

agentcvr ask match.mp4#t=60,180 replay.mp4 -q "Which interval of video 2 shows the goal of video 1?" --kind interval

agentcvr ask *.mp4 -q "In which order were these filmed?" --kind order --report evidence.html

agentcvr ask --swap cc-000000 --noise fitted

agentcvr ask a.mp4 b.mp4 -q "Who arrives first?" --master openai:gpt-4.1 --vision http://localhost:8000/v1#qwen-vl
"""

OFFLINE_NOTICE = (
    "Offline models: they read on-screen text, colours, motion, clear English speech and simple sounds, no more. "
    "Choose better ones with --master, --vision and --audio."
)

Master = Annotated[str, typer.Option(help="Model string of the master; see 'agentcvr doctor --help'.")]
Vision = Annotated[str, typer.Option(help="Model string of the eyes.")]
Audio = Annotated[str, typer.Option(help="Model string of the ears.")]
Swap = Annotated[
    str | None,
    typer.Option(help="In swap mode: a script file, 'FILE.jsonl#ID', or the id of a bundled script."),
]
NoiseName = Annotated[str, typer.Option(help="With --swap: off, mild, fitted, or a JSON file of rates.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML evidence report to this file.")]
DEFAULTS = CVRContext()
PHRASING_BYTES = 2**28


def ask(
    videos: Annotated[
        list[str] | None, typer.Argument(help="Files, http(s) URLs, image folders; '#t=12.5,40' makes a clip.")
    ] = None,
    question: Annotated[str, typer.Option("--question", "-q", help="The question, in plain words.")] = "",
    options: Annotated[list[str] | None, typer.Option("--option", "-o", help="An option; once for each.")] = None,
    kind: Annotated[str, typer.Option(help=f"auto, {', '.join(KINDS)}.")] = "auto",
    master: Master = "offline",
    vision: Vision = "offline",
    audio: Audio = "offline",
    swap: Swap = None,
    noise: NoiseName = "off",
    phrasing: Annotated[
        str, typer.Option(help="With --swap: a model string that says observations in other words.")
    ] = "",
    max_turns: Annotated[int, typer.Option(min=1, help="Calls of the master.")] = DEFAULTS.max_turns,
    max_frames: Annotated[int, typer.Option(min=0, help="Frames that may be looked at.")] = DEFAULTS.max_frames,
    dialect: Annotated[str, typer.Option(help="auto, tools or json: how the master acts.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    report: Report = None,
) -> None:
    """Ask a question about one or more videos, or, with --swap, the question of a script in its simulated world."""
    context = CVRContext(
        max_turns=max_turns,
        max_frames=max_frames,
        dialect=cast(Any, one_of("--dialect", dialect, ("auto", "tools", "json"))),
    )
    models = ModelStrings(master, vision, audio)
    if swap is not None:
        if videos or question:
            raise InputError("A script brings its own question and videos.", fix="Give --swap, or videos and -q.")
        asked = _scripted(swap, models.master, noise, context, phrasing)
    elif not videos or not question:
        raise InputError("A question needs videos and words.", fix='Write: agentcvr ask a.mp4 b.mp4 -q "..."')
    else:
        given = CVRInput(question=question, videos=list(videos), options=options or [], kind=kind)
        asked = _live(given, models, context)
    _tell(asked, models, as_json=as_json, report=report)


def demo(
    name: Annotated[str, typer.Argument(help="Which demo question; 'list' shows them.")] = "",
    master: Master = "offline",
    vision: Vision = "offline",
    audio: Audio = "offline",
    swap: Annotated[bool, typer.Option("--swap", help="In swap mode, on a bundled script.")] = False,
    noise: NoiseName = "off",
    report: Report = Path("agentcvr-demo.html"),
) -> None:
    """Ask a question about the clips that ship with the package, and write the evidence report."""
    questions = _demo_questions(swap)
    if name == "list":
        for question in questions.values():
            out.print(f"[bold]{question.id}[/bold]  {escape(question.question)}")
        return
    models = ModelStrings(master, vision, audio)
    chosen = one_of("demo question", name or next(iter(questions)), tuple(questions))
    asked = _scripted(chosen, master, noise) if swap else _live(as_input(questions[chosen]), models)
    _tell(asked, models, as_json=False, report=report)


class Asked(NamedTuple):
    """A finished run, and what its report may show."""

    trajectory: Trajectory
    key: AnswerValue | None = None
    live: bool = True


def _demo_questions(swap: bool) -> dict[str, Question]:
    if swap:
        return {script.id: script.as_question() for script in bundled_library()}
    from agentcvr_graph.demo import demo_questions

    return {question.id: question for question in demo_questions()}


def _live(given: CVRInput, models: ModelStrings, context: CVRContext = DEFAULTS) -> Asked:
    from agentcvr_graph.perception.factory import resolve_perception

    perception = resolve_perception(models.vision, models.audio)
    if "offline" in astuple(models):
        err.print(f"[dim]{OFFLINE_NOTICE}[/dim]")
    return Asked(_run(given, models.master, perception, context))


def _scripted(spec: str, master: str, noise: str, context: CVRContext = DEFAULTS, phrasing: str = "") -> Asked:
    library, script = find_script(spec)
    perception: Perception = ScriptedPerception(library, noise)
    if phrasing:
        perception = _phrased(perception, phrasing)
    trajectory = _run(as_input(script.as_question()), master, perception, context)
    return Asked(trajectory, script.key, live=False)


def _phrased(perception: Perception, model: str) -> Perception:
    from agentcvr_graph.media.cache import DiskCache, default_cache_dir
    from agentcvr_graph.models.registry import resolve_chat_model
    from agentcvr_graph.perception.phrased import PhrasedPerception

    return PhrasedPerception(
        perception, resolve_chat_model(model), DiskCache(default_cache_dir() / "phrased", PHRASING_BYTES), model
    )


def _tell(asked: Asked, models: ModelStrings, *, as_json: bool, report: Path | None) -> None:
    """Print the answer, write the report, and leave with the right status."""
    trajectory = asked.trajectory
    out.print_json(json.dumps(as_record(trajectory))) if as_json else _show(trajectory)
    if asked.key is not None and trajectory.answer and not as_json:
        score = score_of(trajectory.answer, asked.key)
        out.print(f"[dim]the script's key: {escape(str(asked.key))}; score {score:.2f}[/dim]")
    if report is not None:
        _report(asked, report, models)
    raise typer.Exit(ANSWERED if trajectory.answer else NO_ANSWER)


def as_record(trajectory: Trajectory) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "answer": trajectory.answer.model_dump(mode="json") if trajectory.answer else None,
        "failure": trajectory.failure.model_dump(mode="json") if trajectory.failure else None,
        "turns": len(trajectory.turns),
        "usage": trajectory.usage.model_dump(mode="json"),
    }


def _run(given: CVRInput, master: str, perception: Perception, context: CVRContext) -> Trajectory:
    from agentcvr_graph.models.registry import resolve_chat_model

    graph = create_cvr_graph(resolve_chat_model(master), perception).compile()
    return trajectory_of(asyncio.run(_stream(graph, given, context)))


async def _stream(graph: Any, given: CVRInput, context: CVRContext) -> CVROutput:
    """Run the graph, telling its progress as it comes."""
    output: Any = None
    with err.status("opening") as status:
        async for mode, event in graph.astream(given, context=context, stream_mode=["custom", "values"]):
            if mode == "values":
                output = event
                continue
            progress = cast(Progress, event)
            line = f"{progress['stage'].replace('_', ' ')} {progress['text']}"
            status.update(escape(line))
            if progress["stage"] != "master":
                turn = f"turn {progress['turn']}  " if progress["turn"] else ""
                err.print(f"[dim]{turn}[/dim]{escape(line)}")
    return cast(CVROutput, output)


def _show(trajectory: Trajectory) -> None:
    """The answer for a person."""
    if trajectory.answer is None:
        failure = trajectory.failure
        err.print(f"[red]could not answer:[/] {escape(failure.message if failure else 'no answer')}")
        return
    answer = trajectory.answer
    value = f"{answer.value}. {answer.text}" if answer.kind == "choice" else answer.text
    out.print(Panel(f"[bold]{escape(value)}[/bold]", title=escape(trajectory.question), title_align="left"))
    if answer.rationale:
        out.print(escape(answer.rationale), style="dim")
    titles = {info.number: info.title for info in trajectory.videos}
    for citation in answer.citations:
        out.print(f"  [cyan]{window_label(citation)}[/cyan] ({escape(titles[citation.video])}), {citation.modality}")
    usage = trajectory.usage
    out.print(f"[dim]{len(trajectory.turns)} turns, {cost_text(usage)}, {usage.wall_s:.1f} s[/dim]")


def _report(asked: Asked, path: Path, models: ModelStrings) -> None:
    from agentcvr_graph.report import MediaThumbnails, write_report

    thumbnails, names = None, asdict(models)
    if asked.live:
        from agentcvr_graph.media.library import MediaLibrary

        thumbnails = MediaThumbnails(MediaLibrary())
    else:
        names |= {"vision": "script", "audio": "script"}
    written = write_report(asked.trajectory, path, thumbnails=thumbnails, models=names)
    err.print(f"report: {escape(str(written))}")
