"""Answer questions that ask for all that is said, written or coloured in a video, as "What is said?" does.

Such a question has no word that a statement could be matched with, so everything of the sort is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.language import is_about_speech, key_words
from agentcvr_graph.models.offline.master.reading import Reading, Statement
from agentcvr_graph.models.offline.master.sentences import is_speech
from agentcvr_graph.render import read_picture
from agentcvr_graph.types import Window

_ENDLESS_S = 1e9
_SPEAKERS = stems(
    "word words line lines speaker speakers narrator narration voice voices anyone anybody someone somebody speech"
)
"""Words for whoever speaks: a question with no others asks for all that is said."""
_SPOKEN = stems("speech spoken transcribe transcript uttered")
_WRITTEN = stems("text word sign written write read reads screen line title caption")
_COLOURED = stems("colour color colours colors")
_SHOWN = stems("visible displayed appear appears main mainly mostly most dominant picture")
"""Words for speech, text, colours, and how all of them are seen: a question with no others asks for all of them."""
_OTHER = re.compile(
    r"^\W*(?:when|where|who|why|how|does|is|are|do)\b|\b(?:which|what) (?:of the )?(?:videos?|clips?|recordings?)\b",
    re.I,
)
"""Questions for something else: a video, a time, a person."""
ReadAll = Callable[[int, Reading], dict[str, Statement]]
"""Reads all texts of a sort in a video, each with a statement that has it."""


def all_asked(question: str) -> ReadAll | None:
    """Return how to read what a question asks for if it names nothing that it is about, as "What is said?" does."""
    words = key_words(question)
    if _OTHER.search(question):
        return None
    if (is_about_speech(question) or words & _SPOKEN) and not words - _SPOKEN - _SPEAKERS:
        return _said_in if re.search(r"\bwhat\b", question, re.I) or words & _SPOKEN else None
    if words & _WRITTEN and not words - _WRITTEN - _SHOWN:
        return _written_in
    return _colours_in if words & _COLOURED and not words - _COLOURED - _SHOWN else None


def sort_asked(question: str) -> str:
    """Return the sort of thing of which a question asks for everything; empty for any other question."""
    read_all = all_asked(question)
    return _SORTS[read_all] if read_all else ""


def all_of(places: Sequence[int], reading: Reading, read_all: ReadAll, most: int) -> tuple[str, tuple[Statement, ...]]:
    """Return the first texts of each video, with its number where there are several, and the statements with them.

    Args:
        most: how many texts of all videos together.
    """
    found = {number: texts for number in places if (texts := read_all(number, reading))}
    each, joint = max(1, most // max(1, len(found))), " " if read_all is _said_in else ", "
    shown = {n: joint.join(list(texts)[:each]) + " ..." * (len(texts) > each) for n, texts in found.items()}
    named = [text if len(places) == 1 else f"Video {n}: {text}" for n, text in shown.items()]
    value = "; ".join([*named[:most], *(["..."] if len(named) > most else [])])
    support = dict.fromkeys(one for texts in found.values() for one in list(texts.values())[:each])
    return value, tuple(support)[:most]


def _said_in(video: int, reading: Reading) -> dict[str, Statement]:
    """Return the lines of speech of a video."""
    return {s.text.strip('"'): s for s in speech_in(Window(video=video, start_s=0.0, end_s=_ENDLESS_S), reading)}


def _written_in(video: int, reading: Reading) -> dict[str, Statement]:
    """Return the lines of on-screen text of a video."""
    return _first_with({s: read_picture(s.text)[1] for s in reading.statements if s.window.video == video})


def _colours_in(video: int, reading: Reading) -> dict[str, Statement]:
    """Return the main colours of a video."""
    return _first_with({s: read_picture(s.text)[2] for s in reading.statements if s.window.video == video})


def _first_with(texts: Mapping[Statement, Sequence[str]]) -> dict[str, Statement]:
    """Return each text with the first statement about a picture that has it, in the order of time."""
    seen = sorted((one for one in texts if one.modality == "visual"), key=lambda one: one.window.start_s)
    found: dict[str, Statement] = {}
    for statement in seen:
        found |= {text: statement for text in texts[statement] if text not in found}
    return found


def speech_in(window: Window, reading: Reading) -> list[Statement]:
    """Return what was said in a window, in the order of time."""
    own = {s for s in reading.statements if is_speech(s) and s.window.overlap_s(window) > 0}
    return sorted(own, key=lambda s: (s.window.start_s, s.window.end_s))


_SORTS: Mapping[ReadAll, str] = {_said_in: "speech", _written_in: "on-screen text", _colours_in: "colours"}
