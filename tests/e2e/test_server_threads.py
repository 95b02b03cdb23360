"""Threads on a LangGraph server: resume, follow-up, fork and double texting, with typed and with strict checkpoints.

A chat interface such as agent-chat-ui resumes a run without its context, and sends a new message while a run works.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from agentcvr_graph.graph.prompts import CANCELLED
from tests.e2e.conftest import Studio

WINE = {"question": "Who cooks with white wine?", "videos": ["script://cc-000002/1", "script://cc-000002/2"]}
SAID = "This time I am cooking with white wine."
APPROVE = {"resume": {"decisions": [{"type": "approve"}]}}

pytestmark = pytest.mark.enable_socket


@dataclass(frozen=True)
class Served:
    """A server and a client of it."""

    studio: Studio
    client: LangGraphClient

    async def thread(self) -> str:
        return (await self.client.threads.create())["thread_id"]

    async def run(self, thread: str, graph: str = "agentcvr_swap", **given: Any) -> dict[str, Any]:
        return await self.client.runs.wait(thread, graph, raise_error=False, **given)

    async def status(self, thread: str) -> str:
        return (await self.client.threads.get(thread))["status"]


@pytest.fixture(params=["studio", "strict_studio"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    studio: Studio = request.getfixturevalue(request.param)
    async with get_client(url=studio.url) as client:
        yield Served(studio, client)


def new_question() -> dict[str, Any]:
    return {"question": "What is it?", "videos": [f"{uuid.uuid4().hex}.mp4"]}


async def test_a_resume_without_a_context_keeps_the_approvals_of_its_question(served: Served) -> None:
    thread = await served.thread()
    await served.run(thread, "slow", input=new_question(), context={"review_above_frames": 1})
    for _ in range(2):  # both looks of this graph need approval
        assert await served.status(thread) == "interrupted"
        output = await served.run(thread, "slow", command=APPROVE)
    assert output["answer"]["value"] == "a red ball" and output["usage"]["frames"] == 6
    assert await served.status(thread) == "idle"


async def test_a_context_that_a_resume_sends_wins(served: Served) -> None:
    thread = await served.thread()
    context = {"review_above_frames": 1, "max_frames_per_call": 3}
    await served.run(thread, "slow", input=new_question(), context=context)
    output = await served.run(thread, "slow", command=APPROVE, context={"review_above_frames": None})
    assert output["answer"]["value"] == "a red ball" and output["usage"]["frames"] == 2 + 3
    state = await served.client.threads.get_state(thread)
    assert state["values"]["settings"] == {"review_above_frames": None, "max_frames_per_call": 3}


async def test_a_client_that_edits_the_stored_settings_gets_no_other_model(served: Served) -> None:
    thread = await served.thread()
    await served.run(thread, input=WINE, context={"review_above_frames": 20})
    await served.client.threads.update_state(thread, {"settings": {"master": "http://10.0.0.1/v1"}}, as_node="master")
    failed = await served.run(thread, input=None)
    assert "may not be chosen here" in str(failed)


async def test_a_follow_up_keeps_its_evidence(served: Served) -> None:
    thread = await served.thread()
    first = await served.run(thread, input=WINE)
    second = await served.run(thread, input=WINE | {"question": "Who cooks with red wine?"})
    assert first["answer"]["value"] == SAID and second["answer"] is not None
    assert second["observations"][: len(first["observations"])] == first["observations"]
    assert [message["type"] for message in second["messages"]] == ["human", "ai"] * 2
    assert second["policy_messages"][: len(first["policy_messages"])] == first["policy_messages"]
    assert second["messages"][: len(first["messages"])] == first["messages"]


async def test_a_fork_runs_from_the_middle(served: Served) -> None:
    thread = await served.thread()
    first = await served.run(thread, input=WINE)
    history = await served.client.threads.get_history(thread)
    for nodes in ({"visual_agent", "audio_agent"}, {"conclude"}):
        place = next(state for state in history if set(state["next"]) == nodes)
        again = await served.run(thread, checkpoint_id=place["checkpoint"]["checkpoint_id"])
        assert again["answer"] == first["answer"] and len(again["observations"]) == 3


async def test_a_question_over_a_waiting_interrupt_closes_the_open_call(served: Served) -> None:
    thread = await served.thread()
    await served.run(thread, input=WINE, context={"review_above_frames": 20})
    output = await served.run(thread, input=WINE)
    assert output["answer"]["value"] == SAID
    assert open_calls(output["policy_messages"]) == [] and CANCELLED in texts(output["policy_messages"])


@pytest.mark.parametrize("strategy", ["interrupt", "rollback", "enqueue"])
async def test_double_texting_leaves_a_usable_thread(served: Served, strategy: str) -> None:
    thread, question = await served.thread(), new_question()
    (video,) = question["videos"]
    await served.client.runs.create(thread, "slow", input=question)
    deadline = time.monotonic() + 300
    while "begun 20" not in served.studio.observations(video):
        assert time.monotonic() < deadline, served.studio.observations(video)
        await asyncio.sleep(0.1)
    output = await served.run(thread, "slow", input=question, multitask_strategy=strategy)
    assert output["answer"]["value"] == "a red ball"
    assert open_calls(output["policy_messages"]) == []
    assert (CANCELLED in texts(output["policy_messages"])) is (strategy == "interrupt")


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"max_turn": 4}, "There is no setting 'max_turn'. Did you mean 'max_turns'?"),
        ({"max_turns": "many"}, "The setting 'max_turns' cannot be 'many'. Give a whole number of at least 1."),
        ({"noise": "loud"}, "The setting 'noise' cannot be 'loud'. Choose from: off, clear, mild, fitted."),
    ],
)
async def test_a_wrong_setting_is_one_line_for_the_client(served: Served, context: dict[str, Any], says: str) -> None:
    failed = await served.run(await served.thread(), input=WINE, context=context)
    assert failed["__error__"]["error"] == "InputError" and says in failed["__error__"]["message"]


async def test_a_configurable_of_another_program_is_no_setting(served: Served) -> None:
    output = await served.run(await served.thread(), input=WINE, config={"configurable": {"user_id": "ada"}})
    assert output["answer"]["value"] == SAID


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [str(message["content"]) for message in messages]


def open_calls(messages: list[dict[str, Any]]) -> list[str]:
    """Return the ids of calls that are not directly followed by their replies."""
    left: list[str] = []
    waiting: list[str] = []
    for message in messages:
        if message["type"] == "tool" and message["tool_call_id"] in waiting:
            waiting.remove(message["tool_call_id"])
            continue
        left, waiting = left + waiting, [call["id"] for call in message.get("tool_calls") or ()]
    return left + waiting
