"""A loaded benchmark: questions over existing files, and the averages that it reports."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from agentcvr_graph.errors import CVRError, InputError
from agentcvr_graph.types import Question

SHOWN = 5
"""Number of missing files that a message names."""
_LETTERED = re.compile(r"^\s*\(?([A-Z])\s*[.):]\s*(.+)$", re.S)
_PACKED = re.compile(r"(?:^|(?<=\s)|(?<=[.;,]))\(?([A-Z])[.):]\s*")


@dataclass(frozen=True)
class UnusableQuestion:
    """A question that cannot be used."""

    id: str
    task: str
    missing: tuple[str, ...] = ()
    """Files that do not exist."""
    broken: str = ""
    """Why it is invalid, with its place in the file."""


@dataclass(frozen=True)
class Benchmark:
    """Questions, and how their scores are averaged."""

    name: str
    questions: tuple[Question, ...]
    unusable: tuple[UnusableQuestion, ...] = ()
    averages: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Name of an average -> its tasks; it is the mean of their means. Without any, all questions are averaged."""

    @property
    def size(self) -> int:
        """Return the number of questions, including unusable ones."""
        return len(self.questions) + len(self.unusable)

    @property
    def fingerprint(self) -> str:
        """Return a hash of the questions and their file names, independent of their order."""
        lines = sorted(question.model_dump_json() for question in self.questions)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def select(self, tasks: Sequence[str] = (), each: int | None = None) -> Benchmark:
        """Return a benchmark of some tasks, with the first `each` questions of each task.

        Raises:
            InputError: a task is unknown, or no question is left.
        """
        known = list(dict.fromkeys(question.task for question in (*self.questions, *self.unusable)))
        for task in tasks:
            if task not in known:
                raise InputError(f"{self.name} has no task {task!r}.", fix=f"Choose from: {', '.join(known)}.")
        wanted, taken = set(tasks or known), Counter[str]()
        kept: list[Question] = []
        for question in self.questions:
            if question.task in wanted and (each is None or taken[question.task] < each):
                taken[question.task] += 1
                kept.append(question)
        if not kept:
            raise InputError(f"{self.name} has no question whose videos exist.", fix="Check --data and --videos.")
        unusable = tuple(one for one in self.unusable if one.task in wanted)
        return replace(self, questions=tuple(kept), unusable=unusable)


def checked(benchmark: Benchmark, *, skip_unusable: bool) -> Benchmark:
    """Return the benchmark with all questions that have a key and whose files exist; the others go to `unusable`.

    Raises:
        InputError: questions are unusable and `skip_unusable` is not set; the message names them and their tasks.
    """
    found: dict[str, bool] = {}
    usable: list[Question] = []
    unusable = list(benchmark.unusable)
    for question in benchmark.questions:
        files = [name for video in question.videos for name in (_place(video.source), video.boxes) if name]
        missing = tuple(name for name in dict.fromkeys(files) if not _exists(name, found))
        if question.key is None:
            unusable.append(
                UnusableQuestion(question.id, question.task, broken=f"{question.id} has no answer to score by")
            )
        elif missing:
            unusable.append(UnusableQuestion(question.id, question.task, missing))
        else:
            usable.append(question)
    if unusable and not skip_unusable:
        raise InputError(describe_unusable(benchmark.name, unusable, len(usable) + len(unusable)), fix=_FIX)
    return replace(benchmark, questions=tuple(usable), unusable=tuple(unusable))


_FIX = "Fix them, or skip these questions: --skip-unusable."


def describe_unusable(name: str, unusable: Sequence[UnusableQuestion], of: int) -> str:
    """Return a message that names missing files and invalid questions, and counts the questions lost per task."""
    tasks = ", ".join(f"{count} {task or 'own'}" for task, count in Counter(one.task for one in unusable).items())
    lines = [f"{name}: {len(unusable)} of {of} questions cannot be used ({tasks})."]
    files = list(dict.fromkeys(file for one in unusable for file in one.missing))
    broken = [one.broken for one in unusable if one.broken]
    for what, found in (("Missing files", files), ("Invalid", broken)):
        if found:
            more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            lines.append(f"{what}: {', '.join(found[:SHOWN])}{more}.")
    return "\n".join(lines)


def strip_option_letters(options: Iterable[object]) -> tuple[str, ...]:
    """Return options without leading letters, which the brief adds itself; split a string that holds all options.

    >>> strip_option_letters(["A. Red.", "B. Blue."])
    ('Red.', 'Blue.')
    >>> strip_option_letters(["A. one B. two C. three"])
    ('one', 'two', 'three')
    """
    texts = [str(option).strip() for option in options]
    if len(texts) == 1:
        texts = split_packed_options(texts[0])
    letters = [_LETTERED.match(text) for text in texts]
    if all(match and match[1] == chr(ord("A") + n) for n, match in enumerate(letters)):
        return tuple(cast(re.Match[str], match)[2].strip() for match in letters)
    return tuple(texts)


def split_packed_options(text: str) -> list[str]:
    """Return the options in a string that holds all of them, or the string itself if its letters do not start at A."""
    expected = 0
    kept: list[re.Match[str]] = []
    for match in _PACKED.finditer(text):
        if ord(match[1]) - ord("A") == expected:
            kept.append(match)
            expected += 1
    if len(kept) < 2:
        return [text]
    ends = [match.start() for match in kept[1:]] + [len(text)]
    return [text[match.end() : end].strip(" ;,\n") for match, end in zip(kept, ends, strict=True)]


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InputError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", fix="Check --data.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}.") from error


def read_list(path: Path) -> list[Any]:
    """Return the list in a JSON file.

    Raises:
        InputError: the file is missing, not JSON, or not a list.
    """
    stored = read_json(path)
    if not isinstance(stored, list):
        raise InputError(f"{path} is not a list of questions.", fix="Give the file or folder of the release.")
    return cast(list[Any], stored)


def as_fields(stored: Any) -> Mapping[str, Any]:
    """Return the fields of a stored question; none if it is not an object, so that missing fields are reported."""
    return cast(dict[str, Any], stored) if isinstance(stored, dict) else {}


def read_question(read: Callable[[], Question], name: str, task: str, place: str) -> Question | UnusableQuestion:
    """Return a stored question, or the reason why it is invalid."""
    try:
        return read()
    except KeyError as error:
        return UnusableQuestion(name, task, broken=f"{place} has no {error.args[0]!r}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return UnusableQuestion(name, task, broken=f"{place}: {where}: {first['msg']}".replace(": : ", ": "))
    except (TypeError, ValueError, IndexError, AttributeError, CVRError) as error:
        return UnusableQuestion(name, task, broken=f"{place}: {str(error).splitlines()[0]}")


def make_benchmark(name: str, found: Iterable[Question | UnusableQuestion], **more: Any) -> Benchmark:
    """Return the benchmark of the questions that were read.

    Raises:
        InputError: an id occurs twice.
    """
    read = list(found)
    questions = tuple(one for one in read if isinstance(one, Question))
    twice = [question_id for question_id, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise InputError(f"{name}: the id {twice[0]!r} occurs twice.", fix="Give each question its own id.")
    return Benchmark(name, questions, tuple(one for one in read if isinstance(one, UnusableQuestion)), **more)


def first_existing(*places: Path) -> Path:
    """Return the first path that exists; the very first if none does, for the error message."""
    return next((place for place in places if place.exists()), places[0])


def _place(source: str) -> str:
    """Return the file of a source without its fragment; empty if the source is not a file."""
    if "://" in source:
        return ""
    return source if Path(source).exists() else source.rpartition("#")[0] or source


def _exists(name: str, found: dict[str, bool]) -> bool:
    if name not in found:
        found[name] = Path(name).expanduser().exists()
    return found[name]
