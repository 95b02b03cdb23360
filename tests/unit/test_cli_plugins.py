"""Commands from other packages: found by entry point and loaded when run. A broken one gives a one-line error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer

from agentcvr_graph.cli import plugins
from agentcvr_graph.cli.console import run_app
from agentcvr_graph.cli.plugins import GROUP, PluginCommand, add_plugins, plugin_commands
from agentcvr_graph.errors import SetupError

PLUGIN = """
import typer

app = typer.Typer(help="Greets.")

@app.command()
def hello(name: str, loud: bool = False) -> None:
    print(f"hello {name}" + "!" * loud)

@app.command()
def fail() -> None:
    raise typer.Exit(7)

not_an_app = 3
"""


COMMANDS = ("greet=greeter:app", "gone=nowhere:app", "attr=greeter:none", "number=greeter:not_an_app", "r=raiser")
Run = Callable[..., tuple[int | str | None, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an installed package that has one command for each case."""
    (tmp_path / "greeter.py").write_text(PLUGIN)
    (tmp_path / "raiser.py").write_text("raise RuntimeError('no licence')")
    metadata = tmp_path / "greeter-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join((f"[{GROUP}]", *COMMANDS, "own=greeter:app")))
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line and returns its exit status, stdout and stderr.

    The command line has one command of its own, `own`, and the installed ones.
    """
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command("own", help="Its own.")(lambda: None)
    add_plugins(app)

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as ended:
            run_app(lambda: app(arguments, prog_name="agentcvr"))
        return (ended.value.code, *capsys.readouterr())

    return run


def test_a_plugin_is_listed_and_runs_with_its_own_options_and_exit_status(run: Run):
    status, out, _ = run("--help")
    assert status == 0 and "From the package greeter." in out
    assert run("greet", "hello", "Ada", "--loud") == (0, "hello Ada!\n", "")
    assert "Usage: agentcvr greet hello [OPTIONS]" in run("greet", "hello", "--help")[1]
    assert run("greet", "fail")[0] == 7


def test_built_in_commands_take_precedence_over_entry_points_of_the_same_name(run: Run):
    assert "Its own." in run("own", "--help")[1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "ModuleNotFoundError: No module named 'nowhere'."),
        ("attr", "AttributeError: module 'greeter' has no attribute 'none'."),
        ("number", "greeter:not_an_app is of type int and not a typer.Typer."),
        ("r", "RuntimeError: no licence."),
    ],
)
def test_a_broken_plugin_gives_a_one_line_error(run: Run, name: str, reason: str):
    message = f"The command '{name}' from the package greeter cannot be loaded: {reason}"
    assert run(name, "anything") == (2, "", f"error: {message} Reinstall or remove that package.\n")


def test_help_imports_neither_plugins_nor_torch(folder: Path):
    program = (
        "import sys\nfrom agentcvr_graph.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "found = {'torch', 'trl', 'transformers', 'greeter', 'agentcvr_training'} & set(sys.modules)\n"
        "sys.exit(', '.join(found) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "train " in done.stdout


def test_train_without_its_package_says_what_to_install():
    command = PluginCommand("train", None)
    with pytest.raises(SetupError) as caught:
        command.run(["grpo"], "agentcvr train")
    assert caught.value.message == "The package 'agentcvr_training' is not installed."
    assert caught.value.fix == "Install it with: pip install 'agentcvr-graph[training]'"


def test_train_without_its_dependencies_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "needs_much.py").write_text("import package_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    command = PluginCommand("train", EntryPoint("train", "needs_much:app", GROUP))
    with pytest.raises(SetupError, match=r"'package_that_is_not_there' is not installed.*agentcvr-graph\[training\]"):
        command.run(["grpo"], "agentcvr train")


def test_known_commands_are_listed_without_their_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins.importlib.metadata, "entry_points", lambda group: [])
    assert [command.name for command in plugin_commands()] == ["train"]
    app = typer.Typer()
    add_plugins(app)
    assert [command.name for command in app.registered_commands] == ["train"]
