"""Index the packets of a file whose container has no index, in one pass over the file.

Transport streams, program streams, Ogg and bare streams of H.264, AAC or MP3 have no list of their packets. A seek by
time in them is a guess from the bit rate, and the times after it may be wrong or missing. The pass records the time,
the place in the file and the kind of every packet of the chosen tracks; `packets.py` then seeks by place and takes the
times from here.

The clock of such a file may jump where a recorder was restarted or recordings were joined. All tracks jump together, so
a step of the clock that no track fills is a jump: times run on as if it were not there. A hole in one track alone is
not a jump, and stays.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from agentcvr_graph.media.containers import origin_s
from agentcvr_graph.media.tracks import picture_stream, sound_stream
from agentcvr_graph.media.types import Note

_WITHOUT_INDEX = ("mpegts", "mpeg", "h264", "hevc", "mp3", "aac", "ac3", "eac3", "amr", "ogg")
_FORWARD_S = 10.0
"""A longer step forward, in seconds, in all tracks is a jump of the clock; FFmpeg's command takes the same limit."""
_BACKWARD_S = 0.5
"""A longer step backward, in seconds, is a jump of the clock: packets are stored in the order of decoding."""
MPEG_CLOCK_S = 2**33 / 90_000
"""The clock of MPEG streams begins again at 0 after this time, in seconds."""
_LEAD = 12
"""A seek goes this many known positions further back."""


@dataclass(frozen=True)
class TrackIndex:
    """The packets of one track, in the order of the file."""

    times_s: NDArray[np.float64]
    """When each packet is presented, in seconds from the file's start."""
    positions: NDArray[np.int64]
    """Where in the file it starts; -1 where that is unknown."""
    sizes: NDArray[np.int64]
    """In bytes: half a packet, as a seek may yield, is recognized by its size."""
    keys: NDArray[np.bool_]
    stamped: bool
    """False if the packets have no time stamps: `times_s` then counts them, which is right for key frames only."""
    key_rows: NDArray[np.int64] = field(init=False)
    key_times_s: NDArray[np.float64] = field(init=False)
    """Ascending."""
    _known_rows: NDArray[np.int64] = field(init=False)
    _known_positions: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        rows = np.flatnonzero(self.keys)
        known, first = np.unique(self.positions, return_index=True)
        held = known >= 0
        derived = {
            "key_rows": rows,
            "key_times_s": np.maximum.accumulate(self.times_s[rows]),
            "_known_rows": first[held],
            "_known_positions": known[held],
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def key_row(self, time_s: float) -> int:
        """Return the row of the last key packet that is presented at or before a time; 0 if there is none."""
        place = int(np.searchsorted(self.key_times_s, time_s + 1e-4, side="right")) - 1
        return int(self.key_rows[place]) if place >= 0 else 0

    def row_of(self, position: int | None, size: int, expected: int | None) -> int | None:
        """Return the row of a packet, by its place in the file or else as the expected one; None if it fits neither."""
        if self._is_row(expected, position, size):
            return expected
        place = int(np.searchsorted(self._known_positions, -1 if position is None else position))
        found = int(self._known_rows[place]) if place < len(self._known_rows) else None
        return found if position is not None and self._is_row(found, position, size) else None

    def _is_row(self, row: int | None, position: int | None, size: int) -> bool:
        if row is None or row >= len(self.sizes) or self.sizes[row] != size:
            return False
        return position is None or self.positions[row] == position

    def position_before(self, row: int) -> int | None:
        """Return a position some packets before a row, from which reading finds whole packets; None near the start.

        The first packets after a seek are halves, or not even that, until the parser has found where one begins.
        """
        place = int(np.searchsorted(self._known_rows, row, side="right")) - 1 - _LEAD
        return int(self._known_positions[place]) if place > 0 else None


@dataclass(frozen=True)
class FileIndex:
    """The index of a file."""

    tracks: Mapping[int, TrackIndex]
    """By the number of the stream."""
    end_s: float
    """The end of the last packet, in seconds from the file's start."""
    notes: tuple[Note, ...]
    """The jumps of the file's clock."""
    ends_s: Mapping[int, float] = field(default_factory=dict[int, float])
    """The end of the last packet of each track, like `end_s`."""


def lacks_index(container: InputContainer) -> bool:
    """Return whether the packets of this format must be indexed before a seek."""
    return container.format.name in _WITHOUT_INDEX


def read_index(container: InputContainer) -> FileIndex:
    """Read all packets of the chosen tracks of a container from which nothing has been read yet."""
    streams = [s for s in (picture_stream(container), sound_stream(container)) if s is not None]
    if not streams:
        return FileIndex({}, 0.0, ())
    origin = origin_s(container)
    clock = _Clock()
    tracks = {stream.index: _Rows(stream) for stream in streams}
    try:
        for packet in container.demux(*streams):
            if packet.size:
                tracks[packet.stream_index].add(packet, clock)
    except (FFmpegError, IndexError):  # the file is damaged from here on
        pass
    ends_s = {number: rows.end_s - origin for number, rows in tracks.items() if rows.times}
    notes = tuple(_jump_note(at_s - origin, by_s) for at_s, by_s in clock.jumps)
    indices = {number: rows.index(origin) for number, rows in tracks.items() if rows.times}
    return FileIndex(indices, max(ends_s.values(), default=0.0), notes, ends_s)


def packet_s(packet: Any, stream: Stream) -> float:
    """Return how long a packet lasts, in seconds; for a picture without a length, one frame."""
    if packet.duration:
        return float(packet.duration * packet.time_base)
    return 1 / frame_rate(stream) if isinstance(stream, VideoStream) else 0.0


def frame_rate(stream: VideoStream) -> float:
    """Return the frames per second of a track; 25 if it is unknown."""
    return float(stream.average_rate or stream.guessed_rate or 25)


class _Rows:
    """The packets of one track, as they are read."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # Arrays, because a recording of six hours has more than a million packets.
        self.times = array("d")
        self._positions = array("q")
        self._sizes = array("q")
        self._keys = array("b")
        self._stamped = True
        self._next_s = 0.0
        self.end_s = float("-inf")

    def add(self, packet: Any, clock: _Clock) -> None:
        """Add a packet, at its time on a clock that does not jump."""
        length_s = packet_s(packet, self._stream)
        pts, dts = packet.pts, packet.dts
        if pts is None and dts is None:
            time_s, self._stamped = self._next_s, False
        else:
            pts, dts = dts if pts is None else pts, pts if dts is None else dts
            shift_s = clock.shift_s(self._stream.index, float(dts * packet.time_base), length_s)
            time_s = float(pts * packet.time_base) + shift_s
        self._next_s = time_s + length_s
        self.end_s = max(self.end_s, self._next_s)
        self.times.append(time_s)
        self._positions.append(-1 if packet.pos is None else packet.pos)
        self._sizes.append(packet.size)
        self._keys.append(packet.is_keyframe)

    def index(self, origin: float) -> TrackIndex:
        """Return the rows as arrays, with times from the file's start."""
        times = np.asarray(self.times) - origin
        positions, sizes = np.asarray(self._positions), np.asarray(self._sizes)
        return TrackIndex(times, positions, sizes, np.asarray(self._keys) > 0, self._stamped)


@dataclass
class _Epoch:
    """A part of the file in which the clock does not jump."""

    shift_s: float
    ends_s: dict[int, float] = field(default_factory=dict[int, float])
    """Where each track has got to, by the file's own clock."""

    def holds(self, track: int, stamp_s: float) -> bool:
        """Return whether the next packet of a track belongs to this part."""
        reached_s = max(self.ends_s.values())
        earliest_s = self.ends_s[track] - _BACKWARD_S if track in self.ends_s else reached_s - _FORWARD_S
        return earliest_s <= stamp_s <= reached_s + _FORWARD_S

    def distance_s(self, track: int, stamp_s: float) -> float:
        """Return how far a packet lies from where the track has got to, or else from where the others have."""
        return abs(stamp_s - self.ends_s.get(track, max(self.ends_s.values())))


class _Clock:
    """Turns the file's own time stamps into times that run on where the stamps jump."""

    def __init__(self) -> None:
        self._epochs: list[_Epoch] = []
        self.jumps: list[tuple[float, float]] = []
        """For each jump, the time at which it lies and the seconds by which the stamps jump."""

    def shift_s(self, track: int, stamp_s: float, length_s: float) -> float:
        """Return the seconds to add to the stamps of a packet.

        The tracks of the part before a jump may run on for a moment after the first packet of the part after it.
        """
        held = [epoch for epoch in self._epochs[-2:] if epoch.holds(track, stamp_s)]
        nearest = min(held, key=lambda epoch: epoch.distance_s(track, stamp_s), default=None)
        epoch = nearest or self._begun(track, stamp_s)
        epoch.ends_s[track] = stamp_s + length_s
        return epoch.shift_s

    def _begun(self, track: int, stamp_s: float) -> _Epoch:
        shift_s = 0.0
        if self._epochs:
            last = self._epochs[-1]
            at_s = last.ends_s.get(track, max(last.ends_s.values()))
            shift_s = at_s + last.shift_s - stamp_s
            self.jumps.append((at_s + last.shift_s, stamp_s - at_s))
        self._epochs.append(_Epoch(shift_s, {track: stamp_s}))
        return self._epochs[-1]


def _jump_note(at_s: float, by_s: float) -> Note:
    """Return the note on a jump. FFmpeg takes a long jump back in an MPEG stream for a clock that began again at 0."""
    if by_s > MPEG_CLOCK_S / 2:
        by_s -= MPEG_CLOCK_S
    way = "forward" if by_s > 0 else "back"
    return Note(at_s, at_s, f"the file's own clock jumps {way} by {abs(by_s):.1f} s; times here run on")
