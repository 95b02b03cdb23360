"""`agentcvr train` finds shipped configurations by name, shows examples in its help, and imports no heavy library."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import typer
from agentcvr_training.commands import app
from agentcvr_training.config.shipped import find_config, shipped_configs

from agentcvr_graph.errors import InputError
from tests.support.tiny_runs import command

ROOT = Path(__file__).parents[2]
TRAINING = ROOT / "training" / "agentcvr_training"


def test_the_entry_point_loads_the_train_commands():
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["agentcvr_graph.commands"]
    module, _, name = points["train"].partition(":")
    assert isinstance(getattr(import_module(module), name), typer.Typer)
    assert set(typer.main.get_command(app).commands) == {"grpo", "sft", "demonstrate", "evaluate", "release", "dry-run"}


def test_shipped_configurations_are_found_by_name(tmp_path, monkeypatch):
    assert set(shipped_configs()) == {"minute", "qwen3_4b", "qwen3_8b"}
    assert find_config("qwen3_4b").read_text().startswith("# Qwen3-4B")
    monkeypatch.chdir(tmp_path)
    Path("qwen3_4b").write_text("output: mine")
    assert find_config("qwen3_4b") == Path("qwen3_4b")  # a local file takes precedence


@pytest.mark.parametrize("name", ["grpo", "sft", "dry-run"])
def test_an_unknown_configuration_lists_the_shipped_ones(name, monkeypatch, capsys):
    assert command([name, "qwen3_4"], monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "There is no configuration 'qwen3_4'. Did you mean 'qwen3_4b'?" in line
    assert "Name a YAML file, or a shipped one: minute, qwen3_4b, qwen3_8b." in line


def test_a_missing_configuration_is_named_in_the_error():
    assert find_config("nowhere.yaml") == Path("nowhere.yaml")
    with pytest.raises(InputError, match="There is no configuration 'nowhere'"):
        find_config("nowhere")


@pytest.mark.parametrize("name", ["grpo", "sft", "demonstrate", "evaluate", "release", "dry-run"])
def test_help_shows_examples(name, monkeypatch, capsys):
    assert command([name, "--help"], monkeypatch) == 0
    assert f"agentcvr train {name} " in capsys.readouterr().out


def test_the_command_line_imports_neither_torch_nor_trl():
    heavy = "('torch', 'transformers', 'trl', 'datasets')"
    code = f"import sys, agentcvr_training.commands; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_does_not_import_recipes():
    """A wheel contains `agentcvr_training` but not `training/recipes`."""
    files = [*TRAINING.rglob("*.py"), *TRAINING.rglob("*.yaml")]
    naming = [path for path in files for line in path.read_text().splitlines() if "recipes." in line.partition("#")[0]]
    assert not naming
