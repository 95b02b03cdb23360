"""Turns of models in this process: a tokenizer's response template comes first, our own reader second."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from agentcvr_graph.models.chat_format.read_turn import read_turn
from agentcvr_graph.tools import TOOL_SCHEMAS
from tests.support.tiny_models import tokenizer

TEMPLATE: dict[str, Any] = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "tool_calls": {
            "open_pattern": r"\s*@@(?P<name>\w+)",
            "close": "@@",
            "repeats": True,
            "content": "xml-inline",
            "content_args": {"tag_pattern": r"(?P<key>\w+)=(?P<value>[^;\s]+);"},
            "transform": {"type": "function", "function": {"name": "{name}", "arguments": "{content}"}},
        },
        "content": {"close": "<|im_end|>", "content": "text"},
    },
}
"""A made-up form that only this template explains."""


@pytest.fixture
def templated() -> Any:
    made = copy.deepcopy(tokenizer())
    made.response_template = TEMPLATE
    return made


def read(model: Any, text: str) -> Any:
    prompt = model.encode("<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n")
    return read_turn(model, model.encode(text), prompt=prompt, tools=list(TOOL_SCHEMAS))


def test_the_response_template_of_a_tokenizer_reads_its_calls(templated: Any) -> None:
    message = read(templated, "I listen. @@listen video=1; start_s=0.5; end_s=5; focus=7;@@<|im_end|>")
    (call,) = message.tool_calls
    assert (call["name"], call["args"]) == ("listen", {"video": 1, "start_s": 0.5, "end_s": 5, "focus": "7"})
    assert message.content == "I listen."
    assert call["id"].startswith("call_")


def test_our_own_reader_reads_what_the_template_does_not(templated: Any) -> None:
    message = read(templated, '<tool_call>{"name": "listen", "arguments": {"video": 1}}</tool_call><|im_end|>')
    assert [call["args"] for call in message.tool_calls] == [{"video": 1}]
    message = read(templated, "Just words.<|im_end|>")
    assert (message.content, message.tool_calls) == ("Just words.", [])


def test_a_tokenizer_without_a_template_needs_no_prompt() -> None:
    model: Any = tokenizer()
    ids = model.encode('I listen.<tool_call>{"name": "listen", "arguments": {"video": 1}}</tool_call><|im_end|>')
    message = read_turn(model, ids)
    assert (message.content, [call["name"] for call in message.tool_calls]) == ("I listen.", ["listen"])
    assert read_turn(model, model.encode("one STOP two"), ["STOP"]).content == "one"
