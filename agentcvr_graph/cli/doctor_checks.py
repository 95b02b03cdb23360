"""What is installed, what is reachable, and the command that mends what is not.

Out comes a list of `Check`, nothing is printed and nothing is changed. Which packages an extra needs, and in which
versions, is read from this package's own metadata, so it is written down once. Reaching a server costs one listing of
its models; a hosted provider is not called, only its package and its key are looked for.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from packaging.requirements import Requirement

from agentcvr_graph.errors import CVRError, shown_address
from agentcvr_graph.models.providers.servers import served_models
from agentcvr_graph.models.registry import checked_source, resolve_audio, resolve_chat_model, resolve_vision
from agentcvr_graph.models.strings import InProcess, Server, read_model_string

DISTRIBUTION = "agentcvr-graph"
NEEDED = ("", "live")
"""Extras without which no video can be read; the empty one is the core. The others are a choice."""
UNTOLD = ("dev",)
"""Extras that matter only to those who work on this package."""
GIB = 2**30
LITTLE_DISK_GIB = 2.0
PROGRAMS = {
    "ffmpeg": ("renders clips and test videos", "apt-get install ffmpeg"),
    "flite": ("speaks in the clips that are built", "apt-get install flite"),
    "chromium": ("tests the HTML report", "apt-get install chromium"),
}


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report."""

    name: str
    ok: bool | None
    """True: works. False: broken, and needed. None: absent or unknown, and not needed for what was asked."""
    detail: str
    fix: str = ""
    """A command or an instruction that mends it; empty where there is nothing to mend."""


def diagnose(master: str = "offline", vision: str = "offline", audio: str = "offline") -> list[Check]:
    """Look at everything that a question over real video needs, with the three models that it would use.

    Blocking: it imports libraries and may wait ten seconds for a server.
    """
    return [
        python_version(),
        *extras(),
        *readers(),
        *senses(),
        *(program(name) for name in PROGRAMS),
        cache_folder(),
        gpu(),
        model("master", master, resolve_chat_model),
        model("vision", vision, resolve_vision),
        model("audio", audio, resolve_audio),
    ]


def python_version() -> Check:
    """This interpreter, against what the package supports."""
    wanted = importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"]
    fits = Requirement(f"python{wanted}").specifier.contains(platform.python_version(), prereleases=True)
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", fits, detail, "" if fits else f"Use a Python {wanted}.")


def extras() -> Iterator[Check]:
    """The core and each extra: installed versions, or what is missing or does not fit."""
    needs = [Requirement(line) for line in importlib.metadata.requires(DISTRIBUTION) or []]
    names = importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    for extra in ["", *(name for name in names if name not in UNTOLD)]:
        own = [need for need in needs if _belongs(need, extra) and need.name != DISTRIBUTION]
        if own:
            yield _extra(extra, own)


def _belongs(need: Requirement, extra: str) -> bool:
    if not extra:
        return need.marker is None or need.marker.evaluate({"extra": ""})
    return (
        need.marker is not None and need.marker.evaluate({"extra": extra}) and not need.marker.evaluate({"extra": ""})
    )


def _extra(extra: str, needs: list[Requirement]) -> Check:
    problems = [problem for need in needs if (problem := _problem(need))]
    name = f"packages [{extra}]" if extra else "packages"
    if not problems:
        installed = (f"{need.name} {importlib.metadata.version(need.name)}" for need in needs)
        return Check(name, True, ", ".join(installed))
    target = f"{DISTRIBUTION}[{extra}]" if extra else DISTRIBUTION
    return Check(name, False if extra in NEEDED else None, ", ".join(problems), f"pip install '{target}'")


def _problem(need: Requirement) -> str:
    try:
        version = importlib.metadata.version(need.name)
    except importlib.metadata.PackageNotFoundError:
        return f"no {need.name}"
    return (
        "" if need.specifier.contains(version, prereleases=True) else f"{need.name} {version} (needs {need.specifier})"
    )


def readers() -> Iterator[Check]:
    """Each video reader; one of them is enough."""
    found = {name: _import_problem(module) for name, module in (("pyav", "av"), ("decord", "decord"))}
    none_works = all(found.values())
    for name, problem in found.items():
        missing = False if none_works else None
        fix = f"pip install '{DISTRIBUTION}[live]'"
        yield (
            Check(f"reader {name}", missing, problem, fix) if problem else Check(f"reader {name}", True, "can be used")
        )


def senses() -> Iterator[Check]:
    """The engines of the offline models: on-screen text and speech."""
    for name, module in (("on-screen text", "rapidocr"), ("speech", "pocketsphinx")):
        if problem := _import_problem(module):
            yield Check(name, None, problem, f"pip install '{DISTRIBUTION}[live]'")
        else:
            yield Check(name, True, f"{module} {importlib.metadata.version(module)}, with its own model")


def program(name: str) -> Check:
    """A program that only building and testing need."""
    purpose, install = PROGRAMS[name]
    path = shutil.which(name)
    return Check(name, True, f"{path} ({purpose})") if path else Check(name, None, f"not found ({purpose})", install)


def cache_folder() -> Check:
    """Can the cache be written, how large is it, and how much room is left?"""
    try:
        from agentcvr_graph.media.cache import default_cache_dir
    except ImportError as error:
        return Check("cache", None, f"unknown: {error}", f"pip install '{DISTRIBUTION}[live]'")
    folder = default_cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check(
            "cache", False, f"{folder} cannot be written: {error.strerror}", "Set AGENTCVR_CACHE_DIR to a folder."
        )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    room = free / GIB > LITTLE_DISK_GIB
    detail = f"{folder}: {size / GIB:.2f} GiB used, {free / GIB:.1f} GiB free on its disk"
    return Check("cache", room, detail, "" if room else "Free some space, or set AGENTCVR_CACHE_DIR to another disk.")


def gpu() -> Check:
    """Where models in this process would run; None without torch, which only they need."""
    if _import_problem("torch"):
        return Check("gpu", None, "no torch, so no models in this process")
    torch = cast(Any, importlib.import_module("torch"))
    if not torch.cuda.is_available():
        return Check("gpu", None, "none: models in this process run on the CPU")
    names = [str(torch.cuda.get_device_name(index)) for index in range(torch.cuda.device_count())]
    return Check("gpu", True, ", ".join(names))


def model(role: str, spec: str, resolve: Callable[[str], object]) -> Check:
    """Can the model of a string be used, as far as that shows without calling it?"""
    name = f"{role} {shown_address(spec)}"
    try:
        string = read_model_string(spec)
        if isinstance(string, Server):
            return _server(name, string)
        resolve(spec)
        if isinstance(string, InProcess):
            return _in_process(name, string)
    except CVRError as error:
        return Check(name, False, error.message, error.fix)
    except ImportError as error:
        return Check(name, False, str(error), f"pip install '{DISTRIBUTION}[live]'")
    return Check(name, True, "ready")


def _server(name: str, server: Server) -> Check:
    served = served_models(server)
    detail = f"reachable, serves {', '.join(served) or 'nothing'}"
    choices = " or ".join(f"{server.base_url}#{one}" for one in served)
    known = server.model in served if server.model else len(served) == 1
    return Check(name, True, detail) if known else Check(name, False, detail, f"Use {choices or 'another server'}.")


def _in_process(name: str, string: InProcess) -> Check:
    folder = Path(checked_source(string.source))
    if not folder.is_dir():
        return Check(name, None, "read from the Hub's cache, or downloaded there at the first call")
    try:
        config = cast(dict[str, Any], json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except ValueError:
        return Check(name, False, f"{folder / 'config.json'} is not JSON", "Save the model again with save_pretrained.")
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        return Check(name, False, f"{folder} holds no weights", "Save the model again with save_pretrained.")
    return Check(name, True, f"{config.get('model_type', 'model')} in {folder}")


def _import_problem(module: str) -> str:
    """Why a module cannot be imported; empty when it can. Native libraries fail in more ways than ImportError."""
    try:
        importlib.import_module(module)
    except Exception as error:
        return f"{module}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"
    return ""
