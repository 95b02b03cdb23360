"""Questions of a file over extracted videos, as scripts; read as `eval --data`, with a column `evidence`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks import own
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo, reasons_of
from agentcvr_graph.scripts.extraction.questions.given import KINDS_OF_TASKS, script_of_question
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.natural_order import natural

EVIDENCE = "evidence"


@dataclass(frozen=True)
class ScriptedQuestions:
    """The questions of a file."""

    scripts: tuple[Script, ...]
    problems: tuple[str, ...]
    """Rows that cannot be used, one line each, with file and row, in the order of the file."""
    notes: tuple[str, ...] = ()


def read_questions(path: Path, videos: Sequence[ExtractedVideo]) -> ScriptedQuestions:
    """Return the questions of a file as scripts, and the rows that cannot be used.

    Args:
        path: a file of questions as `eval --data` takes it (`docs/how-to/data.md`), with a column `evidence` if the
            windows that decide each question are known.
        videos: the extracted videos; questions name them by path, file name, or file name without its ending.

    Raises:
        InputError: the file cannot be read at all.
    """
    read = own.load(path, Path(), kinds=KINDS_OF_TASKS, more=(EVIDENCE,))
    scripts: dict[str, Script] = {}
    problems = [one.broken for one in read.unusable]
    for question in read.questions:
        place = read.places[question.id]
        try:
            script = script_of_question(question, read.columns[question.id].get(EVIDENCE, ""), videos)
            if script.id in scripts:
                raise InputError(f"its id {script.id!r} is that of an earlier row.", fix="Give each row its own id.")
        except InputError as error:
            problems.append(f"{place}: {error}")
        except ValidationError as error:
            problems.append(f"{place}: {reasons_of(error)}")
        else:
            scripts[script.id] = script
    return ScriptedQuestions(tuple(scripts.values()), tuple(sorted(problems, key=natural)), read.notes)
