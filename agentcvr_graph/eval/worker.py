"""The worker of an evaluation: runs one method on one question and scores the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context

from agentcvr_graph.errors import CVRError, InfrastructureError, SetupError
from agentcvr_graph.eval.methods import EvalConfig, MethodResources, make_methods
from agentcvr_graph.eval.methods.base import Method
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.scoring import EvalTask, failed_row, is_bug, now, row_of
from agentcvr_graph.eval.strict import with_strict_score
from agentcvr_graph.graph.run_names import described
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.clients.keys import traceback_without_keys
from agentcvr_graph.models.text_judge import ChatJudge, Judge, WordJudge
from agentcvr_graph.trajectory import Trajectory

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvalResult:
    """The outcome of an `EvalTask`."""

    row: Row
    trajectory: Trajectory | None
    """None if the method raised an error."""


class EvalWorker:
    """Runs the methods of a configuration and scores their answers; a `Worker` of the job engines."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        judge: Judge | None,
        close: Callable[[], None] = lambda: None,
        strict: str = "",
    ) -> None:
        self._methods, self._judge, self._close, self._strict = methods, judge, close, strict

    @classmethod
    def of(cls, config: EvalConfig) -> EvalWorker:
        """Return a worker with the methods and the judge that a configuration names.

        Raises:
            InputError, SetupError: as in `make_methods`.
        """
        resources = MethodResources(config)
        return cls(make_methods(config, resources), _judge_of(resources), resources.close, config.strict)

    async def run(self, job: EvalTask) -> EvalResult:
        """Run the method of a task once. An error is recorded as a row, unless it would affect every question.

        A bug is also logged with its traceback.

        Raises:
            SetupError: no question can be answered.
        """
        with set_config_context(_trace_config(job)) as context:
            result = await asyncio.create_task(self._scored(job), context=context)
        row = result.row.model_copy(update={"group": job.question.group})
        return EvalResult(with_strict_score(row, job.question, result.trajectory, self._strict), result.trajectory)

    async def _scored(self, job: EvalTask) -> EvalResult:
        started_at = now()
        try:
            trajectory = await self._methods[job.method].ask(job.question)
            return EvalResult(await row_of(job, trajectory, self._judge, started_at), trajectory)
        except SetupError:
            raise
        except Exception as error:
            if is_bug(error):
                trace = traceback_without_keys(error)
                logger.error("The question %r of %r ended in a bug\n%s", job.question.id, job.method, trace)
            return EvalResult(failed_row(job, error, started_at), None)

    def close(self) -> None:
        """Release files and processes."""
        self._close()


def _trace_config(job: EvalTask) -> RunnableConfig:
    """Return what the traces of a task share, also those of a judge: the id that its row and its trajectory have."""
    metadata = {"question_id": job.question.id, "method": job.method, "attempt": job.attempt}
    return described({"metadata": metadata}, as_input(job.question))


def failed_result(job: EvalTask, error: Exception) -> EvalResult:
    """Return the result of a task that a cluster could not carry out."""
    if not isinstance(error, CVRError):
        text = f"The cluster failed: {type(error).__name__}: {error}"
        error = InfrastructureError(text, transient=True)
    return EvalResult(failed_row(job, error, now()), None)


def _judge_of(resources: MethodResources) -> Judge | None:
    spec = resources.config.judge
    if not spec:
        return None
    return WordJudge() if spec == "offline" else ChatJudge(resources.chat(spec), spec)
