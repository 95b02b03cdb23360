"""Setup shared by all tests: thread counts, Hypothesis profiles, cache folders, and a page in headless Chromium.

- **Threads**: torch and numpy use one thread per process. Workers of pytest-xdist share the cores, and sums are the
  same on every machine.
- **Hypothesis**: profile `dev` tries 20 examples per test; `ci` tries 100, the same in every run.
  `HYPOTHESIS_PROFILE` chooses a profile. Without it, `CI` in the environment means `ci`.
- **Weights**: tests find none in the cache of the Hugging Face Hub and reach for none there, so that they are the same
  on every machine.
- **Caches**: `AGENTCVR_CACHE_DIR` is a folder of this session, shared by its workers, so that no test reads the
  cache of a user's runs. `AGENTCVR_TEST_CACHE` holds files that are costly to make (tests/support/disk_cache.py) and
  survives the session. By default it lies in pytest's cache folder.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support.disk_cache import VARIABLE

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before a test imports a library that reads it

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_CACHE"] = os.devnull  # a folder that holds nothing, before a test imports a library that reads it

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

# No deadlines: a busy machine is slow, which is no fault of the tested code.
_SLOW = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("dev", max_examples=20, **_SLOW)
hypothesis.settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **_SLOW)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_configure(config: pytest.Config) -> None:
    """Set the folder of the disk cache for this process, its workers, and the commands that tests start."""
    os.environ.setdefault(VARIABLE, str(config.rootpath / ".pytest_cache" / "d" / "agentcvr"))


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the cache folder of the product for this session. Commands that tests start use it too."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "product-cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTCVR_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def nothing_known_of_servers() -> None:
    """Forget what earlier tests learned of servers: a new stub may get the port, and so the address, of an old one."""
    for module, record in (("refusals", "_refused"), ("ignored", "_settled")):
        if loaded := sys.modules.get(f"agentcvr_graph.models.clients.{module}"):
            vars(loaded)[record].clear()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """Yield an empty page. The test fails if the page logs an error or requests anything over HTTP."""
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    yield page
    assert problems == []
    page.close()
