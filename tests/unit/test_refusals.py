"""What a server's refusal names is read in a fixed order."""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest
from langchain_core.language_models import FakeListChatModel

from agentcvr_graph.models.clients.refusals import note_refusal, refused_features
from agentcvr_graph.models.providers.ollama import server_address

BOTH = "Unsupported parameter: 'max_tokens' is not supported with this model, use 'max_completion_tokens' instead."


@pytest.mark.parametrize(
    "features", list(itertools.permutations(("max_completion_tokens", "max_tokens", "temperature")))
)
def test_the_refused_parameter_is_found_whatever_the_order_of_the_features(features: tuple[str, ...]):
    model = FakeListChatModel(responses=[""])
    assert note_refusal(model, ValueError(BOTH), cast(Any, dict.fromkeys(features))) == "max_tokens"
    assert refused_features(model) == {"max_tokens"}


@pytest.mark.parametrize("host", ["http://gpu:11434", "gpu:11434"])
def test_ollama_host_may_leave_the_scheme_out(host: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert server_address() == "http://gpu:11434"
