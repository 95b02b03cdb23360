"""What an engine and a worker are, without the engines: `local.py` and `ray.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
Job_contra = TypeVar("Job_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

TakeJob = Callable[[], Job | None]
"""Return the next job, or None while there is none; there may be one again once a result was handed over."""


class Worker(Protocol[Job_contra, Result_co]):
    """Carries out jobs, many at a time. What goes wrong with a job becomes part of its result."""

    async def run(self, job: Job_contra) -> Result_co:
        """Carry out a job.

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
