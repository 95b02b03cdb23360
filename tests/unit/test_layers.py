"""Imports follow the layers of the design, without cycles. The core imports neither torch nor a video library.

Imports inside functions count like imports at the top of a module: a cycle through a function is still a cycle.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import agentcvr_graph

ROOT = Path(agentcvr_graph.__file__).parent
TRAINING = ROOT.parent / "training" / "agentcvr_training"
HEAVY = (
    *("torch", "transformers", "trl", "av", "decord", "cv2", "librosa", "rapidocr", "pocketsphinx", "numpy", "PIL"),
    *("faster_whisper", "ctranslate2", "huggingface_hub"),
)
LAYERS = (
    ("errors", "utils"),
    ("types", "models.chat_format.thoughts"),
    ("catalogue", "views"),
    ("render", "answers"),
    ("media",),
    ("models",),
    ("scripts",),
    ("perception",),
    ("index",),
    ("scripts.extraction",),
    ("tools",),
    ("graph",),
    ("trajectory",),
    ("graph.run", "graph.as_tool", "graph.retake", "testing"),
    ("report",),
    ("agent_graph", "short_answer", "short_graph"),
    ("eval", "demo"),
    ("server", "mcp_server"),
    ("cli", "__main__"),
)
"""The lowest layer comes first. A module may import from its own row and from earlier rows, never from later ones."""
LIGHT = (
    *("types", "views", "errors", "render", "answers", "index", "tools", "graph", "trajectory", "testing"),
    *("perception/base", "perception/scripted", "perception/simulator", "perception/noise", "perception/clipping"),
    *("media/sampling", "media/cache", "scripts/schema", "scripts/checks", "scripts/library", "scripts/bundled"),
    *("scripts/stats", "scripts/generators/procedural/__init__", "scripts/formats", "models/offline/palette"),
)


def parts_of(package: str, folder: Path) -> dict[str, Path]:
    return {
        ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in sorted(folder.rglob("*.py"))
    }


MODULES = parts_of("agentcvr_graph", ROOT) | parts_of("agentcvr_training", TRAINING)


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Yield every module that a file imports, except under `TYPE_CHECKING`."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in tree.body if top_only else ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@functools.cache
def edges() -> dict[str, set[str]]:
    return {
        name: {found for found in imports(path) if found in MODULES and found != name} for name, path in MODULES.items()
    }


def height(module: str) -> int:
    """Return the row of a module in `LAYERS`. The longest matching name decides."""
    name = module.removeprefix("agentcvr_graph").removeprefix(".")
    fits = [
        (len(layer), row)
        for row, layers in enumerate(LAYERS)
        for layer in layers
        if name == layer or name.startswith(f"{layer}.")
    ]
    assert fits, f"{module} stands in no layer"
    return max(fits)[1]


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("agentcvr_graph.")])
def test_imports_follow_the_layers(module):
    wrong = [
        name
        for name in sorted(edges()[module])
        if name.startswith("agentcvr_training") or (name != "agentcvr_graph" and height(name) > height(module))
    ]
    assert not wrong, f"{module} imports {wrong}"


def test_there_are_no_import_cycles():
    try:
        TopologicalSorter(edges()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", LIGHT)
def test_core_modules_import_no_heavy_library_at_module_level(name):
    files = sorted((ROOT / name).rglob("*.py")) if (ROOT / name).is_dir() else [ROOT / f"{name}.py"]
    found = {module.partition(".")[0] for path in files for module in imports(path, top_only=True)}
    assert not found & set(HEAVY)


def test_the_core_imports_without_heavy_libraries():
    code = f"import sys, agentcvr_graph, agentcvr_graph.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_scripted_run_imports_no_heavy_library():
    """Swap mode works with only the core packages installed."""
    code = f"""
import asyncio, sys
from agentcvr_graph.cli import main
sys.argv = ["agentcvr", "ask", "--swap", "cc-000001", "--json"]
try:
    main()
except SystemExit as end:
    assert end.code == 0
assert not [m for m in {HEAVY!r} if m in sys.modules], [m for m in {HEAVY!r} if m in sys.modules]
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_exports_exactly_its_sorted_public_names():
    names = agentcvr_graph.__all__
    assert names == sorted(names) and dir(agentcvr_graph) == names
    assert all(hasattr(agentcvr_graph, name) for name in names)
    with pytest.raises(AttributeError, match="attribute ask"):
        agentcvr_graph.ask  # noqa: B018


def test_decoding_processes_do_not_import_langgraph():
    code = (
        "import sys, agentcvr_graph.__main__, agentcvr_graph.media.isolated;"
        "print([m for m in ('langgraph', 'langchain_core', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
