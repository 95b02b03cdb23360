"""The notebooks run without a warning, each in an empty folder, and their outputs match their prose.

Tests find cells by id. The last test builds the documentation site from the notebooks that the other tests executed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from docs.notebook_pages import NOTEBOOKS, ROOT, keep
from docs.notebook_pages import execute as execute_notebook

MOST_LINES = 16
"""Largest number of lines of a code cell."""
runs = pytest.mark.enable_socket


class Ran:
    """The outputs of an executed notebook, by cell."""

    def __init__(self, notebook: nbformat.NotebookNode) -> None:
        self._cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}

    def shown(self, cell: str, kind: str = "text/html") -> str:
        """Return everything of one MIME type that a cell displayed."""
        found = [out.data[kind] for out in self._cells[cell].outputs if kind in out.get("data", {})]
        assert found, f"{cell} shows no {kind}"
        return "\n".join(found)

    def printed(self, cell: str, stream: str = "stdout") -> str:
        """Return what a cell printed."""
        return "".join(out.text for out in self._cells[cell].outputs if out.get("name") == stream)

    @property
    def warnings(self) -> dict[str, str]:
        """Return the text written to stderr, by cell."""
        return {cell: text for cell in self._cells if (text := self.printed(cell, "stderr"))}


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Return a function that runs notebook `number` in an empty folder and keeps it for the site."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(number: int) -> Ran:
        path = NOTEBOOKS[number - 1]
        notebook = execute_notebook(path, folder)
        ran = Ran(notebook)
        assert ran.warnings == {}
        keep(path, notebook, folder)
        return ran

    return run


# The stored files.


def test_there_are_five_notebooks():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebooks_are_stored_without_outputs(path):
    stored = json.loads(path.read_text())
    nbformat.validate(nbformat.from_dict(stored))
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert set(stored["metadata"]) == {"kernelspec", "language_info"}
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(cell["metadata"] == {} for cell in stored["cells"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_alternates_prose_and_short_cells(path):
    cells = nbformat.read(path, 4).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    for before, cell in pairwise(cells):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= MOST_LINES, cell.id
            assert "pip install" not in cell.source
            assert cell.source.splitlines()[-1].strip(), cell.id
        else:
            assert before.cell_type == "code" or before is cells[0], cell.id  # no two prose cells in a row


# Their results.


class TestRun:
    pytestmark = runs

    def test_the_quickstart_cites_visual_and_audio_evidence(self, execute):
        ran = execute(1)
        assert "<video" in ran.shown("watch")
        assert "conclude: answer: The cook in video 3" in ran.printed("ask")
        answer = ran.shown("answer")
        assert "<b>The cook in video 3</b>" in answer and answer.count(", observed</li>") == 2
        assert ran.shown("timeline").count('stroke="#178a5c"') == 3  # one mark per citation
        cited = ran.shown("cited")
        assert cited.count("data:image/jpeg;base64,/9j/") == 7 and "olive oil" in cited and "ADD SALT" in cited
        assert ran.shown("trajectory").startswith("<iframe srcdoc=")
        assert "half past nine" in ran.shown("observation")
        assert "<b>3-&gt;4-&gt;1-&gt;2</b>" in ran.shown("order")
        assert "77 frames (77 cached)" in ran.printed("cost")
        assert "data:image/jpeg" in Path("runs/evidence.html").read_text()

    @pytest.mark.skipif(shutil.which("flite") is None, reason="flite speaks the captions of rendered videos")
    def test_swap_mode_shows_scripts_and_rendered_video(self, execute):
        ran = execute(2)
        assert "which cook adds the honey" in ran.shown("script").lower()
        assert ran.shown("observe").count("<tr>") == 4 and ran.shown("two-frames").count("<tr>") == 2
        said, garbled = ran.shown("noise").split("<b>listened:</b>")[1:]
        assert said != garbled and "apple juice" in said
        assert "the key: B" in ran.printed("ask") and "<b>Video 2</b>" in ran.shown("ask")
        assert "<video" in ran.shown("rendered")
        assert "<b>Video 2</b>" in ran.shown("live") and "data:image/jpeg" in ran.shown("live")
        assert "<th>scripted</th><th>live</th><th>sim-to-real gap</th>" in ran.shown("gap")
        assert "<tr><td>all</td><td>4</td>" in ran.shown("gap")
        assert ran.shown("picture", "image/png")

    def test_embedding_interrupts_for_review_and_forks_a_run(self, execute):
        ran = execute(3)
        assert "Video 3, by what is seen and heard" in ran.shown("node", "text/plain")
        assert "Evidence: video 3, 0.0-5.0 s (visual)" in ran.printed("agent")
        assert ran.shown("artifact").count('stroke="#178a5c"') == 3
        assert "(24 frames)" in ran.printed("interrupt")
        assert "60 frames in all" in ran.printed("resume") and "<b>Video 3</b>" in ran.shown("resume")
        assert 'stroke="#178a5c"' not in ran.shown("retake")
        assert "listened" not in ran.shown("forked")
        first, second = ran.printed("memory").splitlines()
        assert "132 frames" in first and "0 frames, 0.0 s of sound" in second
        assert "Known from earlier questions:" in ran.printed("recalled")

    def test_training_draws_the_ledger_and_the_curves(self, execute):
        ran = execute(4)
        assert "300 conversations" in ran.printed("demonstrations")
        assert "step 75/75" in ran.shown("warm", "text/plain")
        assert ran.printed("rollout").startswith("{'answer': ")
        for cell in ("ledger", "ledger-after"):
            html = ran.shown(cell)
            assert 'class="policy"' in html and 'class="environment"' in html and "tool_call" in html
        assert "step 10/10" in ran.shown("grpo", "text/plain")
        assert ran.shown("curves", "image/png")
        before, after = re.findall(r"valid actions (\d\.\d\d)", ran.printed("after"))
        assert float(before) < float(after)
        assert Path("runs/minute/policy/model.safetensors").exists()

    def test_evaluation_compares_methods_by_question(self, execute):
        ran = execute(5)
        assert "'This dinner is for my mother.'" in ran.shown("load", "text/plain")
        table = ran.shown("run")
        assert "<th>agent</th><th>single-pass</th><th>blind</th>" in table
        assert "<tr><td>all</td><td>7</td><td>100 (65-100)</td>" in table
        assert ran.printed("cost").count(" turns, ") == 3 and "the key is C" in ran.printed("rows")
        assert ran.shown("trajectory").startswith("<iframe srcdoc=")
        assert "<th>runs/mine:agent</th>" in ran.shown("compare")
        assert "<tr><td>all</td><td>120</td>" in ran.shown("scripts") and "*" in ran.shown("compare-many")
        assert 'src="runs/mine/report.html"' in ran.shown("report")
        assert "single-pass" in Path("runs/mine/report.html").read_text()


# The site.


@pytest.mark.timeout(900)
@pytest.mark.enable_socket
def test_the_documentation_site_builds_without_warnings(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "python" / "index.html").read_text()
    for name in ("create_cvr_graph", "CVRContext", "VideoError", "FakeMaster"):
        assert f'id="agentcvr_graph.{name}"' in page or f".{name}" in page
    assert "Pages that are to be read first" not in page
    for path in NOTEBOOKS:
        notebook = (tmp_path / "site" / "notebooks" / path.stem / "index.html").read_text()
        assert notebook.count('class="outputs"') > 3
    evidence = (tmp_path / "site" / "notebooks" / "01_quickstart" / "runs" / "evidence.html").read_text()
    assert "data:image/jpeg" in evidence
    assert (tmp_path / "site" / "how-to" / "embed" / "index.html").read_text().count("StateGraph") > 1
