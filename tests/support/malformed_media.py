"""Malformed media files: real files of many containers, damaged at random with a fixed seed."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.media_files import ffmpeg

PICTURE = "-f lavfi -i testsrc=s=64x48:r=10:d=2"
SOUND = "-f lavfi -i sine=f=440:d=2"
BOTH = f"{PICTURE} {SOUND} -shortest -pix_fmt yuv420p"
REAL: dict[str, str] = {
    "mp4": f"{BOTH} -c:v libx264 -g 5 -c:a aac",
    "mov": f"{BOTH} -c:v mpeg4 -c:a pcm_s16le -movflags +faststart",
    "m4v": f"{BOTH} -c:v libx264 -c:a aac -movflags frag_keyframe+empty_moov -f mp4",
    "mkv": f"{BOTH} -c:v libx264 -c:a libmp3lame",
    "webm": f"{BOTH} -c:v libvpx -deadline realtime -c:a libopus",
    "avi": f"{BOTH} -c:v mjpeg -c:a pcm_s16le",
    "flv": f"{BOTH} -c:v flv -c:a libmp3lame -ar 44100",
    "ts": f"{BOTH} -c:v mpeg2video -c:a mp2",
    "ogg": f"{BOTH} -c:v libtheora -c:a libvorbis",
    "gif": PICTURE,
    "wav": SOUND,
    "mp3": f"{SOUND} -c:a libmp3lame",
    "flac": SOUND,
}
"""File extension -> ffmpeg arguments that make a valid file of two seconds."""
BOXES = (b"moov", b"trak", b"mdat", b"stsz", b"stco", b"stsc", b"stts", b"mvhd", b"tkhd", b"mdhd", b"stsd", b"hdlr")


def real_files(folder: Path) -> dict[str, bytes]:
    """Make one small valid file of each container in `REAL`."""
    return {ending: ffmpeg(how, folder / f"real.{ending}").read_bytes() for ending, how in REAL.items()}


def flipped(data: bytes, rng: random.Random, count: int, within: int | None = None) -> bytes:
    """Flip `count` bits, anywhere or in the first `within` bytes."""
    changed = bytearray(data)
    for _ in range(count):
        changed[rng.randrange(min(within or len(data), len(data)))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def holed(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a range of bytes with zeros, as in an unfinished download."""
    start = rng.randrange(len(data))
    return data[:start] + bytes(min(rng.randrange(1, 4096), len(data) - start)) + data[start + 4096 :]


def shuffled(data: bytes, rng: random.Random) -> bytes:
    """Swap two adjacent ranges of bytes."""
    one, two, three = sorted(rng.sample(range(1, len(data)), 3))
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def repeated(data: bytes, rng: random.Random) -> bytes:
    """Repeat a range of bytes fifty times."""
    start = rng.randrange(len(data))
    return data[:start] + data[start : start + rng.randrange(1, 512)] * 50 + data[start:]


def headed(data: bytes, other: bytes, length: int = 64) -> bytes:
    """Overwrite the first `length` bytes with those of another container."""
    return other[:length] + data[length:]


def sized(data: bytes, rng: random.Random) -> bytes:
    """Set the size of an MP4 box to a wrong value."""
    box = rng.choice([name for name in BOXES if name in data])
    place = data.index(box) - 4
    size = rng.choice([0, 1, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF, len(data) * 2])
    return data[:place] + struct.pack(">I", size) + data[place + 4 :]


def filled(data: bytes, rng: random.Random) -> bytes:
    """Set the first fields of an MP4 box (sizes, lengths, counts, rates) to extreme values."""
    box = rng.choice([name for name in BOXES if name in data and name not in (b"moov", b"mdat", b"trak")])
    place = data.index(box) + 8  # after its version and flags
    value = rng.choice([b"\x00", b"\x7f", b"\xff", b"\x80"])
    return data[:place] + value * 24 + data[place + 24 :]


def retracked(data: bytes, rng: random.Random) -> bytes:
    """Make an MP4 with wrong track types, codecs or tables, such as a video track marked as audio."""
    swaps = [
        (b"vide", b"soun"),
        (b"soun", b"vide"),
        (b"avc1", b"mp4a"),
        (b"mp4a", b"avc1"),
        (b"avc1", b"hev1"),
        (b"avc1", b"text"),
        (b"avcC", b"free"),
        (b"stco", b"co64"),
        (b"stts", b"free"),
    ]
    for one, other in rng.sample(swaps, 2):
        data = data.replace(one, other)
    return data


def mutations(real: dict[str, bytes], each: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield damaged files with their names: `each` per kind of damage and container.

    Files of the MP4 family also get the box mutations, twice as many of each.
    """
    rng = random.Random(seed)
    common: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("bits", lambda data: flipped(data, rng, rng.choice([1, 16, 256]))),
        ("header", lambda data: flipped(data, rng, 24, within=256)),
        ("truncated", lambda data: truncated(data, rng)),
        ("holed", lambda data: holed(data, rng)),
        ("shuffled", lambda data: shuffled(data, rng)),
        ("repeated", lambda data: repeated(data, rng)),
        ("headed", lambda data: headed(data, real[rng.choice(list(real))])),
    ]
    for ending, data in real.items():
        for name, way in common:
            for number in range(each):
                yield f"{ending}-{name}-{number}.{ending}", way(data)
        if ending not in ("mp4", "mov", "m4v"):
            continue
        for name, damage in _BOX_WAYS.items():
            for number in range(2 * each):
                yield f"{ending}-{name}-{number}.{ending}", damage(data, rng)


_BOX_WAYS = {"sized": sized, "filled": filled, "retracked": retracked}


def png(width: int, height: int, *, rows: int | None = None, chunks: bytes = b"") -> bytes:
    """Make a grey PNG with the given size in its header. Its rows are zeros, which compress to almost nothing.

    Args:
        rows: number of rows that it contains; None for all.
        chunks: inserted before the picture data.
    """
    packer = zlib.compressobj(9)
    row = bytes(width + 1)
    pixels = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """Encode a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def gif(width: int, height: int) -> bytes:
    """Make a GIF of one picture with the given size in its header."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00;"


def jpeg_of_size(data: bytes, width: int, height: int) -> bytes:
    """Set the size in the header of a JPEG."""
    place = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]
