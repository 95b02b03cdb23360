"""Import and export of the script formats that AgentCVR released; see `agentcvr.py` for the table of them.

The release has one folder a generator with one file a task, so folders are imported too. Broken records become problems
and the others are imported; nothing is written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.formats.agentcvr import FORMATS, Format, Record
from agentcvr_graph.scripts.formats.round_trip import EXTENSION_KEY, record_of, script_of
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.files import atomic_write_text

__all__ = ["FORMATS", "Imported", "export_file", "files_of", "import_file", "import_files", "record_of", "script_of"]

SUFFIXES = (".json", ".jsonl")
LOGS = ("generation_errors", "failed_tasks")
"""Names of the files in which the generators list the tasks that failed."""
_LOOKALIKES = ("cooking", "movie", "assembly")
_META = {"recipe": "cooking", "genre": "movie", "toy_id": "assembly"}
"""A field of `meta` -> the only one of the look-alikes that writes it."""
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass
class Imported:
    """The result of an import."""

    scripts: list[Script] = field(default_factory=list[Script])
    problems: list[str] = field(default_factory=list[str])
    """Records that could not be used, one line each, with file and record number."""
    notes: list[str] = field(default_factory=list[str])
    """What was changed in records that could be used, and files that were left out."""


def files_of(path: Path, *, but: Path | None = None) -> list[Path]:
    """Return the files to import: the path itself, or all JSON files below a folder in natural order.

    Args:
        but: a file that is not one of them: the one that the import writes.

    Raises:
        InputError: there is no such path, or the folder has no JSON file.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"There is no {path}.", fix="Name a file of AgentCVR's generators, or a folder of them.")
    found = (one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and not one.name.startswith("."))
    kept = sorted((one for one in found if but is None or one.resolve() != but.resolve()), key=_natural)
    if not kept:
        raise InputError(f"{path} holds no .json or .jsonl file.", fix="Name the folder that a generator wrote.")
    return kept


def import_files(paths: Iterable[Path], generator: str | None = None) -> Imported:
    """Read several files as `import_file` does; ids are unique over all of them."""
    _check_generator(generator)
    imported, taken = Imported(), set[str]()
    for path in paths:
        if path.stem in LOGS:
            imported.notes.append(f"{path}: left out: it lists tasks that failed")
            continue
        try:
            _import_into(imported, path, generator, taken)
        except InputError as error:  # one file of many
            imported.problems.append(str(error))
    return imported


def import_file(path: Path, generator: str | None = None) -> Imported:
    """Read a file of records: a JSON list, one JSON object, or a line each. Broken records become problems.

    Args:
        generator: which one wrote the file; recognised from its name, its folder and its fields when None.

    Raises:
        InputError: the file cannot be read, or the generator is unknown.
    """
    _check_generator(generator)
    imported = Imported()
    _import_into(imported, path, generator, set())
    return imported


def _check_generator(generator: str | None) -> None:
    if generator is not None and generator not in FORMATS:
        raise InputError(f"Unknown generator {generator!r}.", fix=f"Choose one of: {', '.join(FORMATS)}.")


def _import_into(imported: Imported, path: Path, generator: str | None, taken: set[str]) -> None:
    for place, record in _records(path):
        try:
            script = _import(record, generator, path, place, taken)
        except InputError as error:
            imported.problems.append(f"{path}: record {place}: {error}")
            continue
        taken.add(script.id)
        imported.scripts.append(script)
        imported.notes += [f"{path}: record {place}: {note}" for note in script.extra.get("notes", ())]


def export_file(scripts: Iterable[Script], path: Path, generator: str | None = None) -> int:
    """Write scripts as a JSON list of records, and return the number written.

    Args:
        generator: the format; that of each script's task when None.

    Raises:
        InputError: a script does not fit the format, or its task has none.
    """
    records = [_export(script, generator) for script in scripts]
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(records, ensure_ascii=False, indent=1) + "\n")
    return len(records)


def _export(script: Script, generator: str | None) -> Record:
    named = generator or next((name for name, form in FORMATS.items() if form.task == script.task), None)
    if named not in FORMATS:
        known = ", ".join(f"{name} ({form.task})" for name, form in FORMATS.items())
        raise InputError(f"AgentCVR released no format for {script.task} ({named}).", fix=f"Choose one of: {known}.")
    try:
        return record_of(FORMATS[named], script)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"Script {script.id!r} does not fit the format {named!r}: {_error_text(error)}.") from error


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the records of a file, numbered from 1; a line that is not JSON comes as its error."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: it cannot be read ({error}).", fix="Save it as UTF-8.") from error
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield number, _line(line)
        return
    yield from enumerate(cast(list[Any], whole) if isinstance(whole, list) else [whole], start=1)


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("brackets in brackets without end")


def _import(record: Any, generator: str | None, path: Path, place: int, taken: set[str]) -> Script:
    if isinstance(record, ValueError):
        raise InputError(f"it is no JSON ({record}).")
    if not isinstance(record, dict):
        raise InputError(f"it is a {type(record).__name__}, not an object.")
    fields = cast(Record, record)
    form = FORMATS[generator] if generator else recognise(fields, f"{path.parent.name} {path.stem}")
    try:
        script = script_of(form, fields, _fresh_id(fields, form, place, taken))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise InputError(f"it does not fit the format {form.generator!r}: {_error_text(error)}.") from error
    faults = errors_of(script)
    if faults:
        raise InputError(f"{faults[0].place}: {faults[0].message}.")
    return script


def recognise(record: Record, name: str = "") -> Format:
    """Return the format of a record, from its fields, and from the name of its file where several look alike.

    Raises:
        InputError: several formats fit, or none does.
    """
    named = [form for form in FORMATS.values() if form.generator in name.lower() or form.task.lower() in _words(name)]
    candidates = _candidates(record)
    chosen = [form for form in named if form.generator in candidates] or [FORMATS[name] for name in candidates]
    if len(chosen) != 1:
        which = f"it may be {' or '.join(candidates)}" if candidates else "it has the fields of none of the generators"
        raise InputError(f"{which}.", fix=f"Name the generator: {', '.join(FORMATS)}.")
    return chosen[0]


def _candidates(record: Record) -> tuple[str, ...]:
    question = record.get("question")
    if isinstance(question, dict):
        text = str(cast(Record, question).get("text", "")).lower()
        return ("uav_count",) if "how many" in text else ("uav_position",)
    if "ref_segment" in record:
        return ("grounding",)
    held: object = record.get("segments") or record.get("scripts") or record.get("videos")
    names = set(cast(Record, held)) if isinstance(held, dict) else set[str]()
    if {"beginning", "ending"} <= names:
        return ("plot",)
    if "segments" in record or "->" in str(record.get("answer", "")):
        return ("sort",)
    if isinstance(record.get("answer"), list):
        return ("behavior",)
    return _lookalikes(record, cast("dict[str, Any]", held)) if "correct_answer" in record else ()


def _lookalikes(record: Record, videos: object) -> tuple[str, ...]:
    """Return which of the formats that look alike a record may have, from its clips and its `meta`."""
    clips = cast(Record, videos).values() if isinstance(videos, dict) else ()
    if any("clips" in clip for clip in clips if isinstance(clip, dict)):
        return ("assembly",)
    meta: object = record.get("meta")
    named = [generator for name, generator in _META.items() if isinstance(meta, dict) and name in meta]
    return tuple(named) if len(named) == 1 else _LOOKALIKES


def _natural(path: Path) -> list[str | int]:
    """Return a sort key by which task_2 comes before task_10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", str(path))]


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.lower()))


def _fresh_id(record: Record, form: Format, place: int, taken: set[str]) -> str:
    wanted = _NOT_IN_IDS.sub("-", str(record.get("id", ""))).strip("-") if EXTENSION_KEY not in record else ""
    wanted = f"{form.generator}-{wanted or f'{place:06d}'}" if not wanted or wanted.isdecimal() else wanted
    return next(name for name in _numbered_names(wanted) if name not in taken)


def _numbered_names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _error_text(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"the field {error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
