"""Packages of npm for tests of JavaScript clients, installed once and kept in the disk cache.

Node and npm are no requirement of the tests: where one is missing, or the registry does not answer, a test is skipped
with the reason.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.disk_cache import cached_folder

QUIETLY = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1")
LONGEST_S = 120


def node_modules(*packages: str) -> Path:
    """Return the folder `node_modules` with these packages; skip the test if they cannot be installed.

    Args:
        packages: each with its version, as npm takes them: `react@19.2.0`.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no node with npm on the path")

    def install(folder: Path) -> None:
        (folder / "package.json").write_text("{}")
        command = [npm, "install", *QUIETLY, *packages]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=LONGEST_S)

    try:
        return cached_folder("npm", packages, install) / "node_modules"
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {', '.join(packages)} within {LONGEST_S} s")
    except subprocess.CalledProcessError as failed:
        pytest.skip(f"npm could not install {', '.join(packages)}: {failed.stderr.strip()[-300:]}")
