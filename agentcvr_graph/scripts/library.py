"""A library of scripts: many scripts, found by id and parsed one at a time.

A library is a folder of `.json` files (one script each, named by its id), one or more `.jsonl` files (one script a
line), or both. Opening it lists a folder and finds where the lines of a JSONL file begin; nothing is parsed until it
is asked for, so a hundred thousand scripts open as fast as their bytes can be skimmed. A line that is broken, or an id
that comes twice, is a problem with its file and line; the good ones go on.

A library may change while it is in use: a file that is not the one that was skimmed is skimmed again.
"""

from __future__ import annotations

import json
import re
import threading
from codecs import BOM_UTF8
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.schema import ALL, SCHEME, Script, ScriptedVideo
from agentcvr_graph.types import Video
from agentcvr_graph.utils.files import atomic_write

_ID = re.compile(rb'^\s*\{\s*"id"\s*:\s*"([A-Za-z0-9._-]+)"')
_SUFFIXES = (".json", ".jsonl")
KEPT_SCENES = 150_000
"""Scenes of parsed scripts that are kept in memory: about 250 MB, or 4,000 scripts of four videos."""


class Place(NamedTuple):
    """Where a script is stored."""

    path: Path
    line: int
    """From 1; 0 where the file holds nothing else."""
    offset: int
    """In bytes."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else str(self.path)


class ScriptLibrary:
    """Scripts by id.

    Args:
        paths: files and folders; also made from scripts in memory with `ScriptLibrary.of`.

    Raises:
        InputError: a path does not exist or holds no script at all.
    """

    def __init__(self, *paths: str | Path) -> None:
        self._roots = [Path(path).expanduser() for path in paths]
        self._given: dict[str, Script] = {}
        self._kept = _Kept()
        self._lock = threading.RLock()
        self._open()

    @classmethod
    def of(cls, scripts: Iterable[Script]) -> ScriptLibrary:
        """Return a library of scripts in memory."""
        library = cls()
        library._given = {script.id: script for script in scripts}
        return library

    def _open(self) -> None:
        self._places: dict[str, Place] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self.problems: list[str] = []
        """Scripts that could not be used, one line each, with file and line."""
        for root in self._roots:
            for path in _files(root):
                self._skim(path, alone=path == root)
        if self._roots and not self._places:
            detail = f" {self.problems[0]}" if self.problems else ""
            raise InputError(
                f"There is no script in {', '.join(map(str, self._roots))}.{detail}",
                fix="Make some: agentcvr scripts make. Questions about videos are asked with: agentcvr eval --data.",
            )

    def __len__(self) -> int:
        return len(self._places) + len(self._given)

    def __contains__(self, script_id: object) -> bool:
        return script_id in self._places or script_id in self._given

    def __iter__(self) -> Iterator[Script]:
        """Yield the sound scripts in the order in which they are stored; add the others to `problems`."""
        yield from self._given.values()
        for script_id in list(self._places):
            try:
                yield self.get(script_id)
            except InputError as error:
                if str(error) not in self.problems:
                    self.problems.append(str(error))

    @property
    def ids(self) -> list[str]:
        return [*self._given, *self._places]

    def get(self, script_id: str) -> Script:
        """Return the script with this id.

        Raises:
            InputError: there is none, or it is broken; names the file and line.
        """
        if script_id in self._given:
            return self._given[script_id]
        with self._lock:
            place = self._current_place(script_id)
            kept = self._kept.get(script_id)
            if kept is not None:
                return kept
            script = parse_script(_read_at(place), str(place))
            if script.id != script_id:
                raise InputError(f"{place}: the script there is {script.id!r}, not {script_id!r}.")
            self._kept.add(script)
            return script

    def place(self, script_id: str) -> str:
        """Return file and line of a script, for messages; its id where it is not stored."""
        return str(self._places.get(script_id, script_id))

    def video(self, source: str) -> tuple[Script, int]:
        """Return the script and the number of the video that `script://<id>/<number>` names.

        Raises:
            InputError: the address is malformed, or the library has no such script or video.
        """
        script_id, slash, number = source.removeprefix(SCHEME).partition("#")[0].rpartition("/")
        if not source.startswith(SCHEME) or not slash or not number.isdigit():
            raise InputError(
                f"{source!r} is no address of a scripted video.",
                fix=f"Write {SCHEME}<id>/<number>, or {SCHEME}<id>{ALL} for all videos of a script.",
            )
        script = self.get(script_id)
        if not 1 <= int(number) <= len(script.videos):
            raise InputError(f"Script {script_id!r} has no video {number}; it has 1 to {len(script.videos)}.")
        return script, int(number)

    def scripted_video(self, source: str) -> ScriptedVideo:
        """Return the scripted video of an address; raises as `video`."""
        script, number = self.video(source)
        return script.videos[number - 1]

    def expand(self, source: str) -> tuple[Video, ...] | None:
        """Return the videos of a script for its address `script://<id>/*`; None for any other address.

        Raises:
            InputError: there is no such script, or it is broken.
        """
        if not source.startswith(SCHEME) or not source.endswith(ALL):
            return None
        script = self.get(source.removeprefix(SCHEME).removesuffix(ALL))
        return tuple(script.video(number) for number in range(1, len(script.videos) + 1))

    def _current_place(self, script_id: str) -> Place:
        place = self._places.get(script_id)
        if place is not None and _stamp(place.path) == self._stamps[place.path]:
            return place
        if place is not None or any(_stamp(path) != stamp for path, stamp in self._stamps.items()):
            self._kept.clear()
            self._open()
        if script_id not in self._places:
            moved = f" It was at {place}, and that file has changed." if place else ""
            raise InputError(f"There is no script {script_id!r} here.{moved}", fix=_suggestion(script_id, self.ids))
        return self._places[script_id]

    def _skim(self, path: Path, *, alone: bool) -> None:
        """Find the ids in a file. A file that was named on its own may have any name."""
        self._stamps[path] = _stamp(path)
        if path.suffix == ".json":
            self._enter(_id_of(path.read_bytes()) if alone else path.stem, Place(path, 0, 0))
            return
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                place = Place(path, number, offset)
                offset += len(line)
                if line.strip():
                    self._enter(_id_of(line), place)

    def _enter(self, script_id: str | None, place: Place) -> None:
        if script_id is None:
            self.problems.append(f"{place}: there is no script: it has no id, or is not JSON.")
        elif script_id in self._places:
            self.problems.append(f"{place}: the id {script_id!r} is already that of {self._places[script_id]}.")
        else:
            self._places[script_id] = place


class _Kept:
    """The scripts that were used last, up to `KEPT_SCENES` scenes of them, and always the last one."""

    def __init__(self) -> None:
        self._scripts: OrderedDict[str, tuple[Script, int]] = OrderedDict()
        self._scenes = 0

    def get(self, script_id: str) -> Script | None:
        if script_id not in self._scripts:
            return None
        self._scripts.move_to_end(script_id)
        return self._scripts[script_id][0]

    def add(self, script: Script) -> None:
        scenes = sum(len(video.scenes) for video in script.videos)
        self._scripts[script.id] = (script, scenes)
        self._scenes += scenes
        while self._scenes > KEPT_SCENES and len(self._scripts) > 1:
            self._scenes -= self._scripts.popitem(last=False)[1][1]

    def clear(self) -> None:
        self._scripts.clear()
        self._scenes = 0


def parse_script(text: str | bytes, place: str) -> Script:
    """Return the script of a JSON text, checked.

    Raises:
        InputError: it is no script, or an unusable one; one line that starts with `place`.
    """
    try:
        script = Script.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InputError(f"{place}: {where + ': ' if where else ''}{first['msg']}{more}.") from None
    faults = errors_of(script)
    if faults:
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InputError(f"{place}: {faults[0].place}: {faults[0].message.removesuffix('.')}{more}.")
    return script


def script_json(script: Script) -> str:
    """Return a script as one line of JSON: the id first, fields at their default left out."""
    body = script.model_dump(mode="json", exclude_defaults=True)
    return json.dumps({"id": script.id, "version": script.version, **body}, ensure_ascii=False)


def write_scripts(scripts: Iterable[Script], path: Path) -> int:
    """Write scripts to a `.jsonl` file, or one script to a `.json` file, and return the number written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for script in scripts:
            file.write(script_json(script) + "\n")
            count += 1
    return count


def _files(root: Path) -> Iterator[Path]:
    if root.is_dir():
        yield from sorted(path for path in root.iterdir() if path.suffix in _SUFFIXES)
    elif root.is_file():
        yield root
    else:
        raise InputError(f"{root}: no such file or folder.", fix="Name a .json or .jsonl file, or a folder of them.")


def _id_of(line: bytes) -> str | None:
    """Return the id of a line: from its beginning, where this library writes it, else by parsing the line."""
    match = _ID.match(line)
    if match:
        return match[1].decode()
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    script_id = found.get("id") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return script_id if isinstance(script_id, str) else None


def _read_at(place: Place) -> bytes:
    """Return the bytes of a script, without the mark that editors put in front of UTF-8."""
    try:
        if not place.line:
            return place.path.read_bytes().removeprefix(BOM_UTF8)
        with place.path.open("rb") as file:
            file.seek(place.offset)
            return file.readline().removeprefix(BOM_UTF8)
    except OSError as error:
        raise InputError(f"{place}: it can no longer be read ({error.strerror}).") from error


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_size, stat.st_mtime_ns)


def _suggestion(script_id: str, known: Sequence[str]) -> str:
    import difflib

    begin_alike = [one for one in known if script_id and one.startswith(script_id)][:3]
    close = begin_alike or difflib.get_close_matches(script_id, known, n=3)
    return f"Did you mean {' or '.join(close)}?" if close else f"Ids look like these: {', '.join(known[:3])}."
