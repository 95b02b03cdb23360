"""Signatures of tools: what a model must know to call them, in few tokens, for any class of arguments."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from agentcvr_graph.graph.dialects import instructions, read_calls, write_calls
from agentcvr_graph.models.chat_format import hermes
from agentcvr_graph.models.chat_format.signatures import described_signatures, signature
from agentcvr_graph.testing import answer, listen, observe
from agentcvr_graph.tools import TOOL_SCHEMAS, TOOLS
from agentcvr_graph.tools.find import FIND
from agentcvr_graph.tools.spec import AnyTool, ToolSchema


class Place(BaseModel):
    """Where."""

    x: float = Field(ge=0, le=1, description="Share of the width.")
    name: str | None = None


class MarkArgs(BaseModel):
    """Mark places."""

    places: list[Place] = Field(min_length=2, max_length=4, description="What to mark.")
    colour: Literal["red", "blue"] = Field(default="red", description="'red' or 'blue'.")
    shape: Literal["", "box"] = ""
    sizes: dict[str, int] = {}
    loud: bool = False
    code: str = Field(default="", pattern="^[a-z]$", description="A letter.")
    count: int = Field(gt=0)
    pair: tuple[int, str] | None = Field(default=None, description="Both.")
    anything: Any = None


def test_a_signature_says_types_bounds_defaults_and_nested_fields() -> None:
    function = convert_to_openai_tool(MarkArgs)["function"]
    first, notes = signature(function, {"x"}).split("\n")
    assert first == (
        "MarkArgs(places: [{x: number 0 to 1, name?: text}] (2 to 4), "
        'colour?: "red" | "blue" (default "red"), shape?: "box", sizes?: {NAME: int, ...}, '
        'loud?: true | false (default false), code?: text (pattern "^[a-z]$"), count: int > 0, pair?: [int, text], '
        "anything?: any)"
    )
    assert notes == "  places: What to mark. code: A letter. pair: Both."


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ({"$ref": "#/$defs/Node"}, '{"$ref": "#/$defs/Node"}'),
        ({"type": ["integer", "null"]}, "int | null"),
        ({"const": 3}, "3"),
        ({"type": "object"}, "{...}"),
        ({"type": "array"}, "[any]"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, "[int] (at most 3)"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}, "[int] (2)"),
        ({"oneOf": [{"type": "string"}, {"type": "boolean"}]}, "text | true | false"),
        ({"type": "integer", "maximum": 9, "multipleOf": 3}, "int <= 9 (multipleOf 3)"),
        ({"title": "Any"}, "any"),
    ],
)
def test_a_type_that_has_no_word_is_written_as_json(field: dict[str, Any], written: str) -> None:
    function = {"name": "f", "parameters": {"properties": {"a": field}, "required": ["a"]}}
    assert signature(function) == f"f(a: {written})"


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x"])
leaves = st.booleans() | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"]),
        "enum": st.lists(scalars, min_size=1, max_size=2),
        "default": scalars,
        "minimum": st.integers(-3, 3),
        "format": st.just("date"),
    },
)
schemas = st.recursive(
    leaves,
    lambda inner: (
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}, optional={"default": scalars})
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"default": st.just([])})
        | st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(st.just("b"), inner)})
        | st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner})
    ),
    max_leaves=6,
)


@given(schemas)
def test_any_type_of_a_clients_tool_is_written_in_one_line(field: object) -> None:
    written = signature({"name": "f", "parameters": {"type": "object", "properties": {"a": field}}})
    assert written.startswith("f(a?: ") and "\n" not in written


def test_a_tool_without_arguments_or_description_is_a_name() -> None:
    assert (
        described_signatures([{"name": "stop"}, {"name": "go", "description": "Go\n on."}]) == "stop()\ngo()\n  Go on."
    )


def test_the_tools_of_the_library_in_a_quarter_of_their_schemas() -> None:
    assert TOOLS["listen"].signature == (
        "listen(video: int, start_s: number, end_s: number, focus?: text)\n  focus: What to listen for."
    )
    written = instructions("json")
    assert len(written) < 0.4 * len(json.dumps(TOOL_SCHEMAS))
    assert all(name in written for tool in TOOLS for name in tool.arguments.model_fields)
    assert "properties" not in written and "\n\n" not in written


def test_what_the_prompt_explains_gets_no_note_and_a_users_tool_keeps_all() -> None:
    own: AnyTool = ToolSchema(name="mark", arguments=MarkArgs, hint="marks.")
    assert "x: Share of the width." in own.signature
    assert "video: Number" not in TOOLS["observe"].signature
    assert "videos: Numbers of the videos to search; empty for all." in FIND.signature


def test_a_template_without_tools_reads_signatures_and_each_note_once() -> None:
    written = hermes.instructions(TOOL_SCHEMAS)
    assert written.count("start_s: Start of the window in seconds from the start of the video.") == 1
    assert "Look at windows of one or more videos" in written and '{"name": NAME, "arguments": {...}}' in written
    assert len(written) < 0.5 * len(json.dumps(TOOL_SCHEMAS))


def test_actions_in_the_form_of_the_signatures_are_read() -> None:
    calls = [observe((1, 0, 5, 2), focus="red"), listen(1, 0, 5), answer("A")]
    read = read_calls(write_calls(calls, "json"), 1)
    assert [(call.tool, call.arguments) for call in read] == [(call["name"], call["args"]) for call in calls]
    assert all(TOOLS.read_noting(call.tool, call.arguments)[1] == () for call in read)
