"""Time travel on the real graph: fork a finished run at a turn, with another observation."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import CVRContext, InputError, SetupError, create_cvr_graph, retake, trajectory_of
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn

QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
CONFIG = {"configurable": {"thread_id": "t"}}
LOOK = turn("", observe((1, 0, 10, 4), (2, 0, 10, 4)))
OTHER = {"name": "observe", "args": {"targets": [{"video": 2, "start_s": 30.0, "end_s": 40.0, "frames": 6}]}}


def graph_of(*turns, **options):
    return create_cvr_graph(FakeMaster(turns=list(turns)), FakePerception(), **options).compile(
        checkpointer=InMemorySaver()
    )


async def test_a_finished_run_can_be_forked_at_a_turn():
    graph = graph_of(LOOK, turn("", observe((1, 0, 5, 2))), turn("", answer("A")), turn("", answer("B")))
    first = trajectory_of(await graph.ainvoke(QUESTION, CONFIG))
    fork = await retake(graph, CONFIG, 2, [OTHER])
    second = trajectory_of(await graph.ainvoke(None, fork))
    assert (first.answer.value, second.answer.value) == ("A", "B")
    assert second.turns[0] == first.turns[0]
    (action,) = second.turns[1].actions
    assert action.observation.windows[0].start_s == 30.0 and action.reply.startswith("seen: video 2, 30.0-40.0 s")
    assert (first.usage.frames, second.usage.frames) == (10, 14)
    history = [snapshot async for snapshot in graph.aget_state_history(CONFIG)]
    assert any(snapshot.values.get("answer") and snapshot.values["answer"].value == "A" for snapshot in history)


async def test_a_forked_turn_may_answer_instead():
    graph = graph_of(LOOK, turn("", observe((1, 0, 5, 2))), turn("", answer("A")))
    await graph.ainvoke(QUESTION, CONFIG)
    fork = await retake(graph, CONFIG, 2, [{"name": "answer", "args": {"value": "B"}}])
    output = await graph.ainvoke(None, fork)
    assert output["answer"].value == "B" and output["usage"].frames == 8


async def test_a_fork_needs_the_name_of_a_thread():
    with pytest.raises(InputError, match=r"The config names no thread\. Pass \{'configurable': \{'thread_id'"):
        await retake(graph_of(LOOK), {}, 1, [OTHER])


async def test_only_the_last_question_of_a_thread_can_be_forked():
    graph = graph_of(LOOK, turn("", observe((1, 0, 5, 2))), turn("", answer("A")), turn("", answer("B", id="x")))
    await graph.ainvoke(QUESTION, CONFIG)
    await graph.ainvoke(QUESTION | {"question": "Which is green?"}, CONFIG)
    with pytest.raises(InputError, match="It has turns 1 to 1"):
        await retake(graph, CONFIG, 2, [OTHER])
    fork = await retake(graph, CONFIG, 1, [{"name": "answer", "args": {"value": "A"}}])
    output = await graph.ainvoke(None, fork)
    assert output["checked_question"].question == "Which is green?" and output["answer"].value == "A"


async def test_budgets_also_apply_to_a_fork():
    context = CVRContext(max_frames=12)
    graph = graph_of(LOOK, turn("", answer("A")), turn("", answer("A")))
    await graph.ainvoke(QUESTION, CONFIG, context=context)
    fork = await retake(graph, CONFIG, 2, [OTHER], context=context)
    output = await graph.ainvoke(None, fork, context=context)
    assert output["usage"].frames == 12


async def test_a_fork_uses_the_dialect_of_the_master():
    said = '{"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 9, "frames": 2}]}}'
    end = AIMessage('{"action": "answer", "arguments": {"value": "A"}}')
    graph = graph_of(AIMessage(said), end, end)
    context = CVRContext(dialect="json", min_evidence=0)
    await graph.ainvoke(QUESTION, CONFIG, context=context)
    fork = await retake(graph, CONFIG, 1, [OTHER], context=context)
    output = await graph.ainvoke(None, fork, context=context)
    assert not any(isinstance(message, ToolMessage) for message in policy_messages(output))
    assert output["observations"][0].windows[0].start_s == 30.0


@pytest.mark.parametrize(
    ("number", "call", "says"),
    [
        (5, OTHER, r"no turn 5\. It has turns 1 to 2"),
        (1, {"name": "smell", "args": {}}, "no tool 'smell'"),
        (1, {"name": "listen", "args": {"video": "x"}}, "listen: video"),
        (1, {"tool": "observe"}, r"\{'tool': 'observe'\} is not a call\. Write it as"),
        (1, "observe", r"'observe' is not a call"),
        (0, OTHER, "no turn 0"),
        ("1", OTHER, r"no turn '1'\. It has turns 1 to 2"),
    ],
)
async def test_invalid_retakes_raise_input_error(number, call, says):
    graph = graph_of(LOOK, turn("", answer("A")))
    await graph.ainvoke(QUESTION, CONFIG)
    with pytest.raises(InputError, match=says):
        await retake(graph, CONFIG, number, [call])


async def test_a_graph_without_a_checkpointer_cannot_be_forked():
    graph = create_cvr_graph(FakeMaster(turns=[]), FakePerception()).compile()
    with pytest.raises(SetupError, match=r"has no checkpointer.*Compile it with one"):
        await retake(graph, CONFIG, 1, [OTHER])


async def checkpoint_before(graph, *nodes):
    """Return the last checkpoint whose next tasks are `nodes`."""
    history = [one async for one in graph.aget_state_history(CONFIG)]
    return next(one for one in history if one.next == nodes)


def edited(message, **args):
    """Return the master's message as JSON, as a user's form would send it, with other arguments for its only call."""
    (call,) = message.tool_calls
    return message.model_dump(mode="json") | {"tool_calls": [call | {"args": args}]}


@pytest.mark.parametrize("after", [True, False], ids=["in the state after it", "in the state before it"])
async def test_a_turn_edited_by_the_user_runs_as_edited(after):
    graph = graph_of(LOOK, turn("", observe((1, 0, 5, 2), id="second")), turn("", answer("A")), turn("", answer("B")))
    first = trajectory_of(await graph.ainvoke(QUESTION, CONFIG))
    looked = await checkpoint_before(graph, "visual_agent")
    spoken = policy_messages(looked.values)[-1]
    place = looked.config if after else looked.parent_config
    update = {"policy_messages": [edited(spoken, **OTHER["args"])]}
    fork = await graph.aupdate_state(place, update, as_node="master")
    second = trajectory_of(await graph.ainvoke(None, fork))
    assert (first.answer.value, second.answer.value) == ("A", "B")
    assert [action.observation.windows[0].start_s for action in second.turns[1].actions] == [30.0]
    assert len(second.turns) == 3 and second.turns[0] == first.turns[0]
    assert (second.usage.frames, second.usage.model_calls) == (14, 3 if after else 2)


async def test_calls_that_share_an_id_are_not_an_edit():
    twice = turn("", observe((1, 0, 5, 2), id="same"), observe((2, 0, 5, 2), id="same"))
    output = await graph_of(twice, turn("", answer("A"))).ainvoke(QUESTION, CONFIG)
    assert output["answer"].value == "A" and output["usage"].model_calls == 2


async def test_an_answer_edited_by_the_user_is_the_final_answer():
    graph = graph_of(LOOK, turn("", answer("A")))
    await graph.ainvoke(QUESTION, CONFIG)
    place = await checkpoint_before(graph, "conclude")
    fork = await graph.aupdate_state(
        place.config, {"policy_messages": [edited(policy_messages(place.values)[-1], value="B")]}, as_node="master"
    )
    output = await graph.ainvoke(None, fork)
    assert output["answer"].value == "B" and output["usage"].frames == 8


async def test_state_written_by_a_client_as_json_is_parsed_into_typed_values():
    graph = graph_of(LOOK, turn("", answer("A")), turn("", answer("B")))
    await graph.ainvoke(QUESTION, CONFIG)
    place = await checkpoint_before(graph, "visual_agent")
    names = (
        "checked_question",
        "sources",
        "answer",
        "failure",
        "usage",
        "clock",
        "assignments",
        "draft",
        "spent",
        "observations",
    )
    written = {name: place.values[name] for name in names} | {"spent": {"input_tokens": 5}}
    fork = await graph.aupdate_state(place.config, json.loads(json.dumps(written, default=dict)), as_node="master")
    values = (await graph.aget_state(fork)).values
    assert {name: values[name] for name in names[:8]} == {name: place.values[name] for name in names[:8]}
    assert values["spent"].input_tokens == 5 and values["spent"].model_calls == 1
    output = await graph.ainvoke(None, fork)
    assert output["answer"].value == "B" and output["usage"].frames == 8
