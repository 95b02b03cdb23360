"""`make tables` knows what makes every published table of measured figures, and writes a table into its page."""

from __future__ import annotations

import importlib.util
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from agentcvr_graph.cli import app
from agentcvr_graph.cli.lazy import loaded
from tests.benchmarks import tables
from tests.benchmarks.__main__ import BENCHMARKS, LONG
from tests.benchmarks.tables import TABLES, Table, TableError, chosen, first_table, listing, make, replaced

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "training" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TABLE = re.compile(r"^\|.*\|\n\|[-|: ]+\|\n(?:\|.*\|(?:\n|$))*", re.MULTILINE)
COMMANDS = typer.main.get_command(app)
SET = {"| reward | weight | what it measures |", "| video | region | high | region, high |"}
"""Headers of tables whose numbers are settings or prices, and are not measured."""


def is_measured(table):
    """Return whether at least half of the rows have a cell, behind the first, that begins with a number."""
    header, _, *rows = table.strip().splitlines()
    numbers = [any(re.match(r"\s*[-+<>= ]*\d", cell) for cell in row.strip("|").split("|")[1:]) for row in rows]
    return header not in SET and 2 * sum(numbers) >= len(rows)


def test_every_table_with_measured_figures_has_an_entry():
    named = {(table.page, table.start) for table in TABLES}
    found = set()
    for page in PAGES:
        text, place = page.read_text(), str(page.relative_to(ROOT))
        for table in filter(lambda one: is_measured(one[0]), TABLE.finditer(text)):
            before = text[: table.start()].rstrip("\n").rpartition("\n")[2]
            assert (place, before) in named, f"{place}: no entry of {table[0].splitlines()[0]}"
            found.add((place, before))
    assert len(found) == len(TABLES) == len({table.name for table in TABLES})


def test_a_table_of_words_is_not_measured():
    assert not is_measured("| a | b |\n|---|---|\n| 1 | one |\n")
    assert is_measured("| a | b |\n|---|---|\n| one | 98.5 (97-99) |\n| two | >= 3 |\n")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_its_command_exists_and_its_place_in_the_page_is_found(table):
    page = (ROOT / table.page).read_text()
    assert replaced(page, table, first_table(page.partition(table.start)[2])) == page
    assert table.command or table.note
    for line in table.command.splitlines():
        words = shlex.split(line)
        if words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]) is not None
        elif words[0] == "agentcvr":
            command = loaded(COMMANDS.commands[words[1]])
            if hasattr(command, "commands"):
                command = loaded(command.commands[words[2]])
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known
        else:
            assert words[:2] == ["python", "-X"]
        if words[2] == "tests.benchmarks":
            names = [word for word in words[3:] if not word.startswith(("-", "{", "$")) and word != "cuda"]
            assert set(names) <= {*BENCHMARKS, *LONG}


def test_a_table_is_written_between_its_marks(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    monkeypatch.setattr(tables, "KEPT", tmp_path / "kept")
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- table: own -->\n\n| a |\n|---|\n| 1 |\n\n<!-- end of table -->\n\nAfter.\n")
    own = Table("own", "page.md", "seconds", "echo words\nprintf '| a |\\n|---|\\n| 2 |\\n' > {out}")
    assert make(own) == "own: written to page.md"
    assert (
        page.read_text() == "Before.\n\n<!-- table: own -->\n\n| a |\n|---|\n| 2 |\n\n<!-- end of table -->\n\nAfter.\n"
    )
    arranged = make(replace(own, arranged=True))
    assert "edit page.md by hand" in arranged and (tmp_path / "kept" / "own.txt").read_text().endswith("| 2 |\n")
    printed = replace(own, command="printf 'x\\n| a |\\n|---|\\n| 3 |\\ny\\n'")
    assert make(printed) == "own: written to page.md" and "| 3 |\n\n<!--" in page.read_text()
    with pytest.raises(TableError, match="wrote no table"):
        make(replace(own, command="echo nothing"))
    with pytest.raises(TableError, match="ended with status 3"):
        make(replace(own, command="exit 3"))
    with pytest.raises(TableError, match=r"page\.md has 0 places for 'other'"):
        make(replace(own, name="other"))
    assert "| 3 |" in page.read_text()


def test_a_table_that_needs_something_is_skipped(monkeypatch):
    monkeypatch.delenv("SERVER", raising=False)
    (table,) = chosen(["small-models"])
    assert make(table) == "small-models: skipped, it needs SERVER in the environment"
    assert make(chosen(["features-off"])[0]).startswith("features-off: no command makes it (valgrind")


def test_tables_are_chosen_by_name_and_listed():
    assert chosen([]) == list(TABLES)
    with pytest.raises(TableError, match=r"Unknown table nothing\. Choose from sim-to-real, "):
        chosen(["reading", "nothing"])
    (line,) = listing(chosen(["reading"])).splitlines()
    assert line.split() == ["reading", "minutes", "docs/benchmarks.md", *chosen(["reading"])[0].command.split()]
