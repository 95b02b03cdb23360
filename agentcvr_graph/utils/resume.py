"""The resume check: a run continues only with the settings it was started with.

Without it, a command with another seed or another model would continue an earlier run silently, and its results would
mix two configurations. Callers keep the flattened settings beside their results and decide which ones may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from agentcvr_graph.errors import InputError


def require_same_settings(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any], *, fix: str) -> None:
    """Compare the settings of an earlier attempt with those of this one.

    Args:
        folder: the run's folder, for the message.
        before: the stored settings: flat, with JSON values.
        now: the settings of this attempt, in the same form. A missing name counts as None.
        fix: what the user can do about a difference.

    Raises:
        InputError: a setting differs; the message names each with both values.
    """
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if differing:
        changes = "; ".join(f"{name} was {before.get(name)!r}, now it is {now.get(name)!r}" for name in differing)
        raise InputError(f"{folder} holds a run with another configuration: {changes}.", fix=fix)


def flatten_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested settings under its dotted name.

    >>> dict(flatten_settings({"seed": 0, "trainer": {"max_steps": 4}}))
    {'seed': 0, 'trainer.max_steps': 4}
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flatten_settings(cast(Mapping[str, Any], value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
