"""Scripts written by a chat model: requested, checked, repaired, free of near-duplicates, resumable.

`agentcvr scripts make --model MODEL` runs it from the command line, `generate` from a program. A job (`jobs.py`) is a
task and a seed. A `Writer` (`writing.py`) requests a draft from the model (`prompts.py`) until it is a sound script
(`draft.py`). The run (`run.py`) compares the script with those that exist (`duplicates.py`) and appends it to a file
(`store.py`). The engines of `utils/engines` run the jobs, in this process or on a Ray cluster.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.scripts.generators.llm.duplicates import Duplicates
from agentcvr_graph.scripts.generators.llm.jobs import Job, jobs_of
from agentcvr_graph.scripts.generators.llm.run import Totals, run_jobs
from agentcvr_graph.scripts.generators.llm.writing import Writer

__all__ = ["Job", "Totals", "generate", "jobs_of"]


async def generate(
    jobs: Iterable[Job],
    model: BaseChatModel | str,
    out: Path,
    *,
    engine: str = "local",
    concurrency: int = 8,
    retry_failed: bool = False,
    price_in: float = 0.0,
    price_out: float = 0.0,
    on_progress: Callable[[Totals], None] = lambda totals: None,
) -> Totals:
    """Write the scripts of all jobs that are not done yet into a `.jsonl` file.

    A run that was killed resumes where it stopped: no script is lost and none is written twice.

    Args:
        model: a chat model, or a model string.
        engine: `local`, or `ray` for a cluster.
        concurrency: jobs in flight, at least 1.
        retry_failed: repeat the jobs that failed in earlier runs.
        price_in, price_out: of a million input and output tokens.
        on_progress: called after each job, with the totals so far.

    Raises:
        InputError: the engine is unknown, the file holds something else, or another run is writing it.
        SetupError: the model or a package is missing, or its key is refused.
        InfrastructureError: the model no longer answers. What was written before is kept.
    """
    return await run_jobs(
        jobs,
        functools.partial(Writer.of, model),
        out,
        Duplicates(),
        engine=engine,
        concurrency=concurrency,
        retry_failed=retry_failed,
        price_in=price_in,
        price_out=price_out,
        on_progress=on_progress,
    )
