"""Messages for a chat template, and tool calls parsed from the text of a model."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.content import create_image_block, create_text_block
from PIL import Image

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.models.chat_format.hermes import call_text, read_calls
from agentcvr_graph.models.chat_format.template_messages import template_messages

TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
CALL = {"name": "look", "args": {"at": 3}, "id": "c1"}
THOUGHT = "<think>Where?</think>Here."
CONVERSATION: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("Where?"),
    AIMessage("I look.", tool_calls=[CALL]),
    ToolMessage("A pan.", tool_call_id="c1", name="look"),
]


def test_a_template_with_tool_support_gets_calls_and_replies_unchanged() -> None:
    rows = template_messages(CONVERSATION, tools=None, sees=False, native_tools=True)
    assert [row["role"] for row in rows] == ["system", "user", "assistant", "tool"]
    assert rows[0]["content"] == "Be brief."
    assert rows[2]["tool_calls"] == [{"type": "function", "function": {"name": "look", "arguments": {"at": 3}}}]
    assert rows[3] == {"role": "tool", "content": "A pan.", "name": "look", "tool_call_id": "c1"}


def test_a_template_without_tool_support_gets_calls_and_replies_as_text() -> None:
    rows = template_messages(CONVERSATION, tools=TOOLS, sees=False, native_tools=False)
    assert [row["role"] for row in rows] == ["system", "user", "assistant", "user"]
    assert rows[0]["content"].startswith("Be brief.\n\n# Tools")
    assert "\nlook()" in rows[0]["content"]
    assert read_calls(rows[2]["content"])[1][0]["args"] == {"at": 3}
    assert rows[3]["content"] == "<tool_response>\nA pan.\n</tool_response>"


def test_tools_without_a_system_message_create_one() -> None:
    rows = template_messages([HumanMessage("Where?")], tools=TOOLS, sees=True, native_tools=False)
    assert [row["role"] for row in rows] == ["system", "user"]
    assert rows[1]["content"] == [{"type": "text", "text": "Where?"}]


def test_images_keep_their_position_and_a_text_model_refuses_them() -> None:
    file = io.BytesIO()
    Image.new("RGB", (4, 2), "red").save(file, "PNG")
    picture = create_image_block(base64=base64.b64encode(file.getvalue()).decode(), mime_type="image/png")
    message = HumanMessage(content_blocks=[create_text_block("video 1, 0.0 s:"), picture, create_text_block("?")])
    (row,) = template_messages([message], tools=None, sees=True, native_tools=True)
    assert [part["type"] for part in row["content"]] == ["text", "image", "text"]
    assert row["content"][1]["image"].getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(InfrastructureError, match="does not take pictures"):
        template_messages([message], tools=None, sees=False, native_tools=True)


@pytest.mark.parametrize(
    ("text", "words", "names", "invalid"),
    [
        ("Just words.", "Just words.", [], 0),
        (f"I look.\n{call_text('look', {'at': 3})}", "I look.", ["look"], 0),
        (call_text("look", {}) + call_text("listen", {"at": 1}), "", ["look", "listen"], 0),
        ('<tool_call>{"name": "look", "arguments": {}}', "", ["look"], 0),  # ran out of tokens at the end tag
        ('<tool_call>{"name": "look", "parameters": {}}</tool_call>', "", ["look"], 0),
        ("<tool_call>look at it</tool_call>", "", [], 1),
        ('<tool_call>{"name": "look", "arguments": 3}</tool_call>', "", [], 1),
        ("<tool_call>[]</tool_call>after", "after", [], 1),
    ],
)
def test_tool_calls_are_parsed_from_text(text: str, words: str, names: list[str], invalid: int) -> None:
    said, calls, bad = read_calls(text)
    assert said == words
    assert [call["name"] for call in calls] == names
    assert len(bad) == invalid


@pytest.mark.parametrize(
    ("text", "words", "args"),
    [
        ('<think><tool_call>{"name": "a", "arguments": {}}</tool_call></think>Hm.', None, []),
        ('<think>Where?</think>Here.\n<tool_call>{"name": "look", "arguments": {"at": 3,}}', THOUGHT, [{"at": 3}]),
        ("<function=look>\n<parameter=at>\n3\n</parameter>\n</function>", "", [{"at": 3}]),
        ('[TOOL_CALLS]look[ARGS]{"at": 3}', "", [{"at": 3}]),
        ('<|python_tag|>{"name": "look", "parameters": {"at": 3}}', "", [{"at": 3}]),
        ('{"name": "look", "arguments": {"at": 3}}', '{"name": "look", "arguments": {"at": 3}}', []),
    ],
)
def test_marked_calls_of_other_families_are_parsed_and_thoughts_hold_none(
    text: str, words: str | None, args: list[dict[str, int]]
) -> None:
    said, calls, bad = read_calls(text)
    assert [call["args"] for call in calls] == args and not bad
    assert said == (
        text.partition("<tool_call>{")[0].strip() if words is None and args else text if words is None else words
    )
