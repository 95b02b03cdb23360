"""Collect what could not be decoded, or was replaced, as notes with times. Shared by the threads that use a clip."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from agentcvr_graph.media.types import Note

_MERGED_S = 1.0
"""Times of damage closer than this, in seconds, make one note."""
PICTURE = "the picture cannot be decoded; the last one before is shown"
SOUND = "some sound cannot be decoded; it is silent there"


class Damage:
    """Notes on a file, which grow as it is decoded."""

    def __init__(self, notes: tuple[Note, ...] = ()) -> None:
        self._notes = dict.fromkeys(notes)
        self._times_s: dict[str, set[float]] = {PICTURE: set(), SOUND: set()}
        self._lock = threading.Lock()

    def picture(self, time_s: float) -> None:
        """Record a picture that cannot be decoded."""
        with self._lock:
            self._times_s[PICTURE].add(time_s)

    def sound(self, time_s: float) -> None:
        """Record a packet of sound that cannot be decoded."""
        with self._lock:
            self._times_s[SOUND].add(time_s)

    def add(self, note: Note) -> None:
        """Record any other note."""
        with self._lock:
            self._notes[note] = None

    def notes(self) -> list[Note]:
        """Return all notes so far."""
        with self._lock:
            found = [Note(a, b, text) for text, times_s in self._times_s.items() for a, b in _merged(sorted(times_s))]
            return [*self._notes, *found]


def overlapping(notes: Iterable[Note], start_s: float, end_s: float) -> tuple[str, ...]:
    """Return the notes that touch a window, in words."""
    return tuple(str(note) for note in notes if note.start_s <= end_s and note.end_s >= start_s)


def _merged(times_s: list[float]) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for time_s in times_s:
        if spans and time_s - spans[-1][1] <= _MERGED_S:
            spans[-1] = (spans[-1][0], time_s)
        else:
            spans.append((time_s, time_s))
    return spans
