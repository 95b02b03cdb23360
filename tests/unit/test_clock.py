"""The clock of a run: the times in which nodes worked count once; the time in which a run waits does not count."""

from __future__ import annotations

import asyncio

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentcvr_graph import CVRContext, InfrastructureError, create_cvr_graph
from agentcvr_graph.graph import state as states
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import Clock, Work, add_work
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn

QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
CONFIG = {"configurable": {"thread_id": "t"}}
LOOK = turn("", observe((1, 0, 10, 64), id="x"))
APPROVE = Command(resume={"decisions": [{"type": "approve"}]})


@pytest.mark.parametrize(
    ("work", "elapsed_s"),
    [
        ([], 0),
        ([(10, 12), (15, 16)], 3),
        ([(10, 20), (12, 14)], 10),
        ([(12, 14), (10, 13)], 4),
        ([(100, 110), (0, 10)], 20),
        ([(5, 4)], 0),
    ],
)
def test_times_of_parallel_nodes_count_once(work, elapsed_s):
    clock = Clock()
    for start_s, end_s in work:
        clock = add_work(clock, Work(start_s=start_s, end_s=end_s))
    assert clock.elapsed_s == elapsed_s
    assert add_work(clock, {"work": [[1, 2]]}).elapsed_s == 1
    assert add_work({"work": [[1, 2]]}, {"start_s": 2, "end_s": 4}).elapsed_s == 3


class Time:
    """The system's clock, moved by hand. LangGraph reads it at a node's start, this library at its end."""

    def __init__(self, monkeypatch):
        self.now_s = 1000.0
        monkeypatch.setattr("langgraph.pregel._retry.time.time", lambda: self.now_s)
        assert states.time.time() == 1000.0


class TimedPerception(FakePerception):
    """A perception whose looks take a given time each, or fail."""

    def __init__(self, time, *takes_s, fails=0):
        super().__init__()
        self.time, self.takes_s, self.fails = time, list(takes_s), fails

    async def observe(self, request, videos):
        self.time.now_s += self.takes_s.pop(0)
        if self.fails:
            self.fails -= 1
            raise InfrastructureError("gone", transient=False)
        return await super().observe(request, videos)


def graph_of(perception, *turns):
    return create_cvr_graph(FakeMaster(turns=list(turns)), perception).compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("fails", [0, 1], ids=["a look", "a look that fails"])
async def test_a_humans_thinking_time_does_not_count(monkeypatch, fails):
    time = Time(monkeypatch)
    app = graph_of(TimedPerception(time, 7, 0, fails=fails), LOOK, LOOK, turn("", answer("A")))
    context = CVRContext(max_wall_s=60, review_above_frames=4, min_evidence=0)
    assert (await app.ainvoke(QUESTION, CONFIG, context=context))["__interrupt__"]
    time.now_s += 3600
    assert (await app.ainvoke(APPROVE, CONFIG))["__interrupt__"]
    state = (await app.aget_state(CONFIG)).values
    assert not state["closing"] and state["clock"].elapsed_s == pytest.approx(7)
    time.now_s += 3600
    output = await app.ainvoke(APPROVE, CONFIG)
    assert output["usage"].wall_s == pytest.approx(7)


async def test_a_look_that_takes_too_long_after_the_approval_counts(monkeypatch):
    time = Time(monkeypatch)
    app = graph_of(TimedPerception(time, 61), LOOK, turn("", answer("A")))
    context = CVRContext(max_wall_s=60, review_above_frames=4, min_evidence=0)
    await app.ainvoke(QUESTION, CONFIG, context=context)
    output = await app.ainvoke(APPROVE, CONFIG, context=context)
    assert any(message.text.startswith("Out of seconds of time") for message in policy_messages(output))


async def test_a_look_after_the_resume_of_a_stopped_run_counts_and_the_pause_does_not(monkeypatch):
    time = Time(monkeypatch)
    looking = asyncio.Event()

    class Stuck(TimedPerception):
        async def observe(self, request, videos):
            if not looking.is_set():
                looking.set()
                await asyncio.Event().wait()
            return await super().observe(request, videos)

    app = graph_of(Stuck(time, 20), LOOK, turn("", answer("A")))
    task = asyncio.create_task(app.ainvoke(QUESTION, CONFIG, context=CVRContext(min_evidence=0)))
    await looking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    time.now_s += 3600
    output = await app.ainvoke(None, CONFIG)
    assert output["usage"].wall_s == pytest.approx(20)


async def test_the_time_of_the_master_counts(monkeypatch):
    time = Time(monkeypatch)

    def slow(_):
        time.now_s += 5
        return turn("", answer("A"))

    app = graph_of(TimedPerception(time), slow)
    output = await app.ainvoke(QUESTION, CONFIG, context=CVRContext(min_evidence=0))
    assert output["usage"].wall_s == pytest.approx(5)
