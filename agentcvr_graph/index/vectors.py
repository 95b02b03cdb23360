"""Vectors of statements in the index.

A statement may have several vectors, one for each thing that it says; it is as similar as the most similar of them.

Vectors have length 1 and are stored as 16-bit floats, which changes a similarity by less than 0.001, each in a row of
its own. For each embeddings model, video and sense another table has a row with one bit of each number of its vectors:
the sign (binary quantization). A row whose length does not fit the query belongs to another model of the same name, and
is skipped.

To read all vectors of a large index for every query would take too long, so a process keeps the signs in memory. Of the
vectors that have most signs in common with the query, those whose signs fit its numbers best are the candidates, which
are read and compared exactly. Where there are few vectors, all are compared; among more, one of the nearest may be
missed (docs/benchmarks.md, "Searching an index").

No id of a row is ever used twice, and the id of a vector follows from that of its row of signs. So a vector that was
removed since the signs were read is not found when it is to be compared, and no other one is found in its place.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agentcvr_graph.models.clients.extras import require

if TYPE_CHECKING:
    import numpy as np

EXACT = 4000
"""Vectors among which all are compared."""
NEAR = 16
"""Vectors with most signs in common that are looked at for each candidate."""
CANDIDATES = 1000
"""Vectors that are compared among more."""
CANDIDATES_PER_RESULT = 20
"""The same for each statement that is wanted, if that is more."""
SHIFT = 20
"""The id of a vector is its place in its row of signs, and the id of that row from this bit on."""
TABLES = (
    "CREATE TABLE signs (id INTEGER PRIMARY KEY AUTOINCREMENT, video INTEGER NOT NULL, model TEXT NOT NULL,"
    " modality TEXT NOT NULL, size INTEGER NOT NULL, signs BLOB NOT NULL, UNIQUE (video, model, modality))",
    "CREATE TABLE vectors (id INTEGER PRIMARY KEY, statement INTEGER NOT NULL, vector BLOB NOT NULL)",
)
Read = Callable[..., list[Any]]
"""Executes a query and returns its rows."""
Vector = Sequence[float]


def require_numpy() -> None:
    """Import NumPy.

    Raises:
        SetupError: it is not installed.
    """
    require("numpy", "numpy", "live")


class Rows(NamedTuple):
    """The vectors of one video and sense, as they are stored."""

    video: int
    modality: str
    size: int
    """Length of a vector."""
    signs: bytes
    vectors: list[tuple[int, bytes]]
    """The id of its statement and the numbers of each vector."""


def rows_of(statements: Iterable[tuple[int, int, str]], vectors: Iterable[Vector]) -> list[Rows]:
    """Return the rows of statements, those of one statement one after another.

    Args:
        statements: the video, the id and the sense of each vector.
    """
    import numpy as np

    groups: dict[tuple[int, str], list[tuple[int, Vector]]] = {}
    for (video, number, modality), vector in zip(statements, vectors, strict=True):
        groups.setdefault((video, modality), []).append((number, vector))
    rows: list[Rows] = []
    for (video, modality), given in groups.items():
        made = _unit(np.asarray([vector for _, vector in given], np.float32)).astype(np.float16)
        stored = [(number, vector.tobytes()) for (number, _), vector in zip(given, made, strict=True)]
        rows.append(Rows(video, modality, made.shape[1], _signs_of(made).tobytes(), stored))
    return rows


def insert(database: sqlite3.Connection, model: str, rows: Iterable[Rows]) -> None:
    """Write the vectors of videos that are in the index, instead of those that are there."""
    for one in rows:
        delete(database, one.video, model, one.modality)
        made = database.execute(
            "INSERT INTO signs (video, model, modality, size, signs)"
            " SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM videos WHERE id = ?1)",
            (one.video, model, one.modality, one.size, one.signs),
        )
        if made.rowcount:
            first = (made.lastrowid or 0) << SHIFT
            database.executemany(
                "INSERT INTO vectors (id, statement, vector) VALUES (?, ?, ?)",
                ((first + place, *vector) for place, vector in enumerate(one.vectors)),
            )


def delete(database: sqlite3.Connection, video: int, model: str | None = None, modality: str | None = None) -> None:
    """Remove the vectors of a video: of one model and sense, or all."""
    rows = "video = ?1 AND (?2 IS NULL OR model = ?2) AND (?3 IS NULL OR modality = ?3)"
    for (row,) in database.execute(f"SELECT id FROM signs WHERE {rows}", (video, model, modality)).fetchall():
        database.execute("DELETE FROM vectors WHERE id >= ? AND id < ?", (row << SHIFT, (row + 1) << SHIFT))
        database.execute("DELETE FROM signs WHERE id = ?", (row,))


class Signatures:
    """The signs of all vectors of a model in the index, in memory. They are read again when some were added."""

    def __init__(self) -> None:
        self._kept: tuple[object, _Signs] | None = None

    def nearest(
        self, read: Read, model: str, queries: Sequence[Vector], among: Sequence[int], modality: str | None, limit: int
    ) -> dict[int, float]:
        """Return the statements most similar to any query, best first; of equals the first added.

        Returns:
            The id of the most similar vector of each statement, with its cosine.
        """
        import numpy as np

        wanted = _unit(np.asarray(queries, np.float32))
        signs = self._signs(read, model, wanted.shape[1])
        allowed = signs.allowed(among, modality)
        most = max(CANDIDATES, CANDIDATES_PER_RESULT * limit)
        if np.count_nonzero(allowed) > max(EXACT, most):
            places = np.unique(np.concatenate([signs.candidates(allowed, query, most) for query in wanted]))
        else:
            places = np.flatnonzero(allowed)
        return _compared(read, signs.numbers(places).tolist(), wanted, limit)

    def _signs(self, read: Read, model: str, size: int) -> _Signs:
        # What is added has a larger id. What was removed is not found when it is compared.
        version = model, size, *read("SELECT max(id) FROM signs")[0]
        kept = self._kept
        if kept is None or kept[0] != version:
            kept = self._kept = version, _read_signs(read, model, size)
        return kept[1]


class _Signs(NamedTuple):
    """The rows of signs of a model, and the signs of all vectors, row after row."""

    ids: np.ndarray
    videos: np.ndarray
    modalities: np.ndarray
    starts: np.ndarray
    """Place of the first vector of each row."""
    rows: np.ndarray
    """Row of each vector."""
    words: np.ndarray
    """64 signs of all vectors in each line: (words, vectors)."""

    def allowed(self, among: Sequence[int], modality: str | None) -> np.ndarray:
        """Return for each vector whether it belongs to some videos."""
        import numpy as np

        wanted = np.asarray(among, np.int64)
        is_among = np.zeros(1 + max(wanted.max(initial=0), self.videos.max(initial=0)), np.bool_)
        is_among[wanted] = True
        allowed = is_among[self.videos]
        if modality is not None:
            allowed &= self.modalities == modality
        return allowed[self.rows]

    def numbers(self, places: np.ndarray) -> np.ndarray:
        """Return the ids of the vectors at these places."""
        rows = self.rows[places]
        return (self.ids[rows] << SHIFT) + places - self.starts[rows]

    def candidates(self, allowed: np.ndarray, query: np.ndarray, most: int) -> np.ndarray:
        """Return the places of the vectors whose signs are most like the query: `most` of more."""
        import numpy as np

        differing = np.zeros(self.words.shape[1], np.uint16)
        for line, word in zip(self.words, _signs_of(query[None])[0], strict=True):
            differing += np.bitwise_count(line ^ word)
        if not allowed.all():
            differing[~allowed] = 64 * len(self.words) + 1  # more than any of those that are allowed
        counts = np.cumsum(np.bincount(differing))
        near = np.flatnonzero(differing <= np.searchsorted(counts, min(NEAR * most, np.count_nonzero(allowed))))
        likeness = _likeness(np.ascontiguousarray(self.words[:, near].T).view(np.uint8), query)
        return near[np.argpartition(-likeness, most)[:most]]


def _read_signs(read: Read, model: str, size: int) -> _Signs:
    import numpy as np

    stored = read("SELECT id, video, modality, signs FROM signs WHERE model = ? AND size = ?", model, size)
    signs = np.frombuffer(b"".join(row[3] for row in stored), np.uint64).reshape(-1, -(-size // 64))
    counts = np.asarray([len(row[3]) for row in stored], np.int64) // (8 * signs.shape[1])
    return _Signs(
        ids=np.asarray([row[0] for row in stored], np.int64),
        videos=np.asarray([row[1] for row in stored], np.int64),
        modalities=np.asarray([row[2] for row in stored], np.str_),
        starts=np.cumsum(counts) - counts,
        rows=np.repeat(np.arange(len(stored), dtype=np.int32), counts),
        words=np.ascontiguousarray(signs.T),
    )


def _likeness(signs: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return a figure for each vector that grows with the cosine of its signs and the query.

    Args:
        signs: 8 signs in each number: (vectors, bytes).
    """
    import numpy as np

    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)  # (256, 8)
    numbers = np.pad(query, (0, 8 * signs.shape[1] - len(query))).reshape(-1, 8)
    summed = np.zeros(len(signs), np.float32)
    for byte, eight in zip(signs.T, numbers, strict=True):
        summed += (bits @ eight)[byte]
    return summed


def _compared(read: Read, numbers: Sequence[int], queries: np.ndarray, limit: int) -> dict[int, float]:
    """Return the best vectors of these, one of each statement, with their largest cosine with the queries."""
    import numpy as np

    stored = read(
        "SELECT id, statement, vector FROM vectors WHERE id IN (SELECT value FROM json_each(?))", json.dumps(numbers)
    )
    matrix = np.frombuffer(b"".join(row[2] for row in stored), np.float16).reshape(-1, queries.shape[1])
    # Not a product of matrices: its threads take longer to start than so few numbers to multiply.
    similarities = np.vecdot(matrix.astype(np.float32)[:, None], queries[None]).max(1)  # (vectors,)
    statements = np.asarray([row[1] for row in stored], np.int64)
    best: dict[int, int] = {}
    for place in np.lexsort((statements, -similarities)).tolist():
        best.setdefault(stored[place][1], place)
        if len(best) == limit:
            break
    return {stored[place][0]: float(similarities[place]) for place in best.values()}


def _signs_of(vectors: np.ndarray) -> np.ndarray:
    """Return the signs of vectors, 64 in a word."""
    import numpy as np

    packed = np.packbits(vectors > 0, axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def _unit(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
