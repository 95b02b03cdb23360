"""CVBench (arXiv 2508.19542): a thousand questions over two to four videos, 15 task types.

The release is one JSON list; each question names its videos in `video_1`, `video_2`, ..., null where there are fewer.
Files of this shape may have any number of videos. Most questions have four lettered options; some have "Yes." and "No."
with the word as answer, and one packs its options into a single string. All answers become letters here, so that one
exact scorer suffices. Results are reported by task type and overall.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agentcvr_graph.eval.benchmarks.base import (
    Benchmark,
    as_fields,
    first_existing,
    make_benchmark,
    read_list,
    read_question,
)
from agentcvr_graph.eval.benchmarks.lettered import lettered_question
from agentcvr_graph.eval.benchmarks.numbered import listed, numbered
from agentcvr_graph.types import Question

NAMES = ("CVBench.json", "QAs.json", "cvbench.json")


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
    videos = [name for _, name in numbered(fields, "video")] or listed(fields, "videos")
    return lettered_question(f"cvbench-{fields['id']}", _task(fields), fields, videos, "answer", root)
