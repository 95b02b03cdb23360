"""The graph embedded in other apps, as a tool of an agent: citations, progress, cancellation, and failures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from agentcvr_graph import CVRContext, CVRState, InfrastructureError, Trajectory, as_tool, create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn

GIVEN = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
LOOK = turn("look", observe((1, 0, 10, 4), (2, 0, 10, 4)))
CITED = {"video": 1, "start_s": 2.0, "end_s": 4.0, "modality": "visual"}
ANSWER = turn("", answer("A", "it is red", [CITED]))


def by_what_was_seen(messages):
    """Observe first, then answer. The turn depends on the messages alone, so any number of runs may share it."""
    return ANSWER if isinstance(messages[-1], ToolMessage) else LOOK


def run_of(reply):
    return Trajectory.model_validate(reply.artifact)


def cvr(perception=None, master=None):
    shared = master or FakeMaster(turns=[by_what_was_seen] * 20)
    return create_cvr_graph(shared, perception or FakePerception()).compile()


def tool_calls_for(*questions):
    calls = [
        {"name": "ask_videos", "args": {**GIVEN, "question": question}, "id": f"ask_{n}"}
        for n, question in enumerate(questions)
    ]
    return AIMessage("", tool_calls=calls)


def agent(graph, *questions, **options):
    boss = FakeMaster(turns=[tool_calls_for(*questions), AIMessage("It is the first.")])
    return create_agent(boss, tools=[as_tool(graph)], **options), boss


async def test_the_agent_receives_the_answer_and_the_app_the_trajectory():
    app, boss = agent(cvr(), "Which is red?")
    output = await app.ainvoke({"messages": [("user", "Which of a.mp4 and b.mp4 is red?")]})
    (reply,) = [message for message in output["messages"] if isinstance(message, ToolMessage)]
    assert reply.text == "Answer: the first\nWhy: it is red\nEvidence: video 1, 2.0-4.0 s (visual)"
    assert run_of(reply).usage.frames == 8
    assert [cited.model_dump() for cited in run_of(reply).answer.citations] == [CITED]
    assert boss.seen[1][-1].text == reply.text
    assert output["messages"][-1].text == "It is the first."


async def test_questions_of_one_turn_run_in_parallel_with_the_callers_checkpointer():
    app, _ = agent(cvr(), "Which is red?", "Which is green?", checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    output = await app.ainvoke({"messages": [("user", "ask both")]}, config)
    replies = {message.tool_call_id: message for message in output["messages"] if isinstance(message, ToolMessage)}
    assert {name: run_of(reply).question for name, reply in replies.items()} == {
        "ask_0": "Which is red?",
        "ask_1": "Which is green?",
    }
    kept = (await app.aget_state(config)).values["messages"]
    assert run_of(kept[2]) == run_of(replies["ask_0"])


async def test_progress_and_the_answer_reach_the_callers_stream():
    app, _ = agent(cvr(), "Which is red?")
    stages, spoken = [], []
    async for _, mode, event in app.astream(
        {"messages": [("user", "ask")]}, stream_mode=["custom", "messages"], subgraphs=True
    ):
        if mode == "custom":
            stages.append(event["stage"])
        elif event[0].type == "ai":
            spoken.append(event[0].text)
    assert stages == ["brief", "master", "visual_agent", "visual_agent", "master", "conclude"]
    assert not any("look" in text for text in spoken) and spoken[-1] == "It is the first."


async def test_cancelling_the_caller_cancels_the_observation():
    class Endless(FakePerception):
        stopped = False

        async def observe(self, request, videos):
            looking.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.stopped = True
                raise

    perception, looking = Endless(), asyncio.Event()
    app, _ = agent(cvr(perception), "Which is red?")
    task = asyncio.create_task(app.ainvoke({"messages": [("user", "ask")]}))
    await asyncio.wait_for(looking.wait(), 280)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert perception.stopped


async def test_without_an_answer_the_agent_receives_the_reason():
    class Gone(FakePerception):
        async def observe(self, request, videos):
            raise InfrastructureError("The camera is gone.")

    shots = FakeMaster(turns=[LOOK] * 11 + [ANSWER])
    app, _ = agent(cvr(Gone(), shots), "Which is red?")
    output = await app.ainvoke({"messages": [("user", "ask")]})
    (reply,) = [message for message in output["messages"] if isinstance(message, ToolMessage)]
    assert reply.text.startswith("No answer: ") and "The camera is gone." in reply.text
    assert run_of(reply).failure.boundary == "infrastructure"


async def test_the_app_chooses_the_settings_and_the_agent_the_arguments():
    tool = as_tool(cvr(), name="look_it_up", description="Looks.", context=CVRContext(max_frames=4))
    schema = tool.tool_call_schema.model_json_schema()
    assert (tool.name, tool.description) == ("look_it_up", "Looks.")
    assert set(schema["properties"]) == {"question", "videos", "options", "kind"}
    assert set(schema["required"]) == {"question", "videos"}
    reply = await tool.ainvoke({"name": "look_it_up", "args": GIVEN, "id": "1", "type": "tool_call"})
    assert run_of(reply).usage.frames <= 4


@dataclass(frozen=True)
class Tenant:
    """The context of a parent graph that has none of the settings of this graph."""

    user: str = "tenant-1"


@dataclass(frozen=True)
class TenantWithSettings(CVRContext):
    """The context of a parent graph that passes settings on."""

    user: str = "tenant-1"


@pytest.mark.parametrize(("context", "frames"), [(Tenant(), 8), (TenantWithSettings(max_frames=2), 2), (None, 8)])
async def test_a_parent_graph_may_have_its_own_context(context, frames):
    parent = StateGraph(CVRState, context_schema=type(context) if context else None)
    app = parent.add_node("ask", cvr()).add_edge(START, "ask").compile()
    output = await app.ainvoke(GIVEN, context=context)
    assert output["answer"].value == "A" and output["usage"].frames == frames


async def test_the_agent_reads_which_calls_failed():
    class Deaf(FakePerception):
        async def listen(self, request, videos):
            raise InfrastructureError("The speech server cannot be reached.")

    both = turn("", observe((1, 0, 10, 4), (2, 0, 10, 4)), listen(1, 0, 10))
    graph = cvr(Deaf(), FakeMaster(turns=[both, ANSWER]))
    text = await as_tool(graph).ainvoke(GIVEN)
    heard = "Nothing could be heard: every attempt to listen failed."
    assert text.startswith(f"Answer: the first\nWhy: it is red. {heard}\n")
    assert text.endswith("\nNote: a call of listen failed and gave no evidence: The speech server cannot be reached.")
