"""The protocols of engines and workers. `local.py` and `ray.py` implement the engines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
Job_contra = TypeVar("Job_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

TakeJob = Callable[[], Job | None]
"""Return the next job, or None while there is none. After a result was yielded, there may be a job again."""


class Worker(Protocol[Job_contra, Result_co]):
    """Runs jobs, many at a time. An error in a job becomes part of its result."""

    async def run(self, job: Job_contra) -> Result_co:
        """Run a job.

        Raises:
            SetupError: no job can succeed (a refused key, a missing package).
        """
        ...

    def close(self) -> None:
        """Release files and processes."""
        ...


class Engine(Protocol[Job_contra, Result_co]):
    """Runs jobs."""

    def run(self, take: TakeJob[Job_contra], concurrency: int) -> AsyncGenerator[Result_co]:
        """Yield results as they complete, with at most `concurrency` jobs in flight.

        Raises:
            SetupError: no job can succeed.
        """
        ...
