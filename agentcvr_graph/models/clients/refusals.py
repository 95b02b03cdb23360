"""Read from a server's refusal which feature or limit it names, and remember it for the model.

Servers differ in what they take, and say so with an HTTP error of the client's fault. This module reads the texts of
vLLM, SGLang, llama.cpp, Ollama, LM Studio, OpenAI, Anthropic, Gemini, Mistral, Groq, DeepSeek and OpenRouter. A feature
that was refused once is not asked for again by this process: the record is kept by class, address and name of the
model, so it outlives the model object. The module does not know what is sent in place of a refused feature.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.models.clients.errors import detail_of, status_of

TOOLS, SCHEMA, SYSTEM = "tools", "schema", "system"
PARAMETERS = (
    *("max_tokens", "max_completion_tokens", "tool_choice", "parallel_tool_calls"),
    *("temperature", "top_p", "stop"),
)
"""Features: what a model may refuse. A parameter is one that a call can do without, or that has another name."""

_NO = (
    r"(?:not (?:supported|support|permitted|enabled|available|allowed)"
    r"|unsupported|unknown|unrecognized|unexpected|extra)"
)


def _any_of(*texts: str) -> re.Pattern[str]:
    return re.compile("|".join(texts), re.I)


_PATTERNS = {
    TOOLS: _any_of(
        "requires --enable-auto-tool-choice",
        "tools param requires",
        "Unsupported param: tools",
        "does not support (?:tools|function)",
        "found that support tool use",
        rf"(?:function|tool)[ _-]?(?:call(?:ing|s)?|use)\W*(?:is |are )?{_NO}",
        "'tools' is not supported",
    ),
    SCHEMA: _any_of(
        "response_?format", "json[ _]schema", "structured[ _-]outputs?", "guided", "grammar", "does not support format"
    ),
    SYSTEM: _any_of(
        "system role (?:is )?not supported",
        "does not support 'system'",
        "(?:developer|system) instruction is not enabled",
        "roles must alternate",
        "system messages? (?:is|are) not supported",
    ),
    **{
        name: _any_of(rf"{_NO}[^.]{{0,80}}\b{name}\b", rf"\b{name}\b[^.]{{0,80}}{_NO}", f"not support this {name}")
        for name in PARAMETERS
    },
}
_IMAGES = re.compile(
    r"at most (\d+) image|up to (\d+) images?|images? in (?:the )?(?:request|prompt)\W+max(?:imum)?(?: is)? (\d+)"
    r"|max(?:imum)?(?: number)?(?: of)?(?: allowed)?(?: is|:)? (\d+) images?|fewer than (\d+) images?"
    r"|too many (?:images|image)(?:.{0,60}?(\d+))?",
    re.I,
)
_TOO_MUCH = re.compile(
    r"context (?:length|size|window)|too large|request_too_large|prompt is too long|input is too long|too many tokens"
    r"|maximum size|exceeds? the (?:available|maximum)|longer than the (?:maximum )?model length",
    re.I,
)
_IMAGE_SIZE = re.compile(r"image dimensions? exceed|image exceeds|image (?:is )?too large|image size", re.I)
_CLIENT_FAULTS = (400, 404, 405, 413, 415, 422, 500, 501)
"""Statuses of refusals; llama.cpp and LM Studio answer 500 for tools, a template or a grammar that they cannot use."""
_refused: dict[str, set[str]] = {}


def refused_features(model: BaseChatModel) -> frozenset[str]:
    """Return the features that this model has refused in this process."""
    return frozenset(_refused.get(identity(model), ()) if _refused else ())


def note_ignored(model: BaseChatModel, feature: str) -> bool:
    """Record that the model's server ignores a feature, which counts as refused; return whether that is new."""
    known = _refused.setdefault(identity(model), set())
    new = feature not in known
    known.add(feature)
    return new


def note_refusal(model: BaseChatModel, error: BaseException, features: Collection[str]) -> str | None:
    """Record which of the features an error refuses; return it, or None if it refuses none.

    Args:
        features: those that the refused call used. Calls in parallel are refused for the same reason, so one of them
            may be recorded already.
    """
    if status_of(error) not in (*_CLIENT_FAULTS, None):
        return None
    said, known = detail_of(error), _refused.setdefault(identity(model), set())
    for feature, pattern in _PATTERNS.items():  # in this order, whatever collection the features are in
        if feature in features and pattern.search(said):
            known.add(feature)
            return feature
    return None


def fewer_images(error: BaseException, sent: int) -> int | None:
    """Return how many images a call may hold after a refusal of `sent` images; None if the error names no such limit.

    A refusal that names no number, such as a prompt longer than the context, halves them.
    """
    if sent < 2 or status_of(error) not in (*_CLIENT_FAULTS, None):
        return None
    said = detail_of(error)
    found = _IMAGES.search(said)
    if not found:
        return sent // 2 if _TOO_MUCH.search(said) or status_of(error) == 413 else None
    named = [int(number) for number in found.groups() if number]
    return named[0] if named and 0 < named[0] < sent else sent // 2


def wants_smaller_images(error: BaseException) -> bool:
    """Return whether an error says that a single image is too large."""
    return status_of(error) in _CLIENT_FAULTS and bool(_IMAGE_SIZE.search(detail_of(error)))


def innermost(model: BaseChatModel) -> BaseChatModel:
    """Return the model inside wrappers that hold it as their field `model`, such as a limiter."""
    inner = getattr(model, "model", None)
    return innermost(inner) if isinstance(inner, BaseChatModel) else model


def identity(model: BaseChatModel) -> str:
    """Return what a model is remembered by: its class, address and name."""
    inner = innermost(model)
    address = getattr(inner, "openai_api_base", None) or getattr(inner, "base_url", None) or ""
    name = getattr(inner, "model_name", None) or getattr(inner, "model", None) or id(inner)
    return f"{type(inner).__name__} {address} {name}"
