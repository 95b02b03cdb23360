"""Run jobs as calls of Ray actors, one actor on each free core.

If an actor dies, it and its unfinished jobs are started again. Only the driver writes results, so a job that ran twice
is written once.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic

from agentcvr_graph.errors import SetupError, missing_extra
from agentcvr_graph.utils.engines.base import Job, Result, TakeJob, Worker

RETRIES = 2
"""How often a job is started again after its actor died."""


class RayEngine(Generic[Job, Result]):
    """Runs jobs on a Ray cluster; starts one on this machine if none is connected.

    Args:
        make_worker: make the worker of an actor. It is sent to the actor.
        failed: return the result of a job whose call failed, for example because its actor died repeatedly.

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
            if running:  # the run ended early; otherwise the actors end by themselves
                for actor in actors:
                    self._ray.kill(actor)
                await asyncio.gather(*running, return_exceptions=True)

    def _start_actors(self, concurrency: int) -> list[Any]:
        """Start one actor for each free core. Further actors, and their jobs, would wait for a core forever."""
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
    """A worker in a process of the cluster, used for all its jobs."""

    def __init__(self, make_worker: Callable[[], Worker[Any, Any]]) -> None:
        self._make_worker = make_worker
        self._worker: Worker[Any, Any] | None = None

    async def run(self, job: Any) -> Any:
        # The worker is made with the first job, because the driver sees an error in a constructor only as a dead actor.
        # No await happens before it is set, so a second job cannot make another.
        if self._worker is None:
            self._worker = self._make_worker()
        return await self._worker.run(job)
