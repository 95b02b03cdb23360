"""The engine for a transformers model in this process: continuous batching over slots, keys and values kept.

`generate` takes a batch that begins together and waits for its slowest row, and forgets all of it between two turns.
This engine does what it does, one forward pass after another, over slots (`slots.py`): a turn that ends frees its place
in the batch at once, a turn that arrives joins at the next pass, and a conversation that comes back is read on from
where it stopped. On the same prompt and temperature 0 it writes what `generate` writes.

Passes run on the event loop, in turn with the graphs, and hold it while they last. A thread of their own would gain
little: every operation of torch gives Python's lock away and then waits for it, up to 5 ms, while the graphs compute.
In turn, a pass has the whole processor, and what is batched with what does not hang on a scheduler. Before a pass the
graphs that can go on do go on, so that their next turns join it.
"""

# transformers leaves its models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

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
from agentcvr_training.inference.scheduler import Slot, Turn, nearest
from agentcvr_training.rollout.ledger import shared_length

PREFILL_TOKENS = 8192
"""Tokens of one pass that reads prompts, padding included."""
READ_SHARE = 0.1
"""Share of the busy slots that must have something to read before it is read; all of it where nothing is written."""
QUIET_ROUNDS = 40
"""Rounds of the event loop without an arrival after which a pass begins: a graph that waits for nothing but the
processor needs fewer from the end of one turn to the beginning of the next, and a round in which nothing happens costs
microseconds."""


class CachedEngine:
    """An `Engine` over a causal language model with full attention.

    Args:
        model: the model; its weights are read at every pass, so a trainer may change them between rollouts.
        stop_ids: tokens that end a turn.
        slots: conversations held side by side; more than these wait, or take the place of one that rests.
        max_length: longest prompt and turn together, in tokens.

    Raises:
        SetupError: the model has layers of another kind.
    """

    def __init__(self, model: Any, stop_ids: Sequence[int], *, slots: int = 64, max_length: int = 8192) -> None:
        check_layers(model.config)
        self._model = model
        self._stop = frozenset(stop_ids)
        self._slots = [Slot(number) for number in range(slots)]
        self._sessions: OrderedDict[str, Slot] = OrderedDict()
        """Slots in use, the one that rested longest first."""
        self._max_length = max_length
        self._waiting: list[Turn] = []
        self._cache: SlotCache | None = None
        self._open = False
        self._passing: asyncio.Task[None] | None = None
        self._quiet = 0
        """Rounds of the event loop since something arrived."""
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
        """Sample one turn. A call that is cancelled gives its slot back at once.

        Raises:
            InfrastructureError: the model failed.
            BugError: the engine is not running, or the prompt fills the model.
        """
        if not self._open:
            raise BugError("The engine is not running.", fix="Use it as a context manager.")
        if len(call.prompt_ids) >= self._max_length:
            raise BugError(f"A prompt of {len(call.prompt_ids)} tokens does not fit into {self._max_length}.")
        loop = asyncio.get_running_loop()
        turn = Turn(call, loop.create_future(), random.Random(call.seed), list(call.prompt_ids))
        self._waiting.append(turn)
        self._quiet = 0
        if self._passing is None or self._passing.done():
            self._passing = loop.create_task(self._run(), name="cached-engine")
        try:
            return await turn.future
        finally:
            self._drop(turn)

    def release(self, session: str) -> None:
        """Forget a conversation."""
        self._quiet = 0
        slot = self._sessions.pop(session, None)
        if slot is not None:
            if slot.turn is not None:
                slot.turn.fail(BugError(f"The conversation {session} was released in the middle of a turn."))
            slot.clear()

    async def _run(self) -> None:
        """One pass after another, as long as there are turns."""
        while self._waiting or self._busy():
            await self._gather()
            try:
                with torch.inference_mode():
                    self._seat()
                    self._step()
            except Exception as error:
                self._fail(InfrastructureError(f"The model failed while sampling: {error}"))

    async def _gather(self) -> None:
        """Let the graphs go on until no more turns arrive, or there is no place for more."""
        while True:
            await asyncio.sleep(0)
            self._quiet += 1
            if self._quiet > QUIET_ROUNDS or len(self._busy()) + len(self._waiting) >= len(self._slots):
                return

    def _busy(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.turn is not None]

    def _drop(self, turn: Turn) -> None:
        """Make sure that a turn which is over, or was cancelled, holds no place."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        for slot in self._slots:
            if slot.turn is turn:
                slot.turn = None

    def _seat(self) -> None:
        """Give waiting turns a slot, in the order of their arrival, as far as there are any."""
        still: list[Turn] = []
        for turn in self._waiting:
            if not self._begin(turn):
                still.append(turn)
        self._waiting = still

    def _begin(self, turn: Turn) -> bool:
        """Seat one turn; False where it has to wait."""
        slot = self._slot_for(turn.call.session)
        if slot is None or slot.turn is not None:
            return False
        if not slot.ids:
            # A group of episodes opens with one prompt, and all prompts with the same rules: they are read once.
            source = nearest(self._slots, turn.call.prompt_ids)
            if source is not None and source.will_hold(turn.call.prompt_ids):
                return False
            if source is not None:
                self._copy(source, slot, turn.call.prompt_ids)
        slot.begin(turn)
        return True

    def _copy(self, source: Slot, slot: Slot, prompt: Sequence[int]) -> None:
        slot.ids = source.ids[: shared_length(source.ids, prompt)]
        self._held().copy(source.number, slot.number, len(slot.ids))

    def _slot_for(self, session: str) -> Slot | None:
        if session in self._sessions:
            self._sessions.move_to_end(session)
            return self._sessions[session]
        used = {slot.number for slot in self._sessions.values()}
        slot = next((slot for slot in self._slots if slot.number not in used), None)
        if slot is None:
            resting = next((name for name, slot in self._sessions.items() if slot.turn is None), None)
            if resting is None:
                return None
            slot = self._sessions.pop(resting)
            slot.clear()
        self._sessions[session] = slot
        return slot

    def _step(self) -> None:
        """Read what prompts have arrived, then draw one more token for every turn that is being written."""
        reading = [slot for slot in self._busy() if len(slot.unread) > 1]
        # A pass over two rows takes hardly longer than one over one: reading can wait for company while others write.
        if len(reading) >= len(self._busy()) * READ_SHARE:
            for group in _groups(reading):
                self._take(group, self._pass(group, [slot.number for slot in group]))
        writing = [slot for slot in self._busy() if len(slot.unread) == 1]
        if writing:
            self._take(writing, self._write(writing))

    def _write(self, writing: Sequence[Slot]) -> torch.Tensor:
        """The logits after the one unread token of each slot. (slots, vocabulary)"""
        span = writing[-1].number + 1
        if span > self._held().copy_cost * len(writing):
            return self._pass(writing, [slot.number for slot in writing])
        logits = self._pass([slot if len(slot.unread) == 1 else None for slot in self._slots[:span]], slice(0, span))
        return logits if len(writing) == span else logits[[slot.number for slot in writing]]

    def _pass(self, rows: Sequence[Slot | None], chosen: slice | list[int]) -> torch.Tensor:
        """Run the unread tokens of some slots through the model: the logits after the last. (rows, vocabulary)"""
        unread = [slot.unread if slot else () for slot in rows]
        held = [len(slot.ids) if slot else 0 for slot in rows]
        self.passes += 1
        return run_model(self._model, self._held(), chosen, unread, held)

    def _held(self) -> SlotCache:
        if self._cache is None:
            self._cache = slot_cache(self._model, len(self._slots))
        return self._cache

    def _take(self, slots: Sequence[Slot], logits: torch.Tensor) -> None:
        """Draw a token for each slot; end the turns that it ends."""
        turns = [slot.turn for slot in slots if slot.turn is not None]
        ids, logprobs = draw(logits, [turn.call.sampling for turn in turns], [turn.random.random() for turn in turns])
        for slot, turn, token, logprob in zip(slots, turns, ids, logprobs, strict=True):
            slot.ids += turn.unread
            turn.unread = [token]
            turn.ids.append(token)
            turn.logprobs.append(logprob)
            full = len(turn.ids) >= turn.call.sampling.max_new_tokens or len(slot.ids) + 1 >= self._max_length
            if token in self._stop or full:
                slot.turn = None
                self._quiet = 0
                turn.answer(Sampled(turn.ids, turn.logprobs))

    def _fail(self, error: Exception) -> None:
        """Tell every waiting call; the engine goes on with the next."""
        busy = self._busy()
        for turn in [*(slot.turn for slot in busy), *self._waiting]:
            if turn is not None:
                turn.fail(error)
        for slot in busy:
            slot.clear()
        self._waiting = []


def _groups(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """Slots to read together: of similar length, so that little is padding, and not too many tokens at once."""
    group: list[Slot] = []
    for slot in sorted(slots, key=lambda slot: -len(slot.unread)):
        width = len(group[0].unread) if group else 0
        if group and (2 * len(slot.unread) < width or (len(group) + 1) * width > PREFILL_TOKENS):
            yield group
            group = []
        group.append(slot)
    if group:
        yield group
