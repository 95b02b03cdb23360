"""Where jobs are done: in this process, or on a Ray cluster. Both take jobs and hand back what comes of them.

Neither knows files, duplicates or progress; the run (`__init__.py`) does, in one place, whichever engine works. A job
that the run wants redrawn goes back to the engine through the same iterator of jobs.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.errors import missing_extra
from training.synthesis.jobs import Job
from training.synthesis.writing import Writer, Written

MakeModel = Callable[[], BaseChatModel]


class Engine(Protocol):
    """Does jobs."""

    def run(self, jobs: Iterator[Job], concurrency: int) -> AsyncIterator[Written]:
        """What was written, in the order in which it is done; takes a job whenever one is free."""
        ...


class LocalEngine:
    """Jobs as tasks of this event loop."""

    def __init__(self, make_model: MakeModel, name: str) -> None:
        self._writer = Writer(make_model(), name)

    async def run(self, jobs: Iterator[Job], concurrency: int) -> AsyncIterator[Written]:
        """As the protocol."""
        running: set[asyncio.Task[Written]] = set()
        try:
            while True:
                while len(running) < concurrency and (job := next(jobs, None)) is not None:
                    running.add(asyncio.create_task(self._writer.write(job)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()


class RayEngine:
    """Jobs as calls of async actors, one actor a core; each holds a model of its own."""

    def __init__(self, make_model: MakeModel, name: str) -> None:
        try:
            ray: Any = importlib.import_module("ray")  # its types are partial
        except ImportError as error:
            raise missing_extra("ray", "ray") from error
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)
        count = max(1, int(ray.cluster_resources().get("CPU", 1)))
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=2)(_RayWriter)
        self._actors: list[Any] = [actor.options(max_concurrency=1000).remote(make_model, name) for _ in range(count)]

    async def run(self, jobs: Iterator[Job], concurrency: int) -> AsyncIterator[Written]:
        """As the protocol. An actor that dies is started again, and its jobs with it."""
        running: dict[asyncio.Future[Any], Job] = {}
        turn = 0
        while True:
            while len(running) < concurrency and (job := next(jobs, None)) is not None:
                actor = self._actors[turn % len(self._actors)]
                turn += 1
                running[asyncio.wrap_future(actor.write.remote(job).future())] = job
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                error = future.exception()
                yield Written(job, None, f"{type(error).__name__}: {error}") if error else future.result()


class _RayWriter:
    """A writer in a worker of the cluster."""

    def __init__(self, make_model: MakeModel, name: str) -> None:
        self._writer = Writer(make_model(), name)

    async def write(self, job: Job) -> Written:
        return await self._writer.write(job)


ENGINES: dict[str, Callable[[MakeModel, str], Engine]] = {"local": LocalEngine, "ray": RayEngine}
