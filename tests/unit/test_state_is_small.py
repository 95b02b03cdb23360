"""Checkpoints hold references and text. They grow linearly, by under 20 kB per turn, and load as typed values."""

from __future__ import annotations

import dataclasses

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agentcvr_graph import Answer, CVRContext, Observation, Video, create_cvr_graph
from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.graph.builder import after_master
from agentcvr_graph.graph.state import agent_input
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import TOOLS, Features
from agentcvr_graph.tools.observe import OBSERVE

QUESTION = {"question": "Which?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}
CONFIG = {"configurable": {"thread_id": "t"}}
LONG = "a long line of evidence " * 20


class Library(FakePerception):
    """A perception in which `many://N` stands for N videos with long names."""

    async def expand(self, video):
        if not video.source.startswith("many://"):
            return None
        count = int(video.source.removeprefix("many://"))
        return Expansion(tuple(Video(source=f"/a/rather/long/path/of/a/clip/{n:06}.mp4") for n in range(1, count + 1)))


def graph_of(looks):
    citation = {"video": 1, "start_s": 0, "end_s": 5, "modality": "visual"}
    master = FakeMaster(turns=[*looks, turn("", answer("A", citations=[citation]))])
    return create_cvr_graph(master, Library(text=LONG)).compile(checkpointer=InMemorySaver())


async def state_after(n_turns, videos=QUESTION["videos"], apart=0):
    looks = [
        turn(
            "I look closer.",
            observe((1, 0, 60, 32), (2 + n * apart, 0, 60, 32), id=f"o{n}"),
            listen(1 + n * apart, 0, 60, id=f"l{n}"),
        )
        for n in range(n_turns)
    ]
    graph = graph_of(looks)
    context = CVRContext(max_turns=50, max_frames=9999)
    await graph.ainvoke(QUESTION | {"videos": videos}, CONFIG, context=context)
    return await graph.aget_state(CONFIG)


def size(values):
    return len(JsonPlusSerializer().dumps_typed(values)[1])


async def test_checkpoints_grow_linearly_and_by_under_20_kb_per_turn():
    sizes = [size((await state_after(n)).values) for n in (2, 8, 14)]
    early, late = (sizes[1] - sizes[0]) / 6, (sizes[2] - sizes[1]) / 6
    assert early < 20_000
    assert late == pytest.approx(early, rel=0.1)


@pytest.mark.parametrize("count", [300, 10_000])
async def test_thousands_of_videos_make_no_state_larger_than_the_listed_ones_do(count):
    few = size((await state_after(2, ["many://20"], apart=7)).values)
    sizes = [size((await state_after(n, [f"many://{count}"], apart=7)).values) for n in (2, 8, 14)]
    assert sizes[0] < few + 2_000 < 20_000 * 2
    assert (sizes[1] - sizes[0]) / 6 < 20_000 and (sizes[2] - sizes[1]) / 6 < 20_000


@pytest.mark.parametrize("count", [300, 10_000])
@pytest.mark.parametrize("one_by_one", [False, True])
async def test_what_is_sent_to_an_agent_stays_small(count, one_by_one):
    videos = [f"/a/rather/long/path/of/a/clip/{n:06}.mp4" for n in range(count)] if one_by_one else [f"many://{count}"]
    far = observe((1, 0, 60, 32), (count, 0, 60, 32), id="o")
    graph = graph_of([turn("I look far.", far, listen(count - 1, 0, 60, id="l"))])
    await graph.ainvoke(QUESTION | {"videos": videos}, CONFIG, interrupt_after=["master"])
    state = (await graph.aget_state(CONFIG)).values
    sends = await after_master(state)
    assert len(sends) == 2
    assert all(size(send.arg) < 4_000 for send in sends)


async def test_what_is_sent_to_a_tool_that_reaches_all_videos_is_a_reference_or_a_list_of_names():
    search = dataclasses.replace(OBSERVE, name="search", reaches_all=True)
    looks = [turn("", observe((1, 0, 60, 32), id="s") | {"name": "search"})]
    names = [f"/a/path/of/a/clip/{n:06}.mp4" for n in range(10_000)]
    for videos, most, sent in ((["many://10000"], 8_000, 1), (names[:300], 20_000, 300), (names, 8_000, 0)):
        graph = create_cvr_graph(FakeMaster(turns=looks), Library(), tools=[*TOOLS, search])
        compiled = graph.compile(checkpointer=InMemorySaver())
        await compiled.ainvoke(QUESTION | {"videos": videos}, CONFIG, interrupt_after=["master"])
        (send,) = await after_master((await compiled.aget_state(CONFIG)).values)
        assert size(send.arg) < most
        assert len(agent_input(send.arg)["named"]) == sent


async def test_another_process_that_takes_up_a_search_over_many_names_recovers_in_the_next_turn():
    search = turn("", {"name": "find", "args": {"query": "ball", "videos": [300]}, "id": "f"})
    saver, videos = InMemorySaver(), [f"{n}.mp4" for n in range(400)]

    def process(*turns):
        master = FakeMaster(turns=list(turns))
        graph = create_cvr_graph(master, Library(text="a red ball"), features=Features(find=True))
        return graph.compile(checkpointer=saver), master

    first, _ = process(search)
    context = CVRContext(min_evidence=0)
    await first.ainvoke(QUESTION | {"videos": videos}, CONFIG, context=context, interrupt_after=["master"])
    second, master = process(search, turn("", answer("A")))
    output = await second.ainvoke(None, CONFIG, context=context)
    replies = [messages[-1].text for messages in master.seen]
    assert replies[0].startswith("error: The list of videos is no longer at hand here. Ask again.")
    assert replies[1].startswith('found: "ball"\n[video 300, ')
    assert output["failure"] is None


async def test_values_loaded_from_a_checkpoint_are_typed():
    values = (await state_after(1)).values
    assert isinstance(values["answer"], Answer)
    assert isinstance(values["observations"][0], Observation)
    assert not any(isinstance(value, bytes) for value in values.values())
