"""Checkpoints hold references and text. They grow linearly, by under 20 kB per turn, and load as typed values."""

from __future__ import annotations

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agentcvr_graph import Answer, CVRContext, Observation, create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn

QUESTION = {"question": "Which?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}


async def state_after(n_turns):
    looks = [
        turn("I look closer.", observe((1, 0, 60, 32), (2, 0, 60, 32), id=f"o{n}"), listen(1, 0, 60, id=f"l{n}"))
        for n in range(n_turns)
    ]
    master = FakeMaster(turns=[*looks, turn("", answer("A"))])
    graph = create_cvr_graph(master, FakePerception(text="a long line of evidence " * 20)).compile(
        checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(QUESTION, config, context=CVRContext(max_turns=50, max_frames=9999))
    return await graph.aget_state(config)


def size(values):
    return len(JsonPlusSerializer().dumps_typed(values)[1])


async def test_checkpoints_grow_linearly_and_by_under_20_kb_per_turn():
    sizes = [size((await state_after(n)).values) for n in (2, 8, 14)]
    early, late = (sizes[1] - sizes[0]) / 6, (sizes[2] - sizes[1]) / 6
    assert early < 20_000
    assert late == pytest.approx(early, rel=0.1)


async def test_values_loaded_from_a_checkpoint_are_typed():
    values = (await state_after(1)).values
    assert isinstance(values["answer"], Answer)
    assert isinstance(values["observations"][0], Observation)
    assert not any(isinstance(value, bytes) for value in values.values())
