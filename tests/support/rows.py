"""Result rows for tests of summaries."""

from __future__ import annotations

from typing import Any

from agentcvr_graph.eval.rows import Row


def row(**fields: Any) -> Row:
    """Return a row of a choice by the agent, with some fields given."""
    score = fields.get("score", 0.0)
    outcome = "right" if score == 1 else "wrong"
    return Row(**{"method": "agent", "kind": "choice", "outcome": outcome, "score": score, **fields})
