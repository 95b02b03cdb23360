"""`agentcvr ask` and `agentcvr demo`: answer one question, live or in swap mode.

This module declares the commands; `ask_run.py` carries them out and is imported when one runs, because `--help` must
not load LangGraph.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from agentcvr_graph.answers import KINDS
from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.console import escape, one_of, out
from agentcvr_graph.cli.first_run import load_models
from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.types import Question

ASK_EXAMPLES = """
[bold]Examples[/bold]

agentcvr ask a.mp4 b.mp4 -q "Which cook adds salt first?" -o "Cook 1" -o "Cook 2"

agentcvr ask match.mp4#t=60,180 replay.mp4 -q "Which interval of video 2 shows the goal of video 1?" --kind interval

agentcvr ask *.mp4 -q "In which order were these recorded?" --kind order --report evidence.html

agentcvr ask clips/ -q "In which video is a cake cut?" --features find

agentcvr ask --swap cc-000000 --noise fitted

agentcvr ask a.mp4 b.mp4 -q "Who arrives first?" --master openai:gpt-4.1 --vision http://localhost:8000/v1#qwen-vl
"""

DEMO_EXAMPLES = """
[bold]Examples[/bold]

agentcvr demo

agentcvr demo list

agentcvr demo --swap --noise fitted --report swap.html
"""

ask_app = typer.Typer(rich_markup_mode="rich", add_completion=False)
demo_app = typer.Typer(rich_markup_mode="rich", add_completion=False)

Swap = Annotated[
    str | None,
    typer.Option(help="Use swap mode: a script file, 'FILE.jsonl#ID', or the id of a bundled script."),
]


def _html(path: Path | None) -> Path | None:
    """Return the path of a report, which is checked before the run: a report replaces what was there."""
    if path is not None and path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: a report is an HTML page.", fix=f"Name it {path.with_suffix('.html')}.")
    return path


Report = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False, callback=_html, help="Write an HTML evidence report to this file; replaces an earlier one."
    ),
]


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print what the master writes and reads, turn by turn.")]


@ask_app.command("ask", epilog=ASK_EXAMPLES)
def ask(
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, patterns such as 'clips/*.mp4', or http(s) URLs; '#t=12.5,40' selects a clip."
        ),
    ] = None,
    question: Annotated[str, typer.Option("--question", "-q", help="The question, in natural language.")] = "",
    options: Annotated[list[str] | None, typer.Option("--option", "-o", help="An answer option; repeatable.")] = None,
    kind: Annotated[str, typer.Option(help=f"Kind of the answer: auto, {', '.join(KINDS)}.")] = "auto",
    master: shared.Master = "offline",
    vision: shared.Vision = "offline",
    audio: shared.Audio = "auto",
    swap: Swap = None,
    noise: shared.Noise = "off",
    phrasing: Annotated[
        str, typer.Option(help="With --swap: model string of a model that rephrases observations.")
    ] = "",
    max_turns: shared.MaxTurns = None,
    max_frames: shared.MaxFrames = shared.DEFAULTS.max_frames,
    budget: shared.Budget = None,
    dialect: shared.Dialect = "auto",
    features: shared.Features = "",
    abstain: shared.Abstain = "allowed",
    verify: shared.Verify = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    report: Report = None,
    verbose: Verbose = False,
) -> None:
    """Answer a question about one or more videos; with --swap, the question of a script, in swap mode."""
    models = ModelStrings(master, vision, audio)
    if videos and question and swap is None:
        models = replace(models, audio=chosen_audio(audio))
        load_models(models)
    from agentcvr_graph.cli.ask_run import RunSettings, present, run_live, run_scripted
    from agentcvr_graph.graph.state import CVRInput

    context = shared.context_of(master, max_turns, max_frames, dialect, abstain)
    settings = RunSettings(context, shared.with_judge(features, verify), verbose)
    if swap is not None:
        if videos or question:
            raise InputError("A script has its own question and videos.", fix="Use either --swap, or videos and -q.")
        run = run_scripted(swap, models.master, noise, settings, phrasing, budget)
    elif budget is not None:
        raise InputError(
            "Only a script says what seeing everything costs: --budget needs --swap.",
            fix="Use --max-frames with videos.",
        )
    elif not videos or not question:
        missing = " and ".join(
            name for name, given in (("the videos", videos), ("the question", question)) if not given
        )
        raise InputError(f"Missing: {missing}.", fix='Write: agentcvr ask a.mp4 b.mp4 -q "..."')
    else:
        given = CVRInput(question=question, videos=list(videos), options=options or [], kind=kind)
        run = run_live(given, models, settings)
    present(run, models, as_json=as_json, report=report)


@demo_app.command("demo", epilog=DEMO_EXAMPLES)
def demo(
    name: Annotated[str, typer.Argument(help="Name of a demo question; 'list' prints them.")] = "",
    master: shared.Master = "offline",
    vision: shared.Vision = "offline",
    audio: shared.Audio = "auto",
    swap: Annotated[bool, typer.Option("--swap", help="Use swap mode, on a bundled script.")] = False,
    noise: shared.Noise = "off",
    report: Report = Path("agentcvr-demo.html"),
    verbose: Verbose = False,
) -> None:
    """Answer a question about the bundled clips and write an HTML evidence report."""
    questions = _demo_questions(swap)
    if name == "list":
        for question in questions.values():
            out.print(f"[bold]{question.id}[/bold]  {escape(question.question)}")
        return
    if name and not swap and name in _demo_questions(swap=True):
        raise InputError(f"{name!r} is the question of a script.", fix=f"Write: agentcvr demo {name} --swap")
    if name and swap and name not in questions:
        raise InputError(f"No bundled script is called {name!r}.", fix="See: agentcvr demo list --swap")
    chosen = one_of("demo question", name or next(iter(questions)), tuple(questions))
    models = ModelStrings(master, vision, audio if swap else chosen_audio(audio))
    if not swap:
        load_models(models)
    from agentcvr_graph.cli.ask_run import RunSettings, present, run_live, run_scripted
    from agentcvr_graph.graph.state import as_input

    settings = RunSettings(shared.context_of(master), _features_of(questions[chosen]), verbose)
    if swap:
        run = run_scripted(chosen, master, noise, settings)
    else:
        run = run_live(as_input(questions[chosen]), models, settings)
    present(run, models, as_json=False, report=report)


def _features_of(question: Question) -> str:
    """Return the features for a demo question: a library is searched."""
    return "find" if question.task == "LIB" else ""


def _demo_questions(swap: bool) -> dict[str, Question]:
    """Return the questions of `agentcvr demo`, by id."""
    if swap:
        from agentcvr_graph.scripts.bundled import bundled_library

        return {script.id: script.as_question() for script in bundled_library()}
    from agentcvr_graph import demo

    return {question.id: question for question in demo.demo_questions()}
