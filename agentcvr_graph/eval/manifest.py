"""Run manifest: records the provenance of results and rejects an incompatible resume."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import Field

from agentcvr_graph.errors import shown_address
from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.eval.methods import EvalConfig
from agentcvr_graph.eval.scoring import now
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.nodes.conclude import MAX_REPAIRS
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.types import FrozenModel
from agentcvr_graph.utils.resume import flatten_settings, require_same_settings

PACKAGES = (
    *("agentcvr-graph", "langgraph", "langchain-core", "langchain-openai", "pydantic"),
    *("av", "decord", "librosa", "numpy", "rapidocr", "pocketsphinx", "torch", "transformers", "ray"),
)
CHANGEABLE = frozenset({"methods", "per_endpoint", "timeout_s"})
"""Settings that may differ between two attempts at a run, because they do not affect answers."""


class RunManifest(FrozenModel):
    """The configuration of a run and the environment it was started in."""

    benchmark: str
    fingerprint: str
    """Hash of the questions."""
    questions: int
    unusable: tuple[str, ...] = ()
    """Ids of questions that are invalid or whose files are missing."""
    tasks: tuple[str, ...] = ()
    """In the order of the benchmark."""
    averages: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    config: dict[str, Any]
    second_tries: int = 0
    """How often each method sends back a reply that holds no plain answer."""
    notes: tuple[str, ...] = ()
    """How the questions were read: the layout, tasks without a file, ignored columns."""
    data: str = ""
    prices: tuple[float, float] = (0.0, 0.0)
    """Per million input and output tokens."""
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str = ""
    """Commit of the repository that contains this library; with a `+` if files differ from it."""
    command: str = ""
    started_at: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.config["methods"])

    def to_config(self) -> EvalConfig:
        """Return the configuration as an object."""
        parts: dict[str, Any] = dict(self.config)
        parts |= {
            "methods": self.methods,
            "models": ModelStrings(**self.config["models"]),
            "context": CVRContext(**self.config["context"]),
        }
        return EvalConfig(**parts)

    def _fixed_settings(self) -> dict[str, Any]:
        """Return everything that decides what an answer is, flat."""
        settings = {"benchmark": self.benchmark, "fingerprint": self.fingerprint, **self.config}
        return {name: value for name, value in flatten_settings(settings) if name not in CHANGEABLE}

    def extended(self, other: RunManifest, folder: Path) -> RunManifest:
        """Return this manifest with the methods of another attempt added.

        Raises:
            InputError: the settings differ; the message names them.
        """
        fix = "Name another --out folder, or run it with the earlier settings."
        require_same_settings(folder, self._fixed_settings(), other._fixed_settings(), fix=fix)
        methods = list(dict.fromkeys([*self.methods, *other.methods]))
        return self.model_copy(update={"config": {**self.config, "methods": methods}, "prices": other.prices})


def make_manifest(
    benchmark: Benchmark, config: EvalConfig, *, data: str = "", prices: tuple[float, float] = (0.0, 0.0)
) -> RunManifest:
    """Return the manifest of a run that starts now."""
    return RunManifest(
        benchmark=benchmark.name,
        fingerprint=benchmark.fingerprint,
        questions=len(benchmark.questions),
        unusable=tuple(one.id for one in benchmark.unusable),
        tasks=tuple(dict.fromkeys(question.task for question in benchmark.questions)),
        averages=dict(benchmark.averages),
        notes=benchmark.notes,
        config=asdict(config) | {"methods": list(config.methods), "context": config.context.model_dump(mode="json")},
        second_tries=MAX_REPAIRS,
        data=data,
        prices=prices,
        versions=versions(),
        commit=commit(),
        command=" ".join(map(shown_address, sys.argv)),
        started_at=now(),
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that an answer may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of the repository that contains this library; empty if there is none."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return head + ("+" if head and git("status", "--porcelain", "--untracked-files=no") else "")
    except OSError:  # no git
        return ""
