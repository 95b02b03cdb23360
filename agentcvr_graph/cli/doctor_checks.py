"""The checks behind `agentcvr doctor`: what is installed, what is reachable, and the command that fixes the rest.

`diagnose` returns a list of `Check` and prints nothing. The packages and versions that an extra needs are read from the
metadata of this distribution. The check of a server requests its list of models. Hosted providers are not called: only
the package and the key are checked.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from packaging.requirements import Requirement

from agentcvr_graph.errors import CVRError, shown_address
from agentcvr_graph.models.registry import read_model_string, resolve_audio, resolve_chat_model, resolve_vision

DISTRIBUTION = "agentcvr-graph"
LIVE_FIX = f"pip install '{DISTRIBUTION}[live]'"
CORE = "core"
REQUIRED = (CORE, "live")
"""Extras that reading a video needs. The others are optional."""
CONTRIBUTOR_EXTRAS = ("dev", "docs", "notebooks")
"""Extras for work on this repository; they are not checked."""
GIB = 2**30
LOW_DISK_GIB = 2.0
PROGRAMS = {"ffmpeg": "renders videos", "flite": "renders speech", "chromium": "tests the HTML report"}
"""Programs that rendering and tests call, by the names of their Debian packages."""


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    area: str
    """What the check belongs to; the report shows the working parts of an area on one line."""
    name: str
    ok: bool | None
    """True: works. False: required and does not work. None: optional and missing, or unknown."""
    detail: str
    fix: str = ""
    """A command or an instruction that fixes the problem; empty if there is nothing to fix."""


def diagnose(master: str = "offline", vision: str = "offline", audio: str = "auto") -> list[Check]:
    """Check everything that a question about real video needs, including the given three models.

    This blocks: it imports libraries and may wait ten seconds for a server.
    """
    return [
        Check("agentcvr", "agentcvr", True, importlib.metadata.version(DISTRIBUTION)),
        python_version(),
        *extras(),
        *readers(),
        *recognition(),
        programs(),
        cache_folder(),
        gpu(),
        model("master", master, resolve_chat_model),
        model("vision", vision, resolve_vision),
        model("audio", audio, resolve_audio),
    ]


def python_version() -> Check:
    """Check that the package supports this version of Python."""
    wanted = importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"]
    fits = Requirement(f"python{wanted}").specifier.contains(platform.python_version(), prereleases=True)
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "python", fits, detail, "" if fits else f"Use a Python {wanted}.")


def extras() -> Iterator[Check]:
    """Yield a check for the core and for each extra: installed versions, or what is missing or does not fit."""
    needs = [Requirement(line) for line in importlib.metadata.requires(DISTRIBUTION) or []]
    names = importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    for extra in [CORE, *(name for name in names if name not in CONTRIBUTOR_EXTRAS)]:
        own = [need for need in needs if _belongs(need, extra) and need.name != DISTRIBUTION]
        if own:
            yield _extra(extra, own)


def _belongs(need: Requirement, extra: str) -> bool:
    if extra == CORE:
        return need.marker is None or need.marker.evaluate({"extra": ""})
    return (
        need.marker is not None and need.marker.evaluate({"extra": extra}) and not need.marker.evaluate({"extra": ""})
    )


def _extra(extra: str, needs: list[Requirement]) -> Check:
    problems = [problem for need in needs if (problem := _problem(need))]
    if not problems:
        installed = (f"{need.name} {importlib.metadata.version(need.name)}" for need in needs)
        return Check("packages", extra, True, ", ".join(installed))
    target = DISTRIBUTION if extra == CORE else f"{DISTRIBUTION}[{extra}]"
    ok = False if extra in REQUIRED else None
    return Check("packages", extra, ok, ", ".join(problems), f"pip install '{target}'")


def _problem(need: Requirement) -> str:
    try:
        version = importlib.metadata.version(need.name)
    except importlib.metadata.PackageNotFoundError:
        return f"no {need.name}"
    return (
        "" if need.specifier.contains(version, prereleases=True) else f"{need.name} {version} (needs {need.specifier})"
    )


def readers() -> Iterator[Check]:
    """Yield a check for each video reader. One of them is enough."""
    found = {name: _import_problem(module) for name, module in (("pyav", "av"), ("decord", "decord"))}
    none_works = all(found.values())
    for name, problem in found.items():
        missing = False if none_works else None
        if problem:
            # decord has no wheel for some machines, and PyAV replaces it there.
            yield Check("video readers", name, missing, problem, LIVE_FIX if none_works or name == "pyav" else "")
        else:
            yield Check("video readers", name, True, "can be imported")


def recognition() -> Iterator[Check]:
    """Yield a check for each engine of the offline models: on-screen text and speech."""
    for name, module in (("on-screen text", "rapidocr"), ("speech", "pocketsphinx")):
        if problem := _import_problem(module):
            yield Check("recognition", name, None, problem, LIVE_FIX)
        else:
            yield Check("recognition", name, True, f"{module} {importlib.metadata.version(module)}, with its own model")


def programs() -> Check:
    """Look for the programs that only rendering and tests need."""
    found = {name: shutil.which(name) for name in PROGRAMS}
    lines = [f"{name} ({PROGRAMS[name]}): {path or 'not found'}" for name, path in found.items()]
    missing = [name for name, path in found.items() if path is None]
    fix = f"apt-get install {' '.join(missing)}" if missing else ""
    return Check("programs", ", ".join(missing or PROGRAMS), None if missing else True, ", ".join(lines), fix)


def cache_folder() -> Check:
    """Check that the cache can be written, and return its size and the free space."""
    try:
        from agentcvr_graph.media.cache import default_cache_dir
    except ImportError as error:
        return Check("cache", "cache", None, f"unknown: {error}", LIVE_FIX)
    folder = default_cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror}"
        return Check("cache", "cache", False, detail, "Set AGENTCVR_CACHE_DIR to a folder that can be written.")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    enough = free / GIB > LOW_DISK_GIB
    detail = f"{folder}: {size / GIB:.2f} GiB used, {free / GIB:.1f} GiB free"
    fix = "" if enough else "Free some space, or set AGENTCVR_CACHE_DIR to another disk."
    return Check("cache", "cache", enough, detail, fix)


def gpu() -> Check:
    """Check where models in this process would run. Only they need torch."""
    if _import_problem("torch"):
        return Check("gpu", "gpu", None, "unknown without torch, which models in this process need")
    torch = cast(Any, importlib.import_module("torch"))
    if not torch.cuda.is_available():
        return Check("gpu", "gpu", None, "none; models in this process run on the CPU")
    names = [str(torch.cuda.get_device_name(index)) for index in range(torch.cuda.device_count())]
    return Check("gpu", "gpu", True, ", ".join(names))


def model(role: str, spec: str, resolve: Callable[[str], object]) -> Check:
    """Check whether the model of a model string can be used, without calling it."""
    name = f"{role} {shown_address(spec)}"
    try:
        detail = read_model_string(spec).check()
        resolve(spec)
    except CVRError as error:
        return Check("models", name, False, error.message, error.fix)
    except ImportError as error:
        return Check("models", name, False, str(error), LIVE_FIX)
    return Check("models", name, True, detail)


def _import_problem(module: str) -> str:
    """Return why a module cannot be imported, or "". Native libraries raise more than ImportError."""
    try:
        importlib.import_module(module)
    except Exception as error:
        return f"{module}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"
    return ""
