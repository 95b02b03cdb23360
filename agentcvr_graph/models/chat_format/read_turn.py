"""Turn the token ids that a model generated into a message with text and tool calls.

A tokenizer with a response template says itself how its model writes calls, and `transformers` reads them. For others,
and where the template finds no call, our own reader knows the forms of many families (`written_calls.py`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, ToolCall

from agentcvr_graph.models.chat_format import hermes
from agentcvr_graph.models.chat_format.call_shapes import shapes_of

_KEPT = re.compile(r"tool|think|thought|function|python_tag|channel|\bmessage\b|constrain|escape|\"", re.I)
"""Special tokens that are kept for parsing: they mark calls and thoughts. The others mark turns."""


def read_turn(
    tokenizer: Any,
    ids: Sequence[int],
    stop: Sequence[str] = (),
    *,
    prompt: Sequence[int] = (),
    tools: Sequence[Mapping[str, Any]] = (),
) -> AIMessage:
    """Decode the ids without the tokens that mark turns, and return a message with text and tool calls.

    Args:
        stop: texts at which the turn ends.
        prompt: the ids before the turn, which a response template needs.
        tools: schemas of the tools, by which a response template reads arguments.
    """
    text = str(tokenizer.decode(list(ids), skip_special_tokens=False))
    for mark in stop:
        text = text.partition(mark)[0]
    templated = _read_by_template(tokenizer, text, prompt, tools)
    for special in tokenizer.all_special_tokens:
        if not _KEPT.search(special):
            text = text.replace(str(special), "")
    words, calls, invalid = hermes.read_calls(text)
    if templated:
        said, found = templated
        words, calls, invalid = words if calls or invalid else said, found, []
    for call in [*calls, *invalid]:
        call["id"] = f"call_{uuid.uuid4().hex[:12]}"
    return AIMessage(content=words, tool_calls=calls, invalid_tool_calls=invalid)


def _read_by_template(
    tokenizer: Any, text: str, prompt: Sequence[int], tools: Sequence[Mapping[str, Any]]
) -> tuple[str, list[ToolCall]] | None:
    """Return the text and the calls by the tokenizer's response template; None if it has none or finds no call."""
    if getattr(tokenizer, "response_template", None) is None:
        return None
    before = str(tokenizer.decode(list(prompt), skip_special_tokens=False)) if prompt else ""
    try:
        read = tokenizer.parse_response(text, prefix=before, tools=[dict(tool) for tool in tools] or None)
    except (ValueError, TypeError, KeyError, RecursionError):  # the model did not keep to its format
        return None
    message = cast(Mapping[str, Any], read)
    shapes = list(shapes_of(message.get("tool_calls"), ()))
    if not shapes or any(shape.problem for shape in shapes):
        return None
    return str(message.get("content") or ""), [ToolCall(name=one.name, args=one.arguments, id="") for one in shapes]
