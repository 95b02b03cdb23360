"""Tags and metadata of a run, by which LangSmith and OpenTelemetry find it: question, number of videos, versions.

An application passes its own id of a question as `config={"metadata": {"question_id": "q-17"}}`. The calls of a run and
the runs that it starts inherit it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sized
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from langchain_core.messages import convert_to_messages
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

TAG = "agentcvr"
PACKAGES = {"agentcvr_version": "agentcvr-graph", "langgraph_version": "langgraph"}


def described(config: RunnableConfig | None, given: object) -> RunnableConfig:
    """Return the configuration of a run with its tag and metadata. What the caller or a run around it set stays."""
    sent = config or {}
    around: Mapping[str, Any] = (var_child_runnable_config.get() or {}).get("metadata") or {}
    own = {name: value for name, value in (_versions() | _question(given)).items() if name not in around}
    metadata = {**own, **(sent.get("metadata") or {})}
    return {**sent, "tags": list(dict.fromkeys([*(sent.get("tags") or []), TAG])), "metadata": metadata}


def _question(given: object) -> dict[str, Any]:
    """Return the id and the size of a question; nothing for a run that continues.

    The id is the same for the same question over the same videos, and does not contain its words.
    """
    fields = cast(dict[str, Any], given if isinstance(given, Mapping) else {})
    if not (asked := fields.get("question") or _last_words(fields.get("messages"))):
        return {}
    videos: Any = fields.get("videos")
    count = 1 if isinstance(videos, str) else len(videos) if isinstance(videos, Sized) else 0
    digest = hashlib.sha256(repr((asked, videos)).encode("utf-8", "replace")).hexdigest()[:12]
    return {"question_id": digest, "video_count": count}


def _last_words(messages: Any) -> str:
    """Return the content of the last message of a chat."""
    try:
        return str(convert_to_messages(messages)[-1].content) if messages else ""
    except (ValueError, NotImplementedError, TypeError, KeyError, AttributeError):  # the run itself refuses it
        return ""


@functools.cache
def _versions() -> dict[str, str]:
    return {name: found for name, package in PACKAGES.items() if (found := _version(package))}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
