"""Human review before an expensive observation, on the real graph: approve, edit, reject, or respond instead."""

from __future__ import annotations

import pytest
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn

QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
CITED = {"video": 1, "start_s": 2.0, "end_s": 4.0, "modality": "visual"}
CONFIG = {"configurable": {"thread_id": "t"}}


class Run:
    """One run under a checkpointer."""

    def __init__(self, *turns, **settings):
        self.perception = FakePerception()
        self.master = FakeMaster(turns=list(turns))
        self.context = CVRContext(min_evidence=0, **settings)
        self.graph = create_cvr_graph(self.master, self.perception).compile(checkpointer=InMemorySaver())

    async def __call__(self, given):
        return await self.graph.ainvoke(given, CONFIG, context=self.context)

    async def decide(self, **decision):
        return await self(Command(resume={"decisions": [decision]}))


def last_reply(output):
    replies = [message for message in policy_messages(output) if isinstance(message, ToolMessage)]
    return [message for message in replies if message.name != "answer"][-1]


def waiting(output):
    return [one.value for one in output.get("__interrupt__", ())]


LOOK = turn("", observe((1, 0, 10, 64), focus="red"))


async def test_cheap_observations_need_no_approval():
    run = Run(LOOK, turn("", answer("A")), review_above_frames=64, review_above_audio_s=5)
    output = await run(QUESTION)
    assert not waiting(output) and output["answer"].value == "A"


async def test_an_approved_observation_runs_unchanged():
    run = Run(LOOK, turn("", answer("A", "", [CITED])), review_above_frames=32)
    output = await run(QUESTION)
    (request,) = waiting(output)
    (action,) = request["action_requests"]
    assert action["description"] == 'Approval needed: observing video 1, 0.0-10.0 s (64 frames) for "red".'
    assert action["args"]["targets"] == [{"video": 1, "start_s": 0.0, "end_s": 10.0, "frames": 64}]
    assert request["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject", "respond"]
    assert run.perception.requests == [] and output["answer"] is None
    output = await run.decide(type="approve")
    assert output["answer"].value == "A" and output["usage"].frames == 64 and len(run.master.seen) == 2


async def test_an_edited_observation_runs_as_edited():
    run = Run(LOOK, turn("", answer("A")), review_above_frames=32)
    output = await run(QUESTION)
    (action,) = waiting(output)[0]["action_requests"]
    target = action["args"]["targets"][0] | {"start_s": 3.0, "end_s": 5.0, "frames": 8}
    output = await run.decide(type="edit", edited_action={"name": "observe", "args": {"targets": [target]}})
    assert output["usage"].frames == 8
    assert last_reply(output).text.startswith("seen: video 1, 3.0-5.0 s (8 frames)")


async def test_a_rejection_is_reported_to_the_master_and_costs_nothing():
    run = Run(LOOK, turn("", answer("B")), review_above_frames=32)
    await run(QUESTION)
    output = await run.decide(type="reject", message="Look at the end.")
    assert last_reply(output).text.startswith("error: A person refused this look. Look at the end.")
    assert "failed_by" not in last_reply(output).additional_kwargs
    assert output["answer"].value == "B" and output["usage"].frames == 0 and run.perception.requests == []


async def test_a_rejection_without_a_reason_is_one_sentence():
    run = Run(LOOK, turn("", answer("B")), review_above_frames=32)
    await run(QUESTION)
    output = await run.decide(type="reject", message=None)
    assert last_reply(output).text.startswith("error: A person refused this look.\n")


async def test_a_response_of_the_reviewer_is_evidence_and_can_be_cited():
    run = Run(LOOK, turn("", answer("A", "", [CITED])), review_above_frames=32)
    await run(QUESTION)
    output = await run.decide(type="respond", message="The ball is red.")
    assert "[video 1, 0.0-10.0 s] The ball is red." in last_reply(output).text
    (observation,) = output["observations"]
    assert observation.model == "human" and observation.cost.frames == 0
    assert output["answer"].citations[0].start_s == 2.0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("yes", "types are approve, edit, reject, respond"),
        ({"decisions": []}, "types are"),
        ({"decisions": [{"type": "maybe"}]}, "types are"),
        ({"decisions": [{"type": "edit", "edited_action": {"name": "listen", "args": {}}}]}, "another tool"),
        ({"decisions": [{"type": "edit", "edited_action": {"args": {"targets": []}}}]}, "targets"),
        ({"decisions": [{"type": ["approve"]}]}, "`type`: "),
        ({"decisions": ["approve"]}, "types are"),
        ({"decisions": [{"type": "edit", "edited_action": "observe"}]}, "`edited_action`: "),
        ({"decisions": [{"type": "edit", "edited_action": {"name": "observe", "args": "all"}}]}, "valid dictionary"),
        ({"decisions": [{"type": "reject", "message": 5}]}, "`message`: "),
        ({"decisions": [{"type": "respond", "message": ["a red car"]}]}, "`message`: "),
        ({"decisions": [{"type": "respond", "message": None}]}, "needs a message"),
        ({"decisions": [{"type": "respond", "message": " "}]}, "needs a message"),
    ],
)
async def test_an_invalid_decision_is_requested_again(given, says):
    run = Run(LOOK, turn("", answer("A")), review_above_frames=32)
    await run(QUESTION)
    (request,) = waiting(await run(Command(resume=given)))
    assert says in request["action_requests"][0]["description"]
    output = await run.decide(type="approve")
    assert output["answer"].value == "A" and len(run.perception.requests) == 1


async def test_each_expensive_observation_is_reviewed_separately_and_cheap_ones_run():
    calls = [observe((1, 0, 10, 64), id="x"), listen(1, 0, 50, id="y"), observe((2, 0, 5, 2), id="z")]
    run = Run(turn("", *calls), turn("", answer("A")), review_above_frames=32, review_above_audio_s=30)
    output = await run(QUESTION)
    ids = {one.value["action_requests"][0]["name"]: one.id for one in output["__interrupt__"]}
    assert set(ids) == {"observe", "listen"}
    assert [request.targets[0].video for request in run.perception.requests] == [2]
    resume = {
        ids["observe"]: {"decisions": [{"type": "approve"}]},
        ids["listen"]: {"decisions": [{"type": "reject"}]},
    }
    output = await run(Command(resume=resume))
    assert output["answer"].value == "A" and len(run.perception.requests) == 2
    replies = [message.tool_call_id for message in policy_messages(output) if isinstance(message, ToolMessage)]
    assert replies == ["x", "y", "z", "done"]
