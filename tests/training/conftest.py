"""What training tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_runs import trained_speaker


@pytest.fixture(scope="session")
def speaker() -> Path:
    """Folder of the trained speaker, which nothing may change."""
    return trained_speaker()
