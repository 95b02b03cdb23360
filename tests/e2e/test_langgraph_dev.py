"""The development server behind LangGraph Studio, started as a user starts it and called as Studio calls it.

Studio shows the data of this API: forms from schemas, a drawing of the graph, streamed runs, interrupts for a human
decision, and a history that can be forked.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from agentcvr_graph import InfrastructureError
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.graph.compiled import DESCRIPTIONS
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.scripts.bundled import bundled_library
from tests.e2e.conftest import Studio

REPORTED = {"answer", "failure", "observations", "usage", "checked_question", "sources", "catalogue", "verifications"}
QUESTION = {"question": "Who is the dinner for?", "videos": [str(CLIPS_DIR / "cook_yellow.mp4")]}
WINE = {"question": "Who cooks with white wine?", "videos": ["script://cc-000002/1", "script://cc-000002/2"]}
SAID = "This time I am cooking with white wine."
CAREFUL = {"review_above_frames": 20}
"""The overview of `WINE` has 26 frames, so it needs approval."""

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def client(studio: Studio) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=studio.url) as opened:
        yield opened


async def assistant(client: LangGraphClient, graph: str) -> str:
    (found,) = [one for one in await client.assistants.search(graph_id=graph) if one["name"] == graph]
    return found["assistant_id"]


async def new_thread(client: LangGraphClient) -> str:
    return (await client.threads.create())["thread_id"]


async def step_before(client: LangGraphClient, thread: str, *nodes: str) -> dict[str, Any]:
    """Return the latest state of a thread whose next nodes are `nodes`."""
    return next(state for state in await client.threads.get_history(thread) if state["next"] == list(nodes))


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


async def test_swap_mode_serves_the_same_graph(client: LangGraphClient) -> None:
    question = bundled_library().get("cc-000002").as_question()
    given = {**as_input(question), "videos": [video.model_dump() for video in question.videos]}
    live, swap = [
        await client.assistants.get_graph(await assistant(client, name)) for name in ("agentcvr", "agentcvr_swap")
    ]
    assert live == swap
    for noise in ("off", "fitted"):
        output = await client.runs.wait(None, "agentcvr_swap", input=given, context={"noise": noise})
        assert output["answer"]["kind"] == "choice"
        assert output["observations"][0]["model"] == "script"


async def test_swap_and_live_runs_work_concurrently(client: LangGraphClient) -> None:
    live, swap = await asyncio.gather(
        client.runs.wait(None, "agentcvr", input=QUESTION, context={"max_turns": 6}),
        client.runs.wait(None, "agentcvr_swap", input=WINE),
    )
    assert live["answer"]["value"] == "This dinner is for my mother." and swap["answer"]["value"] == SAID
    assert {seen["model"] for seen in live["observations"]} == {"offline-vision-4", "offline-audio-3"}


async def test_the_input_schema_describes_every_field(client: LangGraphClient) -> None:
    for name in ("agentcvr", "agentcvr_swap"):
        schemas = await client.assistants.get_schemas(await assistant(client, name))
        input_schema = schemas["input_schema"]
        assert set(input_schema["properties"]) == {"messages", "question", "videos", "options", "kind"}
        assert "required" not in input_schema  # a question with videos, or messages
        assert all(field["description"] for field in input_schema["properties"].values())
        assert set(input_schema["properties"]["kind"]["enum"]) >= {"auto", "choice", "interval", "text"}
        answers = set(schemas["output_schema"]["properties"])
        assert answers == {*REPORTED, "messages", "policy_messages"}
        assert answers | set(input_schema["properties"]) < set(schemas["state_schema"]["properties"])


async def settings_of(client: LangGraphClient, name: str) -> dict[str, Any]:
    schemas = await client.assistants.get_schemas(await assistant(client, name))
    return schemas["context_schema"]["properties"]


async def test_settings_have_nodes_bounds_choices_and_defaults(client: LangGraphClient) -> None:
    live, swap = await settings_of(client, "agentcvr"), await settings_of(client, "agentcvr_swap")
    for name, setting in {**live, **swap}.items():
        assert setting["description"] and "default" in setting, name
        assert setting["langgraph_nodes"] and set(setting["langgraph_nodes"]) <= set(DESCRIPTIONS), name
    numbers = [number for setting in live.values() for number in setting.get("anyOf", [setting])]
    assert all("minimum" in number for number in numbers if number.get("type") in ("integer", "number"))
    choices = {name: setting["enum"] for name, setting in live.items() if "enum" in setting}
    assert choices == {
        "abstain": ["never", "allowed"],
        "verify": ["cited", "never"],
        "unreadable": ["stop", "continue"],
        "dialect": ["auto", "tools", "schema", "json"],
    }
    of_the_visual_agent = {name for name, setting in live.items() if setting["langgraph_nodes"] == ["visual_agent"]}
    assert of_the_visual_agent == {"max_frames", "max_frames_per_call", "review_above_frames", "vision"}


async def test_each_graph_offers_only_the_settings_that_it_reads(client: LangGraphClient) -> None:
    live, swap = await settings_of(client, "agentcvr"), await settings_of(client, "agentcvr_swap")
    assert live.keys() - swap.keys() == {"vision", "audio"} and swap.keys() - live.keys() == {"noise"}
    assert swap["noise"]["enum"] == ["off", "clear", "mild", "fitted"]


async def test_the_drawing_has_five_nodes_with_descriptions(client: LangGraphClient) -> None:
    drawn = await client.assistants.get_graph(await assistant(client, "agentcvr"), xray=True)
    shown = {node["id"]: node.get("metadata", {}).get("description") for node in drawn["nodes"]}
    nodes = {name: text for name, text in DESCRIPTIONS.items() if name not in ("search", "verify")}  # of features
    assert shown == {"__start__": None, **nodes, "__end__": None}
    ends = {(edge["source"], edge["target"]) for edge in drawn["edges"]}
    assert ("master", "visual_agent") in ends and ("visual_agent", "master") in ends
    assert {node for edge in ends for node in edge} == set(shown)
    assert await client.assistants.get_subgraphs(await assistant(client, "agentcvr"), recurse=True) == {}


async def test_a_thread_streams_progress_and_takes_a_second_question(client: LangGraphClient) -> None:
    thread = await new_thread(client)
    stages, last = [], None
    async for part in client.runs.stream(
        thread, "agentcvr", input=QUESTION, context={"max_turns": 6}, stream_mode=["custom", "values"]
    ):
        assert part.event != "error", part.data
        if part.event == "custom":
            stages.append(part.data["stage"])
        elif part.event == "values":
            last = part.data
    assert stages[0] == "brief"
    assert {"visual_agent", "audio_agent", "conclude"} <= set(stages)
    assert last["answer"]["value"] == "This dinner is for my mother."

    again = await client.runs.wait(thread, "agentcvr", input=QUESTION | {"question": "What is the cook using?"})
    assert again["answer"]["kind"] == "text"
    assert kinds(again["messages"]) == ["human", "ai"] * 2  # the second question follows the first
    history = await client.threads.get_history(thread)
    assert len(history) > 6


async def test_a_client_reads_that_a_key_was_refused_in_a_call(client: LangGraphClient) -> None:
    """The server hides the message of an error that is no `ValueError`: "An internal error occurred"."""
    refused = "The model refused the API key (HTTP 401). Set OPENAI_API_KEY."
    ended = await client.runs.wait(None, "refused", input=QUESTION, raise_error=False)
    assert ended["__error__"] == {"error": "SettingsError", "message": refused}
    with pytest.raises(InfrastructureError, match=re.escape(refused)):
        await ask(RemoteGraph("refused", client=client), QUESTION)


async def test_all_stream_modes_of_studio_work_in_one_run(client: LangGraphClient) -> None:
    """The stream has each node's update, each state and each message; `messages` accumulates partial messages."""
    parts = [
        part
        async for part in client.runs.stream(
            None, "agentcvr_swap", input=WINE, stream_mode=["values", "updates", "custom", "messages"]
        )
    ]
    by_mode = {mode: [part.data for part in parts if part.event == mode] for mode in ("values", "updates", "custom")}
    nodes = [node for update in by_mode["updates"] for node in update]
    assert (nodes[:2], nodes[-2:]) == (["brief", "master"], ["master", "conclude"])
    assert sorted(nodes[2:-2]) == ["audio_agent", "audio_agent", "visual_agent"]
    assert [event["stage"] for event in by_mode["custom"]][-1] == "conclude"
    assert by_mode["values"][-1]["answer"]["value"] == SAID
    spoken = [message for part in parts if part.event.startswith("messages") for message in part.data]
    assert any(isinstance(one, dict) and SAID in str(one.get("content")) for one in spoken)


async def test_a_chat_streams_one_reply_and_takes_a_follow_up(client: LangGraphClient) -> None:
    """The server and its clients know nothing of this graph but its `messages`."""
    thread = await new_thread(client)
    asked = f"Who cooks with white wine? {' '.join(WINE['videos'])}"
    for content in (asked, "And who cooks with white wine in the second one?"):
        parts = [
            part
            async for part in client.runs.stream(
                thread,
                "agentcvr_swap",
                input={"messages": [{"type": "human", "content": [{"type": "text", "text": content}]}]},
                stream_mode=["messages-tuple", "values"],
                stream_subgraphs=True,
            )
        ]
        replies = [part.data[0] for part in parts if part.event == "messages"]
        assert [reply["type"] for reply in replies] == ["ai"]
    state = await client.threads.get_state(thread)
    messages = state["values"]["messages"]
    assert kinds(messages) == ["human", "ai"] * 2 and SAID in messages[1]["content"][0]["text"]
    assert messages[1]["content"][0]["annotations"][0]["type"] == "citation"
    missing = await client.runs.wait(None, "agentcvr_swap", input={"messages": [{"role": "user", "content": "Who?"}]})
    assert missing["failure"]["boundary"] == "input" and "Which videos" in missing["messages"][1]["content"][0]["text"]


async def test_a_thread_state_is_a_short_text_conversation(client: LangGraphClient) -> None:
    thread = await new_thread(client)
    await client.runs.wait(thread, "agentcvr", input=QUESTION, context={"max_turns": 6})
    state = await client.threads.get_state(thread)
    messages = state["values"]["policy_messages"]
    assert kinds(messages)[:3] == ["system", "human", "ai"] and messages[1]["content"].startswith("Question: ")
    turns = [message for message in messages if message["type"] == "ai"]
    replies = {message["tool_call_id"]: message for message in messages if message["type"] == "tool"}
    calls = [call for turn in turns for call in turn["tool_calls"]]
    assert {call["id"] for call in calls} == set(replies)
    assert all(replies[call["id"]]["name"] == call["name"] and replies[call["id"]]["content"] for call in calls)
    assert all(turn["content"] for turn in turns)  # each turn has a thought besides its calls
    text = json.dumps(state)
    assert len(text) < 100_000
    assert not re.search(r"[A-Za-z0-9+/]{200,}", text)  # the state holds no encoded image


async def test_a_run_waits_for_a_human_decision_and_follows_it(client: LangGraphClient) -> None:
    thread = await new_thread(client)
    await client.runs.wait(thread, "agentcvr_swap", input=WINE, context=CAREFUL)
    assert (await client.threads.get(thread))["status"] == "interrupted"
    state = await client.threads.get_state(thread)
    (task,) = [task for task in state["tasks"] if task["interrupts"]]
    (action,) = task["interrupts"][0]["value"]["action_requests"]
    assert state["next"] == ["visual_agent"] and task["name"] == "visual_agent"
    assert action["name"] == "observe" and action["description"].startswith(
        "Approval needed: observing video 1, 0.0-26.8 s"
    )

    decided = {"decisions": [{"type": "respond", "message": "Two pans, and nothing to read."}]}
    output = await client.runs.wait(thread, "agentcvr_swap", command={"resume": decided}, context=CAREFUL)
    assert output["answer"]["value"] == SAID
    assert "human" in {seen["model"] for seen in output["observations"]} and output["usage"]["frames"] == 0
    assert (await client.threads.get(thread))["status"] == "idle"


async def test_the_history_has_every_step_and_a_run_can_restart_from_a_step(client: LangGraphClient) -> None:
    thread = await new_thread(client)
    first = await client.runs.wait(thread, "agentcvr_swap", input=WINE)
    history = await client.threads.get_history(thread)
    agents = ["audio_agent", "audio_agent", "visual_agent"]
    steps = [sorted(state["next"]) for state in reversed(history)]
    assert steps == [["__start__"], ["brief"], ["master"], agents, ["master"], ["conclude"], []]
    place = next(state for state in history if sorted(state["next"]) == agents)
    again = await client.runs.wait(thread, "agentcvr_swap", checkpoint_id=place["checkpoint"]["checkpoint_id"])
    assert again["answer"] == first["answer"] and len(again["observations"]) == 3
    assert len(await client.threads.get_history(thread)) > len(history)


async def test_a_turn_edited_in_a_fork_runs_as_edited(client: LangGraphClient) -> None:
    thread = await new_thread(client)
    await client.runs.wait(thread, "agentcvr_swap", input=WINE)
    history = await client.threads.get_history(thread)
    looking = next(state for state in history if "visual_agent" in state["next"])
    spoken = looking["values"]["policy_messages"][-1]
    (look, *_) = spoken["tool_calls"]
    look["args"] = {"targets": [{"video": 2, "start_s": 0, "end_s": 5, "frames": 3}]}
    fork = await client.threads.update_state(
        thread,
        {"policy_messages": [spoken | {"tool_calls": [look]}]},
        as_node="master",
        checkpoint_id=looking["checkpoint"]["checkpoint_id"],
    )
    output = await client.runs.wait(
        thread, "agentcvr_swap", checkpoint_id=fork["checkpoint"]["checkpoint_id"], context={"max_turns": 2}
    )
    seen = [one for one in output["observations"] if one["turn"] == 1]
    assert [one["windows"] for one in seen] == [[{"video": 2, "start_s": 0, "end_s": 5}]]
    assert kinds(output["policy_messages"])[:4] == ["system", "human", "ai", "tool"]
    assert (await client.threads.get_state(thread))["values"]["answer"] == output["answer"]


async def test_the_master_reads_a_message_added_to_a_fork(client: LangGraphClient) -> None:
    thread = await new_thread(client)
    await client.runs.wait(thread, "agentcvr_swap", input=WINE)
    place = await step_before(client, thread, "master")
    fork = await client.threads.update_state(
        thread,
        {"policy_messages": [{"role": "user", "content": "You have seen enough."}]},
        as_node="visual_agent",
        checkpoint_id=place["checkpoint"]["checkpoint_id"],
    )
    output = await client.runs.wait(thread, "agentcvr_swap", checkpoint_id=fork["checkpoint"]["checkpoint_id"])
    shown = [message["content"] for message in output["policy_messages"] if message["type"] == "human"]
    assert shown[-1] == "You have seen enough." and output["answer"]["value"] == SAID


async def test_a_clear_error_reaches_the_client(client: LangGraphClient) -> None:
    thread = await new_thread(client)
    given = {"question": "Who?", "videos": ["nowhere.mp4"]}
    failed = await client.runs.wait(thread, "agentcvr", input=given, raise_error=False)
    assert "nowhere.mp4: no such file or folder" in str(failed)


async def test_the_store_of_the_server_holds_the_index(client: LangGraphClient) -> None:
    """Another thread finds what the first one indexed; no word of the query is in the statements."""
    given = {"question": "Which?", "videos": ["a.mp4", "b.mp4"]}
    first, again = [
        await client.runs.wait(None, "searching", input=given, context={"min_evidence": 0}) for _ in range(2)
    ]
    assert [output["usage"]["frames"] for output in (first, again)] == [40, 0]
    for output in (first, again):
        assert "a red ball" in {said["text"] for said in output["observations"][0]["evidence"]}
        assert not output["observations"][0]["notes"]
    items = (await client.store.search_items(("agentcvr-index",), limit=99))["items"]
    assert sorted({item["namespace"][2] for item in items}) == ["places", "texts", "videos"]
