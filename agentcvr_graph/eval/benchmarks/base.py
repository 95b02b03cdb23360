"""A loaded benchmark: questions over existing files, and the averages that it reports."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import has_magic, iglob
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from agentcvr_graph.errors import CVRError, InputError
from agentcvr_graph.types import Question

ALL = "all"
"""Name of the average over all questions."""
SHOWN = 5
"""Number of missing files that a message names."""


@dataclass(frozen=True)
class UnusableQuestion:
    """A question that cannot be used."""

    id: str
    task: str
    missing: tuple[str, ...] = ()
    """Files that do not exist."""
    broken: str = ""
    """Why it is invalid, with its place in the file."""
    place: str = ""
    """Where it stands, for missing files."""


class PlacedQuestion(NamedTuple):
    """A stored question, with its place in the file."""

    place: str
    read: Question | UnusableQuestion


@dataclass(frozen=True)
class Benchmark:
    """Questions, and how their scores are averaged."""

    name: str
    questions: tuple[Question, ...]
    unusable: tuple[UnusableQuestion, ...] = ()
    averages: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Name of an average -> its tasks; the mean of their means; of all questions where there are no tasks."""
    notes: tuple[str, ...] = ()
    """What a user should know of this reading: the layout, tasks without a file, ignored columns."""
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    """Id of a question -> its place in a file, for messages."""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Id of a question -> columns of its row that are not read otherwise; results can be grouped by one of them."""

    @property
    def size(self) -> int:
        """Return the number of questions, including unusable ones."""
        return len(self.questions) + len(self.unusable)

    @property
    def fingerprint(self) -> str:
        """Return a hash of the questions and their file names, independent of their order."""
        lines = sorted(_as_line(question) for question in self.questions)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def grouped_by(self, column: str) -> Benchmark:
        """Return the benchmark with a column of its file as the group of each question.

        Raises:
            InputError: no row has this column.
        """
        wanted = column.strip().lower()
        known = sorted({name for row in self.columns.values() for name in row})
        if wanted not in known:
            choices = f"Choose from: {', '.join(known)}." if known else "All columns of its file are read otherwise."
            raise InputError(f"{self.name} has no column {column!r} to group by.", fix=choices)
        grouped = (one.model_copy(update={"group": self.columns[one.id].get(wanted, "")}) for one in self.questions)
        return replace(self, questions=tuple(grouped))

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
            raise InputError(f"{self.name} has no question that can be used.", fix="Check --data and --videos.")
        unusable = tuple(one for one in self.unusable if one.task in wanted)
        return replace(self, questions=tuple(kept), unusable=unusable)


def _as_line(question: Question) -> str:
    return question.model_dump_json(exclude=None if question.group else {"group"})


def checked(benchmark: Benchmark, *, skip_unusable: bool) -> Benchmark:
    """Return the benchmark with all questions that have a key and whose files exist; the others go to `unusable`.

    Raises:
        InputError: questions are unusable and `skip_unusable` is not set; the message names them and their tasks.
    """
    found: dict[str, bool] = {}
    usable: list[Question] = []
    unusable = list(benchmark.unusable)
    for question in benchmark.questions:
        place = benchmark.places.get(question.id, question.id)
        files = [name for video in question.videos for name in (_place(video.source), video.boxes) if name]
        missing = tuple(name for name in dict.fromkeys(files) if not _exists(name, found))
        if question.key is None:
            unusable.append(
                UnusableQuestion(question.id, question.task, broken=f"{place}: {question.id} has no answer to score by")
            )
        elif missing:
            unusable.append(UnusableQuestion(question.id, question.task, missing, place=place))
        else:
            usable.append(question)
    if unusable and not skip_unusable:
        said = describe_unusable(benchmark.name, unusable, len(usable) + len(unusable))
        raise InputError("\n".join([said, *(f"Note: {note}." for note in benchmark.notes)]), fix=_FIX)
    return replace(benchmark, questions=tuple(usable), unusable=tuple(unusable))


_FIX = "Fix them, or skip these questions: --skip-unusable."


def describe_unusable(name: str, unusable: Sequence[UnusableQuestion], of: int) -> str:
    """Return a message that names missing files and invalid questions, and counts the questions lost per task."""
    tasks = ", ".join(f"{count} {task or 'own'}" for task, count in Counter(one.task for one in unusable).items())
    lines = [f"{name}: {len(unusable)} of {of} questions cannot be used ({tasks})."]
    files = list({file: f"{file} ({one.place})" for one in reversed(unusable) for file in one.missing}.values())[::-1]
    broken = [one.broken.rstrip(".") for one in unusable if one.broken]
    for what, found in (("Missing files", files), ("Invalid", broken)):
        if found:
            more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            lines.append(f"{what}: {'; '.join(found[:SHOWN])}{more}.")
    return "\n".join(lines)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InputError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", fix="Check its name and permissions.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.", fix="Get the file of the release again.") from error


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


def read_question(read: Callable[[], Question], name: str, task: str, place: str) -> PlacedQuestion:
    """Return a stored question, or the reason why it is invalid, with its place."""
    try:
        return PlacedQuestion(place, read())
    except KeyError as error:
        broken = f"{place} has no {error.args[0]!r}. Fill in this column or field."
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        broken = f"{place}: {where}: {first['msg']}".replace(": : ", ": ")
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError, RuntimeError, OSError, CVRError) as error:
        broken = f"{place}: {(str(error).splitlines() or [type(error).__name__])[0]}"
    return PlacedQuestion(place, UnusableQuestion(name, task, broken=broken))


def make_benchmark(name: str, found: Iterable[PlacedQuestion], **more: Any) -> Benchmark:
    """Return the benchmark of the questions that were read; the second of two with the same id is unusable."""
    places: dict[str, str] = {}
    questions: list[Question] = []
    unusable: list[UnusableQuestion] = []
    for place, one in found:
        if isinstance(one, UnusableQuestion):
            unusable.append(one)
        elif one.id in places:
            broken = f"{place}: the id {one.id!r} occurs twice, first at {places[one.id]}"
            unusable.append(UnusableQuestion(one.id, one.task, broken=broken))
        else:
            places[one.id] = place
            questions.append(one)
    return Benchmark(name, tuple(questions), tuple(unusable), places=places, **more)


def first_existing(*places: Path) -> Path:
    """Return the first path that exists; the very first if none does, for the error message."""
    return next((place for place in places if is_there(place)), places[0])


def is_there(path: Path, *, as_file: bool = False) -> bool:
    """Return whether a path exists, also for a text that is no path (too long, a stray NUL, `~nobody`)."""
    try:
        expanded = path.expanduser()
        return expanded.is_file() if as_file else expanded.exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _place(source: str) -> str:
    """Return the file of a source without its fragment; empty if the source is not a file."""
    if "://" in source:
        return ""
    return source if is_there(Path(source)) else source.rpartition("#")[0] or source


def _exists(name: str, found: dict[str, bool]) -> bool:
    """Return whether a file exists, or a pattern matches one; an empty folder shows nothing, so it does not count."""
    if name not in found:
        path = Path(name)
        is_folder = is_there(path) and path.expanduser().is_dir()
        found[name] = any(path.expanduser().iterdir()) if is_folder else is_there(path) or _matches(path)
    return found[name]


def _matches(path: Path) -> bool:
    """Return whether a path is a pattern that stands for a file."""
    return has_magic(str(path)) and next(iglob(str(path.expanduser()), recursive=True), None) is not None  # noqa: PTH207
