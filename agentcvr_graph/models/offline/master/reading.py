"""Parse the messages into what the offline master knows: the question and the evidence.

Only the text of the messages is used, no artifact and no state, so it gets the same information as any other master.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, BaseMessage

from agentcvr_graph.answers import KINDS
from agentcvr_graph.models.offline.master.follow_ups import completed
from agentcvr_graph.render import CHECKED, ONLY_ANSWER, TOO_LATE, quoted, read_evidence, read_picture, split_unread
from agentcvr_graph.types import AnswerKind, Modality, Region, Window

_KIND = re.compile(r"^Answer format \((\w+)\)", re.M)
_OPTION = re.compile(r"^(?:[A-Z]|\d+)\. (.*)$", re.M)
_VIDEO = re.compile(r'^(\d+)\. "(.*)": (?:([\d.]+) s, (.*)|cannot be read.*)$', re.M)
_ASKED = re.compile(r"^- (.*) Answer: ", re.M)
_LEFT = re.compile(r"(\d+) (turns|frames|audio seconds)")
_FRAMES = re.compile(r"video (\d+), ([\d.]+)-([\d.]+) s \((\d+) frames?[,)]")
_PRICES = re.compile(r"^A frame at high detail costs (\d+) frames?, (\d+) with a region \(videos? ([\d, ]+)\)", re.M)
_MORE = re.compile(r"^\.\.\. and [\d,]+ more videos?, numbered \d+ to (\d+)", re.M)
"""The line of the brief about videos that it does not list."""
_FIND = re.compile(r"^- find: ", re.M)
"""The line of the system prompt about the tool `find`."""
FOUND = "found: "
"""Beginning of a reply of `find`."""
_MISSING = re.compile(r"look at or listen to video ([\d and]+) before")
_HEADING = re.compile(r"video (\d+), ([\d.]+)-([\d.]+) s")
_UNCITED = re.compile(r"\berror: Not yet: look at or listen to a window")
_CHECK = re.compile(
    r'^citation \d+, (visual|audio), video (\d+), ([\d.]+)-([\d.]+) s, (".*"): (contradicted|unclear)(?: \(.*\))?$'
)
_OUT_OF = ONLY_ANSWER.partition("{")[0].strip()


@dataclass(frozen=True)
class Clip:
    """One video, from its line in the brief."""

    number: int
    title: str
    duration_s: float
    has_picture: bool
    has_words: bool
    """It has sound or subtitles."""


@dataclass(frozen=True)
class Statement:
    """One statement of the evidence."""

    window: Window
    text: str
    modality: Modality
    spacing_s: float = 0.0
    """Seconds between the frames that it is based on; 0 for sound."""
    unread: tuple[Region, ...] = ()
    """Regions with text that could not be read. `text` does not say so: these words describe nothing in the video."""


@dataclass
class Reading:
    """Everything that the master knows in one turn."""

    question: str
    kind: AnswerKind
    options: list[str]
    videos: list[Clip]
    statements: list[Statement] = field(default_factory=list[Statement])
    left: dict[str, float] = field(default_factory=dict[str, float])
    turn: int = 0
    """Number of turns that the master has taken on this question."""
    closing: bool = False
    """True if only an answer is allowed now."""
    prices: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """Of each video: what a frame costs at high detail, of the whole picture and of a region; empty without zoom."""
    can_find: bool = False
    """Whether the tool `find` is bound."""
    found: dict[str, list[Statement]] = field(default_factory=dict[str, list[Statement]])
    """What `find` reported for each query, best first. It proves nothing."""
    answered: int = 0
    """Number of its answers that were sent back."""
    missing: list[int] = field(default_factory=list[int])
    """Videos that the graph requires to be observed first."""
    uncited: bool = False
    """True if the last answer was sent back because it cites nothing."""
    looked: list[Statement] = field(default_factory=list[Statement])
    """The windows of the observations, without their statements."""
    claims: bool = False
    """Whether a citation says what it proves."""
    confidences: bool = False
    """Whether an answer says how sure the master is."""
    refuted: int = 0
    """Number of its cited statements that a second look did not confirm; they are no evidence any more."""

    @property
    def readable(self) -> list[Clip]:
        return [clip for clip in self.videos if clip.duration_s > 0]


def read(messages: Sequence[BaseMessage]) -> Reading:
    """Read a conversation. Its last brief is the question.

    Raises:
        ValueError: there is no brief in the messages.
    """
    texts = [message.text for message in messages]
    start = max((n for n, text in enumerate(texts) if _is_brief(text)), default=None)
    if start is None:
        raise ValueError("The offline master answers questions of the graph; there is no brief in these messages.")
    reading = _read_brief(texts[start])
    asked = [*_ASKED.findall(texts[start]), *map(_question_of, filter(_is_brief, texts[:start]))]
    reading.question = completed(reading.question, asked, len(reading.videos))
    reading.can_find = any(_FIND.search(text) for text in texts[:start])
    for text in texts:
        refuted = _refuted(text)
        reading.statements = [one for one in reading.statements if not _is_one_of(one, refuted)]
        reading.statements += _read_statements(text)
        reading.found |= _read_found(text)
        reading.looked += _read_headings(text)
        reading.refuted += len(refuted)
    for message, text in zip(messages[start + 1 :], texts[start + 1 :], strict=True):
        if isinstance(message, AIMessage):
            reading.turn += 1
            answered = [call for call in message.tool_calls if call["name"] == "answer"]
            reading.answered += len(answered) or '"answer"' in text
        else:
            reading.answered -= text.startswith(CHECKED)  # sent back, but not because it did not fit
            reading.left |= _read_left(text)
            reading.closing |= text.startswith((_OUT_OF, TOO_LATE)) or f"\n{_OUT_OF}" in text
            missing = _MISSING.search(text)
            reading.uncited = _UNCITED.search(text) is not None
            reading.missing = [int(n) for n in re.findall(r"\d+", missing[1])] if missing else []
    return reading


def _refuted(text: str) -> list[tuple[Modality, Window, str]]:
    """Return the claims that a second look did not confirm; those without a second look are not among them."""
    lines = text.splitlines() if text.startswith(CHECKED) else []
    found: list[tuple[Modality, Window, str]] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        check = _CHECK.match(line)
        if check and following.startswith(("seen: ", "heard: ")):
            window = Window(video=int(check[2]), start_s=float(check[3]), end_s=float(check[4]))
            found.append(("visual" if check[1] == "visual" else "audio", window, check[5]))
    return found


def _is_one_of(statement: Statement, claims: Sequence[tuple[Modality, Window, str]]) -> bool:
    return any(
        statement.modality == modality and statement.window.overlap_s(window) > 0 and quoted(statement.text) == claim
        for modality, window, claim in claims
    )


def _is_brief(text: str) -> bool:
    return text.startswith("Question: ")


def _question_of(brief: str) -> str:
    return brief.removeprefix("Question: ").partition("\nAnswer format (")[0]


def _read_brief(text: str) -> Reading:
    question = _question_of(text)
    kind = _KIND.search(text)
    head, _, tail = text.partition("\nVideos:\n")
    _, _, options = head.partition("\nOptions:\n")
    videos = [
        Clip(
            number=int(number),
            title=title,
            duration_s=float(duration or 0),
            has_picture=bool(duration) and "no picture" not in tracks,
            has_words=bool(duration) and ("no sound" not in tracks or "subtitles" in tracks),
        )
        for number, title, duration, tracks in _VIDEO.findall(tail)
    ]
    if more := _MORE.search(tail):
        videos += [Clip(number, "", 0.0, False, False) for number in range(len(videos) + 1, int(more[1]) + 1)]
    named = kind[1] if kind and kind[1] in KINDS else "text"
    return Reading(question, named, _OPTION.findall(options), videos, left=_read_left(text), prices=_read_prices(tail))


def _read_prices(text: str) -> dict[int, tuple[int, int]]:
    rows = [(int(whole), int(part), numbers) for whole, part, numbers in _PRICES.findall(text)]
    return {int(number): (whole, part) for whole, part, numbers in rows for number in numbers.split(", ")}


def _read_left(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if line.startswith("left: ")]
    return {name: float(amount) for amount, name in _LEFT.findall(lines[-1])} if lines else {}


def _read_found(text: str) -> dict[str, list[Statement]]:
    """Return what a reply of `find` reports, by its query."""
    if not text.startswith(FOUND):
        return {}
    heading, *lines = text.splitlines()
    evidence = [one for line in lines if (one := read_evidence(line)) is not None]
    query = heading.removeprefix(FOUND).strip('"')
    return {query: [Statement(one.window, one.text, _sense(one.text)) for one in evidence if one.window]}


def _sense(text: str) -> Modality:
    return "audio" if text.startswith('"') else "visual"


def _read_headings(text: str) -> list[Statement]:
    lines = [line for line in text.splitlines() if line.startswith(("seen: ", "heard: "))]
    return [
        Statement(Window(video=int(v), start_s=float(a), end_s=float(b)), "", "visual" if line[0] == "s" else "audio")
        for line in lines
        for v, a, b in _HEADING.findall(line)
    ]


def recognises_pictures(reading: Reading) -> bool:
    """Return whether the vision model describes what it sees, and does not only read text, colours and motion."""
    return any(read_picture(s.text)[0] for s in reading.statements if s.modality == "visual")


def _read_statements(text: str) -> list[Statement]:
    modality: Modality | None = None
    sampled: list[tuple[Window, float]] = []
    found: list[Statement] = []
    for line in text.splitlines():
        if line.startswith(("seen: ", "heard: ")):
            modality = "visual" if line.startswith("seen") else "audio"
            sampled = [
                (Window(video=int(v), start_s=float(a), end_s=float(b)), (float(b) - float(a)) / int(n))
                for v, a, b, n in _FRAMES.findall(line)
            ]
        elif line.startswith(FOUND):
            modality = None
        elif modality and (evidence := read_evidence(line)) is not None and evidence.window:
            spacing_s = min((s for w, s in sampled if w.overlap_s(evidence.window) > 0), default=0.0)
            text, unread = split_unread(evidence.text)
            found.append(Statement(evidence.window, text, modality, spacing_s, unread))
    return found
