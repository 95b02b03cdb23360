"""Calls with many pictures: the same body as without the shortcuts, and LangChain's own answers about blocks."""

from __future__ import annotations

import json
from typing import Any

import httpx
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.content import create_image_block, create_text_block, is_data_content_block
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agentcvr_graph.models.clients.adaptive import adaptive
from agentcvr_graph.models.clients.request_bodies import compute_block_types_once

PICTURE = create_image_block(base64="QUJD", mime_type="image/jpeg")
MESSAGES: list[BaseMessage] = [
    SystemMessage("Look."),
    HumanMessage(content_blocks=[create_text_block("video 1, 0.0 s"), PICTURE, create_text_block("Which?")]),
]
REPLY = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}


async def test_a_server_gets_the_body_that_langchain_writes():
    assert await sent(adapts=True) == await sent(adapts=False)
    assert [message["role"] for message in (await sent(adapts=True))["messages"]] == ["system", "user"]


async def sent(*, adapts: bool) -> dict[str, Any]:
    """Return the body of a call of LangChain's model, or of the one that adapts."""
    bodies: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json={**REPLY, "choices": [CHOICE]})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    model = ChatOpenAI(model="m", api_key=SecretStr("k"), base_url="http://server/v1", http_async_client=client)
    reply = await (adaptive(model) if adapts else model).ainvoke(MESSAGES)
    assert reply.text == "A"
    return bodies[0]


def test_data_blocks_are_still_told_from_text():
    compute_block_types_once()
    blocks: list[Any] = [PICTURE, create_text_block("A"), {"type": "image_url", "image_url": {"url": "data:"}}]
    assert [is_data_content_block(block) for block in blocks] == [True, False, False]
