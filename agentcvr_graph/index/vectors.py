"""Vectors of statements in the index: one row for each embeddings model, video and sense.

A statement may have several vectors, one for each thing that it says; it is as similar as the most similar of them.

Vectors have length 1 and are stored as 16-bit floats, which changes a similarity by less than 0.001. A search reads
them in portions and keeps the best of each, so its memory does not grow with the index. A row whose length does not fit
the query belongs to another model of the same name, and is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agentcvr_graph.models.clients.extras import require

if TYPE_CHECKING:
    import numpy as np

VIDEOS_AT_ONCE = 500
"""Videos whose vectors are read together."""
TABLE = """
CREATE TABLE IF NOT EXISTS vectors (
    video INTEGER NOT NULL, model TEXT NOT NULL, modality TEXT NOT NULL, statements BLOB NOT NULL,
    vectors BLOB NOT NULL,
    PRIMARY KEY (video, model, modality)
)
"""
Read = Callable[..., list[Any]]
"""Executes a query and returns its rows."""
Vector = Sequence[float]


def require_numpy() -> None:
    """Import NumPy.

    Raises:
        SetupError: it is not installed.
    """
    require("numpy", "numpy", "live")


def rows_of(model: str, statements: Sequence[tuple[int, int, str]], vectors: Sequence[Vector]) -> list[Any]:
    """Return the rows of statements, those of one statement one after another.

    Args:
        statements: the video, the id and the sense of each vector.
    """
    import numpy as np

    groups: dict[tuple[int, str], list[tuple[int, Vector]]] = {}
    for (video, number, modality), vector in zip(statements, vectors, strict=True):
        groups.setdefault((video, modality), []).append((number, vector))
    return [
        (
            model,
            video,
            modality,
            np.asarray([number for number, _ in made], np.int64).tobytes(),
            _unit(np.asarray([vector for _, vector in made], np.float32)).astype(np.float16).tobytes(),
        )
        for (video, modality), made in groups.items()
    ]


def nearest(
    read: Read, model: str, queries: Sequence[Vector], among: Sequence[int], modality: str | None, limit: int
) -> list[tuple[int, float]]:
    """Return the ids of the statements most similar to any query, with their cosine; among equals the first added."""
    import numpy as np

    wanted = _unit(np.asarray(queries, np.float32))
    where, values = ("", ()) if modality is None else (" AND modality = ?", (modality,))
    best: list[tuple[int, float]] = []
    for start in range(0, len(among), VIDEOS_AT_ONCE):
        portion = json.dumps(among[start : start + VIDEOS_AT_ONCE])
        stored = read(
            "SELECT statements, vectors FROM vectors"
            f" WHERE video IN (SELECT value FROM json_each(?)) AND model = ?{where}",
            portion,
            model,
            *values,
        )
        numbers, similarities = _compared(stored, wanted)
        chosen = np.lexsort((numbers, -similarities))[:limit]
        best += [(int(numbers[place]), float(similarities[place])) for place in chosen]
        best = sorted(best, key=lambda one: (-one[1], one[0]))[:limit]
    return best


def _compared(stored: Sequence[tuple[bytes, bytes]], queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of stored statements, and the largest cosine of each with the queries."""
    import numpy as np

    size = queries.shape[1]
    fitting = [(ids, rows) for ids, rows in stored if len(rows) * 4 == len(ids) * size]  # 8 and 2 bytes an item
    numbers = np.frombuffer(b"".join(ids for ids, _ in fitting), np.int64)
    matrix = np.frombuffer(b"".join(rows for _, rows in fitting), np.float16).reshape(-1, size)
    if not len(numbers):
        return numbers, np.zeros(0, np.float32)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))  # where another statement begins
    return numbers[starts], np.maximum.reduceat((matrix.astype(np.float32) @ queries.T).max(1), starts)


def _unit(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
