"""Questions about extracted videos: given in a file, or written by a chat model and checked.

`agentcvr scripts questions` runs both from the command line. `given.py` makes scripts of questions that exist. For the
others, `choice.py` draws the videos of a job, `draft.py` and `prompts.py` say what the model is asked for, and
`answerable.py` is the second pass, which rejects what can be answered without looking at several videos. Jobs, writer,
files and run are those of invented scripts (`scripts/generators/llm`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions.choice import require_enough
from agentcvr_graph.scripts.extraction.questions.near import QuestionDuplicates
from agentcvr_graph.scripts.extraction.questions.writing import QuestionWriter
from agentcvr_graph.scripts.generators.llm.jobs import Job, jobs_of
from agentcvr_graph.scripts.generators.llm.run import Totals, run_jobs

__all__ = ["Job", "Totals", "jobs_of", "write_questions"]


async def write_questions(
    jobs: Iterable[Job],
    videos: Sequence[ExtractedVideo],
    model: BaseChatModel | str,
    out: Path,
    *,
    checker: BaseChatModel | str | None = None,
    **options: Any,
) -> Totals:
    """Write a question for each job that is not done yet, and append those that pass the checks to a `.jsonl` file.

    Rejected questions go to `<name>.rejected.jsonl` with the reason, failed jobs to `<name>.failures.jsonl`. A run that
    was killed resumes where it stopped.

    Args:
        jobs: from `jobs_of(counts, seed, "own")`.
        model: the chat model that writes, or its model string.
        checker: the chat model that checks; None for the same one.
        options: engine, concurrency, retry_failed, price_in, price_out and on_progress, as
            `scripts.generators.llm.generate`.

    Raises:
        InputError: a job needs more videos or scenes than there are; or as `generate`.
        SetupError: as `generate`.
        InfrastructureError: the model no longer answers. What was written before is kept.
    """
    wanted = list(jobs)
    require_enough({job.task for job in wanted}, videos)
    make_writer = functools.partial(QuestionWriter.of, model, model if checker is None else checker, videos)
    return await run_jobs(wanted, make_writer, out, QuestionDuplicates(), **options)
