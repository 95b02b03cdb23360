"""The engine for a transformers model in this process: continuous batching over slots, keys and values kept.

`generate` takes a batch that begins together and waits for its slowest row, and forgets all of it between two turns.
This engine does what it does, one forward pass after another, over slots (`slots.py`): a turn that ends frees its place
in the batch at once, a turn that arrives joins at the next pass, and a conversation that comes back is read on from
where it stopped. On the same prompt and temperature 0 it writes what `generate` writes.

The passes run on one worker thread; calls arrive from event loops and are answered there.
"""

# transformers leaves its models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from agentcvr_graph.errors import BugError, WorldError
from training.engine.base import Call, Sampled
from training.engine.sampling import draw
from training.engine.slots import SlotCache, check_layers

PREFILL_TOKENS = 8192
"""Tokens of one pass that reads prompts, padding included."""


@dataclass
class Slot:
    """One conversation's place."""

    number: int
    ids: list[int] = field(default_factory=list[int])
    """What keys and values are held for."""
    turn: Turn | None = None


@dataclass
class Turn:
    """A call on its way."""

    call: Call
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Sampled]
    random: random.Random
    unread: list[int]
    """Tokens that have no keys and values yet: the prompt's, then the one drawn last."""
    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])


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
        self._inbox: queue.SimpleQueue[Turn | str | None] = queue.SimpleQueue()
        self._waiting: list[Turn] = []
        self._cache: SlotCache | None = None
        self._thread: threading.Thread | None = None
        self.passes = 0
        """Forward passes so far."""

    def __enter__(self) -> CachedEngine:
        self._thread = threading.Thread(target=self._run, name="cached-engine", daemon=True)
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
            WorldError: the model failed.
            BugError: the engine is not running, or the prompt fills the model.
        """
        if self._thread is None:
            raise BugError("The engine is not running.", fix="Use it as a context manager.")
        if len(call.prompt_ids) >= self._max_length:
            raise BugError(f"A prompt of {len(call.prompt_ids)} tokens does not fit into {self._max_length}.")
        loop = asyncio.get_running_loop()
        turn = Turn(call, loop, loop.create_future(), random.Random(call.seed), list(call.prompt_ids))
        self._inbox.put(turn)
        return await turn.future

    def release(self, session: str) -> None:
        """Forget a conversation."""
        self._inbox.put(session)

    # What follows runs on the worker thread.

    def _run(self) -> None:
        while self._receive():
            try:
                self._seat()
                with torch.inference_mode():
                    self._step()
            except Exception as error:
                self._fail(error)

    def _receive(self) -> bool:
        """Take what has arrived, waiting for something where there is nothing to do; False at the end."""
        busy = any(slot.turn for slot in self._slots)
        while True:
            try:
                item = self._inbox.get(block=not busy and not self._waiting)
            except queue.Empty:
                return True
            if item is None:
                self._fail(BugError("The engine was closed in the middle of a turn."))
                return False
            if isinstance(item, str):
                self._forget(item)
            else:
                self._waiting.append(item)

    def _forget(self, session: str) -> None:
        slot = self._sessions.pop(session, None)
        if slot is not None:
            slot.ids = []
            slot.turn = None

    def _seat(self) -> None:
        """Give waiting turns a slot, in the order of their arrival, as far as there are any."""
        still: list[Turn] = []
        for turn in self._waiting:
            slot = self._slot_for(turn.call.session)
            if slot is None or slot.turn is not None:
                still.append(turn)
                continue
            kept = _shared(slot.ids, turn.call.prompt_ids)
            # At least one token is read anew: the next is drawn from what follows it.
            slot.ids = slot.ids[: min(kept, len(turn.call.prompt_ids) - 1)]
            turn.unread = list(turn.call.prompt_ids[len(slot.ids) :])
            slot.turn = turn
        self._waiting = still

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
            slot.ids = []
        self._sessions[session] = slot
        return slot

    def _step(self) -> None:
        """Read what prompts have arrived, then draw one more token for every turn that is being written."""
        reading = [slot for slot in self._slots if slot.turn and len(slot.turn.unread) > 1]
        for group in _groups(reading):
            self._take(group, self._pass(group))
        writing = [slot for slot in self._slots if slot.turn and len(slot.turn.unread) == 1]
        if writing:
            self._take(writing, self._pass(writing))

    def _pass(self, slots: Sequence[Slot]) -> torch.Tensor:
        """Run the unread tokens of some slots through the model: the logits after the last. (slots, vocabulary)"""
        device = self._model.device
        if self._cache is None:
            dtype = next(self._model.parameters()).dtype
            self._cache = SlotCache(self._model.config, len(self._slots), device, dtype)
        # Passes that write go over all slots up to the last busy one: reading them in place is cheaper than a copy.
        in_place = all(slot.turn is not None and len(slot.turn.unread) == 1 for slot in slots)
        rows = self._slots[: slots[-1].number + 1] if in_place else list(slots)
        unread = [slot.turn.unread if slot in slots and slot.turn else [] for slot in rows]
        width = max(len(ids) for ids in unread)
        positions = torch.tensor([_positions(slot, ids, width) for slot, ids in zip(rows, unread, strict=True)])
        inputs = torch.tensor([[0] * (width - len(ids)) + list(ids) for ids in unread])
        positions, inputs = positions.to(device), inputs.to(device)
        longest = max(len(slot.ids) + len(ids) for slot, ids in zip(rows, unread, strict=True))
        chosen = slice(0, len(rows)) if in_place else torch.tensor([slot.number for slot in rows], device=device)
        self._cache.select(chosen, positions, longest)
        visible = torch.arange(longest, device=device) <= positions.clamp(min=0)[:, :, None]
        logits = self._model(
            input_ids=inputs,
            attention_mask=visible[:, None],
            position_ids=positions.clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        self.passes += 1
        wanted = [n for n, slot in enumerate(rows) if slot in slots]
        return logits[wanted] if len(wanted) < len(rows) else logits

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
                _answer(turn, Sampled(turn.ids, turn.logprobs))

    def _fail(self, error: Exception) -> None:
        """Tell every waiting call; the engine goes on with the next."""
        told = error if isinstance(error, BugError) else WorldError(f"The model failed while sampling: {error}")
        busy = [slot for slot in self._slots if slot.turn]
        for turn in [*(slot.turn for slot in busy), *self._waiting]:
            if turn is not None:
                turn.loop.call_soon_threadsafe(_raise, turn.future, told)
        for slot in busy:
            slot.ids, slot.turn = [], None
        self._waiting = []


def _groups(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """Slots to read together: of similar length, so that little is padding, and not too many tokens at once."""
    group: list[Slot] = []
    for slot in sorted(slots, key=lambda slot: -len(slot.turn.unread) if slot.turn else 0):
        width = len(group[0].turn.unread) if group and group[0].turn else 0
        if group and slot.turn and (2 * len(slot.turn.unread) < width or (len(group) + 1) * width > PREFILL_TOKENS):
            yield group
            group = []
        group.append(slot)
    if group:
        yield group


def _positions(slot: Slot, unread: Sequence[int], width: int) -> list[int]:
    """Where the unread tokens go, -1 for padding on their left."""
    start = len(slot.ids)
    return [-1] * (width - len(unread)) + list(range(start, start + len(unread)))


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _answer(turn: Turn, sampled: Sampled) -> None:
    turn.loop.call_soon_threadsafe(_settle, turn.future, sampled)


def _settle(future: asyncio.Future[Sampled], sampled: Sampled) -> None:
    if not future.done():
        future.set_result(sampled)


def _raise(future: asyncio.Future[Sampled], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
