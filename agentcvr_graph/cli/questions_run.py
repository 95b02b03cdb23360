"""Carries out `agentcvr scripts questions`: reads or writes questions, shows progress, cost and what was rejected."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from agentcvr_graph.cli.console import (
    ANSWERED,
    BAD_INPUT,
    NO_ANSWER,
    err,
    escape,
    out,
    print_all,
    print_failed_jobs,
    print_notes,
    print_some,
)
from agentcvr_graph.errors import InputError, missing_extra
from agentcvr_graph.render import counted
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo, read_extracted
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.scripts.schema import Task
from agentcvr_graph.utils.progress import ProgressBar


def read_videos(path: Path) -> list[ExtractedVideo]:
    """Return the extracted videos of a file; report on stderr those with parts that failed.

    Raises:
        InputError: there is no such file, or it holds none.
    """
    fix = "Make the file with: agentcvr scripts extract VIDEO..."
    if not path.is_file():
        raise InputError(f"There is no file {path}.", fix=fix)
    videos = read_extracted(path)
    if not videos:
        raise InputError(f"There is no extracted video in {path}.", fix=fix)
    print_some("incomplete", "yellow", [_lost_parts(video) for video in videos if video.failed])
    return videos


def _lost_parts(video: ExtractedVideo) -> str:
    lost = counted(len(video.failed), "part")
    return f"{video.name}: {lost} could not be extracted; repeat 'agentcvr scripts extract' to try again"


def from_file(path: Path, videos: Sequence[ExtractedVideo], to: Path) -> None:
    """Write the scripts of the questions of a file; report each row that cannot be used."""
    from agentcvr_graph.eval.script_questions import read_questions

    read = read_questions(path, videos)
    print_notes(read.notes)
    print_all("error", "red", read.problems)
    if not read.scripts:
        raise InputError(f"No question of {path} can be used; {to} was not written.", fix="See the lines above.")
    count = write_scripts(read.scripts, to)
    without = sum(not script.evidence for script in read.scripts)
    if without:
        print_notes([f"{counted(without, 'question')} without evidence windows: there the reward `grounding` is 0"])
    out.print(f"{counted(count, 'script')}, {counted(len(read.problems), 'row')} not used: {escape(str(to))}")
    raise typer.Exit(BAD_INPUT if read.problems else ANSWERED)


def written(
    counts: Mapping[Task, int],
    videos: Sequence[ExtractedVideo],
    model: str,
    to: Path,
    *,
    seed: int,
    **options: Any,
) -> None:
    """Let a chat model write and check questions, with a progress bar and a summary on stderr."""
    try:
        from agentcvr_graph.scripts.extraction.questions import Totals, jobs_of, write_questions
    except ImportError as error:
        raise missing_extra(error.name or "datasketch", "synthesis") from error
    jobs = list(jobs_of(counts, seed, "own"))
    with ProgressBar("writing", len(jobs), console=err) as bar:

        def show(totals: Totals) -> None:
            usage = totals.usage
            spent = f"{usage.calls} calls, {usage.input_tokens} + {usage.output_tokens} tokens, {totals.cost:.2f}"
            bar.update(completed=totals.done, description=f"writing ({spent})")

        totals = asyncio.run(write_questions(jobs, videos, model, to, on_progress=show, **options))
    for reason, count in totals.rejections.most_common():
        err.print(f"rejected: {count} {escape(reason)}")
    if totals.rejections:
        err.print(f"rejected questions: {escape(str(to.with_suffix('.rejected.jsonl')))}")
    print_failed_jobs(totals.causes, to)
    err.print(escape(f"{totals}: {to}"))
    raise typer.Exit(ANSWERED if totals.scripts or totals.skipped else NO_ANSWER)
