"""Collect what could not be decoded, or was replaced, as notes with times. Shared by the threads that use a clip."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import NamedTuple

from agentcvr_graph.media.types import Note
from agentcvr_graph.types import Modality


class _Kind(NamedTuple):
    """A kind of damage that is found piece by piece."""

    text: str
    modality: Modality
    merged_s: float
    """Pieces closer than this, in seconds, make one note."""


PICTURE = _Kind("the picture cannot be decoded; the last one before is shown", "visual", 1.0)
SOUND = _Kind("some sound cannot be decoded; it is silent there", "audio", 1.0)
SILENCE = _Kind("there is no sound", "audio", 0.1)


class Damage:
    """Notes on a file, which grow as it is decoded."""

    def __init__(self, notes: Iterable[Note] = ()) -> None:
        self._notes = dict.fromkeys(notes)
        self._spans: dict[_Kind, set[tuple[float, float]]] = {PICTURE: set(), SOUND: set(), SILENCE: set()}
        self._lock = threading.Lock()

    def picture(self, time_s: float) -> None:
        """Record a picture that cannot be decoded."""
        self._found(PICTURE, time_s, time_s)

    def sound(self, time_s: float) -> None:
        """Record a packet of sound that cannot be decoded."""
        self._found(SOUND, time_s, time_s)

    def silence(self, start_s: float, end_s: float) -> None:
        """Record a part in which the sound track has nothing."""
        self._found(SILENCE, start_s, end_s)

    def add(self, note: Note) -> None:
        """Record any other note."""
        with self._lock:
            self._notes[note] = None

    def notes(self) -> list[Note]:
        """Return all notes so far."""
        with self._lock:
            found = [
                Note(start_s, end_s, kind.text, kind.modality)
                for kind, spans in self._spans.items()
                for start_s, end_s in _merged(sorted(spans), kind.merged_s)
            ]
            return [*self._notes, *found]

    def _found(self, kind: _Kind, start_s: float, end_s: float) -> None:
        with self._lock:
            self._spans[kind].add((start_s, end_s))


def overlapping(
    notes: Iterable[Note], start_s: float, end_s: float, modality: Modality | None = None
) -> tuple[str, ...]:
    """Return the notes that touch a window, in words; with a modality, only those that concern it."""
    return tuple(map(str, touching(notes, start_s, end_s, modality)))


def touching(notes: Iterable[Note], start_s: float, end_s: float, modality: Modality | None = None) -> tuple[Note, ...]:
    """Return the notes that touch a window; with a modality, only those that concern it."""
    return tuple(
        note
        for note in notes
        if note.start_s <= end_s and note.end_s >= start_s and {note.modality, modality} != {"visual", "audio"}
    )


def _merged(spans: list[tuple[float, float]], merged_s: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start_s, end_s in spans:
        if found and start_s - found[-1][1] <= merged_s:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return found
