"""Frameworks that pass messages to agents, and clients of a server that chat with it, with their own packages."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client

from agentcvr_graph import ScriptedPerception, as_agent, create_cvr_graph, resolve_chat_model
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster
from tests.e2e.conftest import Studio
from tests.support.npm_packages import node_modules

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SAID = "This time I am cooking with white wine."
MOST_LINES = 40
OF_WEB_CHATS = ("@langchain/langgraph-sdk@1.15.0", "@langchain/core@1.4.0")
"""The client library of agent-chat-ui, with what it needs."""


def example(name: str) -> dict[str, Any]:
    """Return the namespace of an example."""
    return runpy.run_path(str(short(f"{name}.py")))


def short(name: str) -> Path:
    path = EXAMPLES / name
    assert len(path.read_text().splitlines()) <= MOST_LINES
    return path


def scripted() -> Any:
    return create_cvr_graph(resolve_chat_model("offline"), ScriptedPerception(bundled_library())).compile()


async def test_a_deep_agent_delegates_to_the_graph(capsys: pytest.CaptureFixture[str]) -> None:
    deep = example("deep_agent")
    await deep["main"](FakeMaster(turns=[deep["stand_in"]] * 2))
    said = capsys.readouterr().out
    assert said.startswith('The videos say: {"status":"answered"') and SAID in said and '"start_s":6.9' in said


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
async def test_a_supervisor_hands_over_and_asks_again_about_the_same_videos() -> None:
    """Only messages pass between the supervisor and the agent, so the second question goes on from them."""
    team = example("supervisor")
    app = team["team"](FakeMaster(turns=[team["stand_in"]] * 4), scripted()).compile()
    first = await app.ainvoke({"messages": [("user", team["QUESTION"])]})
    assert first["messages"][-1].text.startswith(f"The videos say: {SAID}")
    again = HumanMessage("Which drink does the cook in video 2 name?")
    second = await app.ainvoke({"messages": [*first["messages"], again]})
    replies = [message for message in second["messages"] if message.name == "videos" and not message.tool_calls]
    assert len(replies) == 2 and "Which videos" not in replies[1].text
    assert [video["source"] for video in replies[1].response_metadata["agentcvr"]["videos"]] == [
        "script://cc-000002/1",
        "script://cc-000002/2",
    ]


async def test_the_agent_says_what_is_missing_and_what_fails() -> None:
    output = await as_agent(scripted(), name="v").ainvoke({"messages": [("user", "Who cooks?")]})
    assert isinstance(output["messages"][-1], AIMessage) and output["messages"][-1].name == "v"
    assert output["structured_response"].status == "wrong_input"
    assert output["structured_response"].problem == output["messages"][-1].text


def test_the_agent_runs_without_an_event_loop() -> None:
    asked = "Who cooks with white wine? script://cc-000002/1 script://cc-000002/2"
    assert as_agent(scripted()).invoke({"messages": [("user", asked)]})["structured_response"].answer == SAID


@pytest.mark.enable_socket
async def test_a_web_chat_asks_a_server_and_goes_on(studio: Studio) -> None:
    chat = example("chat_client")
    async with get_client(url=studio.url) as client:
        thread = (await client.threads.create())["thread_id"]
        for text in chat["TURNS"]:
            state = await chat["ask"](client, thread, text)
    assert [message["type"] for message in state["messages"]] == ["human", "ai"] * 2
    assert SAID in state["messages"][1]["content"][0]["text"]
    assert state["failure"] is None and state["messages"][3]["content"][0]["annotations"]


@pytest.mark.enable_socket
def test_the_client_library_of_web_chats_streams_replies_and_reads_the_history(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules(*OF_WEB_CHATS))
    program = shutil.copy(short("chat_client.mjs"), tmp_path)
    ran = subprocess.run(["node", program, studio.url], capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    replies = ran.stdout.split("cites script://cc-000002/1 from 6.9 s\n")
    assert [reply.startswith(SAID) for reply in replies] == [True, True, False]
    assert replies[-1] == "human ai human ai\n"
    assert "listening to video 2" in ran.stderr and ran.stderr.count("opening 2 videos") == 2


@pytest.mark.enable_socket
async def test_a_remote_graph_takes_messages_and_goes_on(studio: Studio) -> None:
    """The second call has the whole conversation where there is no thread, as a parent over messages passes it."""
    first = HumanMessage("Who cooks with white wine? script://cc-000002/1 script://cc-000002/2")
    again = HumanMessage("And what does the cook in the first video say at 7 to 9 s?")
    async with get_client(url=studio.url) as client:
        remote = RemoteGraph("agentcvr_swap", client=client)
        config: Any = {"configurable": {"thread_id": (await client.threads.create())["thread_id"]}}
        kept = [await remote.ainvoke({"messages": [message]}, config) for message in (first, again)]
        alone = await remote.ainvoke({"messages": [first]})
        passed = await remote.ainvoke({"messages": [*alone["messages"], again.model_dump()]})
        agent = as_agent(remote)
        one = await agent.ainvoke({"messages": [first]})
        two = await agent.ainvoke({"messages": [*one["messages"], again]})
    for output in (kept[1], passed):
        assert [message["type"] for message in output["messages"]] == ["human", "ai"] * 2
        assert output["failure"] is None and output["messages"][3]["content"][0]["annotations"]
    assert SAID in kept[0]["messages"][1]["content"][0]["text"] and SAID in alone["messages"][1]["content"][0]["text"]
    structured = two.get("structured_response")
    assert structured is not None and (structured.status, structured.answer) == ("answered", SAID)
