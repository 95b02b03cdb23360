"""The engine over transformers' own continuous batching: paged keys and values, for GPUs where it runs.

Every turn is a request with its whole prompt; blocks that two prompts share are shared there. Random numbers are the
manager's, so a call's own seed is not used: runs are not repeatable token by token. The manager has one way of
sampling, that of the first call. Log probabilities are taken after `top_p`, as with vLLM (`colocated.py`).
"""

# transformers leaves its managers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig

from agentcvr_graph.errors import BugError, InfrastructureError
from agentcvr_training.inference.base import Call, Sampled, Sampling

PAGE_TOKENS = 256
"""Tokens of a page of keys and values, by transformers' default."""


class ContinuousEngine:
    """An `Engine` over a `ContinuousBatchingManager`.

    Args:
        model: a causal language model.
        stop_ids: tokens that end a turn.
        max_length: longest prompt and turn together, in tokens.
        blocks: pages of keys and values; None lets the manager choose.
    """

    def __init__(
        self, model: Any, stop_ids: Sequence[int], *, max_length: int = 8192, blocks: int | None = None
    ) -> None:
        self._model = model
        # The manager wants one at least, and takes -1 for none.
        self._stop = list(stop_ids) or [-1]
        self._max_length = max_length
        self._blocks = blocks
        self._names = itertools.count()
        self._open = False
        self._manager: Any = None
        self._sampling: Sampling | None = None

    def __enter__(self) -> ContinuousEngine:
        self._open = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._manager is not None:
            self._manager.stop(block=True, hard_stop=any(error))
        self._manager, self._open = None, False

    async def sample(self, call: Call) -> Sampled:
        """Sample one turn.

        Raises:
            InfrastructureError: the manager failed, now or at an earlier turn.
            BugError: the engine is not running, or the call asks for another way of sampling.
        """
        if not self._open:
            raise BugError("The engine is not running.", fix="Use it as a context manager.")
        room = self._max_length - len(call.prompt_ids)
        if room < 1:
            raise BugError(f"A prompt of {len(call.prompt_ids)} tokens does not fit into {self._max_length}.")
        if self._manager is None:
            self._manager, self._sampling = self._start(call.sampling), call.sampling
        if not _alike(call.sampling, self._sampling):
            raise BugError(f"This engine samples with {self._sampling}, not with {call.sampling}.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        name = f"turn_{next(self._names)}"
        self._manager.register_result_handler(name, partial(_settle, future))
        taken = self._manager.add_request(
            list(call.prompt_ids),
            request_id=name,
            max_new_tokens=min(call.sampling.max_new_tokens, room),
            eos_token_id=self._stop,
        )
        if taken is None:
            raise InfrastructureError("Continuous batching has stopped and takes no more turns.")
        output = await future
        if output.error:
            raise InfrastructureError(f"Continuous batching failed: {output.error}")
        return Sampled(list(output.generated_tokens), list(output.logprobs))

    def release(self, session: str) -> None:
        """Nothing is held between turns."""

    def _start(self, sampling: Sampling) -> Any:
        drawn: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        paging: dict[str, Any] = {} if self._blocks is None else {"num_blocks": self._blocks}
        manager = self._model.init_continuous_batching(
            GenerationConfig(eos_token_id=self._stop, pad_token_id=0, **drawn),
            ContinuousBatchingConfig(return_logprobs=True, **paging),
        )
        manager.start()
        return manager


def _alike(one: Sampling, other: Sampling | None) -> bool:
    return other is not None and (one.temperature, one.top_p) == (other.temperature, other.top_p)


def _settle(future: asyncio.Future[Any], output: Any) -> None:
    if output.is_finished() and not future.done():
        future.set_result(output)
