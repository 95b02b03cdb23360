"""Quality of the offline models: word error rate, on-screen text, and recognition of simple sounds.

The measurements have no targets. They use speech by flite, drawn signs encoded as H.264, and synthetic sounds.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jiwer
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agentcvr_graph.demo.drawing import FONT
from agentcvr_graph.demo.make_clips import speak
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples
from agentcvr_graph.models.offline.noises import noises
from agentcvr_graph.models.offline.on_screen_text import TextReader
from agentcvr_graph.models.offline.signals import measured
from agentcvr_graph.models.offline.sphinx import recognised
from agentcvr_graph.render import UNCLEAR_SPEECH
from agentcvr_graph.types import Video
from tests.benchmarks.rows import Row

SENTENCES = (
    "The train to the city leaves at a quarter to ten.",
    "She put three eggs and a cup of sugar into the bowl.",
    "Please bring the red box to the second floor.",
    "I will wait here for the water to boil.",
    "My brother is going to eat this tonight.",
    "Now I use butter for the vegetables.",
    "The door on the left side is always open.",
    "We walked along the river until it was dark.",
    "Today I am cooking with olive oil.",
    "He opened the window because it was too hot.",
    "The second team scored in the last minute.",
    "Turn the wheel slowly to the right.",
    "There are four people in the white car.",
    "This dinner is for my mother.",
    "First wash your hands with warm water.",
    "The small dog runs after the yellow ball.",
    "Put the meat on the plate and add some salt.",
    "It is half past nine in the morning.",
    "The meeting was moved to the next week.",
    "I never said that it would be easy.",
)
SIGNS = ("ADD THE SALT", "EXIT", "Step 3 of 5", "Open from 9 to 5", "PLATFORM 7", "Heat the oil", "10:45", "GOAL 2-1")
LETTER_PX = (14, 18, 24, 36)
"""Font sizes in a frame 640 pixels wide, which the models receive at a width of 360."""
COLOURS = (("#ffffff", "#15191f"), ("#15191f", "#f0e6c8"), ("#f5d547", "#2e5aa8"))


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    yield from speech()
    yield from signs()
    yield from sounds()


def speech() -> Iterator[Row]:
    """Measure the word error rate per voice, clean and with white noise 15 dB below the voice."""
    random = np.random.default_rng(0)
    for voice in ("slt", "rms", "awb"):
        spoken = [_padded(speak(sentence, voice)) for sentence in SENTENCES]
        noisy = [clip + _noise(clip, random) for clip in spoken]
        rates = [jiwer.wer([_plain(s) for s in SENTENCES], [_heard(c) for c in set_]) for set_ in (spoken, noisy)]
        yield Row(f"word error rate, voice {voice}", f"{rates[0]:.2f} clean, {rates[1]:.2f} at 15 dB noise")


def signs() -> Iterator[Row]:
    """Measure by letter size how many signs are read exactly, ignoring white space."""
    reader = TextReader()
    with tempfile.TemporaryDirectory() as scratch:
        for size in LETTER_PX:
            pictures = [(sign, _sign(sign, size, *colours)) for sign in SIGNS for colours in COLOURS]
            frames = _encoded([picture for _, picture in pictures], Path(scratch) / f"{size}.mp4")
            read = [_squeezed(" ".join(reader.read([frame], f"{size}")[0])) for frame in frames]
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


def _heard(clip: Samples) -> str:
    return " ".join(word.text for word in recognised(clip) if word.text != UNCLEAR_SPEECH)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z ]", " ", text.lower()).split())


def _padded(clip: Samples) -> Samples:
    pause = np.zeros(SAMPLE_RATE_HZ // 2, dtype=np.float32)
    return np.concatenate([pause, clip, pause])


def _noise(clip: Samples, random: np.random.Generator) -> Samples:
    level = float(np.sqrt(np.mean(clip[np.abs(clip) > 0.01] ** 2))) / 10 ** (15 / 20)
    return (level * random.standard_normal(len(clip))).astype(np.float32)


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
