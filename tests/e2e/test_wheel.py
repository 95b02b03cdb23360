"""The built packages work without the repository: a wheel in a new environment, run from an unrelated folder.

The environment sees the dependencies of this one through a `.pth` file and nothing else of it: Python does not follow
`.pth` files in that folder, such as that of an editable install. Nothing is downloaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
NEEDED = (
    *("agentcvr_graph/py.typed", "agentcvr_graph/__init__.pyi", "agentcvr_training/py.typed"),
    *("agentcvr_graph/demo/clips/cook_red.mp4", "agentcvr_graph/demo/questions.json"),
    *("agentcvr_graph/scripts/bundled.jsonl", "agentcvr_graph/perception/offline_noise.json"),
    *("agentcvr_graph/report/templates/report.html.j2", "agentcvr_graph/eval/report/templates/run.html.j2"),
    *("agentcvr_graph/models/tiny/config.json", "agentcvr_graph/models/tiny/model.safetensors"),
    *("agentcvr_training/configs/qwen3_4b.yaml", "agentcvr_training/configs/minute.yaml"),
)
IN_SDIST = ("LICENSE", "README.md", "pyproject.toml", "Makefile", "constraints.txt", "agentcvr_graph/__init__.pyi")
IN_SDIST += ("training/agentcvr_training/__init__.py", "training/README.md", "tests/unit/test_layers.py")


def run(*command: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**kept, "NO_COLOR": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def succeed(*command: str | Path, folder: Path = ROOT) -> str:
    done = run(*command, folder=folder)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source distribution and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    succeed(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=source)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` folder of a new virtual environment with the wheel installed."""
    folder = tmp_path_factory.mktemp("venv")
    succeed(UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    succeed(UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel)
    packages = Path(succeed(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return a user's folder that contains a package named `training`."""
    package = tmp_path / "training"
    package.mkdir()
    (package / "__init__.py").write_text("OWNER = 'user'\n")
    return tmp_path


def test_the_wheel_contains_the_required_files_and_only_the_two_packages(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "agentcvr_env",
        "agentcvr_graph",
        "agentcvr_training",
    }
    assert not set(NEEDED) - set(names)
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert "train = agentcvr_training.commands:app" in entry_points
    assert "agentcvr = agentcvr_graph.__main__:main" in entry_points


def test_the_source_distribution_is_complete(built: Path):
    (source,) = (built / "source").iterdir()
    assert not [name for name in IN_SDIST if not (source / name).is_file()]


def test_the_wheel_does_not_shadow_a_package_named_training(environment: Path, elsewhere: Path):
    program = (
        "import agentcvr_graph, agentcvr_training, training\n"
        "print(agentcvr_graph.__file__, agentcvr_training.__file__, training.OWNER)\n"
        "agentcvr_graph.create_cvr_graph"
    )
    library, trainer, owner = succeed(environment / "python", "-c", program, folder=elsewhere).split()
    assert Path(library).is_relative_to(environment.parent) and Path(trainer).is_relative_to(environment.parent)
    assert owner == "user"


def test_the_installed_demo_answers_in_swap_mode(environment: Path, elsewhere: Path):
    out = succeed(environment / "agentcvr", "demo", "--swap", folder=elsewhere)
    assert "score 1.00" in out
    assert (elsewhere / "agentcvr-demo.html").read_text().startswith("<!doctype html>")


def test_the_train_command_finds_the_shipped_configurations(environment: Path, elsewhere: Path):
    out = succeed(environment / "agentcvr", "train", "grpo", "--help", folder=elsewhere)
    assert "Usage: agentcvr train grpo" in out and "qwen3_4b" in out
    plan = succeed(environment / "agentcvr", "train", "grpo", "qwen3_4b", "--dry-run", folder=elsewhere)
    assert "32 scripts x 8 rollouts = 256 trajectories" in plan
    assert "million weights" in plan or "not checked: model, chat template" in plan  # as the Hub can be reached or not
    wrong = run(environment / "agentcvr", "train", "grpo", "qwen3_4", "--dry-run", folder=elsewhere)
    assert wrong.returncode == 2 and "Did you mean 'qwen3_4b'?" in wrong.stderr
