"""Job engines: run many jobs in this process or on a Ray cluster, with the same results.

The caller hands out jobs and collects results. Files, progress and duplicates are the caller's task; an engine knows
none of them. A `Worker` runs the jobs. The engine makes it where the jobs run: once in this process, or once in each
Ray actor.
"""

from __future__ import annotations

from collections.abc import Callable

from agentcvr_graph.errors import InputError
from agentcvr_graph.utils.engines.base import Engine, Job, Result, TakeJob, Worker
from agentcvr_graph.utils.engines.local import LocalEngine
from agentcvr_graph.utils.engines.ray import RayEngine

__all__ = ["ENGINES", "Engine", "LocalEngine", "RayEngine", "TakeJob", "Worker", "make_engine"]

ENGINES = ("local", "ray")


def make_engine(
    name: str, make_worker: Callable[[], Worker[Job, Result]], failed: Callable[[Job, Exception], Result]
) -> Engine[Job, Result]:
    """Return the engine of a name.

    Args:
        make_worker: make a worker where the jobs run. On a cluster it is sent to the actors.
        failed: return the result of a job that a cluster could not run.

    Raises:
        InputError: there is no such engine.
        SetupError: Ray is not installed.
    """
    if name == "local":
        return LocalEngine(make_worker)
    if name == "ray":
        return RayEngine(make_worker, failed)
    raise InputError(f"Unknown engine {name!r}.", fix=f"Choose one of: {', '.join(ENGINES)}.")
