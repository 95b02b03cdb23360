"""What a server's refusal names is read in a fixed order, in the words of each server; the cases name the source."""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest
from langchain_core.language_models import FakeListChatModel

from agentcvr_graph.models.clients.refusals import (
    PARAMETERS,
    SCHEMA,
    SYSTEM,
    TOOLS,
    fewer_images,
    note_refusal,
    refused_features,
    wants_smaller_images,
)
from agentcvr_graph.models.providers.ollama import server_address

BOTH = "Unsupported parameter: 'max_tokens' is not supported with this model, use 'max_completion_tokens' instead."


@pytest.mark.parametrize(
    "features", list(itertools.permutations(("max_completion_tokens", "max_tokens", "temperature")))
)
def test_the_refused_parameter_is_found_whatever_the_order_of_the_features(features: tuple[str, ...]):
    model = FakeListChatModel(responses=[""])
    assert note_refusal(model, ValueError(BOTH), cast(Any, dict.fromkeys(features))) == "max_tokens"
    assert refused_features(model) == {"max_tokens"}


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status
        self.body = {"message": message}


FEATURES: dict[str, tuple[int, str, str]] = {
    "vLLM 0.32, renderers/online_renderer.py": (
        400,
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "tools",
    ),
    "Ollama, /api/chat of a model without tools": (
        400,
        "registry.ollama.ai/library/gemma3:4b does not support tools",
        "tools",
    ),
    "llama.cpp, tools/server/utils.hpp": (500, "tools param requires --jinja flag", "tools"),
    "OpenRouter, no provider with tools": (404, "No endpoints found that support tool use.", "tools"),
    "transformers serve 5, cli/serving/utils.py": (
        422,
        "Unexpected fields in the request: {'response_format'}",
        "schema",
    ),
    "transformers serve 5, a parameter": (422, "Unexpected fields in the request: {'tool_choice'}", "tool_choice"),
    "OpenAI, reasoning models": (
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "max_tokens",
    ),
    "Gemini, of Gemma models": (400, "Developer instruction is not enabled for models/gemma-3-27b-it", "system"),
}


@pytest.mark.parametrize("source", FEATURES)
def test_the_refused_feature_is_read_in_the_words_of_each_server(source: str):
    status, words, feature = FEATURES[source]
    model = FakeListChatModel(responses=[""])
    asked = (TOOLS, SCHEMA, SYSTEM, *PARAMETERS)
    assert note_refusal(model, Refused(status, words), asked) == feature


LIMITS: dict[str, tuple[int, str, int | None]] = {
    "vLLM 0.32, multimodal/processing/context.py": (400, "At most 4 image(s) may be provided in one prompt.", 4),
    "vLLM 0.32, renderers/params.py": (
        400,
        "This model's maximum context length is 8192 tokens. However, you requested 16 output tokens and your prompt "
        "contains at least 8177 input tokens. Please reduce the length of the input prompt.",
        8,
    ),
    "Anthropic, a long prompt": (400, "prompt is too long: 207944 tokens > 200000 maximum", 8),
    "Anthropic, a large request": (413, "Request exceeds the maximum size", 8),
    "LM Studio 0.3.13, lmstudio-bug-tracker#546": (
        400,
        "Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context "
        "length of only 32768 tokens, which is not enough.",
        8,
    ),
    "LM Studio, of 2026": (
        400,
        "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= "
        "n_ctx: 4096).",
        8,
    ),
    "llama.cpp": (400, "the request exceeds the available context size, try increasing it", 8),
    "a key that is wrong": (401, "too many images", None),
}


@pytest.mark.parametrize("source", LIMITS)
def test_the_limit_of_images_is_read_in_the_words_of_each_server(source: str):
    status, words, left = LIMITS[source]
    assert fewer_images(Refused(status, words), 16) == left


def test_the_size_of_images_is_read_in_the_words_of_anthropic():
    words = "At least one of the image dimensions exceed max allowed size for many-image requests: 2000 pixels"
    assert wants_smaller_images(Refused(400, f"messages.19.content.27.image.source.base64.data: {words}"))


@pytest.mark.parametrize("host", ["http://gpu:11434", "gpu:11434"])
def test_ollama_host_may_leave_the_scheme_out(host: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert server_address() == "http://gpu:11434"
