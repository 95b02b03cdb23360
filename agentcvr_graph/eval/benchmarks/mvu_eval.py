"""MVU-Eval (arXiv 2511.07250): 1,824 questions over 4,959 videos, eight competencies, one letter as key.

The release holds `MVU_Eval_QAs.json`, an object that maps the number of a question to its fields; older copies are
lists whose entries have `QA_index`. A second answer key, `mvu_eval_config.csv`, differs in 92 questions and is not
read.

The competencies are reported one by one, as the means of the four of perception and the four of reasoning, and overall
(the mean of all questions).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.base import (
    ALL,
    Benchmark,
    as_fields,
    first_existing,
    make_benchmark,
    read_json,
    read_question,
)
from agentcvr_graph.eval.benchmarks.lettered import lettered_question
from agentcvr_graph.eval.benchmarks.numbered import listed, numbered
from agentcvr_graph.types import Question

NAMES = ("MVU_Eval_QAs.json", "QAs.json")
VIDEOS = ("video_paths", "videos", "video_list", "video_names")
"""Names of the field with the list of videos in different copies of the release."""
AVERAGES: dict[str, tuple[str, ...]] = {
    "Perception": ("OR", "SU", "Counting", "Comparison"),
    "Reasoning": ("KIR", "ICL", "RAG", "TR"),
    ALL: (),
}
LONG_NAMES = {
    "object recognition": "OR",
    "spatial understanding": "SU",
    "counting": "Counting",
    "comparison": "Comparison",
    "knowledge-intensive reasoning": "KIR",
    "in-context learning": "ICL",
    "retrieval-augmented generation": "RAG",
    "temporal reasoning": "TR",
}
"""Competencies in words (lower case) -> their codes in the release."""
KEYS = ("ground_truth", "answer", "key")


def load(data: Path, videos: Path | None = None) -> Benchmark:
    """Return the questions of MVU-Eval.

    Args:
        data: its JSON file, or the folder that holds it.
        videos: the root of the videos; None for `videos/` beside the file if it exists, else the file's folder.

    Raises:
        InputError: there is no such file, or it has another format.
    """
    path = data if data.is_file() else first_existing(*(data / name for name in NAMES))
    root = videos or first_existing(path.parent / "videos", path.parent)
    return make_benchmark(
        "mvu-eval",
        (
            read_question(partial(_question, n, fields, root), f"mvu-{n}", _task(fields), f"{path}: question {n}")
            for n, fields in _stored(path)
        ),
        averages=AVERAGES,
    )


def _stored(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the number and the fields of each question."""
    stored = read_json(path)
    if isinstance(stored, dict):
        for number, one in cast(dict[str, Any], stored).items():
            yield str(number), as_fields(one)
    elif isinstance(stored, list):
        for n, one in enumerate(cast(list[Any], stored)):
            fields = as_fields(one)
            yield str(fields.get("QA_index", fields.get("id", n))), fields
    else:
        raise InputError(f"{path} holds no questions.", fix="Give MVU_Eval_QAs.json, or its folder.")


def _task(fields: Mapping[str, Any]) -> str:
    task = str(fields.get("task", "")).strip()
    codes = {code.casefold(): code for tasks in AVERAGES.values() for code in tasks}
    return LONG_NAMES.get(task.casefold()) or codes.get(task.casefold(), task)


def _question(number: str, fields: Mapping[str, Any], root: Path) -> Question:
    videos = listed(fields, *VIDEOS) or [name for _, name in numbered(fields, "video")]
    return lettered_question(f"mvu-{number}", _task(fields), fields, videos, _either(fields, KEYS), root)


def _either(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return which of several names a field has here; the first if it is missing, for the error message."""
    return next((name for name in names if name in fields), names[0])
