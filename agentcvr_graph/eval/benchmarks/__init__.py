"""The registry of benchmarks. To add one, write a module with `load(data, videos)` and add a line to `BENCHMARKS`.

The command line takes its help and its error messages from the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks import crossvid, cvbench, mvu_eval, own
from agentcvr_graph.eval.benchmarks.base import Benchmark, UnusableQuestion, checked, describe_unusable

__all__ = ["BENCHMARKS", "Benchmark", "UnusableQuestion", "describe_unusable", "load_benchmark"]

BenchmarkLoader = Callable[[Path, Path | None], Benchmark]
"""Reads the questions of a benchmark from its data; the second argument is the root of videos that are elsewhere."""

BENCHMARKS: dict[str, BenchmarkLoader] = {
    "crossvid": crossvid.load,
    "cvbench": cvbench.load,
    "mvu-eval": mvu_eval.load,
    "own": own.load,
}


def load_benchmark(name: str, data: Path, videos: Path | None = None, *, skip_unusable: bool = False) -> Benchmark:
    """Return the questions of a benchmark after checking that all their files exist.

    Args:
        name: a key of `BENCHMARKS`.
        data: the folder of the benchmark, or its file of questions.
        videos: the root of the videos, if they are not beside the questions.
        skip_unusable: leave out questions that are invalid or whose files are missing.

    Raises:
        InputError: the benchmark or the data does not exist; or questions are unusable and must not be skipped.
    """
    if name not in BENCHMARKS:
        raise InputError(f"Unknown benchmark {name!r}.", fix=f"Choose one of: {', '.join(BENCHMARKS)}.")
    if not data.exists():
        raise InputError(f"There is no {data}.", fix="Name the folder or the file of the questions: --data.")
    return checked(BENCHMARKS[name](data, videos), skip_unusable=skip_unusable)
