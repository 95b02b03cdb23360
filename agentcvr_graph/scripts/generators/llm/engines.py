"""Where jobs are done: in this process, or on a Ray cluster. Both take jobs and hand back what comes of them.

Neither knows files, duplicates or progress; the run (`run.py`) does, in one place, whichever engine works.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from functools import cached_property
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.errors import SetupError, missing_extra
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.generators.llm.writing import Writer, Written
from agentcvr_graph.utils.concurrency import run_bounded

MakeModel = Callable[[], BaseChatModel]
TakeJob = Callable[[], Job | None]
"""The next job, or None while there is none; there may be one again once a result was handed over."""


class Engine(Protocol):
    """Does jobs."""

    def run(self, take: TakeJob, concurrency: int) -> AsyncIterator[Written]:
        """What was written, in the order in which it is done; at most `concurrency` jobs are under way.

        Raises:
            SetupError: no job can succeed (a refused key, a missing package).
        """
        ...


class LocalEngine:
    """Jobs as tasks of this event loop."""

    def __init__(self, make_model: MakeModel, name: str) -> None:
        self._writer = Writer(make_model(), name)

    async def run(self, take: TakeJob, concurrency: int) -> AsyncIterator[Written]:
        """As the protocol."""
        async for written in run_bounded(take, self._writer.write, concurrency):
            yield written


class RayEngine:
    """Jobs as calls of async actors on the free cores; each actor makes a model of its own."""

    def __init__(self, make_model: MakeModel, name: str) -> None:
        try:
            self._ray: Any = importlib.import_module("ray")  # its types are partial
        except ImportError as error:
            raise missing_extra("ray", "ray") from error
        if not self._ray.is_initialized():
            self._ray.init(log_to_driver=False, include_dashboard=False)
        self._made_of = (make_model, name)

    async def run(self, take: TakeJob, concurrency: int) -> AsyncIterator[Written]:
        """As the protocol. An actor that dies is started again, and its jobs with it."""
        actors = self._actors(concurrency)
        running: dict[asyncio.Future[Any], Job] = {}
        turn = 0
        while True:
            while len(running) < concurrency and (job := take()) is not None:
                call = actors[turn % len(actors)].write.remote(job)
                running[asyncio.wrap_future(call.future())] = job
                turn += 1
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                yield _result(future, running.pop(future))

    def _actors(self, concurrency: int) -> list[Any]:
        """One a free core. More would wait for a core for ever, and the jobs that they were given with them."""
        free = int(self._ray.available_resources().get("CPU", 0))
        actor = self._ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=2)(_RayWriter)
        options = actor.options(max_concurrency=concurrency)
        return [options.remote(*self._made_of) for _ in range(max(1, min(free, concurrency)))]


def _result(future: asyncio.Future[Any], job: Job) -> Written:
    error = future.exception()
    if isinstance(error, SetupError):
        raise error
    return Written(job, None, f"{type(error).__name__}: {error}") if error else future.result()


class _RayWriter:
    """A writer in a worker of the cluster."""

    def __init__(self, make_model: MakeModel, name: str) -> None:
        self._made_of = (make_model, name)

    @cached_property
    def _writer(self) -> Writer:
        """Made with the first job: what fails in a constructor reaches the driver only as the death of an actor."""
        make_model, name = self._made_of
        return Writer(make_model(), name)

    async def write(self, job: Job) -> Written:
        return await self._writer.write(job)


ENGINES: dict[str, Callable[[MakeModel, str], Engine]] = {"local": LocalEngine, "ray": RayEngine}
