"""`agentcvr scripts extract`: turn one's own videos into scenes of scripts; `extract-gap`: measure what is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.console import NO_ANSWER, err, escape, out, print_notes
from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.errors import InputError
from agentcvr_graph.render import cost_text, counted, seconds
from agentcvr_graph.types import Cost, Video
from agentcvr_graph.utils.progress import ProgressBar

if TYPE_CHECKING:
    from agentcvr_graph.scripts.extraction.batch import ExtractResult, Models, Plan
    from agentcvr_graph.scripts.extraction.extracted import ExtractedFile

EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts extract clips/ --out videos.jsonl

agentcvr scripts extract 'talks/*.mp4' --vision http://localhost:8000/v1 --audio whisper:base --out talks.jsonl

agentcvr scripts extract clips/ --out videos.jsonl --plan

agentcvr scripts extract /data/archive --out videos.jsonl --every 2 --engine ray --concurrency 32
"""
GAP_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts sets --out sets.jsonl --count 12 --phrasing held-out

agentcvr scripts extract-gap sets.jsonl --audio whisper:base --out extract-gap
"""


def extract(
    videos: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns such as 'clips/*.mp4', or http(s) URLs.")
    ],
    to: Annotated[Path, typer.Option("--out", help="The .jsonl file of extracted videos to write, or to continue.")],
    vision: shared.Vision = "offline",
    audio: shared.Audio = "auto",
    every: Annotated[
        float, typer.Option(min=0.25, max=60.0, help="Seconds between two looks at a moving picture.")
    ] = 1.0,
    plan_only: Annotated[bool, typer.Option("--plan", help="Print what it would cost, and extract nothing.")] = False,
    engine: shared.Engine = "local",
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Videos at a time; 2, or 16 with models on a server.", rich_help_panel=shared.RUNNING),
    ] = None,
) -> None:
    """Turn your own videos into scenes of scripts: what is shown, written, said and heard, with times.

    Each video is stored as soon as it is done. The same command continues a run that was stopped, tries again what
    failed, also parts of a video, and leaves alone videos that are complete and have not changed since.
    """
    if to.suffix != ".jsonl":
        raise InputError(f"{to}: extracted videos are written to a .jsonl file.", fix=f"Name it {to}.jsonl.")
    from agentcvr_graph.models.clients.extras import naming_extra

    with naming_extra("live"):
        from agentcvr_graph.scripts.extraction.batch import Models, plan
        from agentcvr_graph.scripts.extraction.extracted import ExtractedFile

    models = Models(vision, chosen_audio(audio), every)
    shared.checked_engine(engine)
    with ExtractedFile(to) as file:
        planned = asyncio.run(plan([Video(source=source) for source in videos], file, models))
        _print_plan(planned)
        failed = len(planned.problems)
        if planned.jobs and not plan_only:
            failed += asyncio.run(_extract(planned, file, models, engine, concurrency))
    raise typer.Exit(NO_ANSWER if failed else 0)


def _print_plan(planned: Plan) -> None:
    print_notes(planned.notes)
    for result in planned.problems:
        _print_problem(result)
    again = f" ({planned.again} of them again, because parts failed)" if planned.again else ""
    done = f", {planned.unchanged} unchanged" if planned.unchanged else ""
    cost = f": {seconds(planned.duration_s)} s, at most {cost_text(planned.cost)}" if planned.jobs else ""
    err.print(f"{counted(len(planned.jobs), 'video')} to extract{again}{done}{cost}")


async def _extract(planned: Plan, file: ExtractedFile, models: Models, engine: str, concurrency: int | None) -> int:
    """Extract the videos with a progress bar, print what was done, and return how many failed, also in parts."""
    from agentcvr_graph.scripts.extraction.batch import extract_videos

    failed = incomplete = scenes = 0
    cost = Cost()
    with ProgressBar("extracting", len(planned.jobs), console=err) as bar:
        async for result in extract_videos(planned, file, models, engine=engine, concurrency=concurrency):
            if result.extracted is None:
                failed += 1
                _print_problem(result)
            else:
                scenes += len(result.extracted.video.scenes)
                cost += result.extracted.cost
                incomplete += bool(result.failed_parts)
                _print_failed_parts(result)
            bar.update(
                completed=bar.completed + 1, description=f"extracting ({counted(scenes, 'scene')}, {cost_text(cost)})"
            )
    lost = f", {failed} could not be extracted" if failed else ""
    done = counted(len(planned.jobs) - failed, "video")
    out.print(f"{done} extracted ({counted(scenes, 'scene')}, {cost_text(cost)}){lost}: {escape(str(file.path))}")
    if incomplete:
        err.print(f"parts of {incomplete} of {done} failed: repeat the command to try them again")
    return failed + incomplete


def _print_failed_parts(result: ExtractResult) -> None:
    if result.failed_parts:
        first, *others = result.failed_parts
        more = f" (and {len(others)} more)" if others else ""
        err.print(f"[yellow]incomplete:[/] {escape(result.name)}: {escape(first)}{more}")


def _print_problem(result: ExtractResult) -> None:
    err.print(f"[yellow]not extracted:[/] {escape(result.name)}: {escape(result.problem)}")


def extract_gap(
    library: Annotated[list[Path], typer.Argument(help="Script files (.json, .jsonl) or folders.")],
    to: Annotated[Path, typer.Option("--out", help="Folder of the report, videos and trajectories.")],
    master: shared.Master = "offline",
    vision: shared.Vision = "offline",
    audio: shared.Audio = "offline",
) -> None:
    """Measure what extraction loses: the same questions on true scripts, on extracted ones, live and blind.

    The scripts are rendered as videos (needs flite), and these are extracted. The same command resumes.
    """
    from agentcvr_graph.eval.extract_gap import measure_extract_gap
    from agentcvr_graph.eval.extract_gap.report import accuracy_table, facts_table
    from agentcvr_graph.models.strings import ModelStrings
    from agentcvr_graph.scripts.library import ScriptLibrary

    scripts = list(ScriptLibrary(*library))
    found = asyncio.run(measure_extract_gap(scripts, to, ModelStrings(master, vision, chosen_audio(audio))))
    out.print(accuracy_table(found))
    out.print(facts_table(found))
    out.print(f"extracted {seconds(found.seconds)} s of video: {cost_text(found.cost)}")
    err.print(f"results: {escape(str(to / 'extract_gap.json'))}")
