"""Generate the bundled demo clips: `python -m agentcvr_graph.demo.make_clips OUT_DIR`.

Generating the clips needs the command `flite`; using them does not. The table `CLIPS` defines what each clip shows and
says. The frames never show which fat a cook uses or whom the dish is for. Half of the clips show the time of day on a
wall clock, in the other half it is only spoken. So questions about the clips need both frames and sound.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pysubs2
from numpy.typing import NDArray

from agentcvr_graph.demo.drawing import draw_moment
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples
from agentcvr_graph.scripts.schema import FPS
from agentcvr_graph.scripts.video.encoding import encode
from agentcvr_graph.scripts.video.sound import knock, mix, music, speak


@dataclass(frozen=True)
class Step:
    """A part of a clip with one on-screen text."""

    start_s: float
    end_s: float
    caption: str
    prop: str


@dataclass(frozen=True)
class Clip:
    """The content of one clip: pictures, speech and sounds."""

    name: str
    voice: str
    wall: str
    steps: tuple[Step, ...]
    lines: tuple[tuple[float, str], ...]
    """Start time and text of each spoken line."""
    clock: str = ""
    """Time on a wall clock during the first step; empty for no clock."""
    music_s: tuple[float, float] | None = None
    subtitles: bool = False
    knocks_s: tuple[float, ...] = field(default=())

    @property
    def duration_s(self) -> float:
        return self.steps[-1].end_s


CLIPS = (
    Clip(
        name="cook_red",
        voice="rms",
        wall="#d96a5b",
        steps=(
            Step(0, 7, "HEAT THE PAN", "steam"),
            Step(7, 13, "ADD SALT", "salt"),
            Step(13, 20, "ADD MEAT", "meat"),
            Step(20, 25, "ADD PEPPER", "pepper"),
            Step(25, 33, "STIR WELL", "spoon"),
            Step(33, 38, "SERVE", "plate"),
        ),
        lines=(
            (1.0, "Hello and welcome. It is half past nine in the morning."),
            (14.5, "Today I am cooking with butter."),
            (26.0, "I wish that I had some onions."),
        ),
        knocks_s=(17.4,),
    ),
    Clip(
        name="cook_green",
        voice="rms",
        wall="#6fae7a",
        steps=(
            Step(0, 6, "HEAT THE PAN", "steam"),
            Step(6, 13, "ADD MEAT", "meat"),
            Step(13, 21, "ADD ONIONS", "onions"),
            Step(21, 27, "ADD SALT", "salt"),
            Step(27, 32, "ADD PEPPER", "pepper"),
            Step(32, 40, "SERVE", "plate"),
        ),
        lines=((7.5, "Today I am cooking with olive oil."), (22.0, "This is a good meal for the whole family.")),
        clock="11:15",
        music_s=(32.5, 39.5),
        knocks_s=(10.4,),
    ),
    Clip(
        name="cook_blue",
        voice="awb",
        wall="#6d8fd0",
        steps=(
            Step(0, 6, "HEAT THE PAN", "steam"),
            Step(6, 12, "ADD ONIONS", "onions"),
            Step(12, 19, "ADD SALT", "salt"),
            Step(19, 27, "ADD MEAT", "meat"),
            Step(27, 33, "STIR WELL", "spoon"),
            Step(33, 36, "SERVE", "plate"),
        ),
        lines=(
            (1.0, "Hello and welcome. It is a quarter to eight in the morning."),
            (13.0, "Today I am cooking with olive oil."),
        ),
        knocks_s=(24.0,),
    ),
    Clip(
        name="cook_yellow",
        voice="rms",
        wall="#e3c04f",
        steps=(
            Step(0, 8, "HEAT THE PAN", "steam"),
            Step(8, 16, "ADD MEAT", "meat"),
            Step(16, 22, "ADD SALT", "salt"),
            Step(22, 28, "ADD ONIONS", "onions"),
            Step(28, 33, "ADD PEPPER", "pepper"),
            Step(33, 39, "SERVE", "plate"),
        ),
        lines=((9.0, "Today I am cooking with butter."), (29.0, "This dinner is for my mother.")),
        clock="8:20",
        subtitles=True,
        knocks_s=(13.0,),
    ),
)


def make_clips(folder: Path) -> list[Path]:
    """Write all clips, and subtitles for those with subtitles; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [make_clip(clip, folder) for clip in CLIPS]


def make_clip(clip: Clip, folder: Path) -> Path:
    """Write one clip as H.264 and AAC."""
    path = folder / f"{clip.name}.mp4"
    sound, subtitles = soundtrack(clip)
    if clip.subtitles:
        subtitles.save(str(path.with_suffix(".srt")))
    encode(path, (picture(clip, number / FPS) for number in range(round(clip.duration_s * FPS))), sound)
    return path


def picture(clip: Clip, time_s: float) -> NDArray[np.uint8]:
    """Return the frame of a clip at a time, shape (360, 640, 3)."""
    step = next(step for step in clip.steps if step.start_s <= time_s < step.end_s)
    progress = (time_s - step.start_s) / (step.end_s - step.start_s)
    clock = clip.clock if step is clip.steps[0] else ""
    return np.asarray(draw_moment(step.caption, step.prop, progress, time_s, clip.wall, clock))


def soundtrack(clip: Clip) -> tuple[Samples, pysubs2.SSAFile]:
    """Return the sound of a clip, 16 kHz mono, and its spoken lines as subtitles."""
    sound = np.zeros(round(clip.duration_s * SAMPLE_RATE_HZ), dtype=np.float32)
    subtitles = pysubs2.SSAFile()
    for start_s, line in clip.lines:
        words = speak(line, clip.voice)
        mix(sound, words, start_s)
        end_s = start_s + len(words) / SAMPLE_RATE_HZ
        subtitles.append(pysubs2.SSAEvent(start=int(start_s * 1000), end=int(end_s * 1000), text=line))
    for knock_s in clip.knocks_s:
        mix(sound, knock(), knock_s)
    if clip.music_s:
        mix(sound, music(clip.music_s[1] - clip.music_s[0]), clip.music_s[0])
    return sound, subtitles


if __name__ == "__main__":
    for made in make_clips(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "clips")):
        print(f"{made}  {made.stat().st_size / 1024:.0f} KiB")
