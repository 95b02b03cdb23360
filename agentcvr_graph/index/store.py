"""Statements about videos in one SQLite file, with full-text search (FTS5).

In: what was seen, heard or written in a video, by the key of the video. Out: for a query, the statements that fit it
best, by BM25 over stemmed words, or by the vectors of an embeddings model (`vectors.py`). A key names everything that
the statements depend on: the content of the file and the models, or the script and its noise. Nothing is changed under
a key: other statements have another key.

A reference names where a video is. Its link leads to the statements of what was there last, with a stamp by which a
change is noticed: which of thousands of videos are indexed is known without looking at their files.

Several processes may use one file at a time: a video is added in one transaction, and readers do not wait for writers
(WAL). The least recently used videos are removed when the file exceeds its size limit. Everything is synchronous and
thread-safe; async code calls it in a thread.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.index import vectors as vector_rows
from agentcvr_graph.index.ranking import matches_of, ranked, weight_of
from agentcvr_graph.index.words import query_words, spaced
from agentcvr_graph.types import Modality

T = TypeVar("T")
MEMORY = ":memory:"
TEMPORARY = ""
"""A file of SQLite's own that ends with the object."""
LOCK_S = 30.0
"""Longest wait for another process that writes, in seconds."""
POLL_S = 0.02
FORMAT = 1
"""Version of the tables below, in the file's `user_version`."""
APPLICATION = 0x43565249
"""The file's `application_id`: "CVRI"."""
ROOM = 0.9
"""Share of its size limit to which a file is cut when it is full."""
USED_STEP_S = 3600.0
"""A search records the time of use of a video at most once in this time."""
MOST_REMEMBERED = 10_000
"""Largest number of figures that are kept in memory until the file changes, such as how often a word is there."""
_TABLES = """
CREATE TABLE videos (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, title TEXT NOT NULL, duration_s REAL NOT NULL,
    used_at REAL NOT NULL
);
CREATE TABLE statements (
    id INTEGER PRIMARY KEY, video INTEGER NOT NULL, modality TEXT NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE sources (
    reference TEXT PRIMARY KEY, place TEXT NOT NULL, stamp TEXT NOT NULL, video INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sources_of_a_video ON sources (video);
CREATE INDEX statements_of_a_video ON statements (video);
CREATE VIRTUAL TABLE words USING fts5 (text, content='', tokenize="porter unicode61 remove_diacritics 2");
"""


@dataclass(frozen=True)
class Statement:
    """What is known of a window of a video."""

    modality: Modality
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Addition:
    """A video to add, with all of its statements."""

    key: str
    statements: tuple[Statement, ...]
    title: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True)
class IndexedVideo:
    """A video in the index."""

    id: int
    title: str
    duration_s: float
    places: tuple[str, ...]
    """Where it was, as the user wrote it."""
    statements: int
    used_at: float
    """When it was last added or found, in seconds of the system's clock."""
    models: tuple[str, ...] = ()
    """The embeddings models whose vectors of it there are."""


@dataclass(frozen=True)
class Link:
    """What is known of a reference."""

    video: int
    """Id of the video."""
    stamp: str
    """The stamp of the files when they were indexed."""


@dataclass(frozen=True)
class Hit:
    """A statement that fits a query."""

    video: int
    """Id of the video."""
    statement: Statement
    score: float
    """Larger is better; scores of different queries cannot be compared."""


class Unvectored(NamedTuple):
    """A statement that has no vector of a model yet."""

    video: int
    id: int
    modality: str
    text: str


class EvidenceStore:
    """Statements in one file.

    Args:
        file: where they are stored; `MEMORY` or `TEMPORARY` for this object alone.
        max_bytes: size of the file from which the least recently used videos are removed, unless `set_limit` was called
            for the file; None for no limit.

    Raises:
        InfrastructureError: the file cannot be used: it is damaged, locked, of another version, or cannot be read.
    """

    def __init__(self, file: Path | str = MEMORY, *, max_bytes: int | None = None) -> None:
        self.file = file
        self._max_bytes = max_bytes
        self._remembered: dict[Hashable, Any] = {}
        """What was read of the file, as of its version."""
        self._version = 0
        self._signatures = vector_rows.Signatures()
        self._lock = threading.RLock()
        with self._errors():
            self._database = _opened(file)
        weakref.finalize(self, self._database.close)

    def set_limit(self, max_bytes: int) -> None:
        """Record the size of the file from which videos are removed, for all that use it from now on.

        Raises:
            InfrastructureError: the file cannot be written.
        """
        with self._transaction() as database:
            database.execute("CREATE TABLE IF NOT EXISTS size_limit (max_bytes INTEGER NOT NULL)")
            database.execute("DELETE FROM size_limit")
            database.execute("INSERT INTO size_limit VALUES (?)", (max_bytes,))

    def add(self, key: str, statements: Iterable[Statement], *, title: str = "", duration_s: float = 0.0) -> int:
        """Add a video with all of its statements, if its key is not there; return its id.

        Raises:
            InfrastructureError: the file cannot be written.
        """
        self.add_all([Addition(key, tuple(statements), title, duration_s)])
        return self.known([key])[key]

    def add_all(self, additions: Sequence[Addition]) -> None:
        """Add videos in their order, as `add` does, all or none of them."""
        with self._writing() as database:
            for one in additions:
                _add(database, one)
        self._evict(spared=self.known([one.key for one in additions]).values())

    def known(self, keys: Collection[str]) -> dict[str, int]:
        """Return the ids of those keys that are in the index."""
        return dict(self._read("SELECT key, id FROM videos WHERE key IN (SELECT value FROM json_each(?))", _json(keys)))

    def keys(self, videos: Collection[int]) -> dict[int, str]:
        """Return the keys of videos by id."""
        rows = self._read("SELECT id, key FROM videos WHERE id IN (SELECT value FROM json_each(?))", _json(videos))
        return dict(rows)

    def link(self, reference: str, place: str, stamp: str, video: int) -> None:
        """Record which video a reference leads to.

        Raises:
            InfrastructureError: the file cannot be written.
        """
        if self._read("SELECT video, stamp FROM sources WHERE reference = ?", reference) != [(video, stamp)]:
            self.link_all([(reference, place, stamp, video)])

    def link_all(self, rows: Iterable[tuple[str, str, str, int]]) -> None:
        """Record which videos references lead to: the reference, the place, the stamp and the id of each."""
        with self._writing() as database:
            database.executemany(
                "INSERT OR REPLACE INTO sources (reference, place, stamp, video) VALUES (?, ?, ?, ?)", rows
            )

    def unlink(self, references: Collection[str]) -> None:
        """Remove links, as of files that have changed."""
        with self._writing() as database:
            database.executemany("DELETE FROM sources WHERE reference = ?", [(one,) for one in references])

    def links(self) -> Mapping[str, Link]:
        """Return the links of all references. They are read again only after a change of the file."""

        def read() -> Mapping[str, Link]:
            rows = self._read("SELECT reference, video, stamp FROM sources")
            return {reference: Link(video, stamp) for reference, video, stamp in rows}

        return self._once("links", read)

    def search(
        self,
        query: str,
        among: Collection[int] | None = None,
        *,
        modality: Modality | None = None,
        limit: int = 20,
    ) -> list[Hit]:
        """Return the statements that share words with the query, best first; among equals the first added.

        Args:
            among: ids of the videos to search; None for all.
            modality: what to search in; None for everything.

        Raises:
            InfrastructureError: the file cannot be read.
        """
        words = query_words(query)
        if not words or limit < 1:
            return []
        where, values = "", list[object]()
        if modality is not None:
            where, values = " AND modality = ?", [modality]
        wanted = None if among is None else set(among)
        if wanted is not None and not self._ids() <= wanted:
            where, values = f"{where} AND video IN (SELECT value FROM json_each(?))", [*values, _json(wanted)]
        rows = ranked(self._read, self._matches(words), where, values, limit)
        return [
            Hit(video, Statement(found, start_s, end_s, text), score)
            for _, video, found, start_s, end_s, text, score in rows
            if wanted is None or video in wanted  # another process may have added others since
        ]

    def weight(self, query: str) -> float:
        """Return the score of a statement of usual length that has all words of a query once."""
        return weight_of(self._read, self._matches(query_words(query)))

    def without_vectors(self, model: str, among: Collection[int]) -> list[int]:
        """Return the videos that have statements and no vectors of a model."""

        def read() -> list[int]:
            rows = self._read(
                "SELECT id FROM videos WHERE NOT EXISTS (SELECT 1 FROM signs WHERE video = videos.id AND model = ?)"
                " AND EXISTS (SELECT 1 FROM statements WHERE video = videos.id) ORDER BY id",
                model,
            )
            return [video for (video,) in rows]

        if not (missing := self._once(("without vectors", model), read)):
            return []
        wanted = set(among)
        return [video for video in missing if video in wanted]

    def unvectored(self, model: str, among: Collection[int]) -> list[Unvectored]:
        """Return the statements of those videos that have no vectors of a model, by video."""
        rows = self._read(
            "SELECT video, id, modality, text FROM statements WHERE video IN (SELECT value FROM json_each(?))"
            " ORDER BY video, id",
            _json(self.without_vectors(model, among)),
        )
        return [Unvectored(*row) for row in rows]

    def add_vectors(self, model: str, statements: Sequence[Unvectored], vectors: Sequence[vector_rows.Vector]) -> None:
        """Add the vectors of all statements of some videos, which another process may have removed meanwhile.

        Args:
            statements: a statement may be there several times, with a vector each.

        Raises:
            InfrastructureError: the file cannot be written.
        """
        rows = vector_rows.rows_of([(one.video, one.id, one.modality) for one in statements], vectors)
        with self._writing() as database:
            vector_rows.insert(database, model, rows)
        self._evict(spared={one.video for one in statements})

    def similar(
        self,
        model: str,
        queries: Sequence[vector_rows.Vector],
        among: Collection[int],
        *,
        modality: Modality | None = None,
        limit: int = 20,
    ) -> list[Hit]:
        """Return the statements whose vectors are most similar to any query's, with their cosine, best first."""
        scores = self._signatures.nearest(self._read, model, queries, list(among), modality, limit)
        rows = self._read(
            "SELECT vectors.id, video, modality, start_s, end_s, text FROM vectors JOIN statements"
            " ON statements.id = statement WHERE vectors.id IN (SELECT value FROM json_each(?))",
            _json(scores.keys()),
        )
        found = {number: Hit(video, Statement(*said), scores[number]) for number, video, *said in rows}
        return [found[number] for number in scores if number in found]

    def mark_used(self, videos: Collection[int]) -> None:
        """Record that videos were found, which orders their removal. A file that cannot be written is left alone."""
        now = time.time()
        stale = "id IN (SELECT value FROM json_each(?)) AND used_at < ?"
        if not self._read(f"SELECT 1 FROM videos WHERE {stale} LIMIT 1", _json(videos), now - USED_STEP_S):
            return
        try:
            with self._transaction() as database:  # nothing that is remembered depends on it
                database.execute(
                    f"UPDATE videos SET used_at = ? WHERE {stale}", (now, _json(videos), now - USED_STEP_S)
                )
        except InfrastructureError:
            return

    def videos(self) -> list[IndexedVideo]:
        """Return the videos, by title."""
        rows = self._read(
            "SELECT id, title, duration_s, (SELECT json_group_array(place) FROM sources WHERE video = videos.id),"
            " (SELECT count(*) FROM statements WHERE video = videos.id), used_at,"
            " (SELECT json_group_array(DISTINCT model) FROM signs WHERE video = videos.id)"
            " FROM videos ORDER BY title, id"
        )
        return [
            IndexedVideo(video, title, duration_s, _sorted(places), count, used_at, _sorted(models))
            for video, title, duration_s, places, count, used_at, models in rows
        ]

    def forget(self, videos: Sequence[int]) -> int:
        """Remove videos, and their words from the file; return how many were there.

        Raises:
            InfrastructureError: the file cannot be written.
        """
        with self._writing() as database:
            count = sum(_delete(database, video) for video in videos)
            if count:
                database.execute("INSERT INTO words (words) VALUES ('optimize')")
        if count:
            self._shrink()
        return count

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _evict(self, spared: Collection[int]) -> None:
        """Remove the least recently used videos of a file above its limit, until there is room for others again."""
        with self._lock, self._errors():
            max_bytes = _limit_of(self._database) or self._max_bytes
            if max_bytes is None or _used_bytes(self._database) <= max_bytes:
                return
        with self._writing() as database:
            others = "SELECT id FROM videos WHERE id NOT IN (SELECT value FROM json_each(?)) ORDER BY used_at"
            oldest = database.execute(others, (_json(spared),)).fetchall()
            for (video,) in oldest:
                _delete(database, video)
                if _used_bytes(database) <= ROOM * max_bytes:
                    break
            database.execute("INSERT INTO words (words) VALUES ('optimize')")

    def _shrink(self) -> None:
        with self._lock, self._errors():
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _ids(self) -> frozenset[int]:
        """Return the ids of all videos."""
        return self._once("ids", lambda: frozenset(video for (video,) in self._read("SELECT id FROM videos")))

    def _matches(self, words: Sequence[str]) -> dict[str, int]:
        """Return how many statements have each word."""
        return {word: self._once(("matches", word), lambda word=word: matches_of(self._read, word)) for word in words}

    def _once(self, name: Hashable, read: Callable[[], T]) -> T:
        """Return what was read of the file under a name; it is read again only after a change of the file."""
        with self._lock, self._errors():
            (version,) = self._database.execute("PRAGMA data_version").fetchone()  # counts what other processes write
            if version != self._version or len(self._remembered) >= MOST_REMEMBERED:
                self._version = version
                self._remembered.clear()
            if name not in self._remembered:
                self._remembered[name] = read()
            return self._remembered[name]

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._lock, self._errors():
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._transaction() as database:
            self._remembered.clear()
            yield database

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            with self._database:  # commits, or rolls back after an error
                yield self._database

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise _unusable(self.file, error) from error


def _opened(file: Path | str) -> sqlite3.Connection:
    if file not in (MEMORY, TEMPORARY):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(file, timeout=LOCK_S, check_same_thread=False, isolation_level=None)
    try:
        _use_wal(database)
        database.execute("PRAGMA synchronous = NORMAL")
        _create(database)
        _add_vectors_tables(database)
    except BaseException:
        database.close()
        raise
    return database


def _use_wal(database: sqlite3.Connection) -> None:
    """Let readers and a writer work at the same time. SQLite does not wait for others here, so it is tried again."""
    until_s = time.monotonic() + LOCK_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until_s:
                raise
            time.sleep(POLL_S)


def _create(database: sqlite3.Connection) -> None:
    """Create the tables of a new file; refuse a file of another version or of another program."""
    if _is_ready(database):
        return
    database.execute("BEGIN IMMEDIATE")
    with database:
        if not _is_ready(database):  # another process may have created them since
            for statement in _TABLES.strip().split(";\n"):
                database.execute(statement.rstrip(";"))
            database.execute(f"PRAGMA application_id = {APPLICATION}")
            database.execute(f"PRAGMA user_version = {FORMAT}")


def _add_vectors_tables(database: sqlite3.Connection) -> None:
    """Add the tables of vectors to a file that was made before there were any; vectors of other tables are dropped."""
    if _has_vectors_tables(database):
        return
    database.execute("BEGIN IMMEDIATE")
    with database:
        if not _has_vectors_tables(database):  # another process may have created them since
            for name in ("vectors", "signs"):
                database.execute(f"DROP TABLE IF EXISTS {name}")
            for table in vector_rows.TABLES:
                database.execute(table)


def _has_vectors_tables(database: sqlite3.Connection) -> bool:
    of_a_vector = "SELECT 1 FROM pragma_table_info('vectors') WHERE name = 'vector'"
    return bool(database.execute(f"{of_a_vector} AND EXISTS (SELECT 1 FROM pragma_table_info('signs'))").fetchone())


def _is_ready(database: sqlite3.Connection) -> bool:
    """Return whether a file has the tables; False for an empty file.

    Raises:
        sqlite3.DatabaseError: it has other ones.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if (application, version) == (APPLICATION, FORMAT):
        return True
    if application == APPLICATION:
        raise sqlite3.DatabaseError(f"it has format {version}, and this version of agentcvr reads format {FORMAT}")
    if application or version or database.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise sqlite3.DatabaseError("it is a database of another program")
    return False


def _add(database: sqlite3.Connection, one: Addition) -> None:
    made = database.execute(
        "INSERT OR IGNORE INTO videos (key, title, duration_s, used_at) VALUES (?, ?, ?, ?)",
        (one.key, one.title, one.duration_s, time.time()),
    )
    if made.rowcount:
        _insert(database, made.lastrowid or 0, one.statements)


def _insert(database: sqlite3.Connection, video: int, statements: Iterable[Statement]) -> None:
    for one in statements:
        made = database.execute(
            "INSERT INTO statements (video, modality, start_s, end_s, text) VALUES (?, ?, ?, ?, ?)",
            (video, one.modality, one.start_s, one.end_s, one.text),
        )
        database.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (made.lastrowid, spaced(one.text)))


def _delete(database: sqlite3.Connection, video: int) -> int:
    for number, text in database.execute("SELECT id, text FROM statements WHERE video = ?", (video,)).fetchall():
        database.execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (number, spaced(text)))
    database.execute("DELETE FROM statements WHERE video = ?", (video,))
    database.execute("DELETE FROM sources WHERE video = ?", (video,))
    vector_rows.delete(database, video)
    return database.execute("DELETE FROM videos WHERE id = ?", (video,)).rowcount


def _limit_of(database: sqlite3.Connection) -> int | None:
    """Return the limit that was recorded for a file."""
    if not database.execute("SELECT 1 FROM pragma_table_info('size_limit')").fetchone():
        return None
    found = database.execute("SELECT max_bytes FROM size_limit").fetchone()
    return found and found[0]


def _used_bytes(database: sqlite3.Connection) -> int:
    numbers = [
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    ]
    return (numbers[0] - numbers[1]) * numbers[2]


def _sorted(values: str) -> tuple[str, ...]:
    return tuple(sorted(set(json.loads(values))))


def _json(values: Collection[str] | Collection[int]) -> str:
    return json.dumps(list(values))


def _unusable(file: Path | str, error: Exception) -> InfrastructureError:
    reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    locked = "locked" in reason
    fix = "Try again later." if locked else "Remove it to build it again: agentcvr index forget --all"
    if "full" in reason or "readonly" in reason or isinstance(error, OSError):
        fix = "Free some space, or set AGENTCVR_CACHE_DIR to a folder that can be written."
    return InfrastructureError(f"The index {file} cannot be used: {reason}", fix=fix, transient=locked)
