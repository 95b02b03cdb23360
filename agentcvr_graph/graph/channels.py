"""Channels that hold typed values, whatever was written to them.

The nodes write models. Clients of a server write JSON (a state that was edited in LangGraph Studio), and a server reads
a state as JSON before it applies pending writes. With `LANGGRAPH_STRICT_MSGPACK=true` a server also loads every model
of a checkpoint as a dictionary. So a channel validates what is written to it and what is loaded into it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, cast, get_type_hints

from langgraph.channels import BinaryOperatorAggregate, LastValue
from pydantic import RootModel, TypeAdapter

from agentcvr_graph.types import FrozenModel


class Latest(LastValue[Any]):
    """A channel that keeps the last value, validated as the channel's type."""

    __slots__ = ()

    def copy(self) -> Latest:
        """Return a copy. A router copies all channels, and the parent's method calls three constructors for each."""
        other = object.__new__(type(self))
        other.typ, other.key, other.value = self.typ, self.key, self.value
        return other

    def update(self, values: Sequence[Any]) -> bool:
        """Validate the values, then update as `LastValue` does."""
        return bool(values) and super().update([typed(self.typ, value) for value in values])

    def from_checkpoint(self, checkpoint: Any) -> Latest:
        """Validate a stored value."""
        channel = super().from_checkpoint(checkpoint)
        if channel.is_available():
            channel.value = typed(self.typ, channel.value)
        return channel


class Reduced(BinaryOperatorAggregate[Any]):
    """A channel with a reducer, validated as the channel's type."""

    __slots__ = ()

    @property
    def UpdateType(self) -> Any:
        """What nodes write: the type of the reducer's second argument. A strict checkpointer reads no other types."""
        return [*get_type_hints(self.operator).values()][1]

    def copy(self) -> Reduced:
        """Return a copy. A router copies all channels, and the parent's method would validate a new value each time."""
        other = object.__new__(type(self))
        other.typ, other.key, other.operator, other.value = self.typ, self.key, self.operator, self.value
        return other

    def update(self, values: Sequence[Any]) -> bool:
        """Update as `BinaryOperatorAggregate` does, then validate: no reducer sees what overwrites the value."""
        if not values:
            return False
        changed = super().update(values)
        self.value = typed(self.typ, self.value)
        return changed

    def from_checkpoint(self, checkpoint: Any) -> Reduced:
        """Validate a stored value."""
        channel = super().from_checkpoint(checkpoint)
        if channel.is_available():
            channel.value = typed(self.typ, channel.value)
        return channel


def typed(kind: Any, value: object) -> Any:
    """Return a value as a type of the state, whether it is a model already or its JSON."""
    # Every write comes here, and the check is cheaper than validation, also of a long list.
    found = type(value)
    if found is list:
        known = all(map(_needs_no_validation, map(type, cast(list[object], value))))
    else:
        known = _needs_no_validation(found)
    return value if known else _reader(kind)(value)


@functools.cache
def _needs_no_validation(kind: type) -> bool:
    """Return whether values of a class are what a channel holds: models, and None."""
    return issubclass(kind, FrozenModel | RootModel | NoneType)


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    return TypeAdapter[Any](kind).validate_python
