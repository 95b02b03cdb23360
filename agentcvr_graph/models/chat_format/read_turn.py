"""From the ids that a model wrote to a message: words and tool calls."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage

from agentcvr_graph.models.chat_format import hermes

KEPT = ("<tool_call>", "</tool_call>", "<think>", "</think>")
"""Tokens that some tokenizers hold for special, and that mean something here."""


def read_turn(tokenizer: Any, ids: Sequence[int], stop: Sequence[str] = ()) -> AIMessage:
    """What the model wrote, without its special tokens, split into words and tool calls.

    Args:
        stop: texts at which the turn ends.
    """
    text = str(tokenizer.decode(list(ids), skip_special_tokens=False))
    for special in tokenizer.all_special_tokens:
        if special not in KEPT:
            text = text.replace(str(special), "")
    for mark in stop:
        text = text.partition(mark)[0]
    words, calls, invalid = hermes.read_calls(text)
    for call in [*calls, *invalid]:
        call["id"] = f"call_{uuid.uuid4().hex[:12]}"
    return AIMessage(content=words, tool_calls=calls, invalid_tool_calls=invalid)
