"""MkDocs hook: execute the notebooks and add one page for each, with its outputs.

An executed notebook is kept in `.cache/notebooks/` under a digest of its source and of
the packages' files, so a build executes only what has changed. A notebook runs in a
folder of its own; the HTML files that it writes there are published beside its page.
"""

from __future__ import annotations

import html
import re
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CACHE = ROOT / ".cache" / "notebooks"
SOURCES = ("agentcvr_graph", "training")
TIMEOUT_S = 600
"""Of a cell."""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add a page for each notebook and the HTML files that it wrote."""
    for path in NOTEBOOKS:
        folder = executed(path)
        uri = f"notebooks/{path.stem}"
        page = as_markdown(nbformat.read(folder / path.name, 4))
        files.append(File.generated(config, f"{uri}.md", content=page))
        for written in (folder / "runs").rglob("*.html"):
            target = f"{uri}/{written.relative_to(folder).as_posix()}"
            source = str(written)
            files.append(File.generated(config, target, abs_src_path=source))
    return files


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Insert the outputs where the page of a notebook has a placeholder."""
    stem = page.file.src_uri.removeprefix("notebooks/").removesuffix(".md")
    for path in NOTEBOOKS:
        if path.stem == stem:
            for cell in nbformat.read(executed(path) / path.name, 4).cells:
                content = content.replace(placeholder(cell.id), shown(cell))
    return content


def executed(path: Path) -> Path:
    """Return the folder that holds a notebook with its outputs and what it wrote."""
    folder = cached(path)
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as work:
            notebook = execute(path, Path(work))
            keep(path, notebook, Path(work))
    return folder


def execute(path: Path, work: Path) -> nbformat.NotebookNode:
    """Run a notebook in a folder and return it with its outputs."""
    notebook = nbformat.read(path, 4)
    where = {"metadata": {"path": str(work)}}
    NotebookClient(
        notebook, timeout=TIMEOUT_S, kernel_name="python3", resources=where
    ).execute()
    return notebook


def keep(path: Path, notebook: nbformat.NotebookNode, work: Path) -> None:
    """Store an executed notebook and the HTML files that it wrote."""
    folder = cached(path)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as partial:
        nbformat.write(notebook, Path(partial) / path.name)
        for written in (work / "runs").rglob("*.html"):
            target = Path(partial) / written.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(written, target)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(partial, folder)


def cached(path: Path) -> Path:
    """Return the folder for the present sources of a notebook, which may not exist."""
    digest = sha256(path.read_bytes())
    for source in SOURCES:
        for file in sorted((ROOT / source).rglob("*")):
            if file.suffix in {".py", ".yaml", ".json", ".jinja", ".css", ".js"}:
                digest.update(file.read_bytes())
    return CACHE / f"{path.stem}-{digest.hexdigest()[:16]}"


def as_markdown(notebook: nbformat.NotebookNode) -> str:
    """Return the cells as a page: prose, code blocks, placeholders for outputs."""
    parts: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts.append(f"```python\n{cell.source}\n```")
            if cell.outputs:
                parts.append(placeholder(cell.id))
    return "\n\n".join(parts)


def placeholder(cell: str) -> str:
    """Return the element that stands for a cell's outputs."""
    return f'<div data-outputs-of="{cell}"></div>'


def shown(cell: nbformat.NotebookNode) -> str:
    """Return a code cell's outputs as HTML."""
    outputs = "\n".join(as_html(cell)) if cell.cell_type == "code" else ""
    return f'<div class="outputs">\n{outputs}\n</div>'


def as_html(cell: nbformat.NotebookNode) -> Iterator[str]:
    """Yield each output in the richest form that a page can show."""
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "text/html" in data:
            yield data["text/html"]
        elif "image/png" in data:
            encoded = data["image/png"].replace("\n", "")
            yield f'<img alt="{cell.id}" src="data:image/png;base64,{encoded}">'
        else:
            yield f"<pre>{html.escape(ANSI.sub('', data['text/plain']))}</pre>"
