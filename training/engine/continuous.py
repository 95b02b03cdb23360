"""The engine over transformers' own continuous batching: paged keys and values, for GPUs where it runs.

Every turn is a request with its whole prompt; blocks that two prompts share are shared there. Random numbers are the
manager's, so a call's own seed is not used: runs are not repeatable token by token.
"""

# transformers leaves its managers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig

from agentcvr_graph.errors import BugError, WorldError
from training.engine.base import Call, Sampled, Sampling


class ContinuousEngine:
    """An `Engine` over a `ContinuousBatchingManager`.

    Args:
        model: a causal language model.
        stop_ids: tokens that end a turn.
        sampling: the manager has one way of sampling; calls must ask for the same.
        blocks: pages of keys and values; None lets the manager choose.
    """

    def __init__(self, model: Any, stop_ids: Sequence[int], sampling: Sampling, *, blocks: int | None = None) -> None:
        self._model = model
        self._stop = list(stop_ids)
        self._sampling = sampling
        self._blocks = blocks
        self._names = itertools.count()
        self._manager: Any = None

    def __enter__(self) -> ContinuousEngine:
        drawn: dict[str, Any] = {"do_sample": False}
        if self._sampling.temperature > 0:
            drawn = {
                "do_sample": True,
                "temperature": self._sampling.temperature,
                "top_p": self._sampling.top_p,
                "top_k": 0,
            }
        paging: dict[str, Any] = {} if self._blocks is None else {"num_blocks": self._blocks}
        self._manager = self._model.init_continuous_batching(
            GenerationConfig(eos_token_id=self._stop, pad_token_id=self._stop[0], **drawn),
            ContinuousBatchingConfig(return_logprobs=True, **paging),
        )
        self._manager.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._manager.stop(block=True)
        self._manager = None

    async def sample(self, call: Call) -> Sampled:
        """Sample one turn.

        Raises:
            WorldError: the manager failed.
            BugError: the engine is not running, or the call asks for another way of sampling.
        """
        if self._manager is None:
            raise BugError("The engine is not running.", fix="Use it as a context manager.")
        wanted = (call.sampling.temperature, call.sampling.top_p)
        if wanted != (self._sampling.temperature, self._sampling.top_p):
            raise BugError(f"This engine samples with {self._sampling}, not with {call.sampling}.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        name = f"turn_{next(self._names)}"
        self._manager.register_result_handler(name, lambda output: loop.call_soon_threadsafe(_settle, future, output))
        self._manager.add_request(
            list(call.prompt_ids),
            request_id=name,
            max_new_tokens=call.sampling.max_new_tokens,
            eos_token_id=self._stop,
        )
        output = await future
        if output.error:
            raise WorldError(f"Continuous batching failed: {output.error}")
        return Sampled(list(output.generated_tokens), list(output.logprobs))

    def release(self, session: str) -> None:
        """Nothing is held between turns."""


def _settle(future: asyncio.Future[Any], output: Any) -> None:
    if output.is_finished() and not future.done():
        future.set_result(output)
