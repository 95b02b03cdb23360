"""The command line: `agentcvr ask | demo | doctor`.

The answer goes to stdout and nothing else does; progress, notices and errors go to stderr. Exit status: 0 answered,
1 could not answer, 2 the input or the set-up is wrong. A person never sees a traceback of something they can mend.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from agentcvr_graph.answers import KINDS
from agentcvr_graph.errors import CVRError, InputError, SetupError, missing_extra
from agentcvr_graph.graph import create_cvr_graph
from agentcvr_graph.progress import Progress
from agentcvr_graph.render import cost_text, window_label
from agentcvr_graph.state import CVRContext, CVRInput, CVROutput
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import Question, QuestionKind, Video

ANSWERED, NO_ANSWER, BAD_INPUT = 0, 1, 2

app = typer.Typer(
    name="agentcvr",
    help="Answers questions whose evidence is spread over several videos, with citations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

ASK_EXAMPLES = """
[bold]Examples[/bold]

agentcvr ask a.mp4 b.mp4 -q "Which cook adds salt first?" -o "Cook 1" -o "Cook 2"

agentcvr ask match.mp4#t=60,180 replay.mp4 -q "Which interval of video 2 shows the goal of video 1?" --kind interval

agentcvr ask *.mp4 -q "In which order were these filmed?" --kind order --report evidence.html

agentcvr ask a.mp4 b.mp4 -q "Who arrives first?" --master openai:gpt-4.1 --vision http://localhost:8000/v1#qwen-vl
"""

OFFLINE_NOTICE = (
    "Offline models: they read on-screen text, colours, motion, clear English speech and simple sounds, no more. "
    "Choose better ones with --master, --vision and --audio."
)

Master = Annotated[str, typer.Option(help="Model string of the master; see 'agentcvr doctor --help'.")]
Vision = Annotated[str, typer.Option(help="Model string of the eyes.")]
Audio = Annotated[str, typer.Option(help="Model string of the ears.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML evidence report to this file.")]
DEFAULTS = CVRContext()


@app.command(epilog=ASK_EXAMPLES)
def ask(
    videos: Annotated[list[str], typer.Argument(help="Files, http(s) URLs, image folders; '#t=12.5,40' makes a clip.")],
    question: Annotated[str, typer.Option("--question", "-q", help="The question, in plain words.")],
    options: Annotated[list[str] | None, typer.Option("--option", "-o", help="An option; once for each.")] = None,
    kind: Annotated[str, typer.Option(help=f"auto, {', '.join(KINDS)}.")] = "auto",
    master: Master = "offline",
    vision: Vision = "offline",
    audio: Audio = "offline",
    max_turns: Annotated[int, typer.Option(min=1, help="Calls of the master.")] = DEFAULTS.max_turns,
    max_frames: Annotated[int, typer.Option(min=0, help="Frames that may be looked at.")] = DEFAULTS.max_frames,
    dialect: Annotated[str, typer.Option(help="auto, tools or json: how the master acts.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    report: Report = None,
) -> None:
    """Ask a question about one or more videos."""
    given = CVRInput(question=question, videos=list(videos), options=options or [], kind=cast(QuestionKind, kind))
    context = CVRContext(
        max_turns=max_turns,
        max_frames=max_frames,
        dialect=cast(Any, _one_of("--dialect", dialect, ("auto", "tools", "json"))),
        master=master,
        vision=vision,
        audio=audio,
    )
    trajectory = _run(given, context)
    out.print_json(json.dumps(as_record(trajectory))) if as_json else _show(trajectory)
    if report is not None:
        _report(trajectory, report, context)
    raise typer.Exit(ANSWERED if trajectory.answer else NO_ANSWER)


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="Which demo question; 'list' shows them.")] = "salt-and-oil",
    master: Master = "offline",
    vision: Vision = "offline",
    audio: Audio = "offline",
    report: Report = Path("agentcvr-demo.html"),
) -> None:
    """Ask a question about the clips that ship with the package, and write the evidence report."""
    from agentcvr_graph.demo import demo_questions

    questions = {question.id: question for question in demo_questions()}
    if name == "list":
        for question in questions.values():
            out.print(f"[bold]{question.id}[/bold]  {question.question}")
        return
    asked = questions[_one_of("demo question", name, tuple(questions))]
    trajectory = _run(as_input(asked), CVRContext(master=master, vision=vision, audio=audio))
    _show(trajectory)
    if report is not None:
        _report(trajectory, report, CVRContext(master=master, vision=vision, audio=audio))
    raise typer.Exit(ANSWERED if trajectory.answer else NO_ANSWER)


@app.command()
def doctor(master: Master = "offline", vision: Vision = "offline", audio: Audio = "offline") -> None:
    """Say what is installed, which models are reachable, and the command that mends what is not.

    Model strings: 'offline'; 'openai:NAME', 'anthropic:NAME' and whatever else LangChain's init_chat_model takes;
    'http://HOST:PORT/v1#NAME' for an OpenAI-compatible server; 'transformers:FOLDER_OR_REPO' in this process.
    """
    from agentcvr_graph.doctor import diagnose

    with err.status("looking around"):
        checks = diagnose(master, vision, audio)
    table = Table("", "what", "found", "to mend it", box=None, padding=(0, 2, 0, 0))
    for check in checks:
        sign = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]-[/]"}[check.ok]
        table.add_row(sign, escape(check.name), escape(check.detail), escape(check.fix))
    out.print(table)
    raise typer.Exit(BAD_INPUT if any(check.ok is False for check in checks) else ANSWERED)


def as_input(question: Question) -> CVRInput:
    """A stored question as the graph's input."""
    videos: list[str | Video] = list(question.videos)
    return CVRInput(question=question.question, videos=videos, options=list(question.options), kind=question.kind)


def as_record(trajectory: Trajectory) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "answer": trajectory.answer.model_dump(mode="json") if trajectory.answer else None,
        "failure": trajectory.failure.model_dump(mode="json") if trajectory.failure else None,
        "turns": len(trajectory.turns),
        "usage": trajectory.usage.model_dump(mode="json"),
    }


def main() -> None:
    """Entry point: errors that a person can mend become one line and exit status 2."""
    try:
        app()
    except (InputError, SetupError) as error:
        for line in str(error).splitlines():
            err.print(f"[red]error:[/] {escape(line)}")
        sys.exit(BAD_INPUT)
    except CVRError as error:
        err.print(f"[red]could not answer:[/] {escape(str(error))}")
        sys.exit(NO_ANSWER)
    except ImportError as error:
        err.print(f"[red]error:[/] {escape(str(missing_extra(error.name or 'a library', 'live')))}")
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


def _run(given: CVRInput, context: CVRContext) -> Trajectory:
    from agentcvr_graph.models.registry import resolve_master, resolve_perception

    perception = resolve_perception(context.vision, context.audio)
    graph = create_cvr_graph(resolve_master(context.master), perception).compile()
    if "offline" in (context.master, context.vision, context.audio):
        err.print(f"[dim]{OFFLINE_NOTICE}[/dim]")
    output = asyncio.run(_stream(graph, given, context))
    return trajectory_of(output)


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


def _report(trajectory: Trajectory, path: Path, context: CVRContext) -> None:
    from agentcvr_graph.media.library import MediaLibrary
    from agentcvr_graph.report import MediaThumbnails, write_report

    models = {"master": context.master, "vision": context.vision, "audio": context.audio}
    written = write_report(trajectory, path, thumbnails=MediaThumbnails(MediaLibrary()), models=models)
    err.print(f"report: {escape(str(written))}")


def _one_of(what: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise InputError(f"Unknown {what} {value!r}.", fix=f"Choose one of: {', '.join(allowed)}.")
    return value


if __name__ == "__main__":
    main()
