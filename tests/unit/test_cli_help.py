"""`--help` of every command is fast: it imports neither LangGraph nor torch. It lists what the registries hold."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agentcvr_graph.answers import KINDS
from agentcvr_graph.eval.benchmarks import BENCHMARKS
from agentcvr_graph.eval.methods import METHODS

PROGRAM = """
import sys
import typer
from agentcvr_graph.cli import app

HEAVY = ("langgraph", "langchain_core", "torch", "transformers", "numpy", "PIL", "av")


def paths(command, name=()):
    yield name
    for child, found in getattr(command, "commands", {}).items():
        yield from paths(found, (*name, child))


def run_help(path):
    try:
        app([*path, "--help"], prog_name="agentcvr")
    except SystemExit as ended:
        assert not ended.code, path
    print("HELP OF", *path)
    loaded = [name for name in HEAVY if name in sys.modules]
    assert not loaded, f"agentcvr {' '.join(path)} --help imports {loaded}"


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
    commands = {"", "ask", "demo", "doctor", "eval", "scripts", "scripts make", "scripts sim-gap", "train"}
    assert commands <= set(texts)
    assert {"train grpo", "train sft", "train demonstrate", "train dry-run"} <= set(texts)
    assert all("Usage: agentcvr" in text for text in texts.values())


@pytest.mark.parametrize(
    ("command", "names"),
    [("eval", BENCHMARKS), ("eval", METHODS), ("ask", KINDS)],
    ids=["benchmarks", "methods", "kinds"],
)
def test_help_lists_the_registered_names(texts: dict[str, str], command: str, names: dict[str, object]):
    assert ", ".join(names) in texts[command]
