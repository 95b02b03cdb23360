"""The examples of every command's help can be copied: options and choices are known, and model strings are read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
from agentcvr_training.commands import app as train

from agentcvr_graph.answers import KINDS
from agentcvr_graph.cli import app
from agentcvr_graph.cli.lazy import loaded
from agentcvr_graph.cli.options import checked_engine
from agentcvr_graph.cli.scripts import KNOWN_TASKS
from agentcvr_graph.eval.benchmarks import BENCHMARKS
from agentcvr_graph.eval.methods import METHODS
from agentcvr_graph.models.providers.hosted import Hosted
from agentcvr_graph.models.registry import read_model_string
from agentcvr_graph.scripts.generators.procedural import LEVELS, PHRASINGS
from agentcvr_graph.tools.features import BY_NAME as FEATURES


def one_of(allowed: Any, value: str) -> None:
    assert value in allowed


def read_model(spec: str) -> None:
    found = read_model_string(spec)
    assert not isinstance(found, Hosted) or found.provider, f"{spec!r} names no provider"


READERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("master", "vision", "audio", "judge", "model", "writer", "checker"), read_model),
    "engine": checked_engine,
    "benchmark": partial(one_of, BENCHMARKS),
    "methods": partial(one_of, METHODS),
    "kind": partial(one_of, ("auto", *KINDS)),
    "features": partial(one_of, FEATURES),
    "difficulty": partial(one_of, LEVELS),
    "phrasing": partial(one_of, PHRASINGS),
}
"""By parameter: what reads its values, which the parser itself takes as any text."""
OTHERS = ("[bold]Example", "accelerate ")
"""Lines that are headings or start another program."""


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        command.commands[name] = loaded(one)
        yield from commands(command.commands[name], f"{path} {name}")


ROOT: Any = typer.main.get_command(app)
ROOT.commands["train"] = typer.main.get_command(train)  # the plugin would take all arguments unread
COMMANDS = dict(commands(ROOT, "agentcvr"))
EXAMPLES = dict.fromkeys(
    line
    for command in COMMANDS.values()
    for line in (command.epilog or "").splitlines()
    if line and not line.startswith(OTHERS)
)


def test_every_command_that_is_no_group_has_examples():
    leaves = {path: command for path, command in COMMANDS.items() if not hasattr(command, "commands")}
    assert len(leaves) > 20
    assert [path for path, command in leaves.items() if "[bold]Example" not in (command.epilog or "")] == []


def check(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real parser read an example; in place of the command a function takes the parameters."""
    called: list[dict[str, Any]] = []
    for one in COMMANDS.values():
        if not hasattr(one, "commands"):
            monkeypatch.setattr(one, "callback", lambda **given: called.append(given))
    program, *arguments = shlex.split(line.rpartition(" | ")[2])
    assert program == "agentcvr"
    for n, option in enumerate(arguments[:-1]):
        if option in ("--root", "--folder"):  # the parser checks that these exist
            arguments[n + 1] = str(tmp_path)
    ROOT.main(arguments, standalone_mode=False)
    (given,) = called
    for name in READERS.keys() & given.keys():
        for value in filter(None, str(given[name] or "").split(",")):
            READERS[name](value)
    if given.get("benchmark", "own") == "own":
        assert set(KNOWN_TASKS).issuperset(given.get("tasks") or ())


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_can_be_copied(line: str, tmp_path, monkeypatch):
    check(line, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        "agentcvr eval --compare runs/a runs/b   compare two runs",
        "agentcvr index clips/ --audio whisper",
        "agentcvr index clips/ --audios offline",
        "agentcvr eval --data x.csv --out y --engine spark",
    ],
)
def test_a_line_that_cannot_be_copied_is_found(line: str, tmp_path, monkeypatch):
    with pytest.raises(Exception, match=r"unexpected extra argument|names no provider|No such option|Unknown --engine"):
        check(line, tmp_path, monkeypatch)
