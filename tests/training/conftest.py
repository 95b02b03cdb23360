"""Fixtures that the training tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_runs import trained_speaker


@pytest.fixture(scope="session")
def speaker() -> Path:
    """Return the folder of the trained speaker. Tests must not change it."""
    return trained_speaker()
