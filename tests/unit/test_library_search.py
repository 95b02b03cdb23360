"""Search in scripted libraries: pure, without a leak, and the same after a resume in another process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import create_cvr_graph, resolve_chat_model
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.index.finder import Finder, Found, Query
from agentcvr_graph.perception.noise import FITTED, MILD, OFF
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import ANSWER, LISTEN, OBSERVE, Features
from agentcvr_graph.tools.find import find_tool
from tests.support.examples import examples
from tests.unit.test_no_leak import TOKEN, tagged

SCRIPT = make_script("LIB", 6, LEVELS["easy"])
TAGGED = tagged(SCRIPT)


async def search(script: Script, text: str, noise: Any = OFF, others: int = 0, finder: Finder | None = None) -> Found:
    library = ScriptLibrary.of([script, *make_scripts({"LIB": others}, 90, LEVELS["easy"])])
    perception = ScriptedPerception(library, noise)
    videos = [await perception.probe(script.video(n), n) for n in range(1, len(script.videos) + 1)]
    return await (finder or Finder()).find(Query(text, tuple(range(1, len(videos) + 1))), perception, videos)


@pytest.mark.parametrize("noise", ["off", "mild", FITTED])
async def test_what_is_found_depends_on_the_script_and_the_noise_only(noise: Any):
    """The same in another library, with a finder that has searched other scripts, and when asked again."""
    finder = Finder()
    alone = await search(SCRIPT, SCRIPT.question, noise)
    for n in range(2):
        await search(make_script("LIB", n, LEVELS["easy"]), SCRIPT.question, noise, finder=finder)
    crowded = await search(SCRIPT, SCRIPT.question, noise, others=3, finder=finder)
    again = await search(SCRIPT, SCRIPT.question, noise, finder=finder)
    assert alone == crowded == again
    assert (alone.cost.frames, alone.cost.audio_s) == (0, 0)


async def test_another_noise_is_another_index():
    finder = Finder()
    found = [await search(SCRIPT, SCRIPT.question, noise, finder=finder) for noise in (OFF, FITTED)]
    assert found[0].windows != found[1].windows


@given(tag=st.sampled_from(["look", "sign", "said0", "SECRET"]), video=st.integers(1, 30), scene=st.integers(0, 3))
@settings(max_examples=examples(25))
def test_found_statements_lie_in_their_windows_and_hold_nothing_of_the_question(tag: str, video: int, scene: int):
    found = asyncio.run(search(TAGGED, f"v{video}s{scene}{tag}", MILD))
    for number, window in found.windows:
        for said in window.statements:
            assert "SECRET" not in said.text
            tokens = TOKEN.findall(said.text)
            assert {int(shown) for shown, *_ in tokens} <= {number}
            assert {name.lower() for *_, name, _ in tokens} <= (
                {"said"} if said.modality == "audio" else {"look", "sign"}
            )
            for _, index, *_ in tokens:
                stated = SCRIPT.videos[number - 1].scenes[int(index)]
                assert stated.start_s - 8 * MILD.time_jitter_s < said.end_s
                assert stated.end_s + 8 * MILD.time_jitter_s > said.start_s


def graph_of(saver: Any = None, **options: Any):
    """Return the offline master over the script, as another process would build it: with an index of its own."""
    tools = [OBSERVE, LISTEN, find_tool(Finder()), ANSWER]
    perception = ScriptedPerception(ScriptLibrary.of([SCRIPT]), MILD)
    return create_cvr_graph(resolve_chat_model("offline"), perception, tools=tools).compile(
        checkpointer=saver, **options
    )


async def test_a_run_that_stops_after_a_search_resumes_to_the_same_end():
    given = as_input(SCRIPT.as_question())
    whole = await graph_of().ainvoke(given)
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}
    await graph_of(saver, interrupt_before=["visual_agent"]).ainvoke(given, config)
    state = graph_of(saver).get_state(config)
    assert [one.modality for one in state.values["observations"]] == ["index"] * len(state.values["observations"])
    resumed = await graph_of(saver).ainvoke(None, config)
    assert resumed["answer"] == whole["answer"]
    assert resumed["observations"] == whole["observations"]


async def test_the_offline_master_answers_from_a_video_that_the_brief_does_not_list():
    graph = create_cvr_graph(
        resolve_chat_model("offline"), ScriptedPerception(ScriptLibrary.of([SCRIPT])), features=Features(find=True)
    ).compile()
    output = await graph.ainvoke(as_input(SCRIPT.as_question()))
    assert output["answer"].value == SCRIPT.key
    assert {citation.video for citation in output["answer"].citations} == {26}
