"""Frames of long videos: the media library compared with uncached decoding, the readers compared, and peak memory.

All comparisons are within one run, on a file made here: 10 minutes of 720p H.264 with a key frame every 250 frames. The
library and decoding afresh take each observation in turn and are compared in processor time, of all their threads.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import decord
import numpy as np
from PIL import Image

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.readers.base import Reader, scaled_size
from agentcvr_graph.media.readers.decord_reader import DecordReader
from agentcvr_graph.media.readers.pyav_reader import PyAVReader
from agentcvr_graph.media.sampling import sample_times
from agentcvr_graph.types import Video
from tests.benchmarks.pairs import Pairs, processor_seconds
from tests.benchmarks.rows import Row

OBSERVATIONS = tuple(
    (start_s, end_s, 32) for start_s, end_s in ((0, 600), (0, 300), (100, 220), (120, 180), (140, 160), (150, 200))
)
"""Six overlapping observations: start_s, end_s, frames."""
ROUNDS = 2
MEMORY_LIMIT_MB = 1200
LONG_SIDE_PX = 360


def make_video(path: Path, minutes: float, seed: int = 0) -> Path:
    """Make a 720p video with motion, noise and sound, and a key frame every 250 frames."""
    picture = f"testsrc2=s=1280x720:r=30:d={minutes * 60},noise=alls=8:allf=t:all_seed={seed}"
    sound = f"sine={330 + 50 * seed}:d={minutes * 60}"
    command = (
        f"ffmpeg -v error -y -f lavfi -i {picture} -f lavfi -i {sound} -c:v libx264 -preset ultrafast -crf 30 "
        "-g 250 -keyint_min 250 -sc_threshold 0 -pix_fmt yuv420p -c:a aac -b:a 64k -shortest"
    )
    subprocess.run([*command.split(), str(path)], check=True)
    return path


def afresh(path: Path, times_s: Sequence[float]) -> None:
    """Make one observation without the library: open, seek, decode at full size, resize, encode."""
    reader = decord.VideoReader(str(path), num_threads=2)
    fps = reader.get_avg_fps()
    for time_s in times_s:
        picture = Image.fromarray(reader[min(len(reader) - 1, round(time_s * fps))].asnumpy())
        picture.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX))
        picture.save(io.BytesIO(), "JPEG", quality=92)


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def observations(path: Path, folder: Path) -> Iterator[Row]:
    """Measure the six observations both ways, and a second question in a new library."""
    windows = [sample_times(*look) for look in OBSERVATIONS]
    rounds = [_look_alternately(path, folder / f"cache{n}", windows) for n in range(ROUNDS)]
    total = Pairs(tuple(sum(ours) for ours, _ in rounds), tuple(sum(plain) for _, plain in rounds))
    first = Pairs(tuple(ours[0] for ours, _ in rounds), tuple(plain[0] for _, plain in rounds))
    figure = f"{median(total.ours_s):.1f} s against {median(total.other_s):.1f} s"
    yield Row("six overlapping observations of 10 min of 720p, processor time", figure)
    yield total.row("  in total, against doing each afresh", 6)
    yield first.row("  the first one", 1.3)
    each = ", ".join(f"{median(column):.2f}" for column in zip(*(ours for ours, _ in rounds), strict=True))
    yield Row("  each of the six, s", each)
    again = MediaLibrary(cache_dir=folder / "cache0")
    frames = [frame for times in windows for frame in again.open(Video(source=str(path))).frames(times)]
    second_s = timed(lambda: [again.open(Video(source=str(path))).frames(times) for times in windows])
    cached = sum(frame.cached for frame in frames)
    figure = f"{cached} of {len(frames)} frames cached, {second_s:.2f} s"
    yield Row("  a second question", figure, "all", cached == len(frames))


def _look_alternately(path: Path, cache: Path, windows: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """Return the processor time of each observation, by a new library and afresh, one after the other."""
    library = MediaLibrary(cache_dir=cache)
    ours, plain = list[float](), list[float]()
    for times in windows:
        ours.append(processor_seconds(lambda times=times: library.open(Video(source=str(path))).frames(times)))
        plain.append(processor_seconds(lambda times=times: afresh(path, times)))
    return ours, plain


def readers(path: Path) -> Iterator[Row]:
    """Measure decord, PyAV and, if installed, torchcodec on the same frames."""
    size = scaled_size(1280, 720, LONG_SIDE_PX)
    sparse = [18.75 * n + 9.3 for n in range(32)]
    dense = [300 + n / 30 for n in range(64)]
    taken: dict[str, list[float]] = {}
    for name, kind in (("decord", DecordReader), ("PyAV", PyAVReader)):
        opened = timed(lambda kind=kind: kind(path).close())
        reader: Reader = kind(path)
        took = [timed(lambda r=reader, t=times: list(r.shown_at(t, size))) for times in (sparse, dense)]
        keys = timed(lambda r=reader: list(r.key_frames(sparse, size)))
        reader.close()
        taken[name] = [*took, keys]
        exact, in_a_row = took
        text = (
            f"open {opened * 1000:.0f} ms, 32 exact {exact:.1f} s, 32 keys {keys:.2f} s, 64 in a row {in_a_row:.2f} s"
        )
        yield Row(f"reader {name}", text)
    gains = [a / b for a, b in zip(taken["decord"], taken["PyAV"], strict=True)]
    text = f"{gains[0]:.2f} exact, {gains[2]:.2f} key frames, {gains[1]:.2f} in a row"
    yield Row("  decord's time over PyAV's", text)
    yield _torchcodec(path, sparse, dense)


def _torchcodec(path: Path, sparse: Sequence[float], dense: Sequence[float]) -> Row:
    try:
        from torchcodec.decoders import VideoDecoder
    except Exception as error:  # not installed, or built for another torch
        return Row("reader torchcodec", f"not measured ({type(error).__name__})")
    decoder = VideoDecoder(str(path))
    took = [timed(lambda times=times: decoder.get_frames_played_at(list(times))) for times in (sparse, dense)]
    return Row("reader torchcodec", f"32 exact {took[0]:.1f} s, 64 in a row {took[1]:.2f} s")


def memory(folder: Path) -> Row:
    """Measure the peak memory of a process that observes four 20-minute videos with the offline models."""
    base = make_video(folder / "20min.mp4", 20)
    paths = [base]
    for number in range(1, 4):  # a free box at the end gives the same pictures another content id
        path = folder / f"20min_{number}.mp4"
        path.write_bytes(base.read_bytes() + b"\x00\x00\x00\x10free" + bytes([number] * 8))
        paths.append(path)
    command = [sys.executable, "-m", "tests.benchmarks.bench_media", str(folder / "cache2"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak_mb = int(done.stdout.split()[-1])
    what = "a question over four 20-minute 720p videos, peak memory"
    return Row(what, f"{peak_mb} MB", f"< {MEMORY_LIMIT_MB} MB", peak_mb < MEMORY_LIMIT_MB)


def _ask(cache: Path, paths: Sequence[str]) -> None:
    """Answer a question, then print the peak memory of this process in MiB."""
    import asyncio

    from agentcvr_graph import create_cvr_graph
    from agentcvr_graph.media.cache import DiskCache
    from agentcvr_graph.models.offline.audio import OfflineAudio
    from agentcvr_graph.models.offline.master import OfflineMaster
    from agentcvr_graph.models.offline.vision import OfflineVision
    from agentcvr_graph.perception.live import LivePerception

    vision = OfflineVision(DiskCache(cache / "text", 2**27))
    perception = LivePerception(vision, OfflineAudio(), MediaLibrary(cache_dir=cache))
    graph = create_cvr_graph(OfflineMaster(), perception, timeout_s=None).compile()
    asyncio.run(graph.ainvoke({"question": "Which video counts to ten?", "videos": list(paths)}))
    # ru_maxrss is unsuitable: a process inherits it from its parent.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) // 1024)


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = make_video(folder / "10min.mp4", 10)
        yield from observations(path, folder)
        yield from readers(path)
        yield memory(folder)


if __name__ == "__main__":
    _ask(Path(sys.argv[1]), sys.argv[2:])
