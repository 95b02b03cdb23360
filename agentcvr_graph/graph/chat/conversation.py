"""Read a conversation: which question its last messages ask, over which videos, and what is known from before.

A run that was started with `messages` has no other input. The videos are those of the earlier questions and those that
the caller has named since, so that "and in the second one?" keeps its numbers. What the earlier runs knew stands in
the metadata of the messages that closed them (`METADATA`): a graph whose own state was lost, such as a subgraph of a
parent, goes on from there. A message that has no answer yet and one that adds the videos are one question.

This module opens nothing and asks no model. What is missing becomes an `InputError`, which the graph sends as a reply.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from posixpath import normpath
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from pydantic import Field, ValidationError

from agentcvr_graph.catalogue import Catalogue
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.catalogues import UnreadableError
from agentcvr_graph.graph.chat.blocks import Content, read_content
from agentcvr_graph.graph.chat.mentions import (
    asks_nothing,
    label,
    named_videos,
    split_options,
    with_labels,
    with_quotes,
)
from agentcvr_graph.graph.question import MAX_CHARACTERS, as_video, read_options, read_videos
from agentcvr_graph.render import one_line, without_unseen
from agentcvr_graph.types import MEDIA_ENDINGS, FrozenModel, Observation, Video, VideoInfo

METADATA = "agentcvr"
"""Key in the `response_metadata` of a closing message, which no model reads."""
NO_VIDEOS = "Which videos should I look at? Name files, folders, patterns or URLs."
ONE = "Name one of them with its folder."
QUOTE = "Put a name with spaces in quotation marks."
NO_QUESTION = "Happy to help. "
"""Begins the reply to a message that neither asks something nor names a video, such as thanks."""
SHOWN = 10
"""Videos that a reply lists by name."""
REMEMBERED = 6
"""Earlier questions that the master reads again after the state was lost."""
_VIDEO_NUMBER = re.compile(r"\bvideo\s*#?(\d{1,6})\b", re.I)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)}) (?:video|clip|film|recording)\b", re.I)


class Closed(FrozenModel):
    """What the closing message of a run holds for the next question."""

    question: str = ""
    """What was asked; empty if the run only asked for what was missing."""
    videos: tuple[Video, ...] = ()
    opened: dict[int, str] = Field(default_factory=dict[int, str])
    """By number of the observed videos, a digest of what was found when they were opened; evidence of a video that has
    changed since is not used."""
    observations: tuple[Observation, ...] = ()


class MissingError(InputError):
    """Raised when a conversation lacks what a question needs. `videos` are those that it keeps."""

    def __init__(self, message: str, *, fix: str = "", videos: Sequence[Video] = ()) -> None:
        super().__init__(message, fix=fix)
        self.videos = tuple(videos)


@dataclass(frozen=True)
class Conversation:
    """What the messages say, before anything is checked or opened."""

    question: str
    videos: tuple[Video, ...]
    options: tuple[str, ...]
    earlier: tuple[tuple[str, str], ...]
    """Earlier questions, each with its answer in words."""
    closed: tuple[Closed, ...]
    pending: tuple[Content, ...] = ()
    """The messages that ask."""
    places: Mapping[str, int] = field(default_factory=dict[str, int])
    """Where the videos stand that the messages name, from 1."""
    in_folders: frozenset[str] = frozenset()
    """Names in the messages that are files in a folder of `videos`."""

    def over(self, catalogue: Catalogue) -> str:
        """Return the question, with the numbers that the named videos have among all videos.

        Raises:
            MissingError: the question is about a video that is not there, or several have the name.
        """
        ends = [*catalogue.starts[1:], len(catalogue) + 1]
        labels = {
            name: label(start := catalogue.starts[place - 1], ends[place - 1] - start)
            for name, place in self.places.items()
        }
        labels |= {name: label(self._number_in_folders(name, catalogue)) for name in self.in_folders}
        question, _ = _question(self.pending, labels)
        _check_numbers(question, self.videos, len(catalogue))
        return question

    def _number_in_folders(self, name: str, catalogue: Catalogue) -> int:
        number, *others = files_in_folders(catalogue)[_plain(name)]
        if others:
            paths = [catalogue[found].source for found in (number, *others)[:SHOWN]]
            called = f"{len(others) + 1} videos are called {name}: {', '.join(paths)}."
            raise MissingError(called, fix=ONE, videos=self.videos)
        return number

    @property
    def fields(self) -> dict[str, Any]:
        """The question as the fields of an input."""
        return {"question": self.question, "videos": list(self.videos), "options": list(self.options)}

    def known(self, sources: Sequence[VideoInfo]) -> list[Observation]:
        """Return what earlier runs observed of these videos. It costs nothing again."""
        now = {info.number: digest_of(info) for info in sources}
        found = [
            one
            for closed in self.closed
            for one in closed.observations
            if all(now.get(window.video) == closed.opened.get(window.video, "") for window in one.windows)
        ]
        return [one.model_copy(update={"call_id": f"earlier_{n}"}) for n, one in enumerate(found)]


@contextmanager
def missing_in(chat: Conversation | None) -> Generator[None]:
    """Raise an error in the input of a chat as one that the graph replies to; videos that can be read are kept."""
    try:
        yield
    except InputError as error:
        if chat is None and isinstance(error, UnreadableError):  # a server's client knows the public classes alone
            raise InputError(error.message, fix=error.fix) from None
        if chat is None:
            raise
        unreadable = error.videos if isinstance(error, UnreadableError) else frozenset[str]()
        kept = [video for video in chat.videos if video.source not in unreadable]
        fix = QUOTE if _cut_short(unreadable, chat.pending) else error.fix
        raise MissingError(error.message, fix=fix, videos=kept) from None


def _cut_short(unreadable: Iterable[str], pending: Iterable[Content]) -> bool:
    """Return whether a name that cannot be read stands behind another word, to which it may belong."""
    texts = "\n".join(content.text for content in pending)
    return any(re.search(rf"\w {re.escape(name)}", texts) for name in unreadable)


def files_in_folders(catalogue: Catalogue) -> dict[str, list[int]]:
    """Return the names and the paths of the files in folders and of patterns, with the numbers of the videos."""
    found: dict[str, list[int]] = {}
    for number, video in enumerate(catalogue.videos, start=1):
        if number not in catalogue.named:
            path = _plain(video.source)
            for name in {path, path.rpartition("/")[2]}:
                found.setdefault(name, []).append(number)
    return found


def _plain(source: str) -> str:
    """Return a path without "./" and a "/" at its end, by which it is compared; addresses stay as they are."""
    return source if "://" in source else normpath(source)


def digest_of(info: VideoInfo) -> str:
    """Return a digest of what was found when a video was opened."""
    found = json.dumps(info.model_dump(mode="json"))  # escapes what is no text, such as half a character in a title
    return hashlib.blake2b(found.encode(), digest_size=8).hexdigest()


def waits_for_reply(messages: Sequence[BaseMessage] | None) -> bool:
    """Return whether a conversation has a message of the caller, and ends with none that closed a run."""
    if not messages or closed_by(messages[-1]) is not None:
        return False
    return any(isinstance(message, HumanMessage) for message in messages)


def closed_by(message: BaseMessage) -> Closed | None:
    """Return what a closing message holds; None for any other message. A client may have changed it."""
    found: object = message.response_metadata.get(METADATA) if isinstance(message, AIMessage) else None
    try:
        return Closed.model_validate(found) if isinstance(found, Mapping) else None
    except ValidationError:
        return Closed()


def read_conversation(given: Mapping[str, Any], files: Collection[str] = ()) -> Conversation:
    """Return the question that a conversation asks.

    Args:
        given: `messages`, and optionally `videos` and `options`, as the state holds them.
        files: names of the files in its folders. A message that names one of them means this file.

    Raises:
        MissingError: there is no video, no question, or a block that cannot be read.
    """
    messages = cast(Sequence[AnyMessage], given["messages"])
    closed = [found for message in messages if (found := closed_by(message))]
    before = read_videos(given.get("videos")) or (closed[-1].videos if closed else ())
    try:
        pending, new = [
            [
                content._replace(text=with_quotes(content.text, files))
                for content in _read_after(messages, answered=ends)
            ]
            for ends in (True, False)
        ]
        videos, places = _placed(before, new, pending, files)
    except MissingError:
        raise
    except InputError as error:
        raise MissingError(error.message, fix=error.fix, videos=before) from None
    if not videos:
        raise MissingError(NO_VIDEOS)
    in_folders = frozenset(name for content in pending for name in named_videos(content.text) if _plain(name) in files)
    in_folders -= places.keys()
    question, options = _question(pending, dict.fromkeys([*places, *in_folders], label(1)))
    if not question:
        kind = "" if len(videos) > len(before) else NO_QUESTION
        raise MissingError(f"{kind}What do you want to know about {_listed(videos)}?", videos=videos)
    options = read_options(given.get("options")) or options
    earlier = _exchanges(messages)[-REMEMBERED:]
    return Conversation(question, videos, options, earlier, tuple(closed), tuple(pending), places, in_folders)


def _read_after(messages: Sequence[AnyMessage], *, answered: bool) -> list[Content]:
    """Return the caller's messages since the last run that was answered, or since the last run at all."""
    ends = [n for n, one in enumerate(messages, start=1) if (end := closed_by(one)) and (end.question or not answered)]
    since = messages[ends[-1] if ends else 0 :]
    found = [read_content(message) for message in since if isinstance(message, HumanMessage)]
    if any(len(content.text) > MAX_CHARACTERS for content in found):
        raise InputError("The message is too long.", fix=f"Use at most {MAX_CHARACTERS:,} characters.")
    return found


def _placed(
    before: Sequence[Video], new: Sequence[Content], pending: Sequence[Content], files: Collection[str]
) -> tuple[tuple[Video, ...], dict[str, int]]:
    """Return the videos with those of new messages behind the others, and the number of each name in a text."""
    videos = list(before)
    for content in new:
        for video in (*content.videos, *map(as_video, named_videos(content.text))):
            if _place_of(video.source, videos) is None and _plain(video.source) not in files:
                videos.append(video)
    names = [name for content in pending for name in named_videos(content.text)]
    places = {name: place for name in names if (place := _place_of(name, videos)) is not None}
    return tuple(videos), {name: place + 1 for name, place in places.items()}


def _place_of(name: str, videos: Sequence[Video]) -> int | None:
    """Return where a video stands: the one of this address, or the only one of this file name."""
    sources = [_plain(video.source) for video in videos]
    if _plain(name) in sources:
        return sources.index(_plain(name))
    files = [_info(video).file_name for video in videos]
    return files.index(name) if files.count(name) == 1 else None


def _question(pending: Sequence[Content], labels: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the last words of the caller that ask something, with the options that stand there or behind them."""
    options: tuple[str, ...] = ()
    for content in reversed(pending):
        text, found = split_options(with_labels(content.text, labels))
        options = options or found
        if not asks_nothing(text):
            return text, options
    return "", options


def _check_numbers(question: str, videos: Sequence[Video], count: int) -> None:
    """Refuse a question about a video that is not there; a folder may stand for many."""
    named = [(found[0], int(found[1])) for found in _VIDEO_NUMBER.finditer(question)]
    named += [(found[0], _ORDINALS.index(found[1].casefold()) + 1) for found in _ORDINAL.finditer(question)]
    for words, number in named:
        if not 1 <= number <= count:
            there = f"There are {count} videos" if count > 1 else "There is 1 video"
            which = f": {_listed(videos)}" if count == len(videos) else ""
            raise MissingError(f"{there}{which}. Which one is {words!r}? Name its file to add it.", videos=videos)


def _listed(videos: Sequence[Video]) -> str:
    """Return the numbers and titles of videos, for a sentence; the numbers of those in a folder are not known here."""
    titles = [without_unseen(_info(video).title) for video in videos[:SHOWN]]
    folders = any(_is_folder(video.source) for video in videos)
    shown = titles if folders else [f"video {n} ({title})" for n, title in enumerate(titles, start=1)]
    more = [f"{len(videos) - SHOWN} more"] if len(videos) > SHOWN else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last


def _is_folder(source: str) -> bool:
    return "://" not in source and not source.partition("#")[0].lower().endswith(MEDIA_ENDINGS)


def _info(video: Video) -> VideoInfo:
    return VideoInfo(number=1, video=video)


def _exchanges(messages: Sequence[AnyMessage]) -> tuple[tuple[str, str], ...]:
    """Return the questions that were answered, with the first paragraph of each answer."""
    return tuple(
        (one_line(closed.question), one_line(str(message.text).partition("\n\n")[0]))
        for message in messages
        if (closed := closed_by(message)) and closed.question
    )
