"""Benchmarks by name. A new one is a module with `load(data, videos)` and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks import crossvid, cvbench, mvu_eval, own
from agentcvr_graph.eval.benchmarks.base import Benchmark, UnusableQuestion, checked, describe_unusable

__all__ = ["BENCHMARKS", "Benchmark", "UnusableQuestion", "describe_unusable", "load_benchmark"]

BENCHMARKS: Mapping[str, Callable[[Path, Path | None], Benchmark]] = {
    "crossvid": crossvid.load,
    "cvbench": cvbench.load,
    "mvu-eval": mvu_eval.load,
    "own": own.load,
}


def load_benchmark(name: str, data: Path, videos: Path | None = None, *, skip_unusable: bool = False) -> Benchmark:
    """The questions of a benchmark; all files are looked for first.

    Args:
        data: its folder, or its file of questions.
        videos: the root of the videos, where it is not beside the questions.
        skip_unusable: go on without questions that are broken or whose files are missing.

    Raises:
        InputError: there is no such benchmark or data; or questions cannot be asked and are not to be skipped.
    """
    if name not in BENCHMARKS:
        raise InputError(f"Unknown benchmark {name!r}.", fix=f"Choose one of: {', '.join(BENCHMARKS)}.")
    if not data.exists():
        raise InputError(f"There is no {data}.", fix="Name the folder or the file of the questions: --data.")
    return checked(BENCHMARKS[name](data, videos), skip_unusable=skip_unusable)
