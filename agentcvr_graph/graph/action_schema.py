"""The JSON schema of one turn, for servers that constrain a reply to a schema (`response_format`).

In: the tools and what is fixed for the question: its videos, its options and whether only an answer is allowed. Out:
the schema of a list of actions in the form of the JSON dialect. It admits only calls that the planner accepts as far as
a schema can say so: known tools, numbers of readable videos, times within them, values that name an option. Bounded
lists and texts end the reply of a small model, which may otherwise repeat itself to the token limit.

The keywords used are those that the grammar compilers of vLLM, SGLang, llama.cpp, LM Studio and Ollama have in common;
the model reads the descriptions of the arguments in its system prompt, so the schema has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from agentcvr_graph.answers import KINDS, option_labels
from agentcvr_graph.tools import Toolset
from agentcvr_graph.tools.spec import AnyTool, ToolSpec
from agentcvr_graph.types import Modality, Question, VideoInfo

MAX_ACTIONS, MAX_ITEMS, MAX_TEXT, MAX_FRAMES = 3, 6, 200, 64
"""Most actions in a turn, entries in a list, characters in a text, and frames in a window."""
KEPT = frozenset({"type", "enum", "minimum", "maximum"})
"""The keywords that a schema without parts keeps."""
Json = dict[str, Any]


@dataclass(frozen=True)
class TurnBounds:
    """What the schema of a turn depends on, besides the tools."""

    question: Question
    """A checked question, whose kind is never `auto`."""
    videos: Sequence[VideoInfo]
    closing: bool = False
    """Whether only an answer is allowed."""

    def numbers(self, modality: Modality | None) -> list[int]:
        """Return the numbers of the videos that can be observed, or that have this modality."""
        return [info.number for info in self.videos if not info.problem and _has(info, modality)]

    @property
    def longest_s(self) -> float:
        """The duration of the longest video in seconds."""
        return max((info.duration_s for info in self.videos), default=0.0)


def turn_schema(tools: Toolset, bounds: TurnBounds) -> Json:
    """Return the schema of a turn: an object with a thought and a list of actions."""
    allowed = [tool for tool in tools if _possible(tool, tools, bounds)]
    listed = {
        "type": "array",
        "items": {"anyOf": [_action(tool, bounds) for tool in allowed]},
        "minItems": 1,
        "maxItems": 1 if bounds.closing else MAX_ACTIONS,
    }
    return _closed({"thought": _text(), "actions": listed})


def _has(info: VideoInfo, modality: Modality | None) -> bool:
    match modality:
        case "visual":
            return info.has_picture
        case "audio":
            return info.has_sound or info.has_subtitles
        case None:
            return True


def _modality(tool: AnyTool) -> Modality | None:
    return cast("ToolSpec[Any, Any]", tool).modality if isinstance(tool, ToolSpec) else None


def _possible(tool: AnyTool, tools: Toolset, bounds: TurnBounds) -> bool:
    return tool.name in tools.ending or not bounds.closing and bool(bounds.numbers(_modality(tool)))


def _action(tool: AnyTool, bounds: TurnBounds) -> Json:
    time = {"type": "number", "minimum": 0, "maximum": bounds.longest_s}
    question = bounds.question
    narrowed: dict[str, Json] = {
        "video": {"type": "integer", "enum": bounds.numbers(_modality(tool))},
        "start_s": time,
        "end_s": time,
        "frames": {"type": "integer", "minimum": 1, "maximum": MAX_FRAMES},
        "value": KINDS[question.kind].schema(option_labels(question.kind, question.options), _n_items(bounds)),
    }
    arguments = _bounded(tool.schema["function"]["parameters"], narrowed)
    return _closed({"action": {"type": "string", "enum": [tool.name]}, "arguments": arguments})


def _n_items(bounds: TurnBounds) -> int:
    return len(bounds.question.options) or len(bounds.videos)


def _closed(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _text() -> Json:
    return {"type": "string", "maxLength": MAX_TEXT}


def _bounded(schema: Json, narrowed: Mapping[str, Json]) -> Json:
    """Return a schema of arguments without descriptions and defaults; parts in `narrowed` are replaced by name."""
    match schema.get("type"):
        case "object":
            parts = cast(Mapping[str, Json], schema.get("properties", {}))
            return _closed({name: narrowed.get(name) or _bounded(part, narrowed) for name, part in parts.items()})
        case "array":
            items = _bounded(schema.get("items", {"type": "string"}), narrowed)
            return {"type": "array", "items": items, "minItems": schema.get("minItems", 0), "maxItems": MAX_ITEMS}
        case "string" if "enum" not in schema:
            return _text()
        case None if "anyOf" in schema:
            return {"anyOf": [_bounded(part, narrowed) for part in schema["anyOf"]]}
        case _:
            return {key: value for key, value in schema.items() if key in KEPT}
