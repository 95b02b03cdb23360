"""The token ledger: records exactly which tokens a policy sampled and which the environment wrote.

A trajectory is trained on as one row: prompt, first turn of the policy, reply of the environment, second turn of the
policy, and so on. The row must hold the exact ids that were sampled; tokenizing messages again can silently give other
ids for the same text. So the ledger records every call of the model when it happens. Before the next call it compares
its record with the prompt that is about to be sent:

    CLEAN    the prompt starts with everything recorded; what follows is new and from the environment
    REALIGN  the same except for the end of the last sampled turn, which the template writes differently (an end-of-turn
             token that was sampled and is written again, white space that is stripped): from there on the ids of the
             prompt replace the recorded ones, and count as the environment's
    FORK     the prompt departs from the record further back: the row ends here and a new one starts

A REALIGN is bounded (`MAX_REALIGNED`), so a template that rewrites earlier turns is always a FORK.
Parallel lists of a `Row` have equal lengths; `mask` is 1 exactly on tokens that the policy sampled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from agentcvr_graph.errors import BugError

MAX_REALIGNED = 4
"""Sampled tokens at the end of a turn that a template may write differently."""


class Drift(Enum):
    """The ways in which a prompt may differ from the record before it."""

    CLEAN = "clean"
    REALIGN = "realign"
    FORK = "fork"


class DriftError(BugError):
    """Raised when a prompt departs from the record of a strict ledger."""


@dataclass
class Row:
    """A part of a trajectory to train on. All lists but `prompt_ids` have one entry for each completion token."""

    prompt_ids: list[int]
    """The prompt of the first call."""
    completion_ids: list[int] = field(default_factory=list[int])
    mask: list[int] = field(default_factory=list[int])
    """1: sampled by the policy. 0: written by the environment."""
    logprobs: list[float] = field(default_factory=list[float])
    """Log probability of a sampled token when it was sampled; 0.0 for the environment's."""
    nodes: list[str] = field(default_factory=list[str])
    """The node of the graph at which a token was sampled; empty for the environment's."""

    @property
    def ids(self) -> list[int]:
        """Return the ids of prompt and completion."""
        return self.prompt_ids + self.completion_ids

    @property
    def sampled(self) -> int:
        """Return the number of tokens that the policy sampled."""
        return sum(self.mask)

    @property
    def last_turn(self) -> int:
        """Return the length of the sampled turn at the end; 0 if the environment wrote last."""
        return next((n for n, own in enumerate(reversed(self.mask)) if not own), len(self.mask))

    def add_environment(self, ids: Sequence[int]) -> None:
        """Append tokens that the policy did not sample."""
        self._add(ids, 0, [0.0] * len(ids), "")

    def add_policy(self, ids: Sequence[int], logprobs: Sequence[float], node: str) -> None:
        """Append tokens that the policy sampled at a node.

        Raises:
            BugError: the numbers of tokens and log probabilities differ.
        """
        if len(ids) != len(logprobs):
            raise BugError(f"{len(ids)} sampled tokens came with {len(logprobs)} log probabilities.")
        self._add(ids, 1, logprobs, node)

    def drop_last(self, count: int) -> None:
        """Remove the last tokens."""
        if count:
            for column in (self.completion_ids, self.mask, self.logprobs, self.nodes):
                del column[-count:]

    def trained_on(self, nodes: Sequence[str] | None) -> list[int]:
        """Return the mask restricted to the tokens of some nodes; None keeps all tokens of the policy."""
        return [kept if nodes is None or node in nodes else 0 for kept, node in zip(self.mask, self.nodes, strict=True)]

    def _add(self, ids: Sequence[int], mask: int, logprobs: Sequence[float], node: str) -> None:
        self.completion_ids += ids
        self.mask += [mask] * len(ids)
        self.logprobs += logprobs
        self.nodes += [node] * len(ids)


class Ledger:
    """The rows of one graph run.

    Args:
        strict: raise at a FORK, as tests do; otherwise start a new row, as training does.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.rows: list[Row] = []
        self.drifts: Counter[Drift] = Counter()
        """Number of calls with each kind of drift; the first call of a run is not counted."""
        self._strict = strict

    def open_call(self, prompt_ids: Sequence[int]) -> Drift:
        """Align the ledger with the prompt of the next call; return the kind of drift.

        Raises:
            DriftError: the prompt departs from the record, and the ledger is strict.
        """
        if not self.rows:
            self.rows.append(Row(list(prompt_ids)))
            return Drift.CLEAN
        row = self.rows[-1]
        kept = shared_length(row.ids, prompt_ids)
        lost = len(row.ids) - kept
        if kept == len(prompt_ids) and lost == row.last_turn:
            # The node failed after its turn and requests it again, so the recorded turn is discarded.
            row.drop_last(lost)
            lost = 0
        drift = _drift(row, lost)
        self.drifts[drift] += 1
        if drift is Drift.FORK:
            if self._strict:
                raise DriftError(_where(row.ids, prompt_ids, kept))
            self.rows.append(Row(list(prompt_ids)))
        else:
            row.drop_last(lost)
            row.add_environment(prompt_ids[kept:])
        return drift

    def close_call(self, ids: Sequence[int], logprobs: Sequence[float], node: str = "master") -> None:
        """Record what the model sampled.

        Raises:
            BugError: no call is open, or the lists differ in length.
        """
        if not self.rows:
            raise BugError("Tokens were sampled before a prompt was recorded.")
        self.rows[-1].add_policy(ids, logprobs, node)


def _drift(row: Row, lost: int) -> Drift:
    if lost == 0:
        return Drift.CLEAN
    # Only the end of the last sampled turn may differ; a difference before it is a FORK.
    tail = row.mask[-lost:] if lost <= len(row.mask) else []
    return Drift.REALIGN if lost <= MAX_REALIGNED and tail and all(tail) else Drift.FORK


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common prefix."""
    short = min(len(one), len(other))
    if one[:short] == other[:short]:  # the usual case: a conversation continues
        return short
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), short)


def _where(recorded: Sequence[int], prompt: Sequence[int], kept: int) -> str:
    return (
        f"The prompt departs from the {len(recorded)} recorded tokens at position {kept}: "
        f"recorded {list(recorded[kept : kept + 5])}, sent {list(prompt[kept : kept + 5])}. "
        "The chat template does not keep earlier turns as they were."
    )
