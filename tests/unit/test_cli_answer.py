"""The printed answer: a long one is never cut off, neither in a narrow terminal nor for a program that reads it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agentcvr_graph.cli import ask_run
from agentcvr_graph.cli.ask_run import FinishedRun, present
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.types import Answer
from tests.support.report_samples import usual

LONG = "ask not what your country can do for you, ask what you can do for your country " * 4


def printed(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=40, highlight=False, soft_wrap=True)
    monkeypatch.setattr(ask_run, "out", console)
    answered = usual().model_copy(update={"answer": Answer(kind="text", value=LONG, text=LONG)})
    with pytest.raises(ask_run.typer.Exit):
        present(FinishedRun(answered), ModelStrings("offline", "offline", "offline"), as_json=False, report=None)
    return file.getvalue()


def test_a_long_answer_is_wrapped_in_a_terminal(monkeypatch: pytest.MonkeyPatch):
    shown = printed(monkeypatch, terminal=True)
    assert shown.count("country") == 8 and "\u256d" in shown


def test_a_program_reads_the_answer_in_one_line_without_a_box(monkeypatch: pytest.MonkeyPatch):
    assert printed(monkeypatch, terminal=False).splitlines()[0].strip() == LONG.strip()
