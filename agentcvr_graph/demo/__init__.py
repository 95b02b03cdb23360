"""Bundled short clips, and questions whose evidence is spread over their frames and sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agentcvr_graph.types import Question, Video

CLIPS_DIR = Path(__file__).parent / "clips"


def demo_videos() -> list[str | Video]:
    """Return the paths of the four cooking clips, in the order in which the demo questions number them."""
    return [str(CLIPS_DIR / f"cook_{colour}.mp4") for colour in ("red", "green", "blue", "yellow")]


def demo_questions() -> tuple[Question, ...]:
    """Return the demo questions with their keys; the first three need two or more videos and both modalities."""
    stored: list[dict[str, Any]] = json.loads((Path(__file__).parent / "questions.json").read_bytes())
    return tuple(
        Question.model_validate(item | {"videos": [_clip(name) for name in item["videos"]]}) for item in stored
    )


def _clip(name: str) -> Video:
    return Video(source=str(CLIPS_DIR / f"{name}.mp4"))
