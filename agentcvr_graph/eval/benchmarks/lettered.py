"""Questions of CVBench and MVU-Eval: several whole videos, options, and a key that is one letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.gold import read_gold
from agentcvr_graph.eval.benchmarks.options import read_options
from agentcvr_graph.types import Question, Video


def lettered_question(
    name: str, task: str, fields: Mapping[str, Any], videos: Sequence[object], answer: str, root: Path
) -> Question:
    """Return a question whose key is one letter.

    Args:
        videos: the videos as the file names them, below `root`; a separator may be a backslash.
        answer: the field that holds the key.
    """
    if not videos:
        raise InputError("it names no video.")
    options = read_options(fields["options"])
    places = [root / str(video).replace("\\", "/") for video in videos]
    return Question(
        id=name,
        task=task,
        question=fields["question"],
        videos=tuple(Video(source=str(place), title=f"video {n}") for n, place in enumerate(places, 1)),
        options=options.texts,
        kind="choice",
        key=read_gold(fields[answer], "choice", options, len(videos)),
    )
