"""The semantic script: one question, and what a camera and a microphone would have recorded in its videos.

A script holds everything that swap mode needs and nothing of how it is run: the videos as timelines of scenes, the
question with its key, the windows that suffice to answer it, and how the script was made. It is one JSON object, so a
library of scripts is a folder of `.json` files or one `.jsonl` file.

Each scene says twice what it shows and what is said: in words (`visual`, `caption`), which agents read, and as facts,
which the renderer draws and the report of the sim-to-real gap compares. Facts repeat the words or add what a camera
sees besides (a sign, the colour of a wall, a movement); imported scripts may have words only.

The schema does not decide whether a script is sound: an unfinished script can be held and written. `checks.py` finds
the faults.
"""

from __future__ import annotations

import operator
from typing import Any, Literal

from pydantic import Field

from agentcvr_graph.answers import KnownKind
from agentcvr_graph.catalogue import LISTED
from agentcvr_graph.types import AnswerKind, AnswerValue, Citation, FrozenModel, Question, Video, WordTimes

SCHEMA_VERSION = 1
SCHEME = "script://"
ALL = "/*"
"""End of an address that stands for all videos of a script: `script://<id>/*`."""
PICTURE_SIZE: tuple[int, Literal[360]] = (640, 360)
"""Width and height in pixels that a scripted video claims to have, and its rendered video has, if it names none."""
FPS = 12.0
Task = Literal[
    "BU",
    "NC",
    "CC",
    "PEA",
    "PI",
    "FSA",
    "PSS",
    "MSR",
    "MOC",
    "CCQA",
    "NUM",
    "LIB",
    "STOP",
    "SPOT",
    "PAIR",
    "COST",
    "LOCK",
    "RULE",
    "CHAIN",
]
TASKS: tuple[Task, ...] = ("BU", "NC", "CC", "PEA", "PI", "FSA", "PSS", "MSR", "MOC", "CCQA")
"""CrossVid's task codes."""
TOUR_TASKS: tuple[Task, ...] = ("STOP", "SPOT", "PAIR", "COST", "LOCK", "RULE", "CHAIN")
"""Tasks over tours, in which looking closely everywhere costs more than the budget."""
OWN_TASKS: tuple[Task, ...] = ("NUM", "LIB", *TOUR_TASKS)
"""Tasks of ours: CrossVid asks for no number, searches no library, and has no tours."""
KIND_OF: dict[Task, AnswerKind] = {
    **dict.fromkeys(TASKS, "choice"),
    "BU": "choices",
    "FSA": "interval",
    "PSS": "order",
    "CCQA": "text",
    "NUM": "number",
    "STOP": "choice",
    "SPOT": "choice",
    "PAIR": "choices",
    "COST": "order",
    "LOCK": "number",
    "RULE": "choice",
    "CHAIN": "number",
}
"""The kind of answer that each task asks for; LIB asks for several kinds."""
Motion = Literal["", "still", "to the right", "to the left", "up", "down"]
Noise = Literal["impact", "music", "steady noise"]


class Thing(FrozenModel):
    """Something drawn: `count` equal objects of one name and colour."""

    name: str
    colour: str = ""
    """A name of the palette (`red`, `dark blue`, ...); empty where it does not matter."""
    count: int = Field(default=1, ge=0)
    x: float | None = Field(default=None, ge=0, le=1)
    y: float | None = Field(default=None, ge=0, le=1)
    """Centre as a share of the picture from its left and upper edge; None for anywhere."""
    label: str = ""
    """Letters written on it, such as a number plate."""
    height: float | None = Field(default=None, gt=0, le=1)
    """Height as a share of the picture's; None for a thing that is large enough for every look. `visual` does not
    describe a thing with a height: a look describes it if it shows it large enough (`legibility.py`)."""


class Sign(FrozenModel):
    """Text of a given size at a given place: small print, which not every look can read."""

    text: str = Field(min_length=1)
    height: float = Field(gt=0, le=1)
    """Height of a capital letter as a share of the picture's height."""
    x: float = Field(default=0.5, ge=0, le=1)
    y: float = Field(default=0.5, ge=0, le=1)
    """Centre as a share of the picture from its left and upper edge."""


class Sounded(FrozenModel):
    """A sound that is not speech."""

    kind: Noise
    start_s: float = Field(ge=0)
    end_s: float = Field(gt=0)


class Facts(FrozenModel):
    """What a scene shows and sounds like, in a form that can be drawn, played and compared."""

    text: tuple[str, ...] = ()
    """Lines of on-screen text, from top to bottom, as large as titles: every look can read them."""
    signs: tuple[Sign, ...] = ()
    """Text of other sizes, which is not in `text`."""
    colours: tuple[str, ...] = ()
    """Names of the colours that fill the picture, the largest first."""
    things: tuple[Thing, ...] = ()
    motion: Motion = ""
    """The movement in the scene; empty where the script does not say."""
    sounds: tuple[Sounded, ...] = ()


class Scene(FrozenModel):
    """A part of a video in which one thing happens."""

    start_s: float = Field(ge=0)
    end_s: float = Field(gt=0)
    visual: str = ""
    """Full description of what the picture shows. Nothing that can only be heard."""
    caption: str = ""
    """What is said, word for word. Nothing that can only be seen."""
    speech_s: tuple[float, float] | None = None
    """Start and end of the spoken caption in seconds; the whole scene when None."""
    word_times_s: WordTimes = Field(default=(), exclude_if=operator.not_)
    """Start and end of each word of the caption in seconds. Empty where they are not known: a window that cuts the
    caption then counts its words evenly over its time."""
    facts: Facts = Facts()

    @property
    def spoken_s(self) -> tuple[float, float]:
        return self.speech_s or (self.start_s, self.end_s)


class ScriptedVideo(FrozenModel):
    """One video of a script."""

    duration_s: float = Field(gt=0)
    scenes: tuple[Scene, ...] = ()
    """In order of time. Between scenes the picture is blank and nothing is heard."""
    title: str = ""
    """Title as the master reads it, in scripts and live, so it must not give the answer away."""
    subtitles: bool = False
    """Whether captions come as subtitles too."""
    height_px: Literal[360, 720, 1080, 1440, 2160] = PICTURE_SIZE[1]
    """Height of the picture in pixels; its width is 16/9 of that."""
    picture: bool = True
    """False for a recording, which has sound alone."""
    sound: bool | None = None
    """Whether it has sound; None: if a scene has words or a sound."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels; 0 x 0 for a recording."""
        return (self.height_px * 16 // 9, self.height_px) if self.picture else (0, 0)

    @property
    def has_sound(self) -> bool:
        if self.sound is not None:
            return self.sound
        return any(scene.caption or scene.facts.sounds for scene in self.scenes)


class Origin(FrozenModel):
    """The origin of a script."""

    generator: str
    """Such as `worlds/CC`, `llm/CC` or `agentcvr/cooking`."""
    seed: int | None = None
    model: str = ""
    """Model string of the chat model that wrote it; empty where none did."""
    difficulty: dict[str, float] = Field(default_factory=dict)
    """The settings of a procedural generator."""


class Script(FrozenModel):
    """A question and its scripted videos."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    """Unique within a library; the first part of `script://<id>/<video>`."""
    version: Literal[1] = SCHEMA_VERSION
    task: Task
    question: str = Field(min_length=1)
    kind: KnownKind
    options: tuple[str, ...] = ()
    key: AnswerValue
    scoring_points: tuple[str, ...] = ()
    """For text answers: what a full answer says, one point each (CrossVid's CCQA)."""
    videos: tuple[ScriptedVideo, ...] = Field(min_length=1)
    evidence: tuple[Citation, ...] = ()
    """The windows that together suffice to answer."""
    origin: Origin
    extra: dict[str, Any] = Field(default_factory=dict)
    """What an imported format holds besides, kept for export."""

    def source(self, number: int) -> str:
        """Return the address of video `number`, from 1."""
        return f"{SCHEME}{self.id}/{number}"

    def video(self, number: int) -> Video:
        """Return video `number`, from 1, as an input of the graph."""
        return Video(source=self.source(number), title=self.videos[number - 1].title or f"video {number}")

    @property
    def all_videos(self) -> Video:
        """The address that stands for all videos, as one input of the graph."""
        return Video(source=f"{SCHEME}{self.id}{ALL}")

    def excerpt(self, limit: int) -> list[int]:
        """Return the numbers of at most `limit` videos, in order: those with evidence, then the first others."""
        decisive = {window.video for window in self.evidence}
        numbers = range(1, len(self.videos) + 1)
        return sorted(sorted(numbers, key=lambda number: number not in decisive)[:limit])

    def as_question(self) -> Question:
        """Return the question over the scripted videos; of a library as one address that stands for all."""
        numbers = range(1, len(self.videos) + 1)
        return Question(
            question=self.question,
            videos=tuple(map(self.video, numbers)) if len(numbers) <= LISTED else (self.all_videos,),
            options=self.options,
            kind=self.kind,
            key=self.key,
            id=self.id,
            task=self.task,
        )
