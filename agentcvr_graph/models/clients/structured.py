"""Constrain the reply of a chat model to a JSON schema, in the way that its client has for it.

    OpenAI's interface and the clients derived from LangChain's one    response_format = {"type": "json_schema", ...}
    Ollama's own interface                                            format = schema
    a model of the `transformers` library in this process             json_schema = schema

A client of another kind has none here. Whether the server behind it honours the option shows in its reply or refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.models.clients.refusals import innermost

IN_PROCESS = "TransformersChat"


def schema_options(model: BaseChatModel, name: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the options of a call whose reply follows the schema; None if the client has no such option."""
    kinds = _kinds(model)
    if IN_PROCESS in kinds:
        return {"json_schema": dict(schema)}
    if "ChatOllama" in kinds:
        return {"format": dict(schema)}
    if "BaseChatOpenAI" in kinds:
        return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema)}}}
    return None


def has_server(model: BaseChatModel) -> bool:
    """Return whether a reply can be constrained by a server, which may ignore what it is asked for."""
    return IN_PROCESS not in _kinds(model) and schema_options(model, "", {}) is not None


def _kinds(model: BaseChatModel) -> set[str]:
    return {kind.__name__ for kind in type(innermost(model)).__mro__}
