"""Read and decode one track of a file from a time on, on the file's one clock.

In: the file, which track, its index if the container has none. Out: decoded frames with their time in seconds from the
file's start. Both pictures and sound are read here, so they share the clock, and what cannot be decoded is skipped
packet by packet and reported.

Where a seek lands is checked, never trusted: it is tried from further back if it lands too late, and in the end the
file is opened again and read from its beginning, because not every container can be rewound.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from agentcvr_graph.media.containers import open_container, origin_s
from agentcvr_graph.media.index import FileIndex, TrackIndex, frame_rate

AnyPacket: TypeAlias = "Packet[Any]"
Track: TypeAlias = VideoStream | AudioStream
_MARGINS_S = (0.0, 0.5, 3.0, 15.0)
"""A seek that lands after its target is repeated this much earlier, in seconds."""
_PATIENCE_S = 10.0
"""Decoding is given up if nothing can be decoded until this long after the target, in seconds."""
_LATENCY = 64
"""A decoder returns its first frame after fewer packets than this."""
_FAILED_READS = 50
"""Reading ends after this many failed attempts: the file is damaged from there on."""
_EPSILON_S = 1e-4
Report = Callable[[float], None]
"""Called with the time of each packet that cannot be decoded."""


class Timed(NamedTuple):
    """A decoded frame of picture or sound."""

    time_s: float
    """When it is presented, in seconds from the file's start."""
    frame: Any


class TrackReader:
    """Reads one track.

    Args:
        choose: returns the track in an open container; None if there is none.
        index: the file's index, if its container has none.
        report: called with the time of each packet that cannot be decoded.
        max_pixels: the largest picture that is decoded; None for no limit.
        threads: whether the decoder uses several threads; they make the first frame late.

    Raises:
        FFmpegError, OSError: the file cannot be opened.
        LookupError: it has no such track.
    """

    def __init__(
        self,
        path: Path,
        choose: Callable[[InputContainer], Track | None],
        index: FileIndex | None = None,
        report: Report = lambda time_s: None,
        max_pixels: int | None = None,
        threads: bool = False,
    ) -> None:
        self._path, self._choose, self._file_index = path, choose, index
        self._report, self._max_pixels, self._threads = report, max_pixels, threads
        self._open()

    def _open(self) -> None:
        self._container = open_container(self._path, self._max_pixels)
        stream = self._choose(self._container)
        if stream is None:
            self._container.close()
            raise LookupError(f"{self._path.name} has no such track.")
        if self._threads and isinstance(stream, VideoStream):
            stream.thread_type = "AUTO"
        self.stream: Track = stream
        self._origin_s = origin_s(self._container)
        self._unread = True

    @property
    def index(self) -> TrackIndex | None:
        """Return the track's index; None if the container has its own."""
        return self._file_index.tracks.get(self.stream.index) if self._file_index is not None else None

    @property
    def format_name(self) -> str:
        """Return FFmpeg's names of the container format."""
        return self._container.format.name

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def seconds(self, ticks: int) -> float:
        """Return the time of a time stamp of the track, in seconds from the file's start."""
        assert self.stream.time_base is not None
        return float(ticks * self.stream.time_base) - self._origin_s

    def frames_from(self, target_s: float) -> Iterator[Timed]:
        """Yield the frames from the last key frame at or before a time on; that key frame may be undecodable."""
        yield from self._decoded(self.packets_from(target_s), target_s + _PATIENCE_S)

    def key_frame(self, target_s: float) -> Timed | None:
        """Return the key frame at or before a time. Decodes that packet alone, or up to the first frame if it fails."""
        key = self._key_packet(target_s)
        alone = next(self._decoded(iter([key]), target_s), None) if key is not None else None
        return alone or next(self.frames_from(target_s), None)

    def _key_packet(self, target_s: float) -> AnyPacket | None:
        """Return the last key packet that is presented at or before a time; a seek may land at an earlier one."""
        found: AnyPacket | None = None
        for packet in self.packets_from(target_s):
            time_s = self.seconds(packet.pts) if packet.pts is not None else None
            if packet.is_keyframe and (found is None or (time_s or 0.0) <= target_s + _EPSILON_S):
                found = packet
            if time_s is None or time_s >= target_s - _EPSILON_S:
                break
        return found

    def packets_from(self, target_s: float) -> Iterator[AnyPacket]:
        """Yield the packets from the last key packet that is presented at or before a time on."""
        if self.index is not None:
            return self._by_place(self.index, target_s)
        for margin_s in _MARGINS_S if target_s > 0 else ():
            found = self._by_time(target_s, max(0.0, target_s - margin_s))
            if found is not None:
                return found
        return self._from_start()

    def all_packets(self) -> Iterator[AnyPacket]:
        """Yield all packets of the track in the order of the file; ends where the file is damaged."""
        return self._from_start()

    def _by_time(self, target_s: float, sought_s: float) -> Iterator[AnyPacket] | None:
        """Seek by time; return None if the first key packet there is presented after the target."""
        assert self.stream.time_base is not None
        self._unread = False
        try:
            ticks = int((sought_s + self._origin_s) / self.stream.time_base)
            self._container.seek(ticks, stream=self.stream, backward=True)
        except FFmpegError:
            return None
        packets = self._packets()
        for packet in packets:
            if packet.is_keyframe and packet.pts is not None and self.seconds(packet.pts) <= target_s + _EPSILON_S:
                return itertools.chain([packet], packets)
            stamp = packet.pts if packet.pts is not None else packet.dts
            if packet.is_keyframe or (stamp is not None and self.seconds(stamp) > target_s + _EPSILON_S):
                return None
        return None

    def _by_place(self, index: TrackIndex, target_s: float) -> Iterator[AnyPacket]:
        """Seek to the key packet's place in the file, and give every packet its time from the index."""
        row = index.key_row(target_s)
        place = index.position_before(row)
        if place is not None and self._seek_place(place):
            numbered = _numbered(self._packets(), index)
            for number, packet in numbered:
                if number == row:
                    return itertools.chain([self._stamped(index, row, packet)], self._timed(index, numbered))
                if number > row:
                    break
        numbered = enumerate(self._from_start())
        return self._timed(index, ((number, packet) for number, packet in numbered if number >= row))

    def _seek_place(self, place: int) -> bool:
        self._unread = False
        try:
            self._container.seek(place, unsupported_byte_offset=True)
            return True
        except FFmpegError:  # this container cannot
            return False

    def _timed(self, index: TrackIndex, numbered: Iterator[tuple[int, AnyPacket]]) -> Iterator[AnyPacket]:
        return (self._stamped(index, number, packet) for number, packet in numbered)

    def _stamped(self, index: TrackIndex, row: int, packet: AnyPacket) -> AnyPacket:
        if row < len(index.times_s):
            assert self.stream.time_base is not None
            ticks = round((float(index.times_s[row]) + self._origin_s) / self.stream.time_base)
            packet.pts = ticks if index.stamped or index.keys[row] else None
            packet.dts = None  # the decoder would prefer it where several times are missing
        return packet

    def _from_start(self) -> Iterator[AnyPacket]:
        if not self._unread:
            self._container.close()
            self._open()
        self._unread = False
        return self._packets()

    def _packets(self) -> Iterator[AnyPacket]:
        """Yield packets to the end of the file, over damage that makes a read fail."""
        for _ in range(_FAILED_READS):
            try:
                # An empty packet would end the decoding: repeated pictures of some codecs are empty, so is the last.
                yield from (packet for packet in self._container.demux(self.stream) if packet.size)
                return
            except (FFmpegError, IndexError):  # damage, or a track that the header does not have
                continue

    def _decoded(self, packets: Iterator[AnyPacket], until_s: float) -> Iterator[Timed]:
        """Decode what can be decoded. Give up if nothing was decoded until a time."""
        last_s: float | None = None
        for count, packet in enumerate(packets):
            time_s = self.seconds(packet.pts) if packet.pts is not None else last_s
            if last_s is None and time_s is not None and time_s > until_s and count > _LATENCY:
                return
            for frame in self._frames(packet, time_s):
                last_s = self._time_s(frame, last_s)
                yield Timed(last_s, frame)
        for frame in self._frames(None, last_s):
            last_s = self._time_s(frame, last_s)
            yield Timed(last_s, frame)

    def _frames(self, packet: AnyPacket | None, time_s: float | None) -> list[Any]:
        """Return the frames that a packet completes, or that the decoder still holds; none if that fails."""
        try:
            decoder: Any = self.stream.codec_context
            return list(decoder.decode(packet))
        except EOFError:  # everything was returned already
            return []
        except (FFmpegError, ValueError):
            if packet is not None:
                self._report(time_s or 0.0)
            return []

    def _time_s(self, frame: Any, last_s: float | None) -> float:
        """Return when a frame is presented; without a time stamp, right after the one before it."""
        if frame.pts is not None:
            return self.seconds(frame.pts)
        return 0.0 if last_s is None else last_s + _frame_s(frame, self.stream)


def _frame_s(frame: Any, stream: Stream) -> float:
    if isinstance(stream, VideoStream):
        return 1 / frame_rate(stream)
    return frame.samples / frame.sample_rate


def _numbered(packets: Iterator[AnyPacket], index: TrackIndex) -> Iterator[tuple[int, AnyPacket]]:
    """Yield the packets that are in the index, each with its row. What a seek tore apart is not."""
    row: int | None = None
    for packet in packets:
        row = index.row_of(packet.pos, packet.size, None if row is None else row + 1)
        if row is not None:
            yield row, packet
