"""The master behind an OpenAI-compatible endpoint of a training engine that compares each prompt with its own record.

A prompt must repeat earlier turns as they were sampled, or the engine takes it for another conversation. LangChain's
client keeps the text and the calls of a turn, and drops its thought where the server sends it apart from the text.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import functools
from typing import Any

import httpx
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agentcvr_graph.models.clients.openai_compatible import unpooled_client

THOUGHT = "reasoning_content"
"""Key of the thought in a message of the server."""


class EndpointMaster(ChatOpenAI):
    """A chat model that sends the thoughts of earlier turns back as they came."""

    def _create_chat_result(self, response: Any, *args: Any, **kwargs: Any) -> Any:
        result: Any = super()._create_chat_result(response, *args, **kwargs)
        body: Any = response if isinstance(response, dict) else response.model_dump()
        for generation, choice in zip(result.generations, body["choices"], strict=True):
            if thought := choice["message"].get(THOUGHT):
                generation.message.additional_kwargs[THOUGHT] = thought
        return result

    def _get_request_payload(self, input_: Any, **kwargs: Any) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, **kwargs)
        for said, sent in zip(self._convert_input(input_).to_messages(), payload["messages"], strict=True):
            if thought := said.additional_kwargs.get(THOUGHT):
                sent[THOUGHT] = thought
        return payload


@functools.cache
def _clients(timeout_s: float) -> tuple[httpx.Client, httpx.AsyncClient]:
    """Return HTTP clients that all rollouts share, because each new one reads all certificates from disk."""
    return httpx.Client(timeout=timeout_s), unpooled_client(timeout_s)


def endpoint_master(endpoint: str, key: str, model: str, timeout_s: float) -> EndpointMaster:
    """Return the master; call this in a thread, because the first call reads certificates from disk.

    Args:
        timeout_s: longest single call, in seconds. The client repeats none, because the graph does.
    """
    blocking, client = _clients(timeout_s)
    return EndpointMaster(
        model=model,
        base_url=endpoint,
        api_key=SecretStr(key),
        timeout=timeout_s,
        max_retries=0,
        http_client=blocking,
        http_async_client=client,
        use_responses_api=False,
    )
