"""The user's own questions: a `.csv`, `.tsv`, `.json`, `.jsonl` or `.parquet` file with one question a row.

| column | holds |
|---|---|
| `question` | the question |
| `videos`, `video`, or `video_1`, ... | paths relative to the file, or addresses: a list, JSON, or separated by `;` |
| `begin`, `end` (or `begin_1`, `end_1`, ...) | the clip of each video: seconds or `0:01:05` |
| `options`, `choices`, `option_a`, ..., or `a`, `b`, ... | a list, an object, JSON, or separated by `;` |
| `answer` or `key` | the letter, label or text of the option; or a value of the kind |
| `answer_index`, `answer_number` | the option's place, from 0 or from 1 |
| `kind`, `id`, `task`, `group`, `scoring_points` | see `Question` |

Other columns are kept, so that results can be grouped by one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any, cast

from agentcvr_graph.answers import resolve_kind
from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.base import (
    Benchmark,
    PlacedQuestion,
    UnusableQuestion,
    is_there,
    make_benchmark,
    read_question,
)
from agentcvr_graph.eval.benchmarks.gold import read_gold
from agentcvr_graph.eval.benchmarks.numbered import is_empty, listed, numbered
from agentcvr_graph.eval.benchmarks.options import Options, read_options, split_cell
from agentcvr_graph.eval.benchmarks.tables import StoredRow, read_table
from agentcvr_graph.types import AnswerKind, Question, Video

LISTS = ("video", "option", "choice", "scoring_point", "begin", "end")
"""Prefixes of numbered columns that hold one item each."""
COLUMNS = (
    *("question", "videos", "video", "begin", "end", "options", "choices", "answer", "key"),
    *("answer_index", "answer_number", "kind", "id", "task", "group", "scoring_points"),
)
_PLACES = {"answer_index": 0, "answer_number": 1}
"""Column of an option's place -> what the first option has there."""


def load(
    data: Path,
    videos: Path | None = None,
    *,
    kinds: Mapping[str, AnswerKind] | None = None,
    more: Collection[str] = (),
) -> Benchmark:
    """Return the questions of a file.

    Args:
        data: a file of one of the formats of `tables.py`.
        videos: the base of relative paths; None for the file's folder.
        kinds: the kind of a row that states a task and no kind, by task; by default it depends on its options alone.
        more: columns that the caller reads from `Benchmark.columns`, in lower case.

    Raises:
        InputError: the file does not exist, has another suffix, holds no question or scripts, or lacks the column
            `question`.
    """
    table = read_table(data, "question")
    if not table.rows:
        raise InputError(f"{data} holds no question.", fix=f"Columns are {', '.join((*COLUMNS, *more))}.")
    rows = [_with_kind(_lower(row), kinds or {}) for row in table.rows]
    if all(map(_is_script, rows)):
        raise InputError(
            f"{data} holds scripts, not questions about videos.", fix=f"Ask them with: agentcvr eval --scripts {data}"
        )
    first = _first_place(rows)
    found = [_read(row, videos or data.parent, first) for row in rows]
    extra = {name for row in rows for name in _extra(row.fields)} - {*more}
    notes = (*table.notes, *_place_notes(first), *_extra_notes(extra))
    return make_benchmark(data.stem, found, notes=notes, columns=_kept_columns(rows, found))


def _is_script(row: StoredRow) -> bool:
    """Return whether a row is a script, whose videos are lists of scenes and no files."""
    videos: Any = row.fields.get("videos")
    listed_videos = cast(list[Any], videos) if isinstance(videos, list) else []
    return any(isinstance(one, dict) and "scenes" in one for one in listed_videos)


def _kept_columns(rows: Sequence[StoredRow], found: Sequence[PlacedQuestion]) -> dict[str, Mapping[str, str]]:
    """Return the other columns by id: of rows with one id those of the first that can be used, which is asked."""
    ranked = sorted(zip(rows, found, strict=True), key=lambda pair: not isinstance(pair[1][1], Question))
    return {_id_of(row): _extra(row.fields) for row, _ in reversed(ranked)}


def _with_kind(row: StoredRow, kinds: Mapping[str, AnswerKind]) -> StoredRow:
    """Return a row that states the kind of its task, where it states none itself."""
    kind = kinds.get(_text(row.fields, "task").upper())
    if kind is None or not is_empty(row.fields.get("kind")):
        return row
    return replace(row, fields={**row.fields, "kind": kind})


def _read(row: StoredRow, root: Path, first: int | None) -> PlacedQuestion:
    task = str(row.fields.get("task") or "")
    if row.problem:
        return PlacedQuestion(row.place, UnusableQuestion(_id_of(row), task, broken=f"{row.place}: {row.problem}"))
    return read_question(partial(_question, row, root, first), _id_of(row), task, row.place)


def _question(row: StoredRow, root: Path, first: int | None) -> Question:
    fields = row.fields
    if is_empty(fields.get("question")):
        raise KeyError("question")
    videos, options = _videos(fields, root), _options(fields)
    kind = resolve_kind(str(fields.get("kind") or "auto").strip().lower(), options.texts)
    raw = _answer(fields, options, first if kind in ("choice", "choices") else None)
    _require_certain(raw, options, stated_kind=not is_empty(fields.get("kind")))
    return Question(
        question=fields["question"],
        videos=tuple(videos),
        options=options.texts,
        kind=kind,
        key=None if raw is None else read_gold(raw, kind, options, len(options.texts or videos)),
        id=_id_of(row),
        task=_text(fields, "task"),
        group=_text(fields, "group"),
        scoring_points=tuple(map(str, listed(fields, "scoring_points") or _numbered(fields, "scoring_point"))),
    )


def _require_certain(raw: Any, options: Options, *, stated_kind: bool) -> None:
    """Raise `InputError` where a letter has no options to name, or names one of two options with the same text."""
    is_letter = isinstance(raw, str) and raw.strip("() .") in tuple(ascii_uppercase)
    if is_letter and not options.texts and not stated_kind:
        raise InputError(
            f"it has the answer {raw!r}, but no options.",
            fix="Give options, or the kind text if the letter is the answer.",
        )
    letter = options.letter_of(raw) if isinstance(raw, str) and options.texts else None
    if letter is not None:
        options.letter_of(options.texts[ascii_uppercase.index(letter)])


def _videos(fields: Mapping[str, Any], root: Path) -> list[Video]:
    """Return the videos, their paths resolved and cut to their clips."""
    given = _existing_files(fields, root) or listed(fields, "videos", "video") or _numbered(fields, "video")
    if not given:
        raise KeyError("videos")
    videos = [Video.model_validate(one if isinstance(one, dict) else {"source": str(one).strip()}) for one in given]
    resolved = [video.model_copy(update=_below(video, root)) for video in videos]
    begins, ends = (_times(fields, name, len(videos)) for name in ("begin", "end"))
    return [_clipped(video, begin, end) for video, begin, end in zip(resolved, begins, ends, strict=True)]


def _existing_files(fields: Mapping[str, Any], root: Path) -> list[str]:
    """Return the one video whose name holds a separator, or the several between commas, if there are such files."""
    for name in ("videos", "video"):
        stored = fields.get(name)
        text = stored.strip() if isinstance(stored, str) else ""
        for parts in ([text], [part.strip() for part in text.split(",")]):
            if text and all(is_there(root / part, as_file=True) for part in parts):
                return parts
    return []


def _below(video: Video, root: Path) -> dict[str, Any]:
    """Return the paths of a video that are not absolute, resolved against the root."""
    return {
        name: str(root / path if is_there(root / path) else root / path.replace("\\", "/"))
        for name in ("source", "boxes")
        if (path := getattr(video, name)) and "://" not in path and not path.startswith(("/", "~"))
    }


def _times(fields: Mapping[str, Any], name: str, count: int) -> Sequence[float | None]:
    """Return the seconds in a column, one a video; None where it holds none."""
    given: Any = fields.get(name)
    if is_empty(given):
        by_place = dict(numbered(fields, name))
        return [_seconds(by_place.get(str(place)), name) for place in range(1, count + 1)]
    stored: Any = split_cell(given) if isinstance(given, str) else given
    times = list(cast(list[Any], stored)) if isinstance(stored, list | tuple) else [stored]
    if len(times) != count:
        raise InputError(f"{name!r} holds {len(times)} times for {count} videos.", fix="Give one time a video.")
    return [_seconds(time, name) for time in times]


def _seconds(time: object, name: str) -> float | None:
    try:
        return None if is_empty(time) else read_time_s(time)
    except ValueError as error:
        raise InputError(f"{name!r} is {time!r}.", fix="Write seconds, or a time such as 0:01:05.") from error


def _clipped(video: Video, begin: float | None, end: float | None) -> Video:
    if not begin and end is None:
        return video
    if "#" in video.source and not is_there(Path(video.source)):
        raise InputError(f"{video.source!r} has a clip already.", fix="Leave it out, or leave out begin and end.")
    if end is not None and end <= (begin or 0):
        raise InputError(f"the clip ends at {end:g} s, not after its start at {begin or 0:g} s.")
    clip = f"{begin or 0:.3f}," + ("" if end is None else f"{end:.3f}")
    return video.model_copy(update={"source": f"{video.source}#t={clip.rstrip(',')}"})


def _options(fields: Mapping[str, Any]) -> Options:
    stored = next((fields[name] for name in ("options", "choices") if not is_empty(fields.get(name))), None)
    if stored is None:
        stored = dict(numbered(fields, "option") or numbered(fields, "choice")) or _lettered(fields) or None
    options = read_options(stored)
    if len(options.texts) == 1 and isinstance(stored, str):
        raise InputError(
            f"the options {stored[:80]!r} are a single text.", fix="Separate them by ';', or write a JSON list."
        )
    return options


def _lettered(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options in columns that are named by letters alone: `a`, `b`, ..."""
    names = _letter_columns(fields)
    return {name: fields[name] for name in names if not is_empty(fields[name])}


def _letter_columns(fields: Mapping[str, Any]) -> str:
    """Return the columns `a`, `b`, ... without a gap; none if there is only one."""
    names = "".join(takewhile(fields.__contains__, ascii_lowercase))
    return names if len(names) > 1 else ""


def _answer(fields: Mapping[str, Any], options: Options, first: int | None) -> Any:
    """Return the stored answer; a place of an option as its letter; None if there is none.

    Args:
        first: what the first option has in `answer`, where answers of the file are places of options.
    """
    given = {name: fields[name] for name in ("answer", "key", *_PLACES) if not is_empty(fields.get(name))}
    if len(given) > 1:
        raise InputError(f"both {' and '.join(map(repr, given))} give an answer.", fix="Leave one of them.")
    if not given:
        return None
    ((name, raw),) = given.items()
    if name in _PLACES:
        return _at(_place(raw), _PLACES[name], options)
    if first is None or not _is_place(raw, options):
        return raw
    if first < 0:
        raise InputError(
            f"the answer {raw!r} may count the options from 0 or from 1.",
            fix="Write the letter or the text, or name the column answer_index (from 0) or answer_number (from 1).",
        )
    return _at(_place(raw), first, options)


def _at(place: int | None, first: int, options: Options) -> str:
    count = len(options.texts)
    if place is None or not first <= place < first + count:
        raise InputError(f"the place {place} is not one of {first} to {first + count - 1}.")
    return ascii_uppercase[place - first]


def _place(raw: object) -> int | None:
    """Return a whole number, also one that a spreadsheet made a text or a float; None for anything else."""
    try:
        number = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else float("nan")
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < 1000 else None


def _is_place(raw: object, options: Options) -> bool:
    return bool(options.texts) and _place(raw) is not None and options.letter_of(raw) is None


def _first_place(rows: Iterable[StoredRow]) -> int:
    """Return what the first option has in a file whose answers are places: 0 or 1, or -1 where both are possible.

    A file counts in one way. So one answer of 0 shows that it counts from 0, and one of n with n options that it counts
    from 1.
    """
    places = list(_places(rows))
    from_0 = any(place == 0 for place, _ in places)
    from_1 = any(place == count for place, count in places)
    return -1 if from_0 == from_1 else 1 if from_1 else 0


def _places(rows: Iterable[StoredRow]) -> Iterable[tuple[int, int]]:
    for row in rows:
        raw = row.fields.get("answer", row.fields.get("key"))
        try:
            options = _options(row.fields)
            place = _place(raw) if _is_place(raw, options) else None
        except InputError:  # reported with its row
            continue
        if place is not None:
            yield place, len(options.texts)


def _place_notes(first: int) -> tuple[str, ...]:
    return (f"answers that are numbers count the options from {first}",) if first >= 0 else ()


def _extra(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that this module does not read."""
    return {
        name: "" if is_empty(value) else str(value)
        for name, value in fields.items()
        if name not in COLUMNS and not _is_item(name) and name not in tuple(_letter_columns(fields))
    }


def _is_item(name: str) -> bool:
    return any(numbered({name: 1}, prefix) for prefix in LISTS)


def _extra_notes(names: Iterable[str]) -> tuple[str, ...]:
    found = ", ".join(sorted(names))
    return (f"columns that are not read: {found}. Results can be grouped by one: --group-by",) if found else ()


def _numbered(fields: Mapping[str, Any], prefix: str) -> list[Any]:
    return [value for _, value in numbered(fields, prefix)]


def _lower(row: StoredRow) -> StoredRow:
    fields = {str(name).strip().lower(): value for name, value in row.fields.items()}
    return StoredRow(row.place, row.number, fields, row.problem)


def _text(fields: Mapping[str, Any], name: str) -> str:
    return "" if is_empty(fields.get(name)) else str(cast(object, fields[name])).strip()


def _id_of(row: StoredRow) -> str:
    return _text(row.fields, "id") or f"q{row.number}"
