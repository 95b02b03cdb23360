"""The container that `langgraph build` makes, as far as it can be checked without Docker.

The `pip` lines of the generated Dockerfile run as they are, in a new environment on a copy of the build context. Only
the paths of the image and the options that select its Python are replaced. The installed server then answers a question
with the offline models.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pathspec
import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CLEANING = "# -- Ensure user deps"
"""From this line on, the Dockerfile restores and cleans the base image, which is not here."""
ASK = """
import asyncio
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.server import make_graph

given = {"question": "Which word is shown on screen?", "videos": [f"{CLIPS_DIR / 'cook_red.mp4'}#t=0,4"]}
output = asyncio.run(make_graph().ainvoke(given, context={"max_turns": 4, "max_frames": 2}))
print(output["answer"].value, *sorted({seen.model for seen in output["observations"]}), sep="|")
"""


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what `langgraph dockerfile` writes, up to the lines that clean the base image."""
    path = tmp_path_factory.mktemp("docker") / "Dockerfile"
    command = [BIN / "langgraph", "dockerfile", "--config", ROOT / "langgraph.json", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written, found, _ = path.read_text().partition(CLEANING)
    assert found
    return written


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what Docker would send to the builder: the tracked files that `.dockerignore` leaves."""
    ignored = pathspec.PathSpec.from_lines("gitignore", (ROOT / ".dockerignore").read_text().splitlines())
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = tmp_path_factory.mktemp("context")
    for name in filter(lambda name: not ignored.match_file(name), files.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def lines_of(dockerfile: str, instruction: str) -> list[str]:
    return [
        line.removeprefix(f"{instruction} ") for line in dockerfile.splitlines() if line.startswith(f"{instruction} ")
    ]


def environment_of(dockerfile: str) -> dict[str, str]:
    pairs = [pair for line in lines_of(dockerfile, "ENV") for pair in shlex.split(line)]
    return dict(pair.split("=", 1) for pair in pairs)


def test_the_build_context_has_the_packages_and_none_of_the_rest(context: Path):
    kept = {path.name for path in context.iterdir()}
    assert kept == {"agentcvr_graph", "training", "langgraph.json", "pyproject.toml", "README.md", "LICENSE"}
    assert (context / "agentcvr_graph/media/access.py").is_file()
    assert (context / "agentcvr_graph/demo/clips/cook_red.mp4").is_file()


def test_the_image_limits_memory_checks_its_health_and_keeps_media_and_cache_outside(dockerfile: str):
    settings = environment_of(dockerfile)
    assert settings["MALLOC_ARENA_MAX"] == "1"
    volumes = lines_of(dockerfile, "VOLUME")[0].split()
    assert volumes == [settings["AGENTCVR_MEDIA_ROOTS"], settings["AGENTCVR_CACHE_DIR"]]
    assert Path(settings["HF_HOME"]).is_relative_to(settings["AGENTCVR_CACHE_DIR"])
    assert "mkdir -p /media /cache && chmod 1777 /cache\nVOLUME" in dockerfile, "any user may write to the cache"
    assert "python /api/healthcheck.py" in lines_of(dockerfile, "HEALTHCHECK")[0]
    graphs = json.loads(settings["LANGSERVE_GRAPHS"])
    assert all(graph["path"].startswith("/deps/") for graph in graphs.values())


def test_the_documented_compose_file_mounts_what_the_image_expects(dockerfile: str):
    services = yaml.safe_load((ROOT / "docs/examples/compose.yaml").read_text())["services"]
    mounted = [volume.removesuffix(":ro").rpartition(":")[2] for volume in services["agentcvr"]["volumes"]]
    assert mounted == lines_of(dockerfile, "VOLUME")[0].split()


@pytest.mark.timeout(900)
def test_the_pip_lines_install_a_server_that_answers_about_video(dockerfile: str, context: Path, tmp_path: Path):
    image, venv = tmp_path / "image", tmp_path / "venv"
    succeed([str(BIN / "uv"), "venv", "--quiet", "--python", sys.executable, str(venv)], tmp_path)
    for line in lines_of(dockerfile, "ADD"):
        source, place = line.split()
        add(context / source, image / place.lstrip("/"))
    commands = [line for line in lines_of(dockerfile, "RUN") if "pip install" in line]
    assert len(commands) == 2
    for command in commands:
        succeed(["sh", "-ec", outside_of_the_image(command, image, venv)], tmp_path)
    answer, *models = succeed([str(venv / "bin" / "python"), "-c", ASK], tmp_path).strip().split("|")
    assert "HEAT THE PAN" in answer and "offline-vision-4" in models and len(models) == 2


def add(source: Path, place: Path) -> None:
    """Carry out an `ADD` of a file or a folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, place) if source.is_dir() else shutil.copyfile(source, place)


def outside_of_the_image(command: str, image: Path, venv: Path) -> str:
    """Return a command of the Dockerfile for another Python, another root and this machine's cache of packages."""
    command = command.replace("/api/constraints.txt", str(ROOT / "constraints.txt")).replace("--no-cache-dir", "")
    command = command.replace("--system", f"--python {venv}/bin/python")
    return re.sub(r"(?<!\S)/deps", f"{image}/deps", command)


def succeed(command: list[str], folder: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**kept, "PATH": f"{BIN}{os.pathsep}{kept['PATH']}", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if "Failed to fetch" in done.stderr or "error sending request" in done.stderr:
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
