"""Read a caller's question: text, videos, options and answer kind, in the types that callers really pass.

Accepted where the meaning is plain: one video without a list, paths, tuples and generators, options with their letters
(as a dictionary, or in front of the texts), numbers as options. Everything else is an `InputError` of one line that
names the field, the value and what is allowed. Files are not looked at here.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Set
from string import ascii_uppercase
from typing import Any, cast

from pydantic import ValidationError

from agentcvr_graph.answers import KINDS, check_options, option_labels, resolve_kind
from agentcvr_graph.errors import InputError
from agentcvr_graph.types import AnswerKind, Question, Video, whole

MAX_NAMED = 10_000
"""Most videos, folders and patterns in one question: a limit for untrusted clients. A folder may hold more videos."""
MAX_CHARACTERS = 20_000
"""Maximum length of a question or an option: a limit for untrusted clients, far above normal use."""
NAME_VIDEO = "Name a file, a folder or a URL."
RENAME = "Rename the file, or its folder."
LIST_VIDEOS = "Pass a list: ['a.mp4', 'b.mp4']."
LIST_OPTIONS = "Pass a list of texts: ['red', 'blue']."
_UNREADABLE_BYTES = re.compile("[\udc80-\udcff]")
"""Bytes of a file's name that Python could not decode. Neither a checkpoint nor a model can be given them."""
_SHOWN = 80
"""Longest value in an error, in characters."""


def check_question(given: Mapping[str, object]) -> Question:
    """Return the question with its videos as `Video`s and its kind decided.

    Raises:
        InputError: a value has the wrong type, the question is empty, there are no videos, the options do not fit the
            kind or are not distinct, or a limit is exceeded.
    """
    question = _read_text(given.get("question"))
    if not question:
        raise InputError("The question is empty.", fix=_without_question(given))
    videos = read_videos(given.get("videos"))
    if not videos:
        raise InputError("There is no video to look at.", fix="Name at least one file, folder or URL.")
    if len(videos) > MAX_NAMED:
        raise InputError(f"{len(videos):,} videos are too many.", fix=f"Name at most {MAX_NAMED:,}, or their folder.")
    options = read_options(given.get("options"))
    longest = max(map(len, (question, *options)))
    if longest > MAX_CHARACTERS:
        raise InputError(
            f"The question or an option has {longest:,} characters.", fix=f"Use at most {MAX_CHARACTERS:,} in each."
        )
    if not all(options):
        raise InputError("An option is empty.", fix="Give every option a text.")
    kind = resolve_kind(_read_kind(given.get("kind")), options)
    options = _without_labels(options, kind)
    check_options(options)
    return Question(question=question, videos=videos, options=options, kind=kind)


def check_count(question: Question, count: int) -> None:
    """Check the options, or the number of all videos where they are the things to put in order.

    Raises:
        InputError: they do not fit the kind.
    """
    KINDS[question.kind].check(question.options, len(question.options) or count)


def question_kind(question: Question) -> AnswerKind:
    """Return the kind of a checked question, which is never `auto`."""
    return resolve_kind(question.kind, question.options)


def read_videos(given: object) -> tuple[Video, ...]:
    """Return the videos of a caller: one video, or any number of them in an order.

    Raises:
        InputError: the value is neither, or one of them is not a video.
    """
    if given is None:
        return ()
    if isinstance(given, Video | str | os.PathLike | Mapping):
        return (as_video(cast(Any, given)),)
    return tuple(as_video(video) for video in _listed("videos", given, LIST_VIDEOS))


def as_video(video: object) -> Video:
    """Return the caller's video as a `Video`: a server passes dictionaries, a program strings, paths or objects.

    Raises:
        InputError: the value is not a video.
    """
    if isinstance(video, Video):
        return video
    if isinstance(video, os.PathLike):
        video = os.fsdecode(cast("os.PathLike[str]", video))
    if isinstance(video, str):
        if not video.strip():
            raise InputError("A video has an empty name.", fix=NAME_VIDEO)
        if _UNREADABLE_BYTES.search(video):
            raise InputError(f"The name {_shown(video)} of a video holds bytes that are not UTF-8.", fix=RENAME)
        return Video(source=whole(video))
    if not isinstance(video, Mapping):
        raise InputError(f"`videos` holds {_shown(video)}, which is not a video.", fix=NAME_VIDEO)
    try:
        return Video.model_validate(video)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "a video"
        raise InputError(f"A video cannot be understood: {place}: {first['msg']}.", fix=NAME_VIDEO) from None


def read_options(given: object) -> tuple[str, ...]:
    """Return the options of a caller: texts or numbers in an order, or a dictionary from their letters or numbers.

    Raises:
        InputError: the value is neither.
    """
    if given is None:
        return ()
    if isinstance(given, str):
        raise InputError(f"`options` is the text {_shown(given)}.", fix=LIST_OPTIONS)
    if isinstance(given, Mapping):
        given = _by_label(cast(Mapping[object, object], given))
    return tuple(_option(option) for option in _listed("options", given, LIST_OPTIONS))


def _read_text(given: object) -> str:
    if given is not None and not isinstance(given, str):
        raise InputError(f"`question` is {_shown(given)}, which is not a text.", fix="Ask in plain words.")
    return whole(given or "").strip()


def _read_kind(given: object) -> str:
    if given is not None and not isinstance(given, str):
        kinds = ", ".join(KINDS)
        raise InputError(f"`kind` is {_shown(given)}, which is not a text.", fix=f"Choose one of: auto, {kinds}.")
    return given or "auto"


def _option(given: object) -> str:
    number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    if not number and not isinstance(given, str):
        raise InputError(f"`options` holds {_shown(given)}, which is not a text.", fix=LIST_OPTIONS)
    return whole(str(given)).strip()


def _by_label(options: Mapping[object, object]) -> list[object]:
    """Return the values of a dictionary whose keys are A, B, ... or 1, 2, ..., in the order of the keys."""
    labelled = {str(key).strip().upper(): option for key, option in options.items()}
    for labels in (list(ascii_uppercase), [str(number) for number in range(1, len(ascii_uppercase) + 1)]):
        wanted = labels[: len(options)]
        if set(labelled) == set(wanted):
            return [labelled[label] for label in wanted]
    raise InputError(f"`options` has the keys {_shown(list(options))}.", fix=f"Use A, B, ... or: {LIST_OPTIONS}")


def _without_labels(options: tuple[str, ...], kind: AnswerKind) -> tuple[str, ...]:
    """Return options without labels, if all of them carry the ones that the brief adds: "A) red", "B) blue"."""
    labels = option_labels(kind, options)
    own = [re.match(rf"[(\[]?{label}[.):\]]+\s+(?=\S)", text) for label, text in zip(labels, options, strict=True)]
    texts = [found.string[found.end() :] for found in own if found]
    return tuple(texts) if len(texts) == len(options) else options


def _listed(field: str, given: object, fix: str) -> Iterable[object]:
    if isinstance(given, bytes | bytearray | Set) or not isinstance(given, Iterable):
        raise InputError(f"`{field}` is {_shown(cast(object, given))}, which is not a list.", fix=fix)
    return cast(Iterable[object], given)


def _without_question(given: Mapping[str, object]) -> str:
    if given.get("messages"):
        return "Ask in `question`, in plain words; `messages` alone is no question yet."
    return "Ask something, in plain words."


def _shown(value: object) -> str:
    """Return a value and its type for an error, cut to a length that fits into one line."""
    text = " ".join(whole(repr(value)).split())
    return f"{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...'} ({type(value).__name__})"
