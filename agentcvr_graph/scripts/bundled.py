"""The scripts that ship with the package, and how a user names a script.

Five of each task type, made by `agentcvr scripts make --out FILE --each 5 --difficulty easy`, so that swap mode can be
tried at once, in the terminal and in LangGraph Studio. The last is a library of 30 videos, for `find`: the same with
`-t LIB --each 1 --seed 6`.
"""

from __future__ import annotations

import functools
from importlib.resources import as_file, files
from pathlib import Path

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script

SHOWN = 5
"""Ids that an error names."""


@functools.cache
def bundled_library() -> ScriptLibrary:
    """Return the library of the package's scripts."""
    with as_file(files("agentcvr_graph.scripts") / "bundled.jsonl") as path:
        return ScriptLibrary(path)


def find_script(spec: str) -> tuple[ScriptLibrary, Script]:
    """Return the script that a user names: a file that holds one, `FILE#ID`, `FOLDER#ID`, or the id of a bundled one.

    Raises:
        InputError: there is no such script, or the file holds several and no id is named.
    """
    place, _, script_id = spec.partition("#")
    if Path(place).expanduser().exists():
        library = ScriptLibrary(place)
        if not script_id and len(library) > 1:
            some = ", ".join(library.ids[:SHOWN])
            raise InputError(f"{place} holds {len(library)} scripts: {some}, ...", fix=f"Name one as '{place}#ID'.")
        return library, library.get(script_id or library.ids[0])
    if script_id or place.endswith((".json", ".jsonl")):
        raise InputError(f"{place}: no such file or folder.", fix="Check the path.")
    return bundled_library(), bundled_library().get(spec)
