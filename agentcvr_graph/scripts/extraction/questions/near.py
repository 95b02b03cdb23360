"""Near-duplicates among questions about the same videos: the same words, or the same answer by the same evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from agentcvr_graph.answers import answer_text
from agentcvr_graph.scripts.extraction.questions.draft import SOURCES
from agentcvr_graph.scripts.generators.llm.duplicates import Duplicates
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.types import Citation

SAME_WINDOWS = 0.5
"""Temporal IoU of the evidence from which on it is the same."""


class QuestionDuplicates(Duplicates):
    """An index of questions that finds those that ask the same of the same videos."""

    def __init__(self) -> None:
        super().__init__(question_texts, evidence_sources)
        self._proofs: defaultdict[tuple[frozenset[str], str], list[Script]] = defaultdict(list)
        """Questions by the files of their evidence and their answer in words."""

    def like(self, script: Script) -> str | None:
        """Return the id of a question with nearly the same words, or the same answer and evidence; None if none is."""
        found = super().like(script)
        if found is not None:
            return found
        others = self._proofs[_proof(script)]
        return next((other.id for other in others if evidence_iou(script, other) >= SAME_WINDOWS), None)

    def add(self, script: Script) -> None:
        """Remember a question."""
        super().add(script)
        self._proofs[_proof(script)].append(script)


def question_texts(script: Script) -> Iterator[str]:
    """Yield the texts by which questions are compared."""
    yield from (script.question, *script.options)


def evidence_sources(script: Script) -> frozenset[str]:
    """Return the files that the evidence comes from; questions about others are no near-duplicates."""
    return frozenset(_source(script, window) for window in script.evidence)


def evidence_iou(one: Script, other: Script) -> float:
    """Return the seconds of evidence that both name, as a share of those that one of them names.

    Windows of one question are taken to be disjoint, and a picture and its sound as two.
    """
    mine, its = _windows(one), _windows(other)
    shared_s = sum(
        max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for place, a in mine for its_place, b in its if place == its_place
    )
    all_s = sum(end_s - start_s for _, (start_s, end_s) in (*mine, *its)) - shared_s
    return shared_s / all_s if all_s > 0 else 0.0


def _windows(script: Script) -> list[tuple[tuple[str, str], tuple[float, float]]]:
    return [((_source(script, one), one.modality), (one.start_s, one.end_s)) for one in script.evidence]


def _source(script: Script, window: Citation) -> str:
    sources: Sequence[str] = script.extra.get(SOURCES, ())
    return sources[window.video - 1] if window.video <= len(sources) else f"video {window.video}"


def _proof(script: Script) -> tuple[frozenset[str], str]:
    return evidence_sources(script), answer_text(script.kind, script.key, script.options).casefold()
