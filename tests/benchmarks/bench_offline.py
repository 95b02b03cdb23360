"""Quality of the offline models: on-screen text, and recognition of simple sounds. `bench_speech` measures speech.

The measurements have no targets. They use drawn signs encoded as H.264, and synthetic sounds.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agentcvr_graph.demo.drawing import FONT
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples
from agentcvr_graph.models.offline.noises import noises
from agentcvr_graph.models.offline.on_screen_text import TextReader
from agentcvr_graph.models.offline.signals import measured
from agentcvr_graph.types import Video
from tests.benchmarks.rows import Row

SIGNS = ("ADD THE SALT", "EXIT", "Step 3 of 5", "Open from 9 to 5", "PLATFORM 7", "Heat the oil", "10:45", "GOAL 2-1")
LETTER_PX = (14, 18, 24, 36)
"""Font sizes in a frame 640 pixels wide, which the models receive at a width of 360."""
COLOURS = (("#ffffff", "#15191f"), ("#15191f", "#f0e6c8"), ("#f5d547", "#2e5aa8"))


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    yield from signs()
    yield from sounds()


def signs() -> Iterator[Row]:
    """Measure by letter size how many signs are read exactly, ignoring white space."""
    reader = TextReader()
    with tempfile.TemporaryDirectory() as scratch:
        for size in LETTER_PX:
            pictures = [(sign, _sign(sign, size, *colours)) for sign in SIGNS for colours in COLOURS]
            frames = _encoded([picture for _, picture in pictures], Path(scratch) / f"{size}.mp4")
            read = [_squeezed(" ".join(reader.read([frame], f"{size}")[0].lines)) for frame in frames]
            right = sum(_squeezed(sign) == text for (sign, _), text in zip(pictures, read, strict=True))
            yield Row(f"signs read exactly, letters of {size} px in 640", f"{right} of {len(pictures)}")


def sounds() -> Iterator[Row]:
    """Measure how many synthetic sounds of each kind are recognised."""
    random = np.random.default_rng(1)
    made = {kind: [_sound(kind, random) for _ in range(10)] for kind in ("impact", "music", "steady noise", "silence")}
    found = {kind: [{cue.text for cue in noises(measured(clip), [])} for clip in clips] for kind, clips in made.items()}
    for kind, answers in found.items():
        hits = sum(kind in answer for answer in answers)
        false = sum(kind in answer for other, rest in found.items() if other != kind for answer in rest)
        # An impact is surrounded by silence, so silence found in its clip is not false.
        false -= sum("silence" in answer for answer in found["impact"]) if kind == "silence" else 0
        yield Row(f"{kind} found", f"{hits} of {len(answers)}, {false} false")


def _sound(kind: str, random: np.random.Generator) -> Samples:
    """Make five seconds of sound of a kind."""
    time_s = np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    clip = np.zeros(len(time_s))
    if kind == "impact":
        start = random.integers(SAMPLE_RATE_HZ, 3 * SAMPLE_RATE_HZ)
        length = SAMPLE_RATE_HZ // 3
        clip[start : start + length] = 0.4 * random.standard_normal(length) * np.exp(-time_s[:length] * 30)
    elif kind == "music":
        root = random.uniform(150, 400)
        clip = 0.08 * sum(np.sin(2 * np.pi * root * interval * time_s) for interval in (1, 1.25, 1.5))
    elif kind == "steady noise":
        clip = random.uniform(0.02, 0.1) * random.standard_normal(len(time_s))
    return clip.astype(np.float32)


def _sign(text: str, size: int, ink: str, ground: str) -> Image.Image:
    picture = Image.new("RGB", (640, 360), ground)
    ImageDraw.Draw(picture).text((60, 150), text, font=ImageFont.truetype(FONT, size), fill=ink)
    return picture


def _encoded(pictures: list[Image.Image], path: Path):
    """Encode the pictures as H.264, one second each, and return the decoded frames."""
    command = "ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s 640x360 -r 1 -i - -c:v libx264 -crf 27 -pix_fmt yuv420p"
    raw = b"".join(picture.tobytes() for picture in pictures)
    subprocess.run([*command.split(), str(path)], input=raw, check=True)
    media = MediaLibrary(cache_dir=path.parent / "cache").open(Video(source=str(path)))
    return media.frames([float(n) for n in range(len(pictures))])


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)
