"""The question as a chat model writes it, and the script that it becomes with the videos that it is about.

The place of the right option is drawn from the job's seed, whatever the model wrote, so that keys are spread evenly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from pydantic import BaseModel, Field, ValidationError

from agentcvr_graph.answers import read_key
from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.extraction.questions.choice import Chosen
from agentcvr_graph.scripts.extraction.questions.notes import modalities_in, statements_in
from agentcvr_graph.scripts.generators.llm.draft import DraftEvidence, UnusableDraftError, faults_of, without_labels
from agentcvr_graph.scripts.generators.llm.forms import DeclinedError
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.schema import KIND_OF, Origin, Script
from agentcvr_graph.types import AnswerValue

SOURCES = "sources"
"""Name in `Script.extra` of the list of the files, with their clips, that the videos were extracted from."""
MAX_OPTIONS = 8
_OWN_ORDER = re.compile(r"^(?:video |view )?\d+$", re.I)
"""Options that read best in their own order: numbers, and videos."""


class QuestionDraft(BaseModel):
    """A question about given videos, or why there is none."""

    impossible: str = Field(
        default_factory=str, description="Why these videos allow no such question; empty if they do."
    )
    question: str = Field(default_factory=str)
    options: list[str] = Field(default_factory=list, description="Without letters; empty where the task has none.")
    answer: str | list[str] | list[float] = Field(
        default_factory=str, description="The right answer, in the answer format."
    )
    evidence: list[DraftEvidence] = Field(default_factory=list[DraftEvidence])
    scoring_points: list[str] = Field(default_factory=list, description="For free text: what a full answer says.")


def question_script(draft: QuestionDraft, job: Job, chosen: Chosen, model: str) -> Script:
    """Return the script of a draft.

    Raises:
        DeclinedError: the draft says that the videos allow no question.
        UnusableDraftError: it breaks the schema, the rules of scripts, or what the job asked for.
    """
    if draft.impossible.strip() and not draft.question.strip():
        raise DeclinedError(draft.impossible.strip())
    kind, options = KIND_OF[job.task], without_labels(draft.options)
    try:
        key = read_key(chosen.key or draft.answer, kind, options, len(chosen.videos))
        options, key = _shuffled(options, key, job)
        fields = {
            "id": job.id,
            "task": job.task,
            "question": draft.question,
            "kind": kind,
            "options": options,
            "key": key,
            "scoring_points": draft.scoring_points,
            "videos": chosen.scripted,
            "evidence": [window.model_dump() for window in draft.evidence],
            "origin": Origin(generator=f"own/{job.task}", seed=job.seed, model=model),
            "extra": {SOURCES: chosen.names},
        }
        script = Script.model_validate(fields)
    except ValidationError as error:
        raise UnusableDraftError(faults_of(error)) from error
    except InputError as error:
        raise UnusableDraftError([f"answer: {error}"]) from error
    if faults := [*(f"{problem.place}: {problem.message}" for problem in errors_of(script)), *_unmet(script)]:
        raise UnusableDraftError(faults)
    return script


def _shuffled(options: Sequence[str], key: AnswerValue, job: Job) -> tuple[tuple[str, ...], AnswerValue]:
    """Return the options in an order drawn for the job, and the letters of the key in that order."""
    if not options or not isinstance(key, str | list) or all(map(_OWN_ORDER.match, options)):
        return tuple(options), key
    order = job.rng("options").sample(range(len(options)), len(options))
    letters = sorted(ascii_uppercase[order.index(ascii_uppercase.index(letter))] for letter in key)
    return tuple(options[n] for n in order), letters if isinstance(key, list) else letters[0]


def _unmet(script: Script) -> list[str]:
    """Return what a question about several videos must have, and this one does not."""
    faults: list[str] = []
    if len(script.options) > MAX_OPTIONS:
        faults.append(f"options: there are {len(script.options)}; write at most {MAX_OPTIONS}")
    if len({window.video for window in script.evidence}) < 2:
        faults.append("evidence: it must come from at least two videos")
    for number, window in enumerate(script.evidence, 1):
        video = script.videos[window.video - 1]
        if not statements_in(video, window):
            instead = " or ".join(modalities_in(video, window)) or "nothing"
            faults.append(f"evidence[{number}]: the window holds nothing {window.modality}; it holds {instead}")
    if script.kind == "text" and not script.scoring_points:
        faults.append("scoring_points: there are none")
    return faults
