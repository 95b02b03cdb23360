"""Asks on a Ray cluster: Ray Data over the questions, actors that hold readers and models.

The questions are a data set, so the cluster decides how many actors there are, and gives a block whose actor died to
another one. Rows come back to the driver, which alone writes; so a block that is asked again is written once.
"""

# Ray's types are partial.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any

from agentcvr_graph.errors import SetupError, missing_extra
from agentcvr_graph.eval.engines import EvalResult, EvalWorker
from agentcvr_graph.eval.methods import EvalConfig
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.scoring import EvalTask
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Question

BLOCK = 4
"""Questions that an actor is given at a time: what is asked again when it dies."""
Record = dict[str, Any]


class RayEngine:
    """Asks as blocks of a data set, over the free cores of a cluster.

    Args:
        make: what asks, made anew in each actor.
    """

    def __init__(self, config: EvalConfig, make: Callable[[EvalConfig], EvalWorker] = EvalWorker.of) -> None:
        try:
            self._ray: Any = importlib.import_module("ray")
            self._data: Any = importlib.import_module("ray.data")
        except ImportError as error:
            raise missing_extra("ray", "ray") from error
        self._config, self._make = config, make

    async def run(self, asks: Sequence[EvalTask], concurrency: int) -> AsyncGenerator[EvalResult]:
        """As the protocol."""
        if not asks:
            return
        records = await asyncio.to_thread(self._records, asks, concurrency)
        while (record := await asyncio.to_thread(next, records, None)) is not None:
            yield _asked(record)

    def _records(self, asks: Sequence[EvalTask], concurrency: int) -> Iterator[Record]:
        """What comes of the data set, as it comes."""
        if not self._ray.is_initialized():
            self._ray.init(log_to_driver=False, include_dashboard=False)
        free = max(1, int(self._ray.available_resources().get("CPU", 1)))
        actors = max(1, min(free, concurrency, -(-len(asks) // BLOCK)))
        at_once = max(1, concurrency // actors)
        blocks = max(actors, -(-len(asks) // max(BLOCK, at_once)))
        asked = self._data.from_items([_record(ask) for ask in asks], override_num_blocks=blocks).map_batches(
            _Actor,
            fn_constructor_args=(self._config, self._make, at_once),
            batch_size=None,  # a block
            concurrency=(1, actors),
            num_cpus=1,
        )
        return iter(asked.iter_rows())


class _Actor:
    """Readers and models in a worker, made when the first block comes and kept for all that follow."""

    def __init__(self, config: EvalConfig, make: Callable[[EvalConfig], EvalWorker], at_once: int) -> None:
        self._config, self._make, self._at_once = config, make, at_once
        self._asker: EvalWorker | None = None
        # One loop for the life of the actor: clients keep connections that belong to it.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        asks = [
            EvalTask(Question.model_validate_json(question), str(method), int(attempt))
            for question, method, attempt in zip(batch["question"], batch["method"], batch["attempt"], strict=True)
        ]
        found = asyncio.run_coroutine_threadsafe(self._all(asks), self._loop).result()
        return {name: [record[name] for record in found] for name in ("row", "trajectory", "setup")}

    async def _all(self, asks: Sequence[EvalTask]) -> list[dict[str, str]]:
        free = asyncio.Semaphore(self._at_once)

        async def one(ask: EvalTask) -> dict[str, str]:
            async with free:
                return await self._one(ask)

        return list(await asyncio.gather(*map(one, asks)))

    async def _one(self, ask: EvalTask) -> dict[str, str]:
        """A set-up that no question can succeed with is handed to the driver as data: a raised one is tried again."""
        try:
            if self._asker is None:
                self._asker = self._make(self._config)
            asked = await self._asker.ask(ask)
        except SetupError as error:
            return {"row": "", "trajectory": "", "setup": str(error)}
        trajectory = asked.trajectory.model_dump_json() if asked.trajectory else ""
        return {"row": asked.row.model_dump_json(), "trajectory": trajectory, "setup": ""}


def _record(ask: EvalTask) -> Record:
    return {"question": ask.question.model_dump_json(), "method": ask.method, "attempt": ask.attempt}


def _asked(record: Record) -> EvalResult:
    if record["setup"]:
        raise SetupError(record["setup"])
    trajectory = Trajectory.model_validate_json(record["trajectory"]) if record["trajectory"] else None
    return EvalResult(Row.model_validate_json(record["row"]), trajectory)
