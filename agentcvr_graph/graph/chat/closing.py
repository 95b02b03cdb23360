"""The message that closes a run in the caller's conversation: the answer in words, and the windows that prove it.

Its content is one text block of LangChain. Each citation stands in the text as `[video 2, 12.0-15.5 s]`, and as a typed
annotation with the title of the video, its address without secrets, and the evidence that was observed there. A run
without an answer says why. No model reads this message as a turn of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.content import Annotation, create_citation, create_text_block

from agentcvr_graph.answers import GUESS, headline
from agentcvr_graph.errors import shown_address
from agentcvr_graph.graph.chat.conversation import METADATA, Closed, digest_of
from agentcvr_graph.render import window_label, without_unseen
from agentcvr_graph.types import Answer, Citation, Failure, Observation, Question, VideoInfo

SENSES = {"visual": "seen", "audio": "heard"}
MAX_KEPT = 6000
"""Characters of evidence that a message keeps for the next question."""
WINDOW_SIZE = 80
"""Characters of a statement's window as JSON, about."""
MAX_QUOTED = 300
"""Characters of evidence in an annotation."""


def closing_message(
    answer: Answer, sources: Iterable[VideoInfo], observations: Sequence[Observation], asked: Closed
) -> AIMessage:
    """Return the reply that states an answer.

    Args:
        asked: what the next question on this conversation may use.
    """
    known = {info.number: info for info in sources}
    text = "\n\n".join(part for part in (in_words(answer), answer.rationale.strip()) if part)
    annotations: list[Annotation] = []
    for number, citation in enumerate(answer.citations):
        info = known[citation.video]
        label = f"[{window_label(citation)}]"
        text += "\n" if number else "\n\n"
        start = len(text) + len("- ")
        text += f"- {label} {without_unseen(info.title)}, {SENSES[citation.modality]}"
        annotations.append(_annotation(citation, info, observations, (start, start + len(label))))
    return _message(text, asked, annotations)


def failure_message(failure: Failure, asked: Closed) -> AIMessage:
    """Return the reply that says why there is no answer, or asks for what is missing."""
    return _message(failure.message if failure.boundary == "input" else f"I could not answer: {failure.message}", asked)


def left_for_next(question: Question, sources: Iterable[VideoInfo], observations: Sequence[Observation]) -> Closed:
    """Return what the next question may use: the videos, and the last observations that fit into `MAX_KEPT`."""
    kept: list[Observation] = []
    size = 0
    for one in reversed([one for one in observations if one.modality in SENSES]):
        size += sum(len(evidence.text) + WINDOW_SIZE for evidence in one.evidence)
        if size > MAX_KEPT:
            break
        kept.append(one)
    seen = {window.video for one in kept for window in one.windows}
    opened = {info.number: digest_of(info) for info in sources if info.number in seen}
    return Closed(question=question.question, videos=question.videos, opened=opened, observations=tuple(reversed(kept)))


def _message(text: str, asked: Closed, annotations: list[Annotation] | None = None) -> AIMessage:
    block = dict(create_text_block(text, annotations=annotations))
    left_out: Any = {"observations": {"__all__": {"cost", "turn", "frame_times_s"}}}
    metadata = {METADATA: asked.model_dump(mode="json", exclude_defaults=True, exclude=left_out)}
    return AIMessage([block], response_metadata=metadata)


def in_words(answer: Answer) -> str:
    """Return an answer as text: with its letter where the question had options; of a guess, that it is one."""
    return f"{headline(answer)} ({GUESS})" if answer.is_guess else headline(answer)


def _annotation(
    citation: Citation, info: VideoInfo, observations: Sequence[Observation], place: tuple[int, int]
) -> Annotation:
    start, end = place
    return create_citation(
        url=shown_address(info.video.source),
        title=without_unseen(info.title),
        start_index=start,
        end_index=end,
        cited_text=_evidence(citation, observations)[:MAX_QUOTED] or None,
        video=citation.video,
        start_s=citation.start_s,
        end_s=citation.end_s,
        modality=citation.modality,
    )


def _evidence(citation: Citation, observations: Sequence[Observation]) -> str:
    """Return what was observed in a cited window."""
    found = [
        evidence.text
        for observation in observations
        if observation.modality == citation.modality
        for evidence in observation.evidence
        if evidence.window is not None and evidence.window.overlap_s(citation) > 0
    ]
    return "; ".join(dict.fromkeys(found))
