"""The engine for a transformers model in this process: continuous batching over KV-cache slots.

transformers' `generate` takes a batch that starts together, waits for its slowest row and drops the cache between two
turns. This engine runs the same forward passes over slots (`kv_slots.py`, `scheduler.py`): a turn that ends frees its
slot at once, a turn that arrives joins at the next pass, and a conversation that returns continues from the tokens in
its slot. On the same prompt at temperature 0 it samples the same tokens as `generate`.

Passes run on the event loop, interleaved with the graphs, and block it while they last. A separate thread would gain
little: every operation of torch releases the GIL and then waits for it, up to 5 ms, while the graphs compute. On the
event loop a pass has all CPU cores, and the batches do not depend on a thread scheduler. Before a pass, the engine lets
all graphs proceed, so that their next turns join the pass.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from agentcvr_graph.errors import BugError, InfrastructureError
from agentcvr_training.inference.base import Call, Sampled
from agentcvr_training.inference.kv_slots import SlotCache, check_layers, run_model, slot_cache
from agentcvr_training.inference.sampling import draw
from agentcvr_training.inference.scheduler import PendingCall, Slot, nearest_prefix
from agentcvr_training.rollout.ledger import shared_length

PREFILL_TOKENS = 8192
"""Maximum tokens of one prefill pass, padding included."""
READ_SHARE = 0.1
"""Share of the busy slots that must have a prompt to prefill before a prefill pass runs."""
QUIET_ROUNDS = 40
"""Rounds of the event loop without an arrival after which a pass starts. A graph that waits only for the CPU needs
fewer rounds from the end of one turn to the start of the next; an idle round costs microseconds."""


class CachedEngine:
    """An `Engine` over a causal language model with full attention.

    Args:
        model: the model; its weights are read at every pass, so a trainer may change them between rollouts.
        stop_ids: tokens that end a turn.
        slots: conversations held at a time; another one waits, or takes the slot of an idle one.
        max_length: longest prompt and turn together, in tokens.

    Raises:
        SetupError: the model has layers of another kind than full attention.
    """

    def __init__(self, model: Any, stop_ids: Sequence[int], *, slots: int = 64, max_length: int = 8192) -> None:
        check_layers(model.config)
        self._model = model
        self._stop = frozenset(stop_ids)
        self._slots = [Slot(number) for number in range(slots)]
        self._sessions: OrderedDict[str, Slot] = OrderedDict()
        """Slots in use, least recently used first."""
        self._max_length = max_length
        self._waiting: list[PendingCall] = []
        self._cache: SlotCache | None = None
        self._open = False
        self._passing: asyncio.Task[None] | None = None
        self._quiet = 0
        """Rounds of the event loop since the last arrival."""
        self.passes = 0
        """Forward passes so far."""

    def __enter__(self) -> CachedEngine:
        self._open = True
        return self

    def __exit__(self, *error: object) -> None:
        self._open = False
        self._fail(BugError("The engine was closed in the middle of a turn."))
        self._sessions.clear()
        self._cache = None

    async def sample(self, call: Call) -> Sampled:
        """Sample one turn. A cancelled call frees its slot at once.

        Raises:
            InfrastructureError: the model failed.
            BugError: the engine is not running, or the prompt fills the model.
        """
        if not self._open:
            raise BugError("The engine is not running.", fix="Use it as a context manager.")
        if len(call.prompt_ids) >= self._max_length:
            raise BugError(f"A prompt of {len(call.prompt_ids)} tokens does not fit into {self._max_length}.")
        loop = asyncio.get_running_loop()
        pending = PendingCall(call, loop.create_future(), random.Random(call.seed), list(call.prompt_ids))
        self._waiting.append(pending)
        self._quiet = 0
        if self._passing is None or self._passing.done():
            self._passing = loop.create_task(self._run_passes(), name="cached-engine")
        try:
            return await pending.future
        finally:
            self._drop(pending)

    def release(self, session: str) -> None:
        """Free the slot of a conversation."""
        self._quiet = 0
        slot = self._sessions.pop(session, None)
        if slot is not None:
            if slot.pending is not None:
                slot.pending.fail(BugError(f"The conversation {session} was released in the middle of a turn."))
            slot.clear()

    async def _run_passes(self) -> None:
        """Run passes while there are calls."""
        while self._waiting or self._busy():
            await self._wait_for_arrivals()
            try:
                with torch.inference_mode():
                    self._assign_slots()
                    self._step()
            except Exception as error:
                self._fail(InfrastructureError(f"The model failed while sampling: {error}"))

    async def _wait_for_arrivals(self) -> None:
        """Let the graphs proceed until no more calls arrive or all slots are taken."""
        while True:
            await asyncio.sleep(0)
            self._quiet += 1
            if self._quiet > QUIET_ROUNDS or len(self._busy()) + len(self._waiting) >= len(self._slots):
                return

    def _busy(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.pending is not None]

    def _drop(self, pending: PendingCall) -> None:
        """Remove a call that ended or was cancelled from the queue and the slots."""
        if pending in self._waiting:
            self._waiting.remove(pending)
        for slot in self._slots:
            if slot.pending is pending:
                slot.pending = None

    def _assign_slots(self) -> None:
        """Assign slots to waiting calls in the order of their arrival."""
        waiting: list[PendingCall] = []
        for pending in self._waiting:
            if not self._assign_slot(pending):
                waiting.append(pending)
        self._waiting = waiting

    def _assign_slot(self, pending: PendingCall) -> bool:
        """Assign a slot to one call; return False where it has to wait."""
        slot = self._slot_for(pending.call.session)
        if slot is None or slot.pending is not None:
            return False
        if not slot.ids:
            # Episodes of a group share their first prompt, and all prompts share the rules: prefill these only once.
            source = nearest_prefix(self._slots, pending.call.prompt_ids)
            if source is not None and source.will_hold(pending.call.prompt_ids):
                return False
            if source is not None:
                self._copy(source, slot, pending.call.prompt_ids)
        slot.start(pending)
        return True

    def _copy(self, source: Slot, slot: Slot, prompt: Sequence[int]) -> None:
        slot.ids = source.ids[: shared_length(source.ids, prompt)]
        self._kv_cache().copy(source.number, slot.number, len(slot.ids))

    def _slot_for(self, session: str) -> Slot | None:
        if session in self._sessions:
            self._sessions.move_to_end(session)
            return self._sessions[session]
        used = {slot.number for slot in self._sessions.values()}
        slot = next((slot for slot in self._slots if slot.number not in used), None)
        if slot is None:
            resting = next((name for name, slot in self._sessions.items() if slot.pending is None), None)
            if resting is None:
                return None
            slot = self._sessions.pop(resting)
            slot.clear()
        self._sessions[session] = slot
        return slot

    def _step(self) -> None:
        """Prefill the prompts that have arrived, then sample one token for every other call."""
        reading = [slot for slot in self._busy() if len(slot.unread) > 1]
        # A pass over two rows takes hardly longer than over one, so prefills wait for each other while others decode.
        if len(reading) >= len(self._busy()) * READ_SHARE:
            for group in _groups(reading):
                self._draw_tokens(group, self._pass(group, [slot.number for slot in group]))
        writing = [slot for slot in self._busy() if len(slot.unread) == 1]
        if writing:
            self._draw_tokens(writing, self._write(writing))

    def _write(self, writing: Sequence[Slot]) -> torch.Tensor:
        """Return the logits after the one unread token of each slot. (slots, vocabulary)"""
        span = writing[-1].number + 1
        if span > self._kv_cache().copy_cost * len(writing):
            return self._pass(writing, [slot.number for slot in writing])
        logits = self._pass([slot if len(slot.unread) == 1 else None for slot in self._slots[:span]], slice(0, span))
        return logits if len(writing) == span else logits[[slot.number for slot in writing]]

    def _pass(self, rows: Sequence[Slot | None], chosen: slice | list[int]) -> torch.Tensor:
        """Run the unread tokens of some slots; return the logits after the last of each. (rows, vocabulary)"""
        unread = [slot.unread if slot else () for slot in rows]
        held = [len(slot.ids) if slot else 0 for slot in rows]
        self.passes += 1
        return run_model(self._model, self._kv_cache(), chosen, unread, held)

    def _kv_cache(self) -> SlotCache:
        if self._cache is None:
            self._cache = slot_cache(self._model, len(self._slots))
        return self._cache

    def _draw_tokens(self, slots: Sequence[Slot], logits: torch.Tensor) -> None:
        """Sample a token for each slot, and return turns that have ended to their callers."""
        calls = [slot.pending for slot in slots if slot.pending is not None]
        ids, logprobs = draw(
            logits,
            [pending.call.sampling for pending in calls],
            [pending.random.random() for pending in calls],
            [[*pending.call.prompt_ids, *pending.ids] if _penalizes(pending) else () for pending in calls],
        )
        for slot, pending, token, logprob in zip(slots, calls, ids, logprobs, strict=True):
            slot.ids += pending.unread
            pending.unread = [token]
            pending.ids.append(token)
            pending.logprobs.append(logprob)
            full = len(pending.ids) >= pending.call.sampling.max_new_tokens or len(slot.ids) + 1 >= self._max_length
            if token in self._stop or full:
                slot.pending = None
                self._quiet = 0
                pending.answer(Sampled(pending.ids, pending.logprobs))

    def _fail(self, error: Exception) -> None:
        """Raise an error in every waiting call; the engine stays usable."""
        busy = self._busy()
        for pending in [*(slot.pending for slot in busy), *self._waiting]:
            if pending is not None:
                pending.fail(error)
        for slot in busy:
            slot.clear()
        self._waiting = []


def _penalizes(pending: PendingCall) -> bool:
    return pending.call.sampling.repetition_penalty != 1


def _groups(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """Yield groups of slots to prefill together: of similar length, within `PREFILL_TOKENS`."""
    group: list[Slot] = []
    for slot in sorted(slots, key=lambda slot: -len(slot.unread)):
        width = len(group[0].unread) if group else 0
        if group and (2 * len(slot.unread) < width or (len(group) + 1) * width > PREFILL_TOKENS):
            yield group
            group = []
        group.append(slot)
    if group:
        yield group
