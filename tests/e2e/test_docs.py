"""Every code block in `docs/` and the README runs.

The blocks of a page share a namespace and an event loop, as the cells of a notebook do, and a folder with the files
that the pages use: two videos, a CSV with questions, some scripts. `python` blocks and each line of `console` blocks
are executed. Lines of `sh` blocks need a model or a data set that is not available here, so only their options are
parsed.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from agentcvr_graph.answers import KINDS
from agentcvr_graph.cli import app
from agentcvr_graph.cli.lazy import loaded
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.eval import BENCHMARKS, METHODS
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import write_scripts
from tests.support.command_line import agentcvr

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
INCLUDED = "--8<--"
"""Start of a block that includes a program of `docs/examples/`; `test_examples.py` tests these programs."""
COMMANDS = {"agentcvr": typer.main.get_command(app)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, clip in (("a", "cook_red"), ("b", "cook_green")):
        shutil.copy(CLIPS_DIR / f"{clip}.mp4", tmp_path / f"{name}.mp4")
    rows = ["question,videos,options,answer", "Who is the dinner for?,a.mp4;b.mp4,a friend;a guest,A"]
    (tmp_path / "my_questions.csv").write_text("\n".join(rows) + "\n")
    write_scripts((make_script("CC", seed) for seed in range(8)), tmp_path / "train.jsonl")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def registries():
    """Restore what a page adds to the registries: other tests of this process read them."""
    kept = [(registry, dict(registry)) for registry in (KINDS, BENCHMARKS, METHODS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


def blocks(page):
    """Return language and text of the code blocks of a page, in order."""
    found = []
    for language in ("python", "console", "sh", "json"):
        document = Document.parse(str(page), CodeBlockParser(language=language, evaluator=lambda example: None))
        found += [(region.start, language, str(region.parsed)) for region in document]
    return [(language, text) for _, language, text in sorted(found)]


def run_python(source, namespace, runner):
    """Run a block, which may use `await` at its top level."""
    code = compile(source, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        runner.run(result)


def run_command(line):
    done = agentcvr(*shlex.split(line)[1:])
    assert done.returncode in (0, 1), f"{line}\n{done.stderr}"  # 1: no answer


def read_options(line):
    """Parse the options of a command line, down to the last subcommand, without running it."""
    name, *arguments = shlex.split(line)
    command = COMMANDS[name]
    while arguments and arguments[0] in getattr(command, "commands", ()):
        command = loaded(command.commands[arguments.pop(0)])
    assert not hasattr(command, "commands"), f"{line}: there is no such command"
    command.make_context(name, arguments)


@pytest.mark.enable_socket
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_code_block_of_a_page_runs(page, folder, registries):
    namespace = {"__name__": "page"}
    with asyncio.Runner() as runner:
        for language, text in blocks(page):
            if text.startswith(INCLUDED):
                assert (DOCS / text.split('"')[1]).is_file()
            elif language == "python":
                run_python(text, namespace, runner)
            elif language == "json":
                json.loads(text)
            else:
                for line in text.strip().replace("\\\n", " ").splitlines():
                    (run_command if language == "console" else read_options)(line)


def readme_program():
    """Return the README's first Python block and the output shown below it."""
    text = README.read_text()
    program, rest = text.split("```python\n")[1].split("```\n")[:2]
    shown = rest.lstrip("\n").split("\n\n")[0]
    return program, inspect.cleandoc(shown)


def test_the_readme_is_short_and_starts_with_a_program():
    lines = README.read_text().splitlines()
    assert len(lines) <= 200
    assert lines.index("```") <= 40 and "```python" in lines[:10]


def test_the_readme_program_prints_the_shown_output(tmp_path):
    program, shown = readme_program()
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == shown
    assert "video 3, 11.8-18.8 s, visual" in shown and "audio" in shown


def test_the_readme_program_runs_in_a_notebook_with_its_notebook_line(folder, capsys):
    program, shown = readme_program()
    *lines, last = program.strip().splitlines()
    file_form, notebook_form = last.split("  # in a notebook: ")
    assert file_form == "asyncio.run(main())"
    with asyncio.Runner() as runner:
        run_python("\n".join([*lines, notebook_form]), {"__name__": "__main__"}, runner)
    assert capsys.readouterr().out.strip() == shown


def test_a_failing_block_fails_the_test(folder):
    with asyncio.Runner() as runner, pytest.raises(AssertionError):
        run_python("import asyncio\nawait asyncio.sleep(0)\nassert 1 == 2", {}, runner)
    with pytest.raises(Exception, match="--colour"):
        read_options("agentcvr ask a.mp4 -q x --colour red")
    with pytest.raises(AssertionError, match="no such command"):
        read_options("agentcvr scripts nothing")


def test_the_pages_have_code_blocks_of_every_language():
    languages = {language for page in PAGES for language, _ in blocks(page)}
    assert languages == {"python", "console", "sh", "json"}
    assert sum(len(blocks(page)) for page in PAGES) > 20


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/how-it-works.md"])
def test_files_named_on_a_page_exist(page):
    named = re.findall(r"`([\w./]+/[\w.]+\.py|[a-z]+\.py)`", (ROOT / page).read_text())
    missing = [name for name in named if not any((ROOT / base / name).exists() for base in ("", "agentcvr_graph"))]
    assert named and missing == []
