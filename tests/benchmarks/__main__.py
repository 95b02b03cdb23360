"""`make bench`: measure everything, print the table, and write it as Markdown for the README with `--markdown FILE`.

`make bench-training` measures training, which takes some minutes and needs the extra `training`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.benchmarks import bench_eval, bench_graph, bench_media, bench_senses, bench_swap, bench_worlds
from tests.benchmarks.rows import Row

BENCHMARKS = {
    "eval": bench_eval.rows,
    "graph": bench_graph.rows,
    "media": bench_media.rows,
    "senses": bench_senses.rows,
    "swap": bench_swap.rows,
    "worlds": bench_worlds.rows,
}


def training(policy: Path | None, device: str) -> list[Row]:
    """The rows about training, of a policy in a folder; None for the one that ships."""
    from tests.benchmarks import bench_training

    return bench_training.rows(policy, device)


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
    benchmarks = {**BENCHMARKS, "training": lambda: training(arguments.policy, arguments.device)}
    chosen = arguments.names or list(BENCHMARKS)
    if unknown := set(chosen) - set(benchmarks):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(benchmarks)}")
    rows: list[Row] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=len(chosen))
        for name in chosen:
            progress.update(task, description=f"measuring {name}")
            rows += benchmarks[name]()
            progress.advance(task)
    table = Table("what", "figure", "target", "met", box=None)
    for row in rows:
        table.add_row(row.what, row.figure, row.target, _sign(row))
    Console(width=150).print(table)
    if arguments.markdown:
        lines = [f"| {row.what.strip()} | {row.figure} | {row.target} | {_sign(row)} |" for row in rows]
        arguments.markdown.write_text(
            "\n".join(["| what | figure | target | met |", "|---|---|---|---|", *lines]) + "\n"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def _sign(row: Row) -> str:
    return {True: "yes", False: "no", None: ""}[row.met]


if __name__ == "__main__":
    main()
