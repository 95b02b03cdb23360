"""The engine over vLLM in this process, as TRL runs it beside its trainer (`vllm_mode: colocate`).

vLLM batches continuously by itself: a request joins at the next step and leaves when it ends. This engine only passes
calls to vLLM and results back, from one worker thread that steps it. Prompts with a common prefix, such as the turns of
one conversation, share their keys and values in vLLM's own prefix cache.

vLLM's `logprobs_mode` decides which log probability a token gets. TRL sets `processed_logprobs`: at the temperature,
after `min_p`, `top_k` and `top_p`. Without these three this is the value that `Sampled` promises. With one of them,
probabilities are divided by the mass kept, so log probabilities are larger; a correction for this must not multiply
over a whole row (`training/agentcvr_training/config/vllm_settings.py`). `raw_logprobs` would leave out the temperature
as well.
"""

# vLLM is not installed where types are checked.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.errors import BugError, InfrastructureError
from agentcvr_training.inference.base import Call, Sampled

SEEDS = 2**63
"""vLLM accepts seeds below this."""


@dataclass(frozen=True)
class PendingCall:
    """A call in progress in vLLM."""

    name: str
    call: Call
    future: Future[Sampled]


class ColocatedEngine:
    """An `Engine` over vLLM's `LLMEngine`.

    Args:
        engine: the engine; it samples with the weights that were last loaded into it.
        stop_ids: the only tokens that end a turn.
        max_length: longest prompt and turn together, in tokens; the model's own limit applies if it is lower.
        on_thread: called first on the worker thread, to select its device.
    """

    def __init__(
        self,
        engine: Any,
        stop_ids: Sequence[int],
        *,
        max_length: int = 8192,
        on_thread: Callable[[], None] | None = None,
    ) -> None:
        self._engine = engine
        self._stop = list(stop_ids)
        self._max_length = min(max_length, int(engine.model_config.max_model_len))
        self._on_thread = on_thread
        self._names = itertools.count()
        self._inbox: queue.SimpleQueue[PendingCall | None] = queue.SimpleQueue()
        self._turns: dict[str, PendingCall] = {}
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ColocatedEngine:
        self._thread = threading.Thread(target=self._run, name="vllm-engine", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    async def sample(self, call: Call) -> Sampled:
        """Sample one turn.

        Raises:
            InfrastructureError: vLLM failed.
            BugError: the engine is not running, or the prompt fills the model.
        """
        if self._thread is None:
            raise BugError("The engine is not running.", fix="Use it as a context manager.")
        if len(call.prompt_ids) >= self._max_length:
            raise BugError(f"A prompt of {len(call.prompt_ids)} tokens does not fit into {self._max_length}.")
        turn = PendingCall(f"turn-{next(self._names)}", call, Future())
        self._inbox.put(turn)
        return await asyncio.wrap_future(turn.future)

    def release(self, session: str) -> None:
        """Do nothing: vLLM evicts its cache when it needs the memory."""

    # The methods below run on the worker thread.

    def _run(self) -> None:
        if self._on_thread is not None:
            self._on_thread()
        while self._receive():
            try:
                self._deliver(self._engine.step())
            except Exception as error:
                self._fail(InfrastructureError(f"vLLM failed while sampling: {error}"))

    def _receive(self) -> bool:
        """Submit the calls that have arrived; wait for one if vLLM is idle; return False once the engine is closed."""
        while True:
            try:
                turn = self._inbox.get(block=not self._turns)
            except queue.Empty:
                return True
            if turn is None:
                self._fail(BugError("The engine was closed in the middle of a turn."))
                return False
            self._begin(turn)

    def _begin(self, turn: PendingCall) -> None:
        if not turn.future.set_running_or_notify_cancel():
            return
        try:
            self._engine.add_request(
                turn.name, {"prompt_token_ids": list(turn.call.prompt_ids)}, self._parameters(turn.call)
            )
        except Exception as error:
            turn.future.set_exception(InfrastructureError(f"vLLM refused a turn: {error}"))
        else:
            self._turns[turn.name] = turn

    def _parameters(self, call: Call) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=call.sampling.temperature,
            top_p=call.sampling.top_p,
            top_k=call.sampling.top_k,
            min_p=call.sampling.min_p,
            repetition_penalty=call.sampling.repetition_penalty,
            max_tokens=min(call.sampling.max_new_tokens, self._max_length - len(call.prompt_ids)),
            seed=call.seed % SEEDS,
            # Only the sampled token, no alternatives.
            logprobs=0,
            # `stop_ids` include the model's own end tokens where these should end a turn.
            ignore_eos=True,
            stop_token_ids=self._stop,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _deliver(self, outputs: Sequence[Any]) -> None:
        """Return the turns that ended in this step."""
        for output in outputs:
            turn = self._turns.pop(output.request_id, None) if output.finished else None
            if turn is not None:
                turn.future.set_result(_sampled(output.outputs[0]))

    def _fail(self, error: Exception) -> None:
        """Raise an error in every waiting call and abort its request; the engine stays usable."""
        turns, self._turns = self._turns, {}
        for turn in turns.values():
            turn.future.set_exception(error)
        # If the engine cannot recover, the next turn raises again.
        with contextlib.suppress(Exception):
            self._engine.abort_request(list(turns))


def _sampled(completion: Any) -> Sampled:
    ids = [int(token) for token in completion.token_ids]
    drawn = zip(ids, completion.logprobs or [], strict=True)
    return Sampled(ids, [float(logprobs[token].logprob) for token, logprobs in drawn])
