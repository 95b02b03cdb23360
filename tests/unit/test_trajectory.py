"""The trajectory holds every turn, call, reply and observation of a run, in either dialect."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage

from agentcvr_graph import CVRContext, InfrastructureError, Trajectory, create_cvr_graph, trajectory_of
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn

QUESTION = {"question": "Which?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}


async def trajectory(turns, **settings):
    graph = create_cvr_graph(FakeMaster(turns=turns), FakePerception()).compile()
    return trajectory_of(await graph.ainvoke(QUESTION, context=CVRContext(**settings)))


async def test_turns_hold_calls_replies_and_observations():
    turns = [
        turn("An overview.", observe((1, 0, 9, 2), (2, 0, 9, 2), id="o"), listen(7, 0, 1, id="l")),
        AIMessage("hm"),
        turn("Clear.", answer("B")),
    ]
    run = await trajectory(turns)
    assert [t.thought for t in run.turns] == ["An overview.", "hm", "Clear."]
    assert [a.tool for t in run.turns for a in t.actions] == ["observe", "listen", "answer"]
    assert run.turns[0].actions[0].observation == run.observations[0]
    assert run.turns[0].actions[1].reply.startswith("error: There is no video 7")
    assert run.turns[1].complaint.startswith("That turn held no action")
    assert run.answer is not None
    assert run.kind == "choice"
    assert [v.number for v in run.videos] == [1, 2]


async def test_a_trajectory_of_the_json_dialect_survives_a_round_trip():
    look = {"action": "observe", "arguments": {"targets": [{"video": n, "start_s": 0, "end_s": 5} for n in (1, 2)]}}
    turns = [AIMessage("Look.\n" + json.dumps(look)), AIMessage('{"action": "answer", "arguments": {"value": "A"}}')]
    run = await trajectory(turns, dialect="json")
    assert run.turns[0].thought == "Look."
    assert run.turns[0].actions[0].reply.startswith("seen: video 1")
    assert run.turns[0].actions[0].observation is not None
    assert Trajectory.model_validate_json(run.model_dump_json()) == run


class Deaf(FakePerception):
    async def listen(self, request, videos):
        raise InfrastructureError("The speech server cannot be reached.")


@pytest.mark.parametrize("dialect", ["tools", "json"])
async def test_a_call_that_infrastructure_failed_is_noted_and_shown_as_progress(dialect):
    calls = [observe((1, 0, 10, 4)), listen(1, 0, 10, id="y"), listen(1, 10, 20, id="z")]
    turns = [turn("", *calls), turn("", answer("A"))]
    if dialect == "json":
        written = [[{"action": call["name"], "arguments": call["args"]} for call in one.tool_calls] for one in turns]
        turns = [AIMessage(json.dumps(actions)) for actions in written]
    graph = create_cvr_graph(FakeMaster(turns=turns), Deaf()).compile()
    given = {"question": "Which is red?", "videos": ["a.mp4"], "options": ["the first", "the second"]}
    stages, output = [], {}
    async for mode, event in graph.astream(
        given, context=CVRContext(dialect=dialect), stream_mode=["custom", "values"]
    ):
        if mode == "values":
            output = event
        else:
            stages.append((event["stage"], event["turn"], event["text"]))
    for window in ("0.0-10.0", "10.0-20.0"):
        line = f"listening to video 1, {window} s: failed: The speech server cannot be reached."
        assert stages.count(("audio_agent", 1, line)) == 1
    run = trajectory_of(output)
    assert run.answer.value == "A"
    assert run.notes == ("a call of listen failed and gave no evidence: The speech server cannot be reached.",)
