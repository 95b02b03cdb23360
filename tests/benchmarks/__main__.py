"""`make bench`: run all benchmarks, print each row when it is measured, write the table with `--markdown FILE`.

`make bench-training` measures training, which takes several minutes and needs the extra `training`.

A benchmark is imported only when it runs, because decoder processes import the main module again and should start as
fast as those of the command line.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.rows import Row, as_markdown, show

BENCHMARKS = ("eval", "graph", "guessing", "index", "many", "media", "offline", "reading", "speech", "swap", "zoom")
"""Those that run by default."""
LONG = ("library", "reliability", "small_model", "speech_memory", "training", "verify", "word_times")
WITH_RECORDINGS = ("speech", "speech_memory")


def measured(names: Sequence[str], arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield each row of the benchmarks when it is measured."""
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        benchmark = importlib.import_module(f"tests.benchmarks.bench_{name}")
        yield from benchmark.rows(*_given(name, arguments))


def _given(name: str, arguments: argparse.Namespace) -> tuple[Any, ...]:
    if name == "training":
        return (arguments.policy, arguments.device)
    if name == "small_model":
        return (arguments.server,)
    return (arguments.recordings,) if name in WITH_RECORDINGS else ()


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = f"which of {', '.join(BENCHMARKS)}, default all of these; or {', '.join(LONG)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument(
        "--policy", type=Path, help="folder of the policy that `training` runs; default the shipped one"
    )
    parser.add_argument("--device", default="cpu", help="device of that policy, such as cuda; default cpu")
    recordings = "folder of recordings with texts, for `speech` and `speech_memory`; may be given again"
    parser.add_argument("--recordings", type=Path, action="append", default=[], help=recordings)
    parser.add_argument("--server", help="address of a server of the model, for `small_model`: http://HOST:PORT/v1")
    arguments = parser.parse_args()
    known = (*BENCHMARKS, *LONG)
    chosen = arguments.names or list(BENCHMARKS)
    if unknown := set(chosen) - set(known):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    if "speech_memory" in chosen and not arguments.recordings:
        parser.error("speech_memory needs --recordings DIR")
    if "small_model" in chosen and not arguments.server:
        parser.error("small_model needs --server URL")
    rows = show(measured(chosen, arguments))
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
