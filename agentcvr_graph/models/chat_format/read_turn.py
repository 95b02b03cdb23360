"""Turn the token ids that a model generated into a message with text and tool calls."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage

from agentcvr_graph.models.chat_format import hermes

KEPT = ("<tool_call>", "</tool_call>", "<think>", "</think>")
"""Tokens that some tokenizers treat as special, but that must be kept for parsing."""


def read_turn(tokenizer: Any, ids: Sequence[int], stop: Sequence[str] = ()) -> AIMessage:
    """Decode the ids without special tokens, and return a message with text and tool calls.

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
