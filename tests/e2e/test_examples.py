"""The documentation's examples run unchanged, and both ways to embed the graph behave as documented.

Progress and tokens reach the caller's stream, cancelling the caller cancels the child, and an interrupted run resumes
with the observations that it has.
"""

from __future__ import annotations

import ast
import asyncio
import os
import runpy
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, turn
from agentcvr_graph.types import Listen

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
MOST_LINES = 48
"""Largest number of lines of an example, at 88 columns, because its page shows it whole."""
CONFIG = {"configurable": {"thread_id": "t"}}
VIDEOS = ["script://cc-000002/1", "script://cc-000002/2"]
QUESTION = "Who cooks with white wine?"
SAID = "This time I am cooking with white wine."


def example(name):
    """Return the namespace of an example."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def as_node(cvr, **options):
    """Return a parent graph that has the graph as a node, and the parent's input."""
    return example("subgraph")["parent"](cvr).compile(**options), {"wanted": QUESTION, "clips": VIDEOS}


def as_tool_of_an_agent(cvr, **options):
    tool = example("tool")
    boss = FakeMaster(turns=[tool["stand_in"]] * 4)
    return tool["agent"](boss, cvr, **options), {"messages": [("user", QUESTION)]}


both_ways = pytest.mark.parametrize("embedded", [as_node, as_tool_of_an_agent])


def offline(perception):
    return create_cvr_graph(resolve_chat_model("offline"), perception).compile()


def found(output):
    """Return the answer in the parent's output: a clip, or the first line of the agent's last message."""
    return output["found"] if "found" in output else output["messages"][-1].text.splitlines()[0]


class Halting(ScriptedPerception):
    """The bundled scripts, with `listen` on video 2 blocked until `gate` is set; records calls and cancellations."""

    def __init__(self, halt=True):
        super().__init__(bundled_library())
        self.gate, self.reached = asyncio.Event(), asyncio.Event()
        self.requested, self.stopped = [], []
        if not halt:
            self.gate.set()

    async def observe(self, request, videos):
        self.requested.append(("observe", request.windows[0].video))
        return await super().observe(request, videos)

    async def listen(self, request: Listen, videos):
        call = ("listen", request.window.video)
        self.requested.append(call)
        if call == ("listen", 2):
            self.reached.set()
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.stopped.append(call)
                raise
        return await super().listen(request, videos)


async def cancelled(app, given, reached):
    """Start a run and cancel it once `reached` is set."""
    task = asyncio.create_task(app.ainvoke(given, CONFIG))
    await asyncio.wait_for(reached.wait(), 280)
    await asyncio.sleep(0.5)  # lets the other calls of the same turn end
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("name", ["subgraph", "tool", "remote", "mcp_client", "mcp_ask"])
def test_an_example_is_short_and_documents_its_command(name):
    text = (EXAMPLES / f"{name}.py").read_text()
    assert text.count("\n") <= MOST_LINES
    assert f"python docs/examples/{name}.py" in ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("subgraph", ("opening 2 videos", "listening to video 2", "cook_blue.mp4'}")),
        ("tool", (f"Answer: {SAID}", "frames=26")),
    ],
)
def test_an_example_runs_unchanged_without_an_api_key(name, says):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    ran = subprocess.run(
        [sys.executable, f"docs/examples/{name}.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stderr
    for line in says:
        assert line in ran.stdout


async def test_the_drawing_of_a_parent_shows_the_child():
    app, _ = as_node(offline(FakePerception()))
    inside = app.get_graph(xray=True).nodes
    assert {"search:master", "search:visual_agent", "search:conclude"} <= set(inside)


@both_ways
async def test_progress_reaches_the_stream_of_the_parent(embedded):
    app, given = embedded(offline(Halting(halt=False)))
    events = [event async for _, event in app.astream(given, stream_mode="custom", subgraphs=True)]
    looks = [(event["stage"], event["event"]) for event in events if event["stage"].endswith("agent")]
    stages = ("visual_agent", "audio_agent", "audio_agent")
    assert Counter(looks) == Counter((stage, event) for stage in stages for event in ("start", "end"))
    assert events[0]["text"] == "opening 2 videos" and events[-1]["text"].startswith("answer: ")
    assert events[2]["windows"][1] == {"video": 2, "start_s": 0.0, "end_s": 26.6}


@both_ways
async def test_only_the_reply_reaches_the_message_stream_of_the_parent(embedded):
    look = 'I look. {"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 9, "frames": 2}'
    look += ', {"video": 2, "start_s": 0, "end_s": 9, "frames": 2}]}}'
    end = '{"action": "answer", "arguments": {"value": "Video 1"}}'
    master = GenericFakeChatModel(messages=iter([AIMessage(look), AIMessage(end)]))
    app, given = embedded(create_cvr_graph(master, FakePerception()).compile())
    spoken = []
    async for path, (chunk, _) in app.astream(given, stream_mode="messages", subgraphs=True):
        if path and chunk.type != "human":
            spoken.append(chunk.text)
    assert len(spoken) == 1 and spoken[0].endswith("Video 1")


@both_ways
async def test_cancelling_the_parent_cancels_perception_calls(embedded):
    perception = Halting()
    app, given = embedded(offline(perception))
    await cancelled(app, given, perception.reached)
    assert perception.stopped == [("listen", 2)]
    before = list(perception.requested)
    perception.gate.set()
    await asyncio.sleep(0.2)
    assert perception.requested == before


@both_ways
async def test_cancelling_the_parent_cancels_the_model_call_of_the_master(embedded):
    class Thinking(FakeMaster):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            reached.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopped.set()
                raise

    reached, stopped = asyncio.Event(), asyncio.Event()
    app, given = embedded(create_cvr_graph(Thinking(turns=[]), FakePerception()).compile())
    await cancelled(app, given, reached)
    assert stopped.is_set()


@both_ways
async def test_parent_and_child_resume_without_repeated_observations(embedded):
    saver, first, second = InMemorySaver(), Halting(), Halting(halt=False)
    app, given = embedded(offline(first), checkpointer=saver)
    await cancelled(app, given, first.reached)
    assert sorted(first.requested) == [("listen", 1), ("listen", 2), ("observe", 1)]
    again, _ = embedded(offline(second), checkpointer=saver)  # as in another process
    output = await again.ainvoke(None, CONFIG)
    assert found(output) in (VIDEOS[0], f"I have asked. Answer: {SAID}")
    assert second.requested == [("listen", 2)]  # nothing is observed a second time


KILLED = """
import asyncio, pathlib, sys
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from agentcvr_graph import create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, observe, turn
from tests.e2e.test_examples import CONFIG, as_node

class Hanging(FakePerception):
    async def observe(self, request, videos):
        if request.windows[0].start_s >= 20:
            pathlib.Path(sys.argv[2]).touch()
            await asyncio.sleep(600)
        return await super().observe(request, videos)

async def main():
    turns = [turn("", observe((1, 0, 9, 3), (2, 0, 9, 3))), turn("", observe((2, 20, 30, 4)))]
    async with AsyncSqliteSaver.from_conn_string(sys.argv[1]) as saver:
        app, given = as_node(create_cvr_graph(FakeMaster(turns=turns), Hanging()).compile(), checkpointer=saver)
        await app.ainvoke(given, CONFIG, durability="sync")

asyncio.run(main())
"""


@pytest.fixture
def killed(tmp_path):
    """Return the database of a process that was killed while the child made its second observation."""
    database, reached = tmp_path / "runs.sqlite", tmp_path / "reached"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(database), str(reached)], cwd=ROOT)
    deadline = time.monotonic() + 120
    while not reached.exists():
        assert child.poll() is None, "the child ended by itself"
        assert time.monotonic() < deadline, "the child never came to its second look"
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return database


async def test_a_killed_run_resumes_in_another_process(killed):
    perception, master = FakePerception(), FakeMaster(turns=[turn("", answer("Video 2"))])
    async with AsyncSqliteSaver.from_conn_string(str(killed)) as saver:
        app, _ = as_node(create_cvr_graph(master, perception).compile(), checkpointer=saver)
        output = await app.ainvoke(None, CONFIG)
    assert output["found"] == VIDEOS[1]
    assert [request.windows[0].start_s for request in perception.requests] == [20]


async def test_a_failing_sibling_node_stops_the_child_until_the_run_resumes():
    """Observations in progress may complete: LangGraph (1.2) cancels a child with several tasks twice."""
    perception, fixed = Halting(), asyncio.Event()

    async def publish(_):
        await perception.reached.wait()
        if not fixed.is_set():
            raise RuntimeError("no paper")

    parent = example("subgraph")["parent"](offline(perception)).add_node(publish).add_edge("__start__", "publish")
    app = parent.compile(checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError, match="no paper"):
        await app.ainvoke({"wanted": QUESTION, "clips": VIDEOS}, CONFIG)
    perception.gate.set()
    await asyncio.sleep(0.3)
    once = [("listen", 1), ("listen", 2), ("observe", 1)]
    assert sorted(perception.requested) == once
    fixed.set()
    output = await app.ainvoke(None, CONFIG)
    assert output["found"] == VIDEOS[0]
    assert sorted(perception.requested) == sorted([*once, ("listen", 2)])


async def test_the_tool_returns_a_short_answer_with_its_evidence():
    app, given = as_tool_of_an_agent(offline(Halting(halt=False)))
    output = await app.ainvoke(given)
    (reply,) = [message for message in output["messages"] if isinstance(message, ToolMessage)]
    assert reply.text.splitlines()[0] == f"Answer: {SAID}"
    assert reply.text.splitlines()[-1] == "Evidence: video 1, 6.9-9.3 s (audio)"
    assert output["messages"][-1].text == f"I have asked. {reply.text}"
