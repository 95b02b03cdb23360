"""Shared fixtures: a cache folder for each test session, so that no test reads what a user's runs have cached."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of this session; also that of the commands that tests start."""
    folder = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("AGENTCVR_CACHE_DIR", str(folder))
    yield folder
    patch.undo()
