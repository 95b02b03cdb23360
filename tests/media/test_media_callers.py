"""Decoder workers start for every kind of caller, and never run the caller's own code again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.media_files import counting

PROGRAM = """
from pathlib import Path
from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.types import Video
_ = Path("started").open("a").write("started ")
library = IsolatedLibrary(workers=1, cache_dir=Path("cache"))
print("frames", len(library.open(Video(source="clip.mp4")).frames([0.5])))
library.close()
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    counting(tmp_path / "clip.mp4", seconds=1)
    (tmp_path / "script.py").write_text(PROGRAM)
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__init__.py").touch()
    (tmp_path / "program" / "__main__.py").write_text(PROGRAM)
    (tmp_path / "module.py").write_text(PROGRAM)
    (tmp_path / "test_program.py").write_text(f"def test_it():\n    exec({PROGRAM!r})\n")
    return tmp_path


NOTEBOOK = f"""
import nbformat
from nbclient import NotebookClient
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell({PROGRAM!r})])
NotebookClient(notebook).execute()
print(notebook.cells[0].outputs[0]["text"])
"""


CALLERS = {
    "a script without a guard": ["script.py"],
    "a heredoc": ["-"],
    "an interactive session": ["-i", "-q"],
    "a command": ["-c", PROGRAM],
    "a package": ["-m", "program"],
    "a module": ["-m", "module"],
    "a notebook": ["-c", NOTEBOOK],
    "pytest": ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_program.py"],
}


@pytest.mark.parametrize("caller", CALLERS)
def test_a_worker_starts_for_every_caller(folder, caller):
    run = subprocess.run(
        [sys.executable, *CALLERS[caller]],
        input=PROGRAM,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "frames 1" in run.stdout, run.stderr
    assert (folder / "started").read_text().count("started") == 1
