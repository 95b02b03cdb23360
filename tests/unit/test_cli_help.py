"""`--help` is fast: the list of commands imports no command, and no command's help imports LangGraph or numpy.

Help texts list what the registries hold.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from agentcvr_graph.answers import KINDS
from agentcvr_graph.cli import COMMANDS, app
from agentcvr_graph.cli.lazy import loaded
from agentcvr_graph.eval.benchmarks import BENCHMARKS
from agentcvr_graph.eval.methods import METHODS
from agentcvr_graph.tools.features import BY_NAME as FEATURES
from tests.support.command_line import agentcvr

PROGRAM = """
import sys
import typer
from agentcvr_graph.cli import app
from agentcvr_graph.cli.lazy import loaded

HEAVY = ("langgraph", "langchain_core", "torch", "transformers", "numpy", "PIL", "av")


def paths(command, name=()):
    yield name
    for child, found in getattr(command, "commands", {}).items():
        yield from paths(loaded(found), (*name, child))


def run_help(path, heavy=HEAVY):
    try:
        app([*path, "--help"], prog_name="agentcvr")
    except SystemExit as ended:
        assert not ended.code, path
    print("HELP OF", *path)
    found = [name for name in heavy if name in sys.modules]
    assert not found, f"agentcvr {' '.join(path)} --help imports {found}"


run_help((), (*HEAVY, "pydantic", "asyncio", "httpx", "agentcvr_graph.types", "agentcvr_graph.cli.ask"))
for path in paths(typer.main.get_command(app)):
    run_help(path)
if "agentcvr_training" in sys.modules:
    from agentcvr_training.commands import app as train

    for path in paths(typer.main.get_command(train)):
        run_help(("train", *path))
"""


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Return the help text of every command, printed by one process that may import no heavy library."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr
    shown: dict[str, str] = {}
    text = ""
    for line in done.stdout.splitlines():
        if line.startswith("HELP OF"):
            shown[line.removeprefix("HELP OF").strip()], text = text, ""
        else:
            text += f" {line}"
    return shown


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "250", "NO_COLOR": "1"}


def test_help_of_every_command_imports_no_heavy_library(texts: dict[str, str]):
    commands = {"", "ask", "mcp", "demo", "doctor", "eval", "scripts", "scripts make", "scripts sim-gap", "train"}
    assert commands <= set(texts)
    assert {"train grpo", "train sft", "train demonstrate", "train dry-run"} <= set(texts)
    assert all("Usage: agentcvr" in text for text in texts.values())


@pytest.mark.parametrize(
    ("command", "names"),
    [("eval", BENCHMARKS), ("eval", METHODS), ("ask", KINDS), ("ask", FEATURES)],
    ids=["benchmarks", "methods", "kinds", "features"],
)
def test_help_lists_the_registered_names(texts: dict[str, str], command: str, names: dict[str, object]):
    assert ", ".join(names) in texts[command]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_in_the_list_is_the_first_of_its_help(name: str):
    listed: Any = typer.main.get_command(app)
    command = listed.commands[name]
    assert loaded(command).help.splitlines()[0] == command.help


def test_the_reference_names_every_command():
    page = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `agentcvr {name}` |" not in page] == []


def test_the_version_is_that_of_the_package():
    done = agentcvr("--version")
    assert (done.returncode, done.stdout) == (0, f"agentcvr {version('agentcvr-graph')}\n")
