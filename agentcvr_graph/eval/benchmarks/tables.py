"""Rows of a data file: CSV, TSV, JSON, JSON lines or Parquet, with the place of each row for messages.

A file is read whole. A row that cannot be read is returned with its problem, so that one bad row does not hide the
others; only a file that has no rows at all is an error.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from agentcvr_graph.errors import InputError, missing_extra

DELIMITERS = (",", ";", "\t", "|")
MAX_CELL = 10_000_000
"""Characters; above any question, below what fills the memory."""


@dataclass(frozen=True)
class StoredRow:
    """One row of a file."""

    place: str
    """File and line, or file and number of the entry."""
    number: int
    """From 1; the line where a file has lines."""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    problem: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True)
class Table:
    """The rows of a file."""

    rows: Sequence[StoredRow]
    notes: tuple[str, ...] = ()


def read_table(path: Path, required: str) -> Table:
    """Return the rows of a file.

    Args:
        required: a column that every table must have; the delimiter of a CSV is found by it.

    Raises:
        InputError: the file cannot be read, has another suffix, or its header lacks the column.
        SetupError: it is a Parquet file and pyarrow is not installed.
    """
    if path.suffix.lower() not in READERS:
        raise InputError(f"{path} is no file of questions.", fix=f"Give one of: {', '.join(READERS)}.")
    if path.is_dir():
        raise InputError(f"{path} is a folder.", fix=f"Give a file: {', '.join(READERS)}.")
    return READERS[path.suffix.lower()](path, required)


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file with line feeds alone, and notes on how it was decoded.

    Raises:
        InputError: the file cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", fix="Check its name and permissions.") from error
    encoding, notes = _encoding_of(data), ()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = _decode_windows(path, data)
        notes = (f"{path} is not UTF-8; it was read as Windows-1252. Check its words",)
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def _encoding_of(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _decode_windows(path: Path, data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text in UTF-8: {error.reason}.", fix="Save it as UTF-8.") from error


def _csv(path: Path, required: str) -> Table:
    text, notes = read_text(path)
    lines = text.split("\n")
    skipped = 1 if lines[0].lower().startswith("sep=") else 0  # a hint for Excel
    first = next((n for n, line in enumerate(lines[skipped:], skipped) if line.strip()), None)
    if first is None:
        raise InputError(f"{path} is empty.", fix="Give it a header and one row a question.")
    delimiter, header = _header(lines[first], required, path)
    rows = _csv_rows(lines[first + 1 :], first + 2, delimiter, header, path)
    return Table(list(rows), notes)


def _header(line: str, required: str, path: Path) -> tuple[str, list[str]]:
    """Return the delimiter and the names of the columns, in lower case."""
    for delimiter in DELIMITERS:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        names = [cell.strip().lower() for cell in cells]
        if required in names:
            if twice := [name for name in names if name and names.count(name) > 1]:
                raise InputError(f"{path}: the column {twice[0]!r} occurs twice.", fix="Give each column its own name.")
            return delimiter, names
    raise InputError(f"{path} has no column {required!r}; its first line is {line[:80]!r}.", fix="Give it a header.")


def _csv_rows(
    lines: Sequence[str], first: int, delimiter: str, header: Sequence[str], path: Path
) -> Iterator[StoredRow]:
    """Yield the rows below the header; `first` is the number of the first of these lines."""
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    while True:
        number = first + reader.line_num
        place = f"{path}:{number}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield StoredRow(place, number, problem=f"{error}")
            continue
        if any(cell.strip() for cell in cells):
            problem = _row_problem(cells, header, lines, number - first, delimiter)
            fields = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
            yield StoredRow(place, number, {} if problem else fields, problem)


def _row_problem(cells: Sequence[str], header: Sequence[str], lines: Sequence[str], at: int, delimiter: str) -> str:
    if any("\n" in cell for cell in cells) and not _is_closed(lines[at:], delimiter, len(cells)):
        return "a quotation mark opens in this row and is never closed"
    if any(cell.strip() for cell in cells[len(header) :]):
        return f"{len(cells)} cells in this row, but {len(header)} in the header; quote a cell that holds {delimiter!r}"
    return ""


def _is_closed(lines: Sequence[str], delimiter: str, cells: int) -> bool:
    """Return whether the row at the beginning of these lines ends before the file does."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    next(reader)
    rest = lines[reader.line_num :]
    return bool(rest) or sum(line.count('"') for line in lines) % 2 == 0


def _json_lines(path: Path, required: str) -> Table:
    text, notes = read_text(path)
    if text.lstrip().startswith("["):
        whole = _parsed(text)
        if not isinstance(whole, ValueError):
            return Table(list(_entries(whole, required, path)), notes)
    return Table(list(_lines(text, path)), notes)


def _json(path: Path, required: str) -> Table:
    text, notes = read_text(path)
    whole = _parsed(text)
    if not isinstance(whole, ValueError):
        return Table(list(_entries(whole, required, path)), notes)
    rows = list(_lines(text, path))
    if not rows or all(row.problem for row in rows):
        raise InputError(f"{path} is not JSON: {whole}.", fix="Give a JSON list of questions, or a .jsonl file.")
    return Table(rows, notes)


def _lines(text: str, path: Path) -> Iterator[StoredRow]:
    """Yield the objects of JSON lines. A line ends at a line feed only, not at Unicode's other line separators."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _entry(_parsed(line), f"{path}:{number}", number)


def _entry(found: Any, place: str, number: int) -> StoredRow:
    if isinstance(found, ValueError):
        return StoredRow(place, number, problem=f"it is not JSON: {found}")
    if not isinstance(found, dict):
        return StoredRow(place, number, problem=f"it is a {type(found).__name__}, not an object")
    return StoredRow(place, number, cast(dict[str, Any], found))


def _entries(whole: Any, required: str, path: Path) -> Iterator[StoredRow]:
    """Yield the questions of a JSON value: a list, one object, columns, or an object that holds questions by id."""
    for number, one in enumerate(_list_in(whole, required, path), 1):
        yield _entry(one, f"{path}: question {number}", number)


def _list_in(whole: Any, required: str, path: Path) -> Sequence[Any]:
    if isinstance(whole, list):
        return cast(list[Any], whole)
    if isinstance(whole, dict):
        fields = cast(dict[str, Any], whole)
        if required in fields:
            return _transposed(fields) if isinstance(fields[required], list | dict) else [fields]
        lists = [cast(list[Any], value) for value in fields.values() if isinstance(value, list)]
        if len(lists) == 1:
            return lists[0]
        if fields and all(isinstance(value, dict) for value in fields.values()):
            return [{"id": name, **value} for name, value in fields.items()]
    raise InputError(f"{path} holds no list of questions.", fix="Give a JSON list with one object a question.")


def _transposed(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an object that holds columns, as pandas writes it."""
    by_row: dict[str, dict[str, Any]] = {}
    for name, held in columns.items():
        if not isinstance(held, dict | list):
            continue
        cells = cast("dict[str, Any] | list[Any]", held)
        for row, cell in cells.items() if isinstance(cells, dict) else enumerate(cells):
            by_row.setdefault(str(row), {})[name] = cell
    return list(by_row.values())


def _parquet(path: Path, required: str) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("pyarrow", "eval") from error
    arrow, parquet = cast(Any, pa), cast(Any, pq)  # their types leave much open
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {' '.join(str(error).split())}.") from error
    return Table([StoredRow(f"{path}: row {number}", number, fields) for number, fields in enumerate(rows, 1)])


def _parsed(text: str) -> Any:
    """Return the value of a JSON text, or the error."""
    try:
        return json.loads(text)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("brackets in brackets without end")


READERS: dict[str, Callable[[Path, str], Table]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
