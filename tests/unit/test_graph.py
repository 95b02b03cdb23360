"""The agent loop on the real graph with a fake model: what runs, what is rejected, what fails, and how it ends."""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from agentcvr_graph import CVRContext, InfrastructureError, InputError, SetupError, VideoError, create_cvr_graph
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.prompts import RECORDED, SKIPPED
from agentcvr_graph.models.clients.errors import is_transient
from agentcvr_graph.render import TOO_LATE
from agentcvr_graph.server import ServerContext
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn

QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
LOOK = turn("look", observe((1, 0, 10, 4), (2, 0, 10, 4)))
QUICK = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=is_transient)


async def run(turns, perception=None, context=None, given=QUESTION, **kwargs):
    master = FakeMaster(turns=list(turns))
    graph = create_cvr_graph(master, perception or FakePerception(), retry=QUICK, **kwargs).compile()
    return await graph.ainvoke(given, context=context), master


async def test_observe_then_answer():
    cited = {"video": 1, "start_s": 2, "end_s": 4, "modality": "visual"}
    output, _ = await run([LOOK, turn("", answer("A", "it is red", [cited]))])
    assert output["answer"].value == "A"
    assert output["answer"].text == "the first"
    assert output["answer"].citations[0].model_dump() == cited | {"start_s": 2.0, "end_s": 4.0}
    assert output["failure"] is None
    assert output["usage"].frames == 8
    assert output["usage"].model_calls == 2
    assert [o.call_id for o in output["observations"]] == ["call_0"]
    assert policy_messages(output)[-1].text == RECORDED


async def test_citations_are_clipped_and_what_was_dropped_is_noted():
    cited = [
        {"video": 1, "start_s": 8, "end_s": 99, "modality": "visual"},
        {"video": 7, "start_s": 0, "end_s": 5, "modality": "visual"},
        {"video": 1, "start_s": 5, "end_s": 2, "modality": "visual"},
    ]
    output, _ = await run([LOOK, turn("", answer("A", "it is red", cited))])
    assert [(one.start_s, one.end_s) for one in output["answer"].citations] == [(8.0, 60.0)]
    assert policy_messages(output)[-1].text.splitlines() == [
        RECORDED,
        "note: a citation was dropped: There is no video 7; the videos are 1 to 2.",
        "note: a citation was dropped: The window 5.0-2.0 s of video 1 must end after its start.",
    ]


async def test_calls_of_a_turn_run_in_parallel_and_merge_in_call_order():
    class Slow(FakePerception):
        running = most = 0

        async def listen(self, request, videos):
            Slow.running += 1
            Slow.most = max(Slow.most, Slow.running)
            await asyncio.sleep(0.05 if request.window.video == 1 else 0.0)
            Slow.running -= 1
            return await super().listen(request, videos)

    calls = [listen(1, 0, 5, id="x"), listen(2, 0, 5, id="y"), observe((1, 0, 5, 2), id="z")]
    output, _ = await run([turn("", *calls), turn("", answer("A"))], Slow())
    assert Slow.most == 2
    assert [m.tool_call_id for m in policy_messages(output) if isinstance(m, ToolMessage)] == ["x", "y", "z", "done"]
    assert [o.call_id for o in output["observations"]] == ["x", "y", "z"]


async def test_a_failing_call_does_not_affect_the_other_calls_of_its_turn():
    class Broken(FakePerception):
        tries = 0

        async def observe(self, request, videos):
            Broken.tries += 1
            raise InfrastructureError("The vision server is down.", fix="Try again later.", transient=True)

    calls = [observe((1, 0, 5, 2), id="x"), listen(1, 0, 5, id="y"), listen(2, 0, 5, id="z")]
    output, master = await run([turn("", *calls), turn("", answer("B"))], Broken())
    assert len(master.seen) == 2
    replies = {m.tool_call_id: m.text for m in policy_messages(output) if isinstance(m, ToolMessage)}
    assert replies["x"].startswith("error: The vision server is down. Try again later.")
    assert replies["y"].startswith("heard: video 1")
    assert Broken.tries == 3
    assert output["answer"].value == "B"


async def test_permanent_errors_are_not_retried():
    class Broken(FakePerception):
        tries = 0

        async def listen(self, request, videos):
            Broken.tries += 1
            raise InfrastructureError("No such track.")

    await run([turn("", listen(1, 0, 5), observe((2, 0, 5, 1))), LOOK, turn("", answer("A"))], Broken())
    assert Broken.tries == 1


async def test_the_master_continues_when_every_call_of_a_turn_failed():
    class Deaf(FakePerception):
        async def listen(self, request, videos):
            raise InfrastructureError("No such track.")

    both = turn("", listen(1, 0, 5, id="x"), listen(2, 0, 5, id="y"))
    output, master = await run([turn("", listen(1, 0, 5)), both, LOOK, turn("", answer("A"))], Deaf())
    assert [len(messages) for messages in master.seen] == [2, 4, 7, 9]
    assert output["answer"].value == "A" and output["usage"].model_calls == 4


async def test_a_run_without_any_successful_observation_ends_in_an_infrastructure_failure():
    class Gone(FakePerception):
        async def observe(self, request, videos):
            raise InfrastructureError("The camera is gone.")

    output, _ = await run([LOOK, LOOK, turn("", answer("A"))], Gone(), CVRContext(max_turns=3))
    assert output["answer"] is None
    assert output["failure"].boundary == "infrastructure" and "The camera is gone." in output["failure"].message


async def test_a_slow_observation_is_stopped_and_reported_to_the_master():
    class Asleep(FakePerception):
        async def listen(self, request, videos):
            await asyncio.sleep(30)

    output, _ = await run([turn("", listen(1, 0, 5)), LOOK, turn("", answer("A"))], Asleep(), timeout_s=0.5)
    reply = next(m for m in policy_messages(output) if isinstance(m, ToolMessage))
    assert "took too long" in reply.text
    assert output["answer"].value == "A"


async def test_invalid_calls_are_reported_as_errors_and_valid_ones_are_executed():
    calls = [observe((9, 0, 5, 2), id="x"), {"name": "dance", "args": {}, "id": "y"}, listen(1, 50, 99, id="z")]
    output, _ = await run([turn("", *calls), LOOK, turn("", answer("A"))])
    replies = {m.tool_call_id: m.text for m in policy_messages(output) if isinstance(m, ToolMessage)}
    assert replies["x"] == "error: There is no video 9; the videos are 1 to 2."
    assert replies["y"] == "error: There is no tool 'dance'; the tools are observe, listen, answer."
    assert replies["z"].startswith("heard: video 1, 50.0-60.0 s")


async def test_invalid_json_in_a_call_is_reported_to_the_master():
    bad = AIMessage("", invalid_tool_calls=[{"name": "observe", "args": "{", "id": "x", "error": None}])
    output, _ = await run([bad, LOOK, turn("", answer("A"))])
    assert output["answer"].value == "A"
    assert "not valid JSON" in policy_messages(output)[3].text


async def test_an_answer_is_rejected_until_every_video_was_observed():
    turns = [turn("", answer("A", id="early")), turn("", observe((1, 0, 5, 1))), turn("", answer("A", id="again"))]
    output, _ = await run([*turns, LOOK, turn("", answer("B"))])
    replies = {m.tool_call_id: m.text for m in policy_messages(output) if isinstance(m, ToolMessage)}
    assert replies["early"] == "error: Not yet: look at or listen to video 1 and 2 before you answer."
    assert replies["again"] == "error: Not yet: look at or listen to video 2 before you answer."
    assert output["answer"].value == "B"


async def test_min_evidence_zero_allows_an_answer_without_observations():
    output, _ = await run([turn("", answer("A"))], context=CVRContext(min_evidence=0))
    assert output["answer"].value == "A"


async def test_an_invalid_answer_may_be_corrected_once():
    output, _ = await run([LOOK, turn("", answer("Q", id="bad")), turn("", answer("B"))])
    replies = {m.tool_call_id: m.text for m in policy_messages(output) if isinstance(m, ToolMessage)}
    assert replies["bad"] == "error: 'Q' is not one of the options A to B."
    assert output["answer"].value == "B"


async def test_two_invalid_answers_are_a_failure_of_the_master():
    output, _ = await run([LOOK, turn("", answer("Q")), turn("", answer("R"))])
    assert output["answer"] is None
    assert output["failure"].boundary == "master"
    assert "'R' is not one of the options" in output["failure"].message


async def test_a_turn_without_an_action_is_sent_back_to_the_master():
    output, _ = await run([AIMessage("hm"), LOOK, AIMessage("I think so"), turn("", answer("A"))])
    assert output["answer"].value == "A"
    complaints = [m.text for m in policy_messages(output) if isinstance(m, HumanMessage)][1:]
    assert complaints == ["That turn held no action. Call observe, listen or answer."] * 2


@pytest.mark.parametrize(
    ("last", "quoted"),
    [
        (turn("I would\nlike a \x07sandwich."), 'Its last turn was: "I would like a sandwich."'),
        (turn("word " * 99), 'Its last turn was: "' + ("word " * 40).strip() + '..."'),
        (turn("Hm.", {"name": "look_at", "args": {"video": 1}}), """Its last turn was: "Hm. look_at({"video": 1})\""""),
        (turn(""), "Its last turn was empty."),
    ],
    ids=["words", "shortened", "a call", "nothing"],
)
async def test_a_run_without_a_usable_action_quotes_the_last_turn(last, quoted):
    output, _ = await run([turn("Hello."), turn("Hello again."), last])
    assert output["failure"].boundary == "master"
    assert output["failure"].message == f"The master gave no usable action in 3 turns in a row. {quoted}"


async def test_three_turns_without_an_action_are_a_failure_of_the_master():
    output, _ = await run([AIMessage("hm")] * 3)
    assert output["failure"].boundary == "master"
    assert output["answer"] is None


async def test_only_answer_is_allowed_in_the_last_turn():
    context = CVRContext(max_turns=2)
    output, master = await run([LOOK, turn("", answer("A"))], context=context)
    assert master.seen[1][-1].text.startswith("Out of turns: call answer now")
    output, master = await run([LOOK, turn("", listen(1, 0, 5)), turn("", answer("B"))], context=context)
    assert master.seen[2][-1].text == f"error: {TOO_LATE}"
    assert output["answer"].value == "B"


class Trained(FakeMaster):
    """A master that states how many turns it was trained with."""

    trained_turns: int = 6


@pytest.mark.parametrize(
    ("context", "left"),
    [
        (None, "left: 6 turns, 512 frames,"),
        (CVRContext(max_frames=9), "left: 6 turns, 9 frames,"),
        (CVRContext(max_turns=4), "left: 4 turns, 512 frames,"),
    ],
)
async def test_a_run_has_the_turns_of_its_masters_training_unless_it_states_others(context, left):
    master = Trained(turns=[LOOK, turn("", answer("A"))])
    await create_cvr_graph(master, FakePerception()).compile().ainvoke(QUESTION, context=context)
    assert left in master.seen[0][-1].text


async def test_a_master_that_does_not_answer_in_the_last_turn_fails():
    output, _ = await run([LOOK] * 3, context=CVRContext(max_turns=2))
    assert output["failure"].boundary == "master"


@pytest.mark.parametrize(
    ("context", "name"),
    [
        (CVRContext(max_frames=8), "frames"),
        (CVRContext(max_audio_s=5.0), "audio seconds"),
        (CVRContext(max_tokens=10), "tokens"),
        (CVRContext(max_wall_s=0.5), "seconds of time"),
    ],
)
async def test_a_spent_budget_forces_an_answer(context, name):
    look = turn("", observe((1, 0, 10, 4), (2, 0, 10, 4)), listen(1, 0, 30))
    look.usage_metadata = {"input_tokens": 8, "output_tokens": 4, "total_tokens": 12}

    class Slow(FakePerception):
        async def listen(self, request, videos):
            await asyncio.sleep(0.6 if name == "seconds of time" else 0.0)
            return await super().listen(request, videos)

    output, master = await run([look, turn("", answer("A"))], Slow(), context=context)
    assert f"Out of {name}" in master.seen[1][-1].text
    assert output["answer"].value == "A"
    assert output["usage"].frames <= context.max_frames
    assert output["usage"].audio_s <= context.max_audio_s


async def test_parallel_calls_share_one_budget_and_the_master_sees_it():
    calls = [observe((1, 0, 10, 6), id="x"), observe((2, 0, 10, 6), id="y")]
    output, _ = await run([turn("", *calls), turn("", answer("A"))], context=CVRContext(max_frames=10))
    assert [len(o.frame_times_s[0]) for o in output["observations"]] == [6, 4]
    replies = {m.tool_call_id: m.text for m in policy_messages(output) if isinstance(m, ToolMessage)}
    assert replies["y"].endswith("left: 11 turns, 0 frames, 7200 audio seconds")
    assert "left:" not in replies["x"]


async def test_other_calls_in_the_turn_of_an_answer_are_skipped():
    perception = FakePerception()
    output, _ = await run([LOOK, turn("", listen(1, 0, 5, id="x"), answer("A"))], perception)
    replies = {m.tool_call_id: m.text for m in policy_messages(output) if isinstance(m, ToolMessage)}
    assert replies["x"] == SKIPPED
    assert len(perception.requests) == 1


async def test_actions_are_parsed_from_json_text():
    actions = [
        {"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 5, "frames": 2}]}},
        {"action": "listen", "arguments": {"video": 2, "start_s": 0, "end_s": 5}},
    ]
    turns = [
        AIMessage(f"<think>{{}} where?</think>Let me look.\n```json\n{json.dumps(actions)}\n```"),
        AIMessage('{"name": "answer", "arguments": {"value": "b"}}'),
    ]
    output, master = await run(turns, context=CVRContext(dialect="json"))
    assert output["answer"].value == "B"
    assert "Act by writing JSON" in master.seen[0][0].text
    replies = master.seen[1][-1]
    assert isinstance(replies, HumanMessage)
    assert "seen: video 1" in replies.text
    assert "heard: video 2" in replies.text


async def test_a_failing_master_model_is_an_infrastructure_failure():
    output, master = await run([InfrastructureError("The server is down.", transient=True)] * 3)
    assert output["failure"].boundary == "infrastructure"
    assert "The server is down." in output["failure"].message
    assert len(master.seen) == 3
    assert output["usage"].wall_s > 0


async def test_a_transient_failure_of_the_master_is_retried():
    output, _ = await run([InfrastructureError("busy", transient=True), LOOK, turn("", answer("A"))])
    assert output["answer"].value == "A"


async def test_a_setup_error_ends_the_run():
    with pytest.raises(SetupError, match="no key"):
        await run([SetupError("There is no key.")])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"question": "   "}, "The question is empty."),
        ({"videos": []}, "There is no video"),
        ({"videos": [" "]}, "A video has an empty name."),
        ({"options": ["a", " "]}, "An option is empty."),
        ({"kind": "choice", "options": []}, "at least 2 options"),
        ({"options": [str(n) for n in range(30)]}, "30 options are more than there are letters."),
        ({"kind": "maybe"}, "Unknown answer kind 'maybe'."),
        ({"kind": "order", "videos": ["a.mp4"], "options": []}, "only one thing to put in order"),
    ],
)
async def test_bad_input_raises_a_one_line_error(change, says):
    with pytest.raises(InputError) as error:
        await run([], given=QUESTION | change)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


class OneUnreadable(FakePerception):
    async def probe(self, video, number):
        if video.source == "b.mp4":
            raise VideoError("b.mp4", "it cannot be read.", fix="Check it.")
        return await super().probe(video, number)


async def test_an_unreadable_video_stops_the_run_before_any_cost():
    with pytest.raises(InputError, match=r"b.mp4: it cannot be read"):
        await run([], OneUnreadable())


async def test_an_unreadable_video_can_be_reported_to_the_master_instead():
    turns = [turn("", observe((1, 0, 5, 1), (2, 0, 5, 1))), turn("", answer("A"))]
    output, master = await run(turns, OneUnreadable(), CVRContext(unreadable="continue"))
    assert '2. "b": cannot be read (b.mp4: it cannot be read. Check it.)' in master.seen[0][1].text
    assert output["answer"].value == "A"
    assert "note: Video 2 cannot be read" in master.seen[1][-1].text


async def test_a_follow_up_question_keeps_the_evidence():
    master = FakeMaster(turns=[LOOK, turn("", answer("A")), turn("", answer("two", id="second"))])
    graph = create_cvr_graph(master, FakePerception()).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(QUESTION, config)
    output = await graph.ainvoke({"question": "How many are there?", "videos": QUESTION["videos"]}, config)
    assert output["answer"].kind == "text"
    assert output["answer"].value == "two"
    assert output["usage"].model_calls == 1
    assert len(output["observations"]) == 1


async def test_failed_observations_of_an_earlier_question_do_not_affect_a_later_one():
    class Recovering(FakePerception):
        async def observe(self, request, videos):
            if not self.requests:
                self.requests.append(request)
                raise InfrastructureError("The camera is gone.")
            return await super().observe(request, videos)

    only_answer = CVRContext(max_turns=2)
    master = FakeMaster(turns=[LOOK, turn("", answer("A")), turn("", answer("B", id="second"))])
    graph = create_cvr_graph(master, Recovering()).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    first = await graph.ainvoke(QUESTION, config, context=only_answer)
    assert first["failure"].boundary == "infrastructure" and "The camera is gone." in first["failure"].message
    second = await graph.ainvoke(QUESTION | {"question": "Which is green?"}, config, context=CVRContext(max_turns=1))
    assert second["failure"] is None and second["answer"].value == "B"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"options": [str(n) for n in range(10_000)]}, "at most 26 options"),
        ({"videos": ["a.mp4"] * 10_001}, "at most 10,000"),
        ({"question": "why? " * 10_000}, "49,999 characters"),
        ({"options": ["x", "y" * 30_000]}, "30,000 characters"),
    ],
)
async def test_oversized_input_is_refused_before_any_video_is_opened(more, says):
    perception = FakePerception()
    with pytest.raises(InputError, match=says):
        await run([], perception, given=QUESTION | more)
    assert not perception.requests


async def test_other_videos_start_a_new_conversation():
    master = FakeMaster(turns=[LOOK, turn("", answer("A")), turn("", answer("B", id="x")), LOOK, turn("", answer("B"))])
    graph = create_cvr_graph(master, FakePerception()).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(QUESTION, config)
    output = await graph.ainvoke(QUESTION | {"videos": ["c.mp4", "d.mp4"]}, config)
    assert [m.type for m in policy_messages(output)].count("system") == 1
    assert "Not yet" in policy_messages(output)[3].text


async def test_progress_reaches_the_stream_of_a_parent_graph():
    class Parent(TypedDict):
        question: str
        videos: list
        options: list[str]
        answer: object

    child = create_cvr_graph(FakeMaster(turns=[LOOK, turn("", answer("A"))]), FakePerception(), name="child").compile()
    assert child.name == "child"
    parent = StateGraph(Parent)
    parent.add_node("cvr", child)
    parent.add_edge(START, "cvr")
    parent.add_edge("cvr", END)
    events, final = [], None
    async for _, mode, event in parent.compile().astream(QUESTION, stream_mode=["custom", "values"], subgraphs=True):
        if mode == "custom":
            events.append(event)
        else:
            final = event
    assert final["answer"].value == "A"
    assert [event["stage"] for event in events] == [
        "brief",
        "master",
        "visual_agent",
        "visual_agent",
        "master",
        "conclude",
    ]
    assert events[2]["windows"][0] == {"video": 1, "start_s": 0.0, "end_s": 10.0}


async def test_models_may_be_chosen_by_the_context():
    # A new fake starts again at its first turn, so every call within a run must return the same object.
    chosen = {}
    graph = create_cvr_graph(
        lambda context: chosen.setdefault(
            context.master, FakeMaster(turns=[LOOK, turn("", answer("A", context.master))])
        ),
        lambda context: FakePerception(),
        context_schema=ServerContext,
    )
    output = await graph.compile().ainvoke(QUESTION, context=ServerContext(master="some:model"))
    assert output["answer"].rationale == "some:model"


@pytest.mark.parametrize(
    ("master", "perception", "says"),
    [
        ("offline", FakePerception(), "`master` is 'offline'. Pass a chat model, such as resolve_chat_model"),
        (None, FakePerception(), "`master` is None."),
        (FakePerception(), FakePerception(), "`master` is an object of FakePerception."),
        (FakeMaster, FakePerception(), "`master` is the class FakeMaster."),
        (FakeMaster(turns=[]), "offline", "`perception` is 'offline'. Pass a perception, such as"),
        (FakeMaster(turns=[]), FakePerception, "`perception` is the class FakePerception."),
        (FakeMaster(turns=[]), FakeMaster(turns=[]), "`perception` is an object of FakeMaster."),
    ],
)
def test_a_master_or_perception_of_another_type_is_refused_when_the_graph_is_built(master, perception, says):
    with pytest.raises(SetupError) as error:
        create_cvr_graph(master, perception)
    assert says in str(error.value)
