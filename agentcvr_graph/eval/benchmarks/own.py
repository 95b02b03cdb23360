"""The user's own questions: a JSONL file with one `Question` per line, or a CSV file, for example from a spreadsheet.

Columns of a CSV: `question`, `videos` (separated by `;`, or columns `video_1`, `video_2`, ...), and optionally
`options` (or `option_1`, ...), `answer`, `kind`, `id`, `task`, `scoring_points`. Paths are relative to the file.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agentcvr_graph.answers import parse_answer, resolve_kind
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.base import (
    Benchmark,
    as_fields,
    make_benchmark,
    read_question,
    strip_option_letters,
)
from agentcvr_graph.types import Question, Video

COLUMNS = ("question", "videos", "options", "answer", "kind", "id", "task", "scoring_points")
LISTS = {"videos": "video", "options": "option", "scoring_points": "scoring_point"}
"""Columns that hold a list, and the prefix of numbered columns that hold one item each."""
SEPARATOR = ";"


def load(data: Path, videos: Path | None = None) -> Benchmark:
    """Return the questions of a file.

    Args:
        data: a `.jsonl` or a `.csv` file.
        videos: the base of relative paths; None for the file's folder.

    Raises:
        InputError: the file does not exist, has another suffix or holds no question, or a CSV has an unknown column.
    """
    readers = {".jsonl": _lines, ".csv": _rows}
    if data.suffix not in readers:
        raise InputError(f"{data} is no file of questions.", fix="Give a .jsonl or a .csv file.")
    root = videos or data.parent
    found = [
        read_question(partial(_complete, fields, n, root), f"q{n}", str(fields.get("task") or ""), place)
        for n, place, fields in readers[data.suffix](data)
    ]
    if not found:
        raise InputError(f"{data} holds no question.", fix=f"A CSV has the columns {', '.join(COLUMNS)}.")
    return make_benchmark(data.stem, found)


def _lines(path: Path) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    for number, line in enumerate(_text(path), 1):
        if line.strip():
            try:
                stored = json.loads(line)
            except ValueError:
                stored = None
            yield number, f"{path}:{number}", as_fields(stored)


def _rows(path: Path) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    reader = csv.DictReader(_text(path), skipinitialspace=True)
    for column in reader.fieldnames or ():
        if column not in COLUMNS and column.rpartition("_")[0] not in LISTS.values():
            raise InputError(f"{path}: unknown column {column!r}.", fix=f"Columns are {', '.join(COLUMNS)}.")
    for row in reader:
        yield reader.line_num, f"{path}:{reader.line_num}", _fields_of(row)


def _fields_of(row: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the fields of a `Question` from a row of text."""
    given = {name: value.strip() for name, value in row.items() if value and value.strip()}
    fields: dict[str, Any] = {name: given[name] for name in ("question", "kind", "id", "task") if name in given}
    for name, numbered in LISTS.items():
        single = [part.strip() for part in given.get(name, "").split(SEPARATOR) if part.strip()]
        fields[name] = single or [given[column] for column in given if column.rpartition("_")[0] == numbered]
    if "answer" in given:
        fields["key"] = given["answer"]
    return fields


def _complete(fields: Mapping[str, Any], number: int, root: Path) -> Question:
    """Return the question with its id filled in, its paths resolved and its key parsed."""
    videos = [Video.model_validate(v if isinstance(v, dict) else {"source": v}) for v in fields["videos"]]
    options = strip_option_letters(fields.get("options") or ())
    kind = resolve_kind(fields.get("kind") or "auto", options)
    key = fields.get("key")
    if key is not None:
        key = parse_answer(key, kind, options, len(options or videos)).value
    return Question.model_validate(
        {
            **fields,
            "id": str(fields.get("id") or f"q{number}"),
            "videos": [video.model_copy(update=_below(video, root)) for video in videos],
            "options": options,
            "kind": kind,
            "key": key,
        }
    )


def _below(video: Video, root: Path) -> dict[str, Any]:
    """Return the paths of a video that are not absolute, resolved against the root."""
    return {
        name: str(root / path)
        for name in ("source", "boxes")
        if (path := getattr(video, name)) and "://" not in path and not Path(path).expanduser().is_absolute()
    }


def _text(path: Path) -> io.StringIO:
    """Return the text for reading by line. A line ends at a line feed only, not at Unicode's other line separators."""
    try:
        return io.StringIO(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", fix="Save it as UTF-8.") from error
