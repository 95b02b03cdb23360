"""The resume check: a run continues only with the settings it was started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentcvr_graph.errors import InputError
from agentcvr_graph.utils.resume import flatten_settings, require_same_settings


def test_nested_settings_have_dotted_names():
    assert dict(flatten_settings({"a": 1, "b": {"c": {"d": [2]}, "e": None}})) == {"a": 1, "b.c.d": [2], "b.e": None}


def test_equal_settings_are_accepted():
    require_same_settings(Path("runs/a"), {"seed": 0, "new": None}, {"seed": 0}, fix="Set it back.")


def test_every_difference_is_named_with_both_values():
    with pytest.raises(InputError) as caught:
        require_same_settings(Path("runs/a"), {"seed": 0, "b": 2, "c": 3}, {"seed": 1, "c": 3}, fix="Set it back.")
    assert caught.value.message == (
        "runs/a holds a run with another configuration: b was 2, now it is None; seed was 0, now it is 1."
    )
    assert caught.value.fix == "Set it back."
