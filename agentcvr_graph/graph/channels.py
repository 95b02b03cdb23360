"""Channels that hold typed values, whatever was written to them.

The nodes write models. Clients of a server write JSON (a state that was edited in LangGraph Studio), and a server reads
a state as JSON before it applies pending writes. With `LANGGRAPH_STRICT_MSGPACK=true` a server also loads every model
of a checkpoint as a dictionary. So a channel validates what is written to it and what is loaded into it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast, get_type_hints

from langgraph._internal._typing import MISSING
from langgraph.channels import BinaryOperatorAggregate, LastValue
from langgraph.types import Overwrite
from pydantic import RootModel, TypeAdapter

from agentcvr_graph.types import FrozenModel


class Latest(LastValue[Any]):
    """A channel that keeps the last value, validated as the channel's type."""

    __slots__ = ()

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
    """A channel with a reducer, which returns the channel's type. `update` validates what overwrites the value."""

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
        """Update as `BinaryOperatorAggregate` does, then validate a value that no reducer has made."""
        if not values:
            return False
        overwritten = self.value is MISSING or any(isinstance(value, Overwrite | dict) for value in values)
        changed = super().update(values)
        if overwritten:
            self.value = typed(self.typ, self.value)
        return changed

    def from_checkpoint(self, checkpoint: Any) -> Reduced:
        """Validate a stored value."""
        channel = super().from_checkpoint(checkpoint)
        if channel.is_available():
            channel.value = typed(self.typ, channel.value)
        return channel


def typed(kind: Any, value: Any) -> Any:
    """Return a value as a type of the state, whether it is a model already or its JSON."""
    return value if _is_model(value) else _reader(kind)(value)


def _is_model(value: Any) -> bool:
    """Return whether a value needs no validation. This check runs on every write, and is cheaper than validation."""
    if isinstance(value, list):
        return all(_is_model_class(type(one)) for one in cast(list[object], value))
    return value is None or _is_model_class(type(cast(object, value)))


@functools.cache
def _is_model_class(kind: type) -> bool:
    return issubclass(kind, FrozenModel | RootModel)


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    return TypeAdapter[Any](kind).validate_python
