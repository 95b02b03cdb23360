"""Imports follow the arrows of the design, and the core imports neither torch nor a video library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import agentcvr_graph

ROOT = Path(agentcvr_graph.__file__).parent
HEAVY = ("torch", "transformers", "trl", "av", "decord", "cv2", "librosa", "rapidocr", "pocketsphinx", "numpy", "PIL")
CORE = [
    *(
        "types",
        "errors",
        "answers",
        "render",
        "prompts",
        "state",
        "budget",
        "tools",
        "dialects",
        "progress",
        "failures",
    ),
    *("graph", "trajectory", "testing", "embedding", "time_travel", "asking", "perception/base"),
    *("perception/scripted", "perception/simulated", "perception/noise", "perception/clipping", "perception/phrased"),
    *("media/sampling", "media/cache"),
    *("scripts/schema", "scripts/check", "scripts/library", "scripts/bundled", "scripts/stats"),
    *("scripts/worlds/__init__", "scripts/exchange/__init__", "scripts/lanes/view", "models/offline/palette"),
    *("nodes/binding", "nodes/brief", "nodes/master", "nodes/review", "nodes/memory", "nodes/agents", "nodes/conclude"),
]
# What a layer may not import at the top of its modules. Functions may import lazily what a choice asks for.
FORBIDDEN = {
    "types": ("agentcvr_graph",),
    "errors": ("agentcvr_graph",),
    "media": ("perception", "tools", "graph", "nodes", "state", "prompts", "models.registry", "report", "cli"),
    "models": ("graph", "nodes", "state", "tools", "report", "cli", "server", "trajectory"),
    "perception": ("graph", "nodes", "state", "tools", "prompts", "report", "cli", "server", "trajectory"),
    "nodes": ("models", "media", "report", "cli", "server", "graph", "trajectory"),
    "graph": ("models", "media", "report", "cli", "server", "trajectory"),
    "scripts": ("graph", "nodes", "state", "tools", "prompts", "perception", "cli", "server", "trajectory", "gap"),
    "gap": ("cli", "server"),
    "report": ("graph", "nodes", "models.registry", "cli", "server"),
}


def modules(layer):
    path = ROOT / f"{layer}.py"
    return [path] if path.exists() else sorted((ROOT / layer).rglob("*.py"))


def imports(path):
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_imports_follow_the_arrows(layer):
    for path in modules(layer):
        for name in imports(path):
            for barred in FORBIDDEN[layer]:
                whole = barred if barred == "agentcvr_graph" else f"agentcvr_graph.{barred}"
                assert name != whole, f"{path.name} imports {name}"
                assert not name.startswith(f"{whole}."), f"{path.name} imports {name}"


@pytest.mark.parametrize("name", CORE)
def test_the_core_names_no_heavy_library(name):
    found = {module.partition(".")[0] for module in imports(ROOT / f"{name}.py")}
    assert not found & set(HEAVY)


def test_the_core_imports_without_heavy_libraries():
    code = f"import sys, agentcvr_graph, agentcvr_graph.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_scripted_run_imports_no_heavy_library():
    """Swap mode works where only the core is installed."""
    code = f"""
import asyncio, sys
from agentcvr_graph.cli import main
sys.argv = ["agentcvr", "ask", "--swap", "pi-000001", "--json"]
try:
    main()
except SystemExit as end:
    assert end.code == 0
assert not [m for m in {HEAVY!r} if m in sys.modules], [m for m in {HEAVY!r} if m in sys.modules]
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=True)


def test_the_library_never_imports_training():
    for path in sorted(ROOT.rglob("*.py")):
        assert not [name for name in imports(path) if name.partition(".")[0] in ("training", "agentcvr_training")], path


def test_public_names_are_sorted_and_exist():
    names = agentcvr_graph.__all__
    assert list(names) == sorted(names)
    assert all(hasattr(agentcvr_graph, name) for name in names)


def test_the_public_names_are_there_and_nothing_else():
    names = agentcvr_graph.__all__
    assert names == sorted(names) and dir(agentcvr_graph) == names
    assert all(getattr(agentcvr_graph, name).__name__ == name for name in names)
    with pytest.raises(AttributeError, match="attribute ask"):
        agentcvr_graph.ask  # noqa: B018


def test_processes_that_decode_import_no_langgraph():
    code = (
        "import sys, agentcvr_graph.__main__, agentcvr_graph.media.isolated;"
        "print([m for m in ('langgraph', 'langchain_core', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
