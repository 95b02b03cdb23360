"""Vectors of statements in the index: one row for each embeddings model, video and sense.

A statement may have several vectors, one for each thing that it says; it is as similar as the most similar of them.

Vectors have length 1 and are stored as 16-bit floats, which changes a similarity by less than 0.001. A row whose length
does not fit the query belongs to another model of the same name, and is skipped.

To read all vectors of a large index for every query would take too long. So a process keeps one bit of each number in
memory: its sign (binary quantization). Of the statements that have most signs in common with the query, those whose
signs fit its numbers best are the candidates, whose vectors are read and compared exactly. Among up to 10,000
statements all are compared; among more, one of the nearest may be missed (docs/benchmarks.md, "Searching an index").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agentcvr_graph.models.clients.extras import require

if TYPE_CHECKING:
    import numpy as np

EXACT = 10_000
"""Statements among which all vectors are compared."""
NEAR = 16
"""Statements with most signs in common that are looked at for each candidate."""
CANDIDATES = 1000
"""Statements whose vectors are compared among more."""
CANDIDATES_PER_RESULT = 20
"""The same for each statement that is wanted, if that is more."""
TABLE = """
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, video INTEGER NOT NULL, model TEXT NOT NULL, modality TEXT NOT NULL,
    statements BLOB NOT NULL, signs BLOB NOT NULL, vectors BLOB NOT NULL,
    UNIQUE (video, model, modality)
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
    rows: list[Any] = []
    for (video, modality), given in groups.items():
        made = _unit(np.asarray([vector for _, vector in given], np.float32)).astype(np.float16)
        ids = np.asarray([number for number, _ in given], np.int64).tobytes()
        rows.append((model, video, modality, ids, _signs_of(made).tobytes(), made.tobytes()))
    return rows


class Signatures:
    """The signs of all vectors of a model in the index, in memory. They are read again when some were added."""

    def __init__(self) -> None:
        self._kept: tuple[object, _Signs] | None = None

    def nearest(
        self, read: Read, model: str, queries: Sequence[Vector], among: Sequence[int], modality: str | None, limit: int
    ) -> list[tuple[int, float]]:
        """Return the ids of the statements most similar to any query, with their cosine; of equals the first added."""
        import numpy as np

        wanted = _unit(np.asarray(queries, np.float32))
        signs = self._signs(read, model, wanted.shape[1])
        numbers, similarities = _compared(read, signs, wanted, among, modality, limit)
        best = np.lexsort((numbers, -similarities))[:limit]
        return [(int(numbers[place]), float(similarities[place])) for place in best]

    def _signs(self, read: Read, model: str, size: int) -> _Signs:
        # What is added has a larger id, which is never used twice. What was removed is not found when it is compared.
        version = model, size, *read("SELECT max(id) FROM vectors")[0]
        kept = self._kept
        if kept is None or kept[0] != version:
            kept = self._kept = version, _read_signs(read, model, size)
        return kept[1]


class _Signs(NamedTuple):
    """The rows of the table, and the signs of their vectors one after another."""

    ids: np.ndarray
    videos: np.ndarray
    modalities: np.ndarray
    starts: np.ndarray
    """Place of the first vector of each row."""
    rows: np.ndarray
    """Place of the row of each vector."""
    words: np.ndarray
    """64 signs of all vectors in each line: (words, vectors)."""


def _read_signs(read: Read, model: str, size: int) -> _Signs:
    import numpy as np

    stored = read(
        "SELECT id, video, modality, length(statements) / 8, signs FROM vectors"
        " WHERE model = ? AND length(vectors) * 4 = length(statements) * ?",  # 8 bytes an id and 2 a number
        model,
        size,
    )
    counts = np.asarray([row[3] for row in stored], np.int64)
    signs = np.frombuffer(b"".join(row[4] for row in stored), np.uint64).reshape(-1, -(-size // 64))
    return _Signs(
        ids=np.asarray([row[0] for row in stored], np.int64),
        videos=np.asarray([row[1] for row in stored], np.int64),
        modalities=np.asarray([row[2] for row in stored], np.str_),
        starts=np.cumsum(counts) - counts,
        rows=np.repeat(np.arange(len(stored), dtype=np.int32), counts),
        words=np.ascontiguousarray(signs.T),
    )


def _compared(
    read: Read, signs: _Signs, queries: np.ndarray, among: Sequence[int], modality: str | None, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of the statements that are compared exactly, and the largest cosine of each with the queries."""
    import numpy as np

    allowed = np.isin(signs.videos, among)
    if modality is not None:
        allowed &= signs.modalities == modality
    all_places = np.flatnonzero(allowed[signs.rows])
    places = np.unique(np.concatenate([_candidates(signs, all_places, query, limit) for query in queries]))
    rows, size = signs.rows[places], 2 * queries.shape[1]
    stored = {number: both for number, *both in _vectors(read, signs.ids[np.unique(rows)].tolist())}
    numbers, vectors = list[bytes](), list[bytes]()
    for row, position in zip(signs.ids[rows].tolist(), (places - signs.starts[rows]).tolist(), strict=True):
        if (found := stored.get(row)) is not None:  # another process may have removed it
            numbers.append(found[0][8 * position : 8 * position + 8])
            vectors.append(found[1][size * position : size * (position + 1)])
    matrix = np.frombuffer(b"".join(vectors), np.float16).reshape(-1, queries.shape[1])
    similarities = (matrix.astype(np.float32) @ queries.T).max(1)
    found_ids, of = np.unique(np.frombuffer(b"".join(numbers), np.int64), return_inverse=True)
    largest = np.full(len(found_ids), -1.0, np.float32)
    np.maximum.at(largest, of, similarities)
    return found_ids, largest


def _candidates(signs: _Signs, places: np.ndarray, query: np.ndarray, limit: int) -> np.ndarray:
    """Return the places whose signs are most like the query, in order; all places if they are few."""
    import numpy as np

    most = max(CANDIDATES, CANDIDATES_PER_RESULT * limit)
    if len(places) <= max(EXACT, most):
        return places
    differing = np.zeros(signs.words.shape[1], np.uint16)
    for line, word in zip(signs.words, _signs_of(query[None])[0], strict=True):
        differing += np.bitwise_count(line ^ word)
    if len(places) > NEAR * most:
        places = places[np.argpartition(differing[places], NEAR * most)[: NEAR * most]]
    bits = np.unpackbits(np.ascontiguousarray(signs.words[:, places].T).view(np.uint8), axis=1, count=len(query))
    likeness = bits.astype(np.float32) @ query  # grows with the cosine of the query and the signs
    return np.sort(places[np.argpartition(-likeness, most)[:most]])


def _vectors(read: Read, rows: Sequence[int]) -> list[Any]:
    return read(
        "SELECT id, statements, vectors FROM vectors WHERE id IN (SELECT value FROM json_each(?))", json.dumps(rows)
    )


def _signs_of(vectors: np.ndarray) -> np.ndarray:
    """Return the signs of vectors, 64 in a word."""
    import numpy as np

    packed = np.packbits(vectors > 0, axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def _unit(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
