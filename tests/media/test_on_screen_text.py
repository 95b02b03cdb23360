"""A text is read again exactly when it changes: in encoded clips, beside motion, also where little changes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from agentcvr_graph.demo.drawing import FONT
from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.types import Frame, Pixels
from agentcvr_graph.models.offline.on_screen_text import TextReader, same_regions
from agentcvr_graph.models.offline.text_engine import Region, Text, TextEngine
from agentcvr_graph.types import Video

LETTER_PX = 18
SERIES = {
    "one digit": ["SCORE 3 : 1"] * 3 + ["SCORE 8 : 1"] * 3 + ["SCORE 8 : 7"] * 2,
    "one letter": ["TAKE THE BALL"] * 4 + ["TAKE THE BELL"] * 4,
    "a clock": [f"10:42:{second:02d}" for second in range(36, 44)],
    "a second line": ["FLOUR"] * 4 + ["FLOUR\nEGGS"] * 4,
}


class CountingEngine(TextEngine):
    """Counts the pictures whose text is read."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def text(self, regions: Sequence[Region], pixels: Pixels) -> Future[Text]:
        self.count += 1
        return super().text(regions, pixels)


def picture(text: str, ink: str, ground: str, x: int) -> Image.Image:
    """Draw a text, and a disc at x that moves above it."""
    drawn = Image.new("RGB", (360, 202), ground)
    draw = ImageDraw.Draw(drawn)
    draw.ellipse((x, 20, x + 60, 80), fill="#b02020")
    draw.text((20, 120), text, font=ImageFont.truetype(FONT, LETTER_PX), fill=ink)
    return drawn


def encoded(texts: Sequence[str], path: Path, ink: str = "#ffffff", ground: str = "#305030") -> tuple[Frame, ...]:
    """Encode a picture a second as strongly compressed H.264, six frames to each, and return one frame of each."""
    drawn = (picture(texts[n // 6], ink, ground, 10 + 4 * n % 280) for n in range(6 * len(texts)))
    command = "ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s 360x202 -r 6 -i - -c:v libx264 -crf 30 "
    command += "-g 20 -pix_fmt yuv420p"
    subprocess.run([*command.split(), str(path)], input=b"".join(one.tobytes() for one in drawn), check=True)
    clip = MediaLibrary(cache_dir=path.parent / "cache").open(Video(source=str(path)))
    return clip.frames([n + 0.5 for n in range(len(texts))])


FULL, FAINT = ("#ffffff", "#305030"), ("#708870", "#486048")


@pytest.mark.parametrize(("name", "colours"), [*((name, FULL) for name in SERIES), ("one digit", FAINT)])
def test_a_series_reads_as_its_frames_read_alone(tmp_path: Path, name: str, colours: tuple[str, str]):
    frames = encoded(SERIES[name], tmp_path / "clip.mp4", *colours)
    reader = TextReader()
    alone = [reader.read([frame], "x")[0] for frame in frames]
    assert squeezed(reader.read(frames, "x")) == squeezed(alone)


def squeezed(texts: Sequence[Text]) -> list[str]:
    """Return the texts without spaces, which vary between frames of the same text."""
    return ["/".join(text.lines).replace(" ", "") for text in texts]


def test_a_text_that_stays_is_read_once_beside_motion_and_again_when_it_changes(tmp_path: Path):
    frames = encoded(["ADD SALT"] * 6 + ["ADD MEAT"] * 6, tmp_path / "clip.mp4")
    engine = CountingEngine()
    reader = TextReader(engine=engine)
    assert reader.read(frames, "x") == [Text(("ADD SALT",))] * 6 + [Text(("ADD MEAT",))] * 6
    assert engine.count <= 4


def test_stored_texts_are_not_read_again(tmp_path: Path):
    frames = encoded(["ADD SALT"] * 3, tmp_path / "clip.mp4")
    cache = DiskCache(tmp_path / "texts", 10**6)
    first = TextReader(cache).read(frames, "x")
    engine = CountingEngine()
    assert TextReader(cache, engine).read(frames, "x") == first
    assert engine.count == 0


def test_regions_differ_where_they_moved_came_or_look_different():
    plain = np.full((202, 360, 3), 60, np.uint8)
    with_dot = plain.copy()
    with_dot[50:52, 50:52] = 200
    box = (40, 40, 80, 60)
    assert same_regions(plain, [box], plain, [(42, 40, 82, 60)])
    assert not same_regions(plain, [box], plain, [(50, 40, 90, 60)])
    assert not same_regions(plain, [box], plain, [box, (0, 0, 9, 9)])
    assert not same_regions(with_dot, [box], plain, [box])
    assert same_regions(with_dot, [(100, 100, 140, 120)], plain, [(100, 100, 140, 120)])
    assert not same_regions(plain, [], plain[:100], [])
