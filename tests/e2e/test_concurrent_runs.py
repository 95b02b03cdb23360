"""Hundreds of concurrent runs under one parent graph in one process all end, and no run sees another's data.

The test runs the real graph with the offline master over as many different scripts. It then repeats the requests of
each run with a separate perception. The same request gives the same observation, so both must be equal.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import time
from typing import Annotated

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from agentcvr_graph import Listen, Observe, Target, create_cvr_graph, trajectory_of
from agentcvr_graph.catalogue import LISTED
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import GENERATORS, LEVELS, make_script
from agentcvr_graph.scripts.library import ScriptLibrary

RUNS = 500
TIMEOUT_S = 280
CPU_LIMIT_S = 45


@pytest.fixture(scope="module")
def library():
    named = itertools.islice(itertools.product(range(RUNS), GENERATORS), RUNS)
    return ScriptLibrary.of([make_script(task, seed, LEVELS["easy"]) for seed, task in named])


def graph_over(library):
    return create_cvr_graph(resolve_chat_model("offline"), ScriptedPerception(library)).compile()


class ParentState(TypedDict):
    ids: list[str]
    runs: Annotated[list, operator.add]


def parent(library):
    cvr = graph_over(library)

    async def each(state: ParentState):
        return [Send("ask", {"id": script_id}) for script_id in state["ids"]]

    async def ask(state):
        output = await cvr.ainvoke(as_input(library.get(state["id"]).as_question()))
        return {"runs": [(state["id"], trajectory_of(output))]}

    return StateGraph(ParentState).add_node(ask).add_conditional_edges(START, each, ["ask"]).compile()


def request_of(seen):
    """Return the request that an observation answers."""
    if seen.modality == "audio":
        return Listen(window=seen.windows[0], focus=seen.focus)
    targets = [
        Target(**window.model_dump(), frames=len(times))
        for window, times in zip(seen.windows, seen.frame_times_s, strict=True)
    ]
    return Observe(targets=tuple(targets), focus=seen.focus)


async def repeated_alone(run, perception):
    """Yield each observation of a run together with the result of the same request to `perception`."""
    for seen in run.observations:
        request = request_of(seen)
        perceive = perception.observe if isinstance(request, Observe) else perception.listen
        yield seen, await perceive(request, run.videos)


def without_time(run):
    return run.model_copy(update={"usage": run.usage.model_copy(update={"wall_s": 0.0})})


async def test_concurrent_child_runs_end_and_share_no_state(library):
    started_s = time.process_time()
    async with asyncio.timeout(TIMEOUT_S):
        output = await parent(library).ainvoke({"ids": list(library.ids)})
    spent_s = time.process_time() - started_s
    runs = dict(output["runs"])
    assert len(output["runs"]) == RUNS and set(runs) == set(library.ids)
    assert spent_s < CPU_LIMIT_S, f"{spent_s:.0f} s of CPU"

    perception = ScriptedPerception(library)
    for script_id, run in runs.items():
        script = library.get(script_id)
        question = script.as_question()
        assert (run.question, run.options, run.failure) == (question.question, question.options, None)
        listed = [script.source(number) for number in range(1, min(len(script.videos), LISTED) + 1)]
        assert [info.video.source for info in run.videos][: len(listed)] == listed
        assert run.answer.kind == question.kind
        assert run.usage.frames == sum(seen.cost.frames for seen in run.observations) > 0
        async for seen, alone in repeated_alone(run, perception):
            assert (seen.evidence, seen.frame_times_s) == (alone.evidence, alone.frame_times_s)

    alone = graph_over(library)
    for script_id in library.ids[:: RUNS // 40]:
        output = await alone.ainvoke(as_input(library.get(script_id).as_question()))
        assert without_time(runs[script_id]) == without_time(trajectory_of(output))


async def test_threads_of_one_checkpointer_have_separate_states(library):
    ids = library.ids[:200]
    cvr = create_cvr_graph(resolve_chat_model("offline"), ScriptedPerception(library)).compile(
        checkpointer=InMemorySaver()
    )

    def config(script_id):
        return {"configurable": {"thread_id": script_id}}

    async with asyncio.timeout(TIMEOUT_S):
        outputs = await asyncio.gather(
            *(cvr.ainvoke(as_input(library.get(one).as_question()), config(one)) for one in ids)
        )
    for script_id, output in zip(ids, outputs, strict=True):
        state = (await cvr.aget_state(config(script_id))).values
        assert state["checked_question"].question == library.get(script_id).question
        assert (state["answer"], state["observations"]) == (output["answer"], output["observations"])
        assert {info.video.source.split("/")[2] for info in state["sources"]} == {script_id}
