"""The frozen Pydantic models that cross the boundaries of this library.

Two conventions hold everywhere. Times are floats in seconds from the start of the clip, with the suffix `_s`. Videos
are numbered from 1 in the order in which the question names them. No model holds bytes: a frame, a waveform or a file
is always a reference, so every model fits into a checkpoint and can be sent as JSON.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from typing import Literal, Self, get_args
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

Modality = Literal["visual", "audio"]
EvidenceKind = Modality | Literal["index"]
"""What an observation is based on: frames, sound, or the index of evidence that `find` searches."""
Region = Literal["", "top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right"]
"""A part of the picture as it is displayed, half as wide and half as high; empty for the whole picture."""
REGIONS: tuple[Region, ...] = get_args(Region)[1:]
Detail = Literal["normal", "high"]
AnswerKind = str
"""Name of an answer kind: `choice`, `choices`, `order`, `interval`, `number`, `text`, or one that was added to
`answers.KINDS`. Kinds are checked against `answers.KINDS`."""
QuestionKind = str
"""An `AnswerKind`, or `auto`: `choice` if there are options, else `text`."""
_FRAGMENT = re.compile(r"#(?:(?:t=[\dnpts:.,]+|fps=[\d.]+|boxes=[^&#]*)(?:&|$))+$")
"""The fragment that selects a clip. Another `#` is part of a file's name."""
_ENDING = re.compile(
    r"\.(?:mp4|m4v|mkv|webm|mov|avi|wmv|asf|flv|f4v|ts|m2ts|mts|mpe?g|vob|ogv|ogg|3gp|mxf|gif|mp3|m4a|aac|wav|flac|opus)$",
    re.IGNORECASE,
)
AnswerValue = str | float | list[str] | tuple[float, float]


WordTimes = tuple[tuple[float, float], ...]
"""Start and end of each word in seconds, in order; empty where the times of words are not known."""


def later(times_s: WordTimes, shift_s: float) -> WordTimes:
    """Return the times of words moved by some seconds, to the millisecond."""
    return tuple((round(start_s + shift_s, 3), round(end_s + shift_s, 3)) for start_s, end_s in times_s)


def within(times_s: Iterable[tuple[float, float]], start_s: float, end_s: float) -> WordTimes:
    """Return the times of words, each moved to the nearest one from start to end."""
    return tuple((min(max(a_s, start_s), end_s), min(max(b_s, start_s), end_s)) for a_s, b_s in times_s)


def middles_of(times_s: WordTimes) -> list[float]:
    """Return the middle of each word in seconds."""
    return [(start_s + end_s) / 2 for start_s, end_s in times_s]


def words_inside(middles_s: Iterable[float], start_s: float, end_s: float) -> list[int]:
    """Return the places of the words that belong to a window: their middles lie in it, its end excluded.

    >>> words_inside(middles_of(((0.0, 1.0), (1.0, 2.0), (2.0, 4.0))), 0.5, 3.0)
    [0, 1]
    """
    return [place for place, middle_s in enumerate(middles_s) if start_s <= middle_s < end_s]


def whole(text: str) -> str:
    """Return a text without lone surrogates: some models write them, and no file or checkpoint can store them."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode("utf-8")


class FrozenModel(BaseModel):
    """Base class of the models: immutable, and rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


MEDIA_ENDINGS = (
    *(".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv"),
    *(".mp3", ".m4a", ".wav", ".flac", ".ogg", ".opus"),
)
"""Endings of the files of videos and of sound."""


class Video(FrozenModel):
    """One video of a question, by reference."""

    source: str
    """A file, an `http(s)` URL, or a folder of images; `#t=12.5,40` appended to any of them selects a clip.

    As an input, also what stands for many videos: a folder with video files, a pattern (`clips/*.mp4`), `script://ID/*`.
    """
    fps: float | None = Field(default=None, gt=0)
    """Frames per second of a folder of images; ignored for files."""
    boxes: str | None = None
    """A JSON file of boxes to draw on the frames of a folder (CrossVid's drone views)."""
    objects: tuple[tuple[str, str], ...] = ()
    """Objects of the box file to draw, each with its label; empty for all, labelled with their names."""
    title: str | None = None
    """Title to show; the file's name when None."""


class Tracks(FrozenModel):
    """The tracks of a video that are used, in words: 'track 2 of 3 (eng, default)'; empty where there is none."""

    picture: str = ""
    sound: str = ""
    subtitles: str = ""


class VideoInfo(FrozenModel):
    """The result of probing one video of the question, or why it cannot be read."""

    number: int = Field(ge=1)
    """The video's number in the question, from 1."""
    video: Video
    duration_s: float = Field(default=0.0, ge=0)
    """Length of the clip, after its media fragment is applied."""
    fps: float = 0.0
    width: int = 0
    height: int = 0
    """Size of the picture as stored, in pixels; 0 x 0 for a video without a picture."""
    has_sound: bool = False
    has_subtitles: bool = False
    """A sidecar or an embedded text track exists."""
    tracks: Tracks = Tracks()
    notes: tuple[str, ...] = ()
    """What was found when the video was opened, such as 'from 0.0 to 3.0 s there is no picture yet'."""
    problem: str = ""
    """Why this video cannot be read; empty for a readable one."""

    @property
    def has_picture(self) -> bool:
        return self.width > 0

    @property
    def title(self) -> str:
        """The title that the caller gave, else the name of the file or folder without its ending. Never a path."""
        return self.video.title or _ENDING.sub("", self.file_name) or self.file_name or f"video {self.number}"

    @property
    def file_name(self) -> str:
        """The last part of the source, without its fragment; of a URL without user, password and query."""
        place = _FRAGMENT.sub("", self.video.source)
        scheme, _, rest = place.partition("://")
        if rest and scheme.isalnum():
            host, _, path = rest.partition("#")[0].partition("?")[0].partition("/")
            return unquote(path.rstrip("/").rpartition("/")[2]) or f"{scheme}://{host.rpartition('@')[2]}"
        name = re.split(r"[/\\]", place.rstrip("/\\"))[-1]
        return "" if name in (".", "..") else name


class Window(FrozenModel):
    """A stretch of one video."""

    video: int = Field(ge=1, description="Number of the video, from 1.")
    start_s: float = Field(description="Start of the window in seconds from the start of the video.")
    end_s: float = Field(description="End of the window in seconds from the start of the video.")

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    def overlap_s(self, other: Window) -> float:
        """Return the seconds that both windows cover; 0 for windows of different videos."""
        if self.video != other.video:
            return 0.0
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))


class Target(Window):
    # The policy reads this docstring and these descriptions.
    """A window to look at, with the number of frames to sample from it."""

    frames: int = Field(default=8, ge=1, description="How many frames to sample, evenly spread over the window.")

    @property
    def window(self) -> Window:
        """The window alone."""
        return Window(video=self.video, start_s=self.start_s, end_s=self.end_s)

    @property
    def zoom(self) -> Zoom | None:
        """How closely to look; None for a look that knows no zoom."""
        return None

    @property
    def frame_price(self) -> int:
        """Frames of the budget that one frame costs."""
        return 1


class Zoom(FrozenModel):
    """The part of the picture that is shown, and how large."""

    region: Region = ""
    detail: Detail = "normal"

    @property
    def words(self) -> str:
        """The part and the size in words, such as `top left, high detail`; empty for the whole picture as usual."""
        return ", ".join(part for part in (self.region, "high detail" if self.detail == "high" else "") if part)


class ZoomTarget(Target):
    # The policy reads this docstring and these descriptions.
    """A window to look at, with the number of frames to sample from it, and how closely to look."""

    region: Region = Field(
        default="",
        description="Part of the picture to show larger; each is half as wide and half as high as the picture. Empty "
        "for the whole picture.",
    )
    detail: Detail = Field(
        default="normal", description="'high' shows up to three times as many pixels a side; a frame then costs more."
    )

    @field_validator("region", mode="before")
    @classmethod
    def _read_region(cls, given: object) -> object:
        try:
            return read_region(given) if isinstance(given, str) else given
        except ValueError as error:
            raise PydanticCustomError("unknown_region", "{message}", {"message": str(error)}) from error

    @property
    def zoom(self) -> Zoom:
        return Zoom(region=self.region, detail=self.detail)


_OTHER_REGION_WORDS = {"upper": "top", "lower": "bottom", "center": "centre", "middle": "centre", "central": "centre"}
_WHOLE_PICTURE = frozenset({"whole", "full", "all", "none", "everything", "entire"})
_NO_PLACE = frozenset({"the", "corner", "part", "side", "edge", "half", "quarter", "of", "picture", "region"})


def read_region(text: str) -> Region:
    """Return the region that a text names, read tolerantly: `Upper-left corner` is `top left`.

    Raises:
        ValueError: it names none of the nine regions and not the whole picture.
    """
    words = [_OTHER_REGION_WORDS.get(word, word) for word in re.findall(r"[a-z]+", text.casefold())]
    named = {word for word in words if word not in _NO_PLACE and word not in _WHOLE_PICTURE}
    if named > {"centre"}:  # "middle left" is the left
        named -= {"centre"}
    if not text.strip() or (not named and _WHOLE_PICTURE & set(words)):
        return ""
    for region in REGIONS:
        if set(region.split()) == named:
            return region
    raise ValueError(f"there is no region {text[:40]!r}; the regions are {', '.join(REGIONS)}")


class PricedTarget(ZoomTarget):
    """A planned target with the price of a frame, which depends on the size of its video."""

    price: int = Field(default=1, ge=1)
    """Frames of the budget that one frame costs."""

    @property
    def frame_price(self) -> int:
        return self.price


class Request(FrozenModel):
    """Base class of requests from a tool to the perception: validated, clipped to the video and within budget."""

    focus: str = ""
    """What to look or listen for; empty for everything."""

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows of the request, in its order."""
        raise NotImplementedError


class Observe(Request):
    """The request of `observe`."""

    targets: tuple[Target, ...] = Field(min_length=1)

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.targets

    @property
    def frames(self) -> int:
        """Number of frames of all windows together."""
        return sum(target.frames for target in self.targets)

    @property
    def cost_frames(self) -> int:
        """Frames of the budget that they cost."""
        return sum(target.frames * target.frame_price for target in self.targets)

    @property
    def zooms(self) -> tuple[Zoom, ...]:
        """How closely each window is looked at; empty if all are whole pictures at normal detail."""
        zooms = [target.zoom for target in self.targets]
        if not any(zoom and zoom.words for zoom in zooms):
            return ()
        return tuple(zoom or Zoom() for zoom in zooms)


class ZoomObserve(Observe):
    """The request of `observe` where zoom is on."""

    targets: tuple[PricedTarget, ...] = Field(min_length=1)  # pyright: ignore[reportIncompatibleVariableOverride]


class Listen(Request):
    """The request of `listen`."""

    window: Window

    @property
    def windows(self) -> tuple[Window, ...]:
        return (self.window,)


class Evidence(FrozenModel):
    """One statement about what was seen or heard, with its window."""

    text: str
    window: Window | None = None
    """Where it was seen or heard; None for a statement about the whole call (a comparison of several windows)."""
    word_times_s: WordTimes = Field(default=(), exclude_if=operator.not_)
    """When each word of quoted speech is said; left out of JSON where it is not known."""

    @field_validator("text")
    @classmethod
    def _whole_characters(cls, text: str) -> str:
        return whole(text)


class Cost(FrozenModel):
    """The cost of an observation or of a whole run. Costs add up with `+`."""

    frames: int = 0
    """Frames passed to a vision model; a frame at high detail counts as several, by its pixels."""
    audio_s: float = 0.0
    """Seconds of sound passed to an audio model or read from subtitles."""
    cached_frames: int = 0
    """The part of `frames` that was decoded earlier and came from a cache."""
    cached_audio_s: float = 0.0
    """The part of `audio_s` that was transcribed earlier and came from a cache."""
    input_tokens: int = 0
    output_tokens: int = 0
    model_calls: int = 0
    """Calls of any chat model, master or perception."""

    def __add__(self, other: Cost) -> Cost:
        mine, more = vars(self), vars(other)
        return Cost(**{name: mine[name] + more[name] for name in _COSTS})


_COSTS = tuple(Cost.model_fields)


class Usage(Cost):
    """The cost of one run, with its wall-clock time."""

    wall_s: float = 0.0


class Observation(FrozenModel):
    """The result of one observe, listen or find call: text evidence and the windows it comes from."""

    modality: EvidenceKind
    windows: tuple[Window, ...]
    """The windows that were observed, clipped to the video and the budget. An observation of the index has none: what
    was found there proves nothing until it is observed."""
    focus: str = ""
    evidence: tuple[Evidence, ...] = ()
    """In the order that the model chose; empty if there was nothing to see or hear."""
    frame_times_s: tuple[tuple[float, ...], ...] = ()
    """For each window, the exact times of the sampled frames; empty for sound."""
    zooms: tuple[Zoom, ...] = ()
    """For each window, the part of the picture that was shown; empty if all were whole pictures at normal detail."""
    notes: tuple[str, ...] = ()
    """Limits of this observation: fewer frames than requested, key frames only, ..."""
    model: str = ""
    """Name of the vision or audio model."""
    cost: Cost = Cost()
    call_id: str = ""
    """Id of the action that requested it; set by the graph."""
    turn: int = 0
    """Turn of the master that requested it, from 1; set by the graph."""

    @property
    def looks(self) -> tuple[tuple[Window, Zoom], ...]:
        """Each window with the part of the picture that was shown."""
        return tuple(zip(self.windows, self.zooms or (Zoom(),) * len(self.windows), strict=True))

    @model_validator(mode="after")
    def _check_windows(self) -> Self:
        if bool(self.windows) == (self.modality == "index"):
            raise ValueError("an observation has windows, except one of the index, which has none")
        return self


class Citation(Window):
    # The policy reads this docstring and this description.
    """Where the evidence for an answer is."""

    modality: Modality = Field(description="'visual' or 'audio'.")


class ClaimedCitation(Citation):
    # The policy reads this docstring and this description, in a graph with the feature `verify`.
    """Where the evidence for an answer is, and what it proves."""

    claim: str = Field(description="What this window shows or says, in one sentence that can be checked there alone.")


class Answer(FrozenModel):
    """A valid answer, or an abstention. The type of `value` depends on `kind`; it is None for an abstention.

    | kind | value | text |
    |---|---|---|
    | choice | "B" | the option's text |
    | choices | ["A", "C"], sorted | the options' texts, joined |
    | order | "2->1->3" | the same |
    | interval | (start_s, end_s) | "74.0-89.0 s" |
    | number | 3.0 | "3" |
    | text | the text | the same |
    """

    kind: AnswerKind
    value: AnswerValue | None
    text: str
    """The value in words; of an abstention, a sentence that says so."""
    rationale: str = ""
    citations: tuple[Citation | ClaimedCitation, ...] = ()
    """With the feature `verify`, each with its claim."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    """How sure the master said it is, from 0 to 1; None if it did not say. 0 without citations is a guess."""
    looked_for: str = ""
    """What an abstention looked for and did not find; empty for an answer."""
    failed_modalities: tuple[Modality, ...] = ()
    """Senses of which every look failed, because a model or a server did; the other one is all that was used."""

    @property
    def abstained(self) -> bool:
        """Return whether the master says that the videos do not show the answer."""
        return self.value is None

    @property
    def is_guess(self) -> bool:
        """Return whether the value rests on nothing: no citation, and by the master's own word no confidence."""
        return self.value is not None and self.confidence == 0 and not self.citations

    @property
    def is_usable(self) -> bool:
        """Return whether there is a value, and, if one sense failed, evidence of the other one for it."""
        return self.value is not None and (bool(self.citations) or not self.failed_modalities)


Verdict = Literal["supported", "contradicted", "unclear"]


class Verification(FrozenModel):
    """The check of one citation: its window was observed once more, and a judge compared the claim with that."""

    citation: ClaimedCitation
    verdict: Verdict
    reason: str = ""
    """The judge's reason; for `unclear` also why there is no verdict, such as a failed look."""
    judge: str = ""
    """Name of the judge; empty if it was not reached."""
    observation: Observation | None = None
    """The second look, which did not know the claim; None if it failed or was not made."""
    cost: Cost = Cost()
    """Of the second look and the judge."""
    turn: int = 0
    """Turn of the answer with this citation, from 1."""

    @field_validator("reason")
    @classmethod
    def _whole_characters(cls, text: str) -> str:
        return whole(text)


class Failure(FrozenModel):
    """Why a run ended without an answer: a typed result, never text in place of an answer."""

    boundary: Literal["master", "infrastructure", "input"]
    """`master`: it never gave a valid answer. `infrastructure`: the master's model or every observation failed.
    `input`: the messages of a chat lack a question or a video; outside of a chat this is an `InputError`."""
    message: str
    out_of_budget: bool = False
    """True if a budget had run out and only an answer was still allowed."""


class Question(FrozenModel):
    """A question about several videos, as a benchmark or a script stores it."""

    question: str = Field(min_length=1)
    videos: tuple[Video, ...] = Field(min_length=1)
    options: tuple[str, ...] = ()
    kind: QuestionKind = "auto"
    key: AnswerValue | None = None
    """The right answer, or None if it is unknown; never shown to the master."""
    id: str = ""
    task: str = ""
    """Task code, such as `CC` or `FSA`."""
    group: str = ""
    """A second way to group results, such as a difficulty; empty for none."""
    scoring_points: tuple[str, ...] = ()
    """For text answers that a judge scores: the statements of a complete answer, one point each (CrossVid's CCQA)."""
