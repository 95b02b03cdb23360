"""Placeholder until the client libraries' exceptions are mapped."""

from __future__ import annotations

from agentcvr_graph.errors import CVRError, WorldError


def as_world_error(error: BaseException, model: str) -> CVRError:
    """A `WorldError` that says what failed."""
    return WorldError(f"{model} failed: {type(error).__name__}: {error}")
