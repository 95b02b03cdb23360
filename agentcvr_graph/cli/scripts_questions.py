"""`agentcvr scripts questions`: questions about extracted videos, from a file or written by a chat model.

It is a command of its own because extracting takes hours and questions take minutes: the same scenes get questions
again, from another file or model, without being extracted again. `questions_run.py` carries it out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.console import new_file, one_of
from agentcvr_graph.cli.options import MODELS, RUNNING
from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.schema import TASKS, Task

EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts questions extracted.jsonl --csv questions.csv --out scripts.jsonl

agentcvr scripts questions extracted.jsonl --writer openai:gpt-4.1 --each 20 --out scripts.jsonl

agentcvr scripts questions extracted.jsonl --writer http://localhost:8000/v1 -t CC -t PSS --each 100 --out s.jsonl

agentcvr scripts questions extracted.jsonl --writer openai:gpt-4.1 --checker anthropic:claude-sonnet-4-5 --out s.jsonl
"""


def questions(
    extracted: Annotated[Path, typer.Argument(help="The file of 'agentcvr scripts extract'.")],
    to: Annotated[Path, typer.Option("--out", help="The .jsonl file of scripts to write.")],
    csv: Annotated[
        Path | None,
        typer.Option(help="File of questions: .csv, .tsv, .json, .jsonl or .parquet, as 'agentcvr eval --data'."),
    ] = None,
    writer: Annotated[
        str, typer.Option(help="Model string of a chat model that writes questions.", rich_help_panel=MODELS)
    ] = "",
    checker: Annotated[
        str,
        typer.Option(help="Model string of a chat model that checks them; default: WRITER.", rich_help_panel=MODELS),
    ] = "",
    each: Annotated[int, typer.Option(min=1, help="With --writer: number of questions of each task.")] = 10,
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help=f"With --writer: one of {', '.join(TASKS)}; repeatable. Default: all."),
    ] = None,
    seed: Annotated[int, typer.Option(help="With --writer: seed of the first question of each task.")] = 0,
    engine: shared.Engine = "local",
    concurrency: Annotated[int, typer.Option(min=1, help="Questions in work at a time.", rich_help_panel=RUNNING)] = 8,
    price_in: shared.PriceIn = 0.0,
    price_out: shared.PriceOut = 0.0,
    retry_failed: Annotated[bool, typer.Option(help="Draw again what failed before.", rich_help_panel=RUNNING)] = False,
    force: shared.Force = False,
) -> None:
    """Make scripts of extracted videos: with the questions of a file, or with questions that a chat model writes.

    Written questions are checked: the evidence windows must suffice to answer, and neither the question alone nor one
    video alone may. Rejected ones are kept beside the scripts in NAME.rejected.jsonl. The same command resumes.
    """
    if (csv is None) == (not writer):
        raise InputError("Name either --csv or --writer.", fix="Write: --csv questions.csv, or --writer MODEL.")
    if to.suffix != ".jsonl":
        raise InputError(f"{to}: scripts are written to a .jsonl file.", fix=f"Name it {to.with_suffix('.jsonl')}.")
    if to.resolve() == extracted.resolve():
        raise InputError(f"{to} is the file of the extracted videos.", fix="Name another file with --out.")
    from agentcvr_graph.cli import questions_run

    videos = questions_run.read_videos(extracted)
    if csv is not None:
        questions_run.from_file(csv, videos, new_file(to, force=force))
        return
    if force:
        raise InputError("--writer continues a file, and --force replaces it.", fix="Leave one of them out.")
    wanted: dict[Task, int] = {task: each for task in TASKS if task in _tasks(tasks)}
    questions_run.written(
        wanted,
        videos,
        writer,
        to,
        seed=seed,
        checker=checker or None,
        engine=shared.checked_engine(engine),
        concurrency=concurrency,
        price_in=price_in,
        price_out=price_out,
        retry_failed=retry_failed,
    )


def _tasks(given: list[str] | None) -> tuple[str, ...]:
    return tuple(one_of("task", task.upper(), TASKS) for task in given or TASKS)
