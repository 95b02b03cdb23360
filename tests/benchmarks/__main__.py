"""`make bench`: measure everything, print the table, and write it as Markdown for the README with `--markdown FILE`.

`make bench-training` measures training, which takes some minutes and needs the extra `training`.

A benchmark is imported when it is run: processes that decode import the main module again, and shall start as fast as
those of the command line.
"""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.benchmarks.rows import Row, as_markdown, show

BENCHMARKS = ("eval", "graph", "media", "senses", "swap", "worlds")


def rows_of(name: str, arguments: argparse.Namespace) -> list[Row]:
    """The rows of a benchmark."""
    benchmark = importlib.import_module(f"tests.benchmarks.bench_{name}")
    return benchmark.rows(arguments.policy, arguments.device) if name == "training" else benchmark.rows()


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = f"which of {', '.join(BENCHMARKS)}, default all of these; or training"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--policy", type=Path, help="folder of the policy that `training` plays; default the tiny one")
    parser.add_argument("--device", default="cpu", help="where `training` has the policy, as cuda; default cpu")
    arguments = parser.parse_args()
    known = (*BENCHMARKS, "training")
    chosen = arguments.names or list(BENCHMARKS)
    if unknown := set(chosen) - set(known):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    rows: list[Row] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=len(chosen))
        for name in chosen:
            progress.update(task, description=f"measuring {name}")
            rows += rows_of(name, arguments)
            progress.advance(task)
    show(rows)
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
