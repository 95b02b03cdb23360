"""CVBench (arXiv 2508.19542): a thousand questions over two to four videos, 15 task types.

The release is one JSON list. Most questions have four lettered options; some have "Yes." and "No." with the word as
answer, and one packs its options into a single string. All answers become letters here, so that one exact scorer
suffices. Results are reported by task type and overall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.base import (
    Benchmark,
    as_fields,
    first_existing,
    make_benchmark,
    read_list,
    read_question,
    strip_option_letters,
)
from agentcvr_graph.types import Question, Video

NAMES = ("CVBench.json", "QAs.json", "cvbench.json")
PLACES = ("video_1", "video_2", "video_3", "video_4")


def load(data: Path, videos: Path | None = None) -> Benchmark:
    """Return the questions of CVBench.

    Args:
        data: its JSON file, or the folder that holds it.
        videos: the root of the videos; None for `videos/` beside the file if it exists, else the file's folder.

    Raises:
        InputError: there is no such file.
    """
    path = data if data.is_file() else first_existing(*(data / name for name in NAMES))
    root = videos or first_existing(path.parent / "videos", path.parent)
    return make_benchmark(
        "cvbench",
        (
            read_question(partial(_question, fields, root), f"cvbench-{n}", _task(fields), f"{path}: question {n}")
            for n, fields in enumerate(map(as_fields, read_list(path)))
        ),
    )


def _task(fields: Mapping[str, Any]) -> str:
    return str(fields.get("task_type", ""))


def _question(fields: Mapping[str, Any], root: Path) -> Question:
    names = [str(name).replace("\\", "/") for place in PLACES if (name := fields.get(place))]
    return lettered_question(
        f"cvbench-{fields['id']}", _task(fields), fields, [root / name for name in names], "answer"
    )


def lettered_question(name: str, task: str, fields: Mapping[str, Any], videos: Sequence[Path], answer: str) -> Question:
    """Return a question whose key is one letter.

    Args:
        answer: the field that holds the key.
    """
    options = strip_option_letters(fields["options"])
    return Question(
        id=name,
        task=task,
        question=fields["question"],
        videos=tuple(Video(source=str(path), title=f"video {n}") for n, path in enumerate(videos, 1)),
        options=options,
        kind="choice",
        key=letter_of(str(fields[answer]), options),
    )


def letter_of(answer: str, options: tuple[str, ...]) -> str:
    """Return the letter of an answer, which is a letter or the text of an option, with or without a full stop.

    Raises:
        InputError: the answer is neither.
    """
    letters = ascii_uppercase[: len(options)]
    bare = _bare(answer)
    if len(bare) == 1 and bare.upper() in letters:
        return bare.upper()
    for letter, option in zip(letters, options, strict=True):
        if _bare(option) == bare:
            return letter
    first = answer.strip()[:1].upper()
    if first in letters and answer.strip()[1:2] in (".", ")", ":"):
        return first
    raise InputError(f"the answer {answer!r} is none of the options.")


def _bare(text: str) -> str:
    return text.strip().rstrip(".").strip().casefold()
