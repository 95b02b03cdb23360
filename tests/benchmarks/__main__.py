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

from tests.benchmarks.rows import Row, as_markdown, show

BENCHMARKS = ("eval", "graph", "guessing", "media", "offline", "reading", "swap")


def measured(names: Sequence[str], arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield each row of the benchmarks when it is measured."""
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        benchmark = importlib.import_module(f"tests.benchmarks.bench_{name}")
        given = {"training": (arguments.policy, arguments.device), "speech": (arguments.recordings,)}.get(name, ())
        yield from benchmark.rows(*given)


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = f"which of {', '.join(BENCHMARKS)}, default all of these; or training, speech"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument(
        "--policy", type=Path, help="folder of the policy that `training` runs; default the shipped one"
    )
    parser.add_argument("--device", default="cpu", help="device of that policy, such as cuda; default cpu")
    parser.add_argument("--recordings", type=Path, help="folder of recordings with texts, for `speech`")
    arguments = parser.parse_args()
    known = (*BENCHMARKS, "training", "speech")
    chosen = arguments.names or list(BENCHMARKS)
    if unknown := set(chosen) - set(known):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    if "speech" in chosen and arguments.recordings is None:
        parser.error("speech needs --recordings DIR")
    rows = show(measured(chosen, arguments))
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
