"""Jobs as calls of Ray actors, one actor on each free core.

An actor that dies is started again, and so are the jobs that it had. Results come back to the driver, which alone
writes them, so a job that ran twice is written once.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic

from agentcvr_graph.errors import SetupError, missing_extra
from agentcvr_graph.utils.engines.base import Job, Result, TakeJob, Worker

RETRIES = 2
"""Times that a job is started again after the death of its actor."""


class RayEngine(Generic[Job, Result]):
    """Runs jobs on a Ray cluster; starts one on this machine where none is connected.

    Args:
        make_worker: makes the worker of an actor; travels there.
        failed: the result of a job whose call failed, such as by the death of its actor again and again.

    Raises:
        SetupError: Ray is not installed.
    """

    def __init__(
        self, make_worker: Callable[[], Worker[Job, Result]], failed: Callable[[Job, Exception], Result]
    ) -> None:
        try:
            self._ray: Any = importlib.import_module("ray")  # its types are partial
        except ImportError as error:
            raise missing_extra("ray", "ray") from error
        self._make_worker, self._failed = make_worker, failed

    async def run(self, take: TakeJob[Job], concurrency: int) -> AsyncGenerator[Result]:
        """Yield results as they complete; see `Engine.run`."""
        job = take()
        if job is None:
            return
        actors = await asyncio.to_thread(self._start_actors, concurrency)
        loads = dict.fromkeys(range(len(actors)), 0)
        running: dict[asyncio.Future[Any], tuple[Job, int]] = {}
        try:
            while True:
                while job is not None:
                    idlest = min(loads, key=lambda number: loads[number])
                    loads[idlest] += 1
                    running[asyncio.wrap_future(actors[idlest].run.remote(job).future())] = job, idlest
                    job = take() if len(running) < concurrency else None
                if not running:
                    return
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    finished, number = running.pop(future)
                    loads[number] -= 1
                    yield self._result(future, finished)
                job = take()
        finally:
            if running:  # stopped early; else the actors end by themselves, in good order
                for actor in actors:
                    self._ray.kill(actor)
                await asyncio.gather(*running, return_exceptions=True)

    def _start_actors(self, concurrency: int) -> list[Any]:
        """Start one actor a free core. More would wait for a core forever, and with them the jobs they were given."""
        if not self._ray.is_initialized():
            self._ray.init(log_to_driver=False, include_dashboard=False)
        free = int(self._ray.available_resources().get("CPU", 0))
        actor = self._ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=RETRIES)(_Actor)
        options = actor.options(max_concurrency=concurrency)
        return [options.remote(self._make_worker) for _ in range(max(1, min(free, concurrency)))]

    def _result(self, future: asyncio.Future[Any], job: Job) -> Result:
        error = future.exception()
        if isinstance(error, SetupError) or not isinstance(error, Exception | None):
            raise error
        return future.result() if error is None else self._failed(job, error)


class _Actor:
    """A worker in a process of the cluster, kept for all jobs that come."""

    def __init__(self, make_worker: Callable[[], Worker[Any, Any]]) -> None:
        self._make_worker = make_worker
        self._worker: Worker[Any, Any] | None = None

    async def run(self, job: Any) -> Any:
        # Made with the first job: what fails in a constructor reaches the driver only as the death of an actor. It is
        # made on the actor's loop, without a pause, so no second job makes another.
        if self._worker is None:
            self._worker = self._make_worker()
        return await self._worker.run(job)
