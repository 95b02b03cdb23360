"""The script as a chat model writes it: the part of the schema that needs imagination, in few and flat fields.

Defaults are made by factories, which leave no `default` in the JSON schema: some servers refuse a schema that has one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from agentcvr_graph.answers import read_key
from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.schema import KIND_OF, Origin, Script

_LABEL = re.compile(r"^\s*\(?[A-Z][.):]\s+")


class DraftScene(BaseModel):
    """A stretch of a video in which one thing goes on."""

    start_s: FiniteFloat
    end_s: FiniteFloat
    visual: str = Field(description="What the camera sees.")
    caption: str = Field(default_factory=str, description="What is said, word for word; empty where nobody speaks.")
    on_screen_text: list[str] = Field(default_factory=list, description="Signs and titles that can be read.")


class DraftVideo(BaseModel):
    """One video."""

    duration_s: FiniteFloat
    scenes: list[DraftScene]


class DraftEvidence(BaseModel):
    """A window that helps to prove the answer."""

    video: int = Field(description="Number of the video, from 1.")
    start_s: FiniteFloat
    end_s: FiniteFloat
    modality: str = Field(description="'visual' or 'audio'.")


class Draft(BaseModel):
    """A question and its videos."""

    question: str
    options: list[str] = Field(default_factory=list, description="Without letters; empty where the task has none.")
    answer: str | list[str] | list[float] = Field(description="The right answer, in the answer format.")
    videos: list[DraftVideo]
    evidence: list[DraftEvidence]
    scoring_points: list[str] = Field(default_factory=list, description="For free text: what a full answer says.")


class UnusableDraftError(Exception):
    """The draft makes no script; `faults` are worded for the model."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


def script_of(draft: Draft, job: Job, model: str) -> Script:
    """Return the script of a draft.

    Raises:
        UnusableDraftError: it breaks the schema, the rules of scripts, or what the job asked for.
    """
    options = without_labels(draft.options)
    kind = KIND_OF[job.task]
    try:
        key = read_key(draft.answer, kind, options, len(draft.videos))
        fields = {
            "id": job.id,
            "task": job.task,
            "question": draft.question,
            "kind": kind,
            "options": options,
            "key": key,
            "scoring_points": draft.scoring_points,
            "videos": [_video(video) for video in draft.videos],
            "evidence": [window.model_dump() for window in draft.evidence],
            "origin": Origin(generator=f"llm/{job.task}", seed=job.seed, model=model),
        }
        script = Script.model_validate(fields)  # at one go, so that a fault has its whole place
    except ValidationError as error:
        raise UnusableDraftError(faults_of(error)) from error
    except InputError as error:
        raise UnusableDraftError([f"answer: {error}"]) from error
    faults = [f"{problem.place}: {problem.message}" for problem in check_script(script)] + _unmet(script, job)
    if faults:
        raise UnusableDraftError(faults)
    return script


def without_labels(options: Sequence[str]) -> tuple[str, ...]:
    """Return options without the letters that a model writes in front of them.

    >>> without_labels(["A) red", "(B) blue"])
    ('red', 'blue')
    """
    return tuple(_LABEL.sub("", option) for option in options)


def faults_of(error: ValidationError) -> list[str]:
    """Return one line for each fault, with its place as `check_script` writes it: `videos[2].scenes[5].end_s`."""
    return [f"{_place(item['loc'])}: {item['msg']}" for item in error.errors()]


def _place(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).lstrip(".") or "JSON"


def _video(draft: DraftVideo) -> dict[str, Any]:
    scenes = [
        {**scene.model_dump(exclude={"on_screen_text"}), "facts": {"text": scene.on_screen_text}}
        for scene in draft.scenes
    ]
    return {"duration_s": draft.duration_s, "scenes": scenes}


def _unmet(script: Script, job: Job) -> list[str]:
    """Yield what the job requires and the script does not have."""
    faults: list[str] = []
    if len(script.videos) != job.videos:
        faults.append(f"videos: {job.videos} are wanted, not {len(script.videos)}")
    if job.options and len(script.options) != job.options:
        faults.append(f"options: {job.options} are wanted, not {len(script.options)}")
    written = ", ".join(script.key) if isinstance(script.key, list) else str(script.key)
    if job.key and written != job.key:
        faults.append(f"answer: {job.key} must be right, not {written}")
    if len({window.video for window in script.evidence}) < 2:
        faults.append("evidence: it must come from at least two videos")
    if script.kind == "text" and not script.scoring_points:
        faults.append("scoring_points: there are none")
    return faults
