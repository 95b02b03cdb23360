"""Where questions are asked: in this process, or on a Ray cluster. Both take asks and hand back what came of them.

Neither knows files, figures or progress: `runner.py` does, whichever engine works, so results are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from agentcvr_graph.errors import SetupError
from agentcvr_graph.eval.judge import ChatJudge, Judge, WordJudge
from agentcvr_graph.eval.methods import EvalConfig, Method, MethodResources, make_methods
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.scoring import EvalTask, failed_row, now, row_of
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.utils.concurrency import run_bounded


@dataclass(frozen=True)
class EvalResult:
    """What came of an ask."""

    row: Row
    trajectory: Trajectory | None
    """None where the question could not be asked."""


class Engine(Protocol):
    """Asks questions."""

    def run(self, asks: Sequence[EvalTask], concurrency: int) -> AsyncGenerator[EvalResult]:
        """What came of all asks, in the order in which they are done; at most `concurrency` are under way.

        Raises:
            SetupError: no question can be answered (a refused key, a missing package).
        """
        ...


class EvalWorker:
    """Asks single questions of the methods of a config, and has their answers scored."""

    def __init__(
        self, methods: Mapping[str, Method], judge: Judge | None, close: Callable[[], None] = lambda: None
    ) -> None:
        self._methods, self._judge = methods, judge
        self.close = close
        """Lets go of files and processes."""

    @classmethod
    def of(cls, config: EvalConfig) -> EvalWorker:
        """The methods and the judge that a config names.

        Raises:
            InputError, SetupError: as `make_methods`.
        """
        resources = MethodResources(config)
        return cls(make_methods(config, resources), _judge_of(resources), resources.close)

    async def ask(self, ask: EvalTask) -> EvalResult:
        """Ask once. A failure becomes a row, unless it would be that of every question.

        Raises:
            SetupError: no question can be answered.
        """
        asked_at = now()
        try:
            trajectory = await self._methods[ask.method].ask(ask.question)
            return EvalResult(await row_of(ask, trajectory, self._judge, asked_at), trajectory)
        except SetupError:
            raise
        except Exception as error:
            return EvalResult(failed_row(ask, error, asked_at), None)


class LocalEngine:
    """Asks as tasks of this event loop."""

    def __init__(self, config: EvalConfig, make: Callable[[EvalConfig], EvalWorker] = EvalWorker.of) -> None:
        self._config, self._make = config, make

    async def run(self, asks: Sequence[EvalTask], concurrency: int) -> AsyncGenerator[EvalResult]:
        """As the protocol."""
        asker = await asyncio.to_thread(self._make, self._config)  # imports libraries, reads folders
        left = iter(asks)
        try:
            async with aclosing(run_bounded(lambda: next(left, None), asker.ask, concurrency)) as answers:
                async for asked in answers:
                    yield asked
        finally:
            await asyncio.to_thread(asker.close)


def _judge_of(resources: MethodResources) -> Judge | None:
    spec = resources.config.judge
    if not spec:
        return None
    return WordJudge() if spec == "offline" else ChatJudge(resources.chat(spec), spec)
