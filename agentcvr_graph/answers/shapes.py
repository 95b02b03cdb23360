"""Type guards for JSON values of unknown shape."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypeIs


def is_list(raw: object) -> TypeIs[list[object] | tuple[object, ...]]:
    """Return whether a value is a list."""
    return isinstance(raw, list | tuple)


def is_object(raw: object) -> TypeIs[Mapping[object, object]]:
    """Return whether a value is a JSON object."""
    return isinstance(raw, Mapping)
