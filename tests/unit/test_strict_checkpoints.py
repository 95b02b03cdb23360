"""Checkpoints that give models back as dictionaries, as a server's do with `LANGGRAPH_STRICT_MSGPACK=true`.

A saver with an empty allow-list behaves like one of such a server: LangGraph adds the types that a graph declares only
to savers that it is compiled with.
"""

from __future__ import annotations

import asyncio

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command

from agentcvr_graph import Answer, CVRContext, Observation, create_cvr_graph, retake
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import Clock
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.types import Cost, Question, VideoInfo

QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
CONFIG = {"configurable": {"thread_id": "t"}}
LOOK = turn("", observe((1, 0, 10, 4), (2, 0, 10, 4), id="x"), listen(1, 0, 5, id="y"))
CAREFUL = CVRContext(review_above_frames=4)
APPROVE = {"decisions": [{"type": "approve"}]}


def strict_saver():
    return InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=None))


class Run:
    def __init__(self, *turns, perception=None):
        self.master = FakeMaster(turns=list(turns))
        graph = create_cvr_graph(self.master, perception or FakePerception())
        self.graph = graph.compile(checkpointer=strict_saver())

    async def __call__(self, given, context=None):
        return await self.graph.ainvoke(given, CONFIG, context=context)


def test_the_saver_gives_back_dictionaries():
    serde = strict_saver().serde
    assert serde.loads_typed(serde.dumps_typed(Cost(frames=3)))["frames"] == 3


async def test_every_value_of_a_loaded_state_is_typed():
    run = Run(LOOK, turn("", answer("A")))
    await run(QUESTION)
    values = (await run.graph.aget_state(CONFIG)).values
    kinds = {"answer": Answer, "checked_question": Question, "spent": Cost, "clock": Clock}
    assert {name: type(values[name]) for name in kinds} == kinds
    assert all(type(one) is Observation for one in values["observations"]) and len(values["observations"]) == 2
    assert all(type(one) is VideoInfo for one in values["sources"])


async def test_an_interrupted_run_resumes():
    run = Run(LOOK, turn("", answer("A")))
    assert (await run(QUESTION, CAREFUL))["__interrupt__"]
    output = await run(Command(resume=APPROVE))
    assert output["answer"].value == "A" and (output["usage"].frames, output["usage"].audio_s) == (8, 5)


async def test_a_follow_up_keeps_its_evidence():
    run = Run(LOOK, turn("", answer("A")), turn("", answer("B")))
    await run(QUESTION)
    output = await run(QUESTION | {"question": "Which is round?"})
    assert output["answer"].value == "B" and len(output["observations"]) == 2
    assert "seen: video 1" in str(run.master.seen[-1])


async def test_a_fork_and_a_retake_continue():
    run = Run(LOOK, turn("", answer("A")), turn("", answer("B")), turn("", answer("A")))
    await run(QUESTION)
    history = [one async for one in run.graph.aget_state_history(CONFIG)]
    before = next(one for one in history if "visual_agent" in one.next)
    output = await run.graph.ainvoke(None, before.config)
    assert output["answer"].value == "B" and len(output["observations"]) == 2
    look = {
        "name": "observe",
        "args": {"targets": [{"video": n, "start_s": 8, "end_s": 9, "frames": 2} for n in (1, 2)]},
    }
    fork = await retake(run.graph, CONFIG, turn=1, calls=[look])
    output = await run.graph.ainvoke(None, fork)
    assert output["answer"].value == "A" and output["usage"].frames == 4


async def test_a_look_that_fails_after_a_resume_is_reported():
    class Gone(FakePerception):
        async def observe(self, request, videos):
            raise RuntimeError("The camera is gone.")

    run = Run(LOOK, turn("", answer("A")), perception=Gone())
    await run(QUESTION, CVRContext(review_above_frames=4, min_evidence=0))
    output = await run(Command(resume=APPROVE))
    assert output["answer"].value == "A" and "The camera is gone." in str(policy_messages(output))


async def test_a_cancelled_run_resumes():
    looking = asyncio.Event()

    class Stuck(FakePerception):
        async def observe(self, request, videos):
            if not looking.is_set():
                looking.set()
                await asyncio.Event().wait()
            return await super().observe(request, videos)

    run = Run(LOOK, turn("", answer("A")), perception=Stuck())
    task = asyncio.create_task(run(QUESTION))
    await looking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    output = await run(None)
    assert output["answer"].value == "A" and output["usage"].frames == 8 and len(output["observations"]) == 2
