"""`make tables`: what makes each published table of measured figures, and where it stands.

    make tables LIST=yes             list them: name, time, page, command
    make tables ONLY=reading         measure one again (or several: ONLY=reading,index)
    make tables                      measure all of them (hours)

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->` in its page. Most commands write the table
itself, which replaces the one in the page. Where a page arranges figures in another way than its command prints them
(`arranged`), the output is shown and kept in `out/tables/NAME.txt`, and the page is left for an author to edit.

Text around a table is not touched: read it again after a table has changed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "out" / "tables"
BENCHMARKS, DEPLOY, TRAINING = "docs/benchmarks.md", "docs/how-to/deploy.md", "training/README.md"
EXTRACTION, EIGHT_GPUS = "docs/how-to/scripts-from-videos.md", "docs/how-to/train-on-eight-gpus.md"
EXTRACT_GAP = (
    "agentcvr scripts make --out out/easy.jsonl -t BU -t NC -t CC -t FSA -t PSS --each 20 --difficulty easy "
    "--seed 4000\n"
    "agentcvr scripts extract-gap out/easy.jsonl --audio whisper:base --out out/extract-gap"
)
END = "<!-- end of table -->"
OUTPUT = "{out}"
"""Stands in a command for the file that it writes the table to; a command without it prints the table."""
Time = Literal["seconds", "minutes", "hours"]


@dataclass(frozen=True)
class Table:
    """One published table."""

    name: str
    page: str
    time: Time
    """How long its command takes on two CPU cores."""
    command: str
    """Lines of shell, run in the root of the repository; empty if there is none, and `note` says where it is from."""
    arranged: bool = False
    """Whether the page arranges the figures in another way than the command."""
    needs: tuple[str, ...] = ()
    """Environment variables that the command reads; without them the table is skipped."""
    note: str = ""

    @property
    def start(self) -> str:
        """Return the line in the page that precedes the table."""
        return f"<!-- table: {self.name} -->"


def bench(names: str, options: str = "") -> str:
    """Return the command that measures benchmarks and writes their rows."""
    return f"python -m tests.benchmarks {names} --markdown {OUTPUT}{options and f' {options}'}"


TABLES = (
    Table(
        "sim-to-real",
        BENCHMARKS,
        "hours",
        "agentcvr scripts make --out out/fit.jsonl --each 6 --difficulty easy --seed 1000\n"
        "agentcvr scripts sim-gap out/fit.jsonl --out out/gap-fit --noise off --fit out/noise.json\n"
        "agentcvr scripts make --out out/eval.jsonl --each 12 --difficulty easy --seed 2000\n"
        "agentcvr scripts sim-gap out/eval.jsonl --out out/gap --noise out/noise.json",
        arranged=True,
    ),
    Table(
        "agent-single-pass-blind",
        BENCHMARKS,
        "minutes",
        "agentcvr scripts crossvid --out out/CrossVid-small --each 6\n"
        "agentcvr eval --benchmark crossvid --data out/CrossVid-small --judge offline "
        "--method agent,single-pass,blind --out out/small",
        arranged=True,
    ),
    Table("library", BENCHMARKS, "hours", bench("library"), arranged=True),
    Table("library-master", BENCHMARKS, "hours", bench("library"), arranged=True),
    Table("zoom", BENCHMARKS, "minutes", bench("zoom"), arranged=True),
    Table("verify-scripted", BENCHMARKS, "hours", bench("verify"), arranged=True),
    Table("verify-rendered", BENCHMARKS, "hours", bench("verify"), arranged=True),
    Table("reliability", BENCHMARKS, "minutes", bench("reliability"), arranged=True),
    Table("threshold", BENCHMARKS, "minutes", bench("reliability"), arranged=True),
    Table("reading", BENCHMARKS, "minutes", bench("reading")),
    Table(
        "small-models",
        BENCHMARKS,
        "minutes",
        bench("small_model", '--server "$SERVER"'),
        arranged=True,
        needs=("SERVER",),
    ),
    Table("index", BENCHMARKS, "minutes", bench("index")),
    Table("index-candidates", BENCHMARKS, "minutes", "", note="an estimate from 14 libraries, described beside it"),
    Table("speed", BENCHMARKS, "minutes", bench("eval graph media offline swap many guessing")),
    Table("profile-graph", BENCHMARKS, "minutes", "", note="cProfile over the benchmark `graph`"),
    Table("features-off", BENCHMARKS, "minutes", "", note="valgrind over two versions, described beside it"),
    Table("profile-evaluation", BENCHMARKS, "minutes", "", note="cProfile over the benchmark `eval`, of two versions"),
    Table(
        "imports",
        BENCHMARKS,
        "seconds",
        'python -X importtime -c "from agentcvr_graph import create_cvr_graph" 2>&1',
        arranged=True,
    ),
    Table(
        "speech",
        BENCHMARKS,
        "minutes",
        'python -m tests.benchmarks speech --recordings "$RECORDINGS"\n'
        'python -m tests.benchmarks speech_memory --recordings "$RECORDINGS"',
        arranged=True,
        needs=("RECORDINGS",),
    ),
    Table("extraction", EXTRACTION, "hours", EXTRACT_GAP, arranged=True),
    Table("extraction-gap", EXTRACTION, "hours", EXTRACT_GAP, arranged=True),
    Table("eight-gpus-memory", EIGHT_GPUS, "seconds", "", note="what `estimate` of the code above it prints"),
    Table("eight-gpus-time", EIGHT_GPUS, "seconds", "", note="arithmetic; the factors stand in the table"),
    Table("soak", DEPLOY, "minutes", f"python -m tests.soak --markdown {OUTPUT}"),
    Table(
        "one-gpu",
        TRAINING,
        "minutes",
        bench("training", '--policy "$POLICY" --device cuda'),
        arranged=True,
        needs=("POLICY",),
    ),
    Table(
        "tiny", TRAINING, "seconds", "python -m training.recipes.tiny.summary", note="the results: `make train-tiny`"
    ),
    Table(
        "tours",
        TRAINING,
        "seconds",
        "python -m training.recipes.tiny.comparison show",
        arranged=True,
        note="the results: six rounds of `training.recipes.tiny` with `configs/tours.yaml`, `comparison measure`",
    ),
    Table(
        "pretrained",
        TRAINING,
        "seconds",
        "python -m training.recipes.pretrained.report",
        arranged=True,
        note="the results: two rounds of `training.recipes.pretrained`; `--results .../first-round` for the first",
    ),
    Table(
        "pretrained-trial",
        TRAINING,
        "seconds",
        "python -m training.recipes.pretrained.report --results training/recipes/pretrained/results/trial",
        arranged=True,
        note="the results: a short run of `training.recipes.pretrained`; means over `trial/seed-0/episodes.jsonl.gz`",
    ),
    Table("pretrained-times", TRAINING, "minutes", "python -m training.recipes.pretrained --dry-run", arranged=True),
    Table("levels", TRAINING, "minutes", "python -m training.recipes.tiny.difficulty --each 200", arranged=True),
    Table("training", TRAINING, "minutes", bench("training")),
)


class TableError(Exception):
    """Raised for a table that cannot be found in its page, or in the output of its command."""


def replaced(page: str, table: Table, made: str) -> str:
    """Return the text of a page with another table in the place of the present one.

    Raises:
        TableError: the page has no such place, or more than one.
    """
    place = re.compile(rf"({re.escape(table.start)}\n\n).*?(\n\n{re.escape(END)})", re.DOTALL)
    text, count = place.subn(lambda found: f"{found[1]}{made.strip()}{found[2]}", page)
    if count != 1:
        raise TableError(f"{table.page} has {count} places for {table.name!r}. Put {table.start} and {END} around it.")
    return text


def first_table(output: str) -> str:
    """Return the first Markdown table in a text.

    Raises:
        TableError: there is none.
    """
    found = re.search(r"^\|.*\|\n\|[-|: ]+\|\n(?:\|.*\|(?:\n|$))*", output, re.MULTILINE)
    if found is None:
        raise TableError("The command wrote no table.")
    return found[0].strip()


@cache
def output_of(command: str) -> str:
    """Run a command and show what it prints; return that, or the file that it wrote. Each command runs once.

    Raises:
        TableError: the command failed.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with TemporaryDirectory() as folder:
        written = Path(folder) / "table.md"
        line = command.replace(OUTPUT, str(written))
        with subprocess.Popen(
            ["sh", "-e", "-c", line], cwd=ROOT, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True
        ) as running:
            printed = [_shown(text) for text in running.stdout or ()]
        if running.returncode:
            raise TableError(f"The command ended with status {running.returncode}: {line}")
        return written.read_text(encoding="utf-8") if written.exists() else "".join(printed)


def _shown(line: str) -> str:
    print(line, end="", flush=True)
    return line


def make(table: Table) -> str:
    """Measure a table, write it into its page where that is possible, and return what was done.

    Raises:
        TableError: the command failed, wrote no table, or the page has no place for it.
    """
    missing = [name for name in table.needs if not os.environ.get(name)]
    if not table.command:
        return f"{table.name}: no command makes it ({table.note})"
    if missing:
        return f"{table.name}: skipped, it needs {' and '.join(missing)} in the environment"
    output = output_of(table.command)
    if table.arranged:
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{table.name}.txt").write_text(output, encoding="utf-8")
        return f"{table.name}: measured, see out/tables/{table.name}.txt; edit {table.page} by hand"
    page = ROOT / table.page
    page.write_text(replaced(page.read_text(encoding="utf-8"), table, first_table(output)), encoding="utf-8")
    return f"{table.name}: written to {table.page}"


def listing(tables: Iterable[Table]) -> str:
    """Return a line for each table: name, time, page, command."""
    rows = [f"{one.name:24} {one.time:8} {one.page:22} {one.command or one.note}" for one in tables]
    return "\n".join(row.replace("\n", "\n" + 56 * " ") for row in rows)


def chosen(names: Sequence[str]) -> list[Table]:
    """Return the tables of these names; all for none.

    Raises:
        TableError: there is no such table.
    """
    known = {table.name: table for table in TABLES}
    if unknown := sorted(set(names) - set(known)):
        raise TableError(f"Unknown table {', '.join(unknown)}. Choose from {', '.join(known)}.")
    return [table for table in TABLES if not names or table.name in names]


def main() -> int:
    """Make the chosen tables; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(
        prog="make tables", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="names of tables, also separated by commas; default: all")
    parser.add_argument("--list", action="store_true", help="list the tables and stop")
    arguments = parser.parse_args()
    try:
        tables = chosen([name for given in arguments.names for name in given.split(",") if name])
    except TableError as error:
        parser.error(str(error))
    if arguments.list:
        print(listing(tables))
        return 0
    done = [_attempt(table) for table in tables]
    print("\n" + "\n".join(line for line, _ in done))
    return int(any(failed for _, failed in done))


def _attempt(table: Table) -> tuple[str, bool]:
    print(f"\n{table.name} ({table.time})", flush=True)
    try:
        return make(table), False
    except TableError as error:
        return f"{table.name}: {error}", True


if __name__ == "__main__":
    sys.exit(main())
