"""Read the content of a message: its text, and the videos that it names in blocks.

Blocks come in several forms for the same thing, and a chat sends the form of its own client library:

| form | example |
|---|---|
| LangChain v1 | `{"type": "video", "url": ...}`, `{"type": "file", "url": ..., "mime_type": "video/mp4"}` |
| LangChain v0 | `{"type": "video", "source_type": "url", "url": ...}` |
| OpenAI | `{"type": "video_url", "video_url": {"url": ...}}`, `{"type": "file", "file": {...}}` |
| Google | `{"type": "media", "mime_type": "video/mp4", "file_uri": ...}` |

The state of a run holds references and never bytes, so a block that holds the bytes of a video cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from langchain_core.messages import BaseMessage

from agentcvr_graph.errors import InputError
from agentcvr_graph.types import Video, whole

ADDRESSES = ("url", "file_uri", "uri", "path", "video", "video_url", "audio", "file_url")
TITLES = ("title", "filename", "file_name", "name")
MEDIA = ("video", "audio", "application/octet-stream", "application/mp4", "application/ogg")
"""Beginnings of the media types that are opened."""
IGNORED = ("reasoning", "thinking", "redacted_thinking", "tool_call", "tool_use", "tool_result", "non_standard")
SEND = "Name a file, a folder of images or a URL of a video."


class Content(NamedTuple):
    """What a message holds."""

    text: str
    videos: tuple[Video, ...]


def read_content(message: BaseMessage) -> Content:
    """Return the text and the videos of a message.

    Raises:
        InputError: a block is no video, or holds bytes.
    """
    content = cast(Any, message.content)
    if isinstance(content, str):
        return Content(whole(content), ())
    texts: list[str] = []
    videos: list[Video] = []
    for block in cast(list[Any], content):
        if isinstance(block, str) or block.get("type") in ("text", "input_text", "text-plain"):
            texts.append(block if isinstance(block, str) else str(block.get("text") or ""))
        elif block.get("type") not in IGNORED:
            videos.append(_video(block))
    return Content(whole("\n".join(texts)), tuple(videos))


def _video(block: Mapping[str, Any]) -> Video:
    levels = list(_levels(block))
    title, kind = _first(levels, TITLES), _first(levels, ("mime_type", "mimeType", "media_type", "format"))
    address = _first(levels, ADDRESSES)
    named = f"The attachment {title!r}" if title else f"The block {block.get('type')!r} of the message"
    if str(block.get("type")).startswith("image") or ("/" in kind and not kind.startswith(MEDIA)):
        raise InputError(f"{named} is no video ({kind or 'image'}).", fix=SEND)
    if not address or address.startswith("data:"):
        raise InputError(f"{named} holds no address of a video; bytes and ids of a provider are not read.", fix=SEND)
    return Video(source=whole(address), title=whole(title) or None)


def _levels(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a block and the dictionaries in it, outer ones first."""
    yield block
    for value in block.values():
        if isinstance(value, Mapping):
            yield from _levels(cast(Mapping[str, Any], value))


def _first(levels: list[Mapping[str, Any]], names: tuple[str, ...]) -> str:
    """Return the first text under one of the names; empty if there is none."""
    found = (level.get(name) for level in levels for name in names)
    return next((one for one in found if isinstance(one, str) and one.strip()), "").strip()
