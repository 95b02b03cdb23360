"""What the master says when the evidence does not support its value: what it looked for, where, and what it left out.

It claims only what it did. A look that a budget did not allow, a video that was not opened and a sense that was not
used are named, each with what to change.
"""

from __future__ import annotations

import re

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.language import content_words, digits, is_about_speech, without_places
from agentcvr_graph.models.offline.master.reading import Clip, Reading, recognises_pictures
from agentcvr_graph.models.offline.master.support import is_undecided
from agentcvr_graph.models.offline.master.whole import sort_asked
from agentcvr_graph.models.self_report import SelfReport

ONLY_WORDS = "The offline master only matches words, and no statement has enough of the question's."
NO_RECOGNITION = (
    "The offline models recognise on-screen text, colours, motion, speech and simple sounds, and no people, objects or "
    "actions; no statement has enough of the question's words."
)
UNDECIDED = (
    "Statements fit the question, and they do not decide between its options. An option that stands for a video "
    "is its file name, or names it as 'video 1' or 'the first'."
)
_FUNCTION_WORDS = stems(
    "nor yet because since though although until unless whether describe explain list find tell okay well let just "
    "really very quite maybe perhaps too more most less least such like get got going goes make makes made done him "
    "she you who why yes now here once over under again still even ever between among per via off out upon within give "
    "gives given want wants need know think shall may might must cannot don doesn isn aren wasn"
)
"""Words that questions use around what they ask for. They do not describe it."""
_PEOPLE = stems("person people cook")
"""Words that the master does not match, because every statement may be about a person."""
_WHERE = {
    frozenset({"visual", "audio"}): " in what was seen and heard",
    frozenset({"visual"}): " in what was seen",
    frozenset({"audio"}): " in what was heard",
}


def report_of(reading: Reading, support: float) -> SelfReport:
    """Return what the master says about its value: how sure it is, and what it looked for if that is a guess."""
    if support:
        return SelfReport(confidence=round(min(1.0, support), 2))
    looked = bool(reading.looked)
    return SelfReport(confidence=0.0, looked_for=_sought(reading), reason=_reason(reading), looked=looked)


def _sought(reading: Reading) -> str:
    """Return what the master looked for, in the words of the question, and where it looked."""
    words = re.findall(r"\d+(?:[.,:]\d+)*|[^\W_]+", without_places(reading.question))
    shown = ", ".join(f'"{word}"' for word in dict.fromkeys(words) if _is_sought(word))
    sought = f"{sort_asked(reading.question) or shown or 'the answer'}{_WHERE.get(_senses(reading), '')}"
    return f"the option that fits {sought}" if is_undecided(reading) else sought


def _is_sought(word: str) -> bool:
    return bool(digits(word) or (content_words(word) or stems(word) & _PEOPLE) - _FUNCTION_WORDS)


def _senses(reading: Reading) -> frozenset[str]:
    return frozenset(one.modality for one in reading.looked)


def _reason(reading: Reading) -> str:
    """Return why there is no answer: what the models cannot do, and what was not looked at."""
    limits = [_limits(reading)] if reading.looked else []
    return " ".join([*limits, *_left_out(reading)])


def _limits(reading: Reading) -> str:
    """Return what the models cannot do, as far as that may be the reason."""
    if sort := sort_asked(reading.question):
        return f"The models recognised no {sort} there."
    if is_undecided(reading):
        return UNDECIDED
    blind = "visual" in _senses(reading) and not recognises_pictures(reading)
    return NO_RECOGNITION if blind and not is_about_speech(reading.question) else ONLY_WORDS


def _left_out(reading: Reading) -> list[str]:
    """Return what the master did not look at, and which setting allows it."""
    seen, known = _senses(reading), reading.readable
    pictures = [clip for clip in known if clip.has_picture and "visual" not in seen]
    sounds = [clip for clip in known if clip.has_words and "audio" not in seen]
    found: list[str] = []
    if pictures and reading.left.get("frames", len(pictures)) < len(pictures):
        found.append("The budget did not allow a look: raise max_frames.")
    if sounds and reading.left.get("audio seconds", 1) < 1:
        found.append("The budget did not allow to listen: raise max_audio_s.")
    if not seen and not found and known:
        setting = "max_turns" if reading.left.get("turns", 2) < 2 else "max_tokens or max_wall_s"
        found.append(f"The budget did not allow a look: raise {setting}.")
    if known and not any(clip.has_words for clip in known):
        found.append("None of the opened videos has sound." if len(reading.videos) > 1 else "The video has no sound.")
    return [*found, *_unopened(reading)] if seen else found


def _unopened(reading: Reading) -> list[str]:
    opened = {one.window.video for one in reading.looked}
    missed, total = [clip for clip in reading.videos if _is_unknown(clip, opened)], len(reading.videos)
    if not missed:
        return []
    if reading.can_find:
        return [f"{len(missed)} of the {total} videos were only searched by their words, and not looked at."]
    unlisted = any(not clip.title for clip in missed)
    more = "not opened; the feature find (--features find) searches all of them" if unlisted else "not looked at"
    return [f"{len(missed)} of the {total} videos were {more}."]


def _is_unknown(clip: Clip, opened: set[int]) -> bool:
    """Return whether a video could be opened and was not: neither looked at nor reported as unreadable."""
    unreadable = clip.duration_s <= 0 and clip.title
    return clip.number not in opened and not unreadable
