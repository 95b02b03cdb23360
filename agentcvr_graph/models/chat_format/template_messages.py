"""Convert LangChain messages to the dictionaries that a chat template renders.

Templates of text models take `content` as a string, and templates of vision models take a list of typed parts. A
template without tools takes calls and replies inside plain messages (`hermes.py`). This module handles all three.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from PIL import Image

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.models.chat_format import hermes

ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


def template_messages(
    messages: Sequence[BaseMessage], *, tools: list[dict[str, Any]] | None, sees: bool, native_tools: bool
) -> list[dict[str, Any]]:
    """Return the conversation for `apply_chat_template`.

    Args:
        messages: the conversation.
        tools: tools to describe in the system message, for a template that does not describe them.
        sees: True for a vision model.
        native_tools: True if the template renders calls and replies itself.
    """
    rows = [_row(message, sees, native_tools) for message in messages]
    if tools:
        _add_to_system(rows, hermes.instructions(tools), sees)
    return rows


def _row(message: BaseMessage, sees: bool, native_tools: bool) -> dict[str, Any]:
    parts = _parts(message)
    role = ROLES.get(message.type, "user")
    if native_tools:
        return {"role": role, "content": _content(parts, sees), **_calls(message)}
    if isinstance(message, ToolMessage):
        return {"role": "user", "content": _content([_text(hermes.reply_text(message.text))], sees)}
    if isinstance(message, AIMessage):
        parts += [_text(hermes.call_text(call["name"], call["args"])) for call in message.tool_calls]
    return {"role": role, "content": _content(parts, sees)}


def _calls(message: BaseMessage) -> dict[str, Any]:
    if isinstance(message, ToolMessage):
        return {"name": message.name or "", "tool_call_id": message.tool_call_id}
    if isinstance(message, AIMessage) and message.tool_calls:
        functions = [{"name": call["name"], "arguments": call["args"]} for call in message.tool_calls]
        return {"tool_calls": [{"type": "function", "function": function} for function in functions]}
    return {}


def _parts(message: BaseMessage) -> list[dict[str, Any]]:
    """Return text and pictures in their order; drop blocks that no template renders (reasoning, audio)."""
    parts: list[dict[str, Any]] = []
    for block in message.content_blocks:
        if block["type"] == "text":
            parts.append(_text(block["text"]))
        elif block["type"] == "image":
            parts.append({"type": "image", "image": _picture(cast(dict[str, Any], block))})
    return parts


def _picture(block: dict[str, Any]) -> Image.Image:
    if "base64" not in block:
        raise InfrastructureError("A model in this process takes pictures as base64 blocks only.")
    return Image.open(io.BytesIO(base64.b64decode(block["base64"]))).convert("RGB")


def _content(parts: list[dict[str, Any]], sees: bool) -> list[dict[str, Any]] | str:
    if sees:
        return parts
    if any(part["type"] == "image" for part in parts):
        raise InfrastructureError("This model does not take pictures.", fix="Use a vision model for --vision.")
    return "\n".join(str(part["text"]) for part in parts)


def _add_to_system(rows: list[dict[str, Any]], text: str, sees: bool) -> None:
    if not rows or rows[0]["role"] != "system":
        rows.insert(0, {"role": "system", "content": _content([_text(text)], sees)})
    elif sees:
        rows[0]["content"] = [*rows[0]["content"], _text(f"\n\n{text}")]
    else:
        rows[0]["content"] = f"{rows[0]['content']}\n\n{text}"


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
