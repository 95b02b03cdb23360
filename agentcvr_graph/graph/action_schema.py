"""The JSON schema of one turn, for servers that constrain a reply to a schema (`response_format`).

In: the tools and what is fixed for the question: its videos, its options and whether only an answer is allowed. Out:
the schema of a list of actions in the form of the JSON dialect. It admits only calls that the graph accepts as far as a
schema can say so: known tools, numbers of readable videos, times within them, values that name an option, an answer
only once there is evidence for it, citations of what was observed. Bounded lists and texts end the reply of a small
model, which may otherwise repeat itself to the token limit.

That a window ends after its start cannot be said of two numbers. So a short video is divided into cells: a window
starts in one and ends behind it. For a long video the cells would be too coarse, and its times are free.

The keywords used are those that the grammar compilers of vLLM, SGLang, llama.cpp, LM Studio and Ollama have in common;
the model reads the descriptions of the arguments in its system prompt, so the schema has none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from agentcvr_graph.answers import KINDS, option_labels
from agentcvr_graph.catalogue import opened_of
from agentcvr_graph.tools import Toolset
from agentcvr_graph.tools.answer import NO_VALUE, ClaimedAnswerArgs
from agentcvr_graph.tools.spec import AnyTool, ToolSpec
from agentcvr_graph.types import Citation, EvidenceKind, Observation, Question, VideoInfo

MAX_ACTIONS, MAX_ITEMS, MAX_TEXT, MAX_FRAMES = 3, 6, 200, 64
"""Most actions in a turn, entries in a list, characters in a text, and frames in a window."""
MAX_CITABLE, MAX_CITATIONS = 24, 3
"""Windows that can be cited, the latest ones, and most citations of an answer."""
CELLS, LONGEST_CELL_S = 8, 12.0
"""Cells of a video, and the length of a cell up to which a video counts as short."""
LONGEST_S = 86_400.0
"""Latest time in a video whose length is not known yet; a window is clipped to the video."""
LEAST_S = 0.1
"""Shortest window; times have one decimal, as in what the master reads."""
KEPT = frozenset({"type", "enum", "minimum", "maximum"})
"""The keywords that a schema without parts keeps."""
WINDOW = frozenset({"video", "start_s", "end_s"})
Json = dict[str, Any]


@dataclass(frozen=True)
class TurnBounds:
    """What the schema of a turn depends on, besides the tools."""

    question: Question
    """A checked question, whose kind is never `auto`."""
    videos: Sequence[VideoInfo]
    closing: bool = False
    """Whether only an answer is allowed."""
    may_answer: bool = True
    """Whether an answer would be accepted: not while evidence for it is missing."""
    must_cite: bool = False
    """Whether an answer is accepted only with a citation."""
    observed: Sequence[Observation] = ()
    """What was observed, which an answer can cite."""

    def numbers(self, modality: EvidenceKind | None) -> list[int]:
        """Return the numbers of the videos that can be observed, or that have this modality."""
        return [info.number for info in opened_of(self.videos) if not info.problem and _has(info, modality)]

    @property
    def unopened(self) -> bool:
        """Whether there are videos that were not opened yet; a call may name any of them."""
        return len(opened_of(self.videos)) < len(self.videos)

    @property
    def least_citations(self) -> int:
        """Return how many windows an answer must cite."""
        return 1 if self.must_cite and not self.closing and self.citable else 0

    @property
    def citable(self) -> list[Citation]:
        """Return the windows of the evidence, at most `MAX_CITABLE`."""
        found = (
            Citation(video=window.video, start_s=window.start_s, end_s=window.end_s, modality=one.modality)
            for one in self.observed
            if one.modality != "index"
            for window in [said.window for said in one.evidence if said.window] or one.windows
        )
        return list(dict.fromkeys(found))[-MAX_CITABLE:]


def turn_schema(tools: Toolset, bounds: TurnBounds) -> Json:
    """Return the schema of a turn: an object with a thought and a list of actions."""
    allowed = [tool for tool in tools if _possible(tool, tools, bounds)]
    allowed = allowed or [tool for tool in tools if tool.name in tools.ending]
    listed = {
        "type": "array",
        "items": {"anyOf": [_action(tool, bounds) for tool in allowed]},
        "minItems": 1,
        "maxItems": 1 if bounds.closing else MAX_ACTIONS,
    }
    return _closed({"thought": _text(), "actions": listed})


def _has(info: VideoInfo, modality: EvidenceKind | None) -> bool:
    match modality:
        case "visual":
            return info.has_picture
        case "audio":
            return info.has_sound or info.has_subtitles
        case _:
            return True


def _modality(tool: AnyTool) -> EvidenceKind | None:
    return cast("ToolSpec[Any, Any]", tool).modality if isinstance(tool, ToolSpec) else None


def _possible(tool: AnyTool, tools: Toolset, bounds: TurnBounds) -> bool:
    if tool.name in tools.ending:
        return bounds.closing or bounds.may_answer
    return not bounds.closing and (bounds.unopened or bool(bounds.numbers(_modality(tool))))


def _action(tool: AnyTool, bounds: TurnBounds) -> Json:
    narrowed: dict[str, Json | None] = {
        "frames": {"type": "integer", "minimum": 1, "maximum": MAX_FRAMES},
        "value": _value(tool, bounds),
        "citations": _citations(bounds.citable, bounds.least_citations, claims=_states_claims(tool)),
    }
    numbers = bounds.numbers(_modality(tool))
    spans = [span for info in opened_of(bounds.videos) if info.number in numbers for span in _spans(info)]
    spans += [_any_span(len(bounds.videos))] if bounds.unopened else []
    arguments = _bounded(tool.schema["function"]["parameters"], narrowed, spans)
    return _closed({"action": {"type": "string", "enum": [tool.name]}, "arguments": arguments})


def _value(tool: AnyTool, bounds: TurnBounds) -> Json:
    """Return the schema of a value of the question's kind, or of none where the tool allows that."""
    kind, options = bounds.question.kind, bounds.question.options
    schema = KINDS[kind].schema(option_labels(kind, options), _n_items(bounds))
    return {"anyOf": [schema, NO_VALUE]} if NO_VALUE in tool.any_of.get("value", ()) else schema


def _states_claims(tool: AnyTool) -> bool:
    """Return whether a citation of an answer says what it proves (feature `verify`)."""
    return issubclass(tool.arguments, ClaimedAnswerArgs)


def _citations(citable: Sequence[Citation], least: int, *, claims: bool) -> Json | None:
    """Return a list of at least so many of these windows; None if there are none."""
    if not citable:
        return None
    items = [_constant(citation, {"claim": _text()} if claims else {}) for citation in citable]
    return {"type": "array", "items": {"anyOf": items}, "minItems": least, "maxItems": MAX_CITATIONS}


def _constant(citation: Citation, free: Json) -> Json:
    return _closed(
        {
            "video": {"type": "integer", "enum": [citation.video]},
            "start_s": {"type": "number", "enum": [round(citation.start_s, 1)]},
            "end_s": {"type": "number", "enum": [round(citation.end_s, 1)]},
            "modality": {"type": "string", "enum": [citation.modality]},
            **free,
        }
    )


def _spans(info: VideoInfo) -> list[Json]:
    """Return the windows of a video: one entry for each cell in which they start, or a single one of a long video."""
    end_s = math.floor(info.duration_s * 10) / 10
    video = {"type": "integer", "enum": [info.number]}
    if not CELLS * 2 * LEAST_S < end_s <= CELLS * LONGEST_CELL_S:
        return [{"video": video, "start_s": _time(0, end_s), "end_s": _time(0, end_s)}]
    edges = [round(end_s * n / CELLS, 1) for n in range(CELLS)] + [round(end_s - LEAST_S, 1)]
    return [
        {"video": video, "start_s": _time(first, last), "end_s": _time(round(last + LEAST_S, 1), end_s)}
        for first, last in itertools.pairwise(edges)
    ]


def _any_span(count: int) -> Json:
    """Return a window of any video, for those whose length is not known yet."""
    video = {"type": "integer", "minimum": 1, "maximum": count}
    return {"video": video, "start_s": _time(0, LONGEST_S), "end_s": _time(0, LONGEST_S)}


def _time(first_s: float, last_s: float) -> Json:
    return {"type": "number", "minimum": first_s, "maximum": last_s}


def _n_items(bounds: TurnBounds) -> int:
    return len(bounds.question.options) or len(bounds.videos)


def _closed(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _text() -> Json:
    return {"type": "string", "maxLength": MAX_TEXT}


def _bounded(schema: Json, narrowed: Mapping[str, Json | None], spans: Sequence[Json]) -> Json:
    """Return a schema of arguments without descriptions and defaults.

    Args:
        narrowed: replaces parts by name; None leaves a part out.
        spans: the windows that an object with a window may name.
    """
    match schema.get("type"):
        case "object":
            given = cast(Mapping[str, Json], schema.get("properties", {}))
            parts = {name: narrowed.get(name, part) for name, part in given.items()}
            kept = {
                name: part if name in narrowed else _bounded(part, narrowed, spans)
                for name, part in parts.items()
                if part is not None
            }
            return {"anyOf": [_closed({**kept, **span}) for span in spans]} if kept.keys() >= WINDOW else _closed(kept)
        case "array":
            items = _bounded(schema.get("items", {"type": "string"}), narrowed, spans)
            return {"type": "array", "items": items, "minItems": schema.get("minItems", 0), "maxItems": MAX_ITEMS}
        case "string" if "enum" not in schema:
            return _text()
        case None if "anyOf" in schema:
            return {"anyOf": [_bounded(part, narrowed, spans) for part in schema["anyOf"]]}
        case _:
            return {key: value for key, value in schema.items() if key in KEPT}
