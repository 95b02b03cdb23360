"""Find the configurations that ship with the package by name."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path

from agentcvr_graph.errors import InputError

FOLDER = Path(str(files("agentcvr_training"))) / "configs"
SUFFIX = ".yaml"


def shipped_configs() -> dict[str, Path]:
    """Return the path of each shipped configuration, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def find_config(name: str) -> Path:
    """Return the path of a configuration, given as a file or as the name of a shipped one.

    A file of that name takes precedence. `load_settings` checks whether a path that ends with `.yaml` can be read.

    Raises:
        InputError: it is neither; lists the shipped ones.
    """
    path, shipped = Path(name), shipped_configs()
    if path.is_file() or path.suffix in (SUFFIX, ".yml"):
        return path
    if name in shipped:
        return shipped[name]
    close = difflib.get_close_matches(name, shipped, n=1)
    raise InputError(
        f"There is no configuration {name!r}.{f' Did you mean {close[0]!r}?' if close else ''}",
        fix=f"Name a YAML file, or a shipped one: {', '.join(shipped)}.",
    )
