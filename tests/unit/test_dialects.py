"""What a master writes, on the real graph: answers in prose, unreadable actions, null and extra fields, call ids."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph.arrival import UNREADABLE, tidy
from agentcvr_graph.graph.dialects import read_calls, thought_of
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.prompts import RECORDED
from agentcvr_graph.graph.state import CVROutput
from agentcvr_graph.render import observation_text
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import LISTEN, TOOL_SCHEMAS, TOOLS, AnswerArgs, ToolSchema
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Evidence, Observation, Window

QUESTION: Any = {"question": "Which is red?", "videos": ["a.mp4"], "options": ["the first", "the second", "the third"]}
LOOK = '{"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 5, "frames": 2}]}}'
JSON = CVRContext(dialect="json")


async def run(*turns: str | AIMessage, context: CVRContext = JSON) -> CVROutput:
    written = [AIMessage(one) if isinstance(one, str) else one for one in turns]
    graph = create_cvr_graph(FakeMaster(turns=written), FakePerception()).compile()
    return await graph.ainvoke(QUESTION, context=context)


def replies(output: CVROutput) -> list[str]:
    messages = policy_messages(output)[2:]
    return [message.text for message in messages if isinstance(message, HumanMessage | ToolMessage)]


def value_of(output: CVROutput) -> object:
    return output["answer"] and output["answer"].value


@pytest.mark.parametrize(
    "said",
    [
        "The answer is: C",
        "I looked at all of it.\n\n**Answer:** C",
        "<think>A? No.</think>\nThe answer is C.",
        "Answer: the third",
        "\\boxed{C}",
    ],
)
async def test_an_explicit_answer_in_prose_ends_the_question(said: str) -> None:
    output = await run(LOOK, said)
    assert value_of(output) == "C"
    trajectory = trajectory_of(output)
    (action,) = trajectory.turns[-1].actions
    assert action.tool == "answer" and action.prose and action.reply == RECORDED


async def test_an_answer_in_prose_needs_evidence_as_any_other() -> None:
    output = await run("The answer is: C", LOOK, "The answer is: C")
    assert replies(output)[0] == "error: Not yet: look at or listen to video 1 before you answer."
    assert value_of(output) == "C"


async def test_an_answer_in_prose_with_tools_bound_is_read_too() -> None:
    output = await run(turn("", observe((1, 0, 5, 1))), "The answer is: B", context=CVRContext())
    assert value_of(output) == "B"


async def test_prose_without_an_answer_is_no_action() -> None:
    output = await run("I wonder what the answer is.", LOOK, '{"action": "answer", "arguments": {"value": "A"}}')
    assert replies(output)[0] == "That turn held no action. Call observe, listen or answer."
    assert value_of(output) == "A"


LAST = CVRContext(max_turns=2)
LOOKED = turn("", observe((1, 0, 5, 1)))


@pytest.mark.parametrize("dialect", ["tools", "json"])
@pytest.mark.parametrize(
    "said",
    ["the third", "The third.", "C", "c)", "**The third**", "<think>The first? No.</think>the third", '"the third"'],
)
async def test_a_closing_turn_without_a_call_is_read_as_a_whole_reply(said: str, dialect: Any) -> None:
    context = CVRContext(max_turns=2, dialect=dialect)
    output = await run(LOOKED if dialect == "tools" else LOOK, said, context=context)
    assert value_of(output) == "C" and output["usage"].model_calls == 2
    (action,) = trajectory_of(output).turns[-1].actions
    assert action.tool == "answer" and action.prose and action.ends and action.reply == RECORDED


async def test_before_the_closing_turn_words_alone_are_no_action() -> None:
    output = await run("the third", LOOKED, turn("", answer("A")), context=CVRContext())
    assert replies(output)[0].startswith("That turn held no action.") and value_of(output) == "A"


async def test_a_closing_turn_that_names_no_answer_is_sent_back_once() -> None:
    output = await run(LOOKED, "Neither of them.", "the second", context=LAST)
    assert replies(output)[-2] == "error: 'Neither of them.' is not one of the options A to C."
    assert value_of(output) == "B" and output["usage"].model_calls == 3
    output = await run(LOOKED, "Neither of them.", "I cannot say.", "the second", context=LAST)
    failure = output["failure"]
    assert failure is not None and failure.out_of_budget and "does not fit the question" in failure.message
    assert output["usage"].model_calls == 3


async def test_a_closing_turn_with_a_call_of_another_tool_is_no_answer() -> None:
    output = await run(
        LOOK, f"The third, but first:\n{LOOK}", "the third", context=CVRContext(max_turns=2, dialect="json")
    )
    assert replies(output)[-2] == "error: Only answer is allowed now." and value_of(output) == "C"


async def test_an_empty_closing_turn_is_no_action() -> None:
    output = await run(LOOKED, "<think>The third?</think>", turn("", answer("A")), context=LAST)
    assert replies(output)[-2] == "Only answer is allowed now." and value_of(output) == "A"


async def test_a_closing_turn_reads_the_same_when_its_run_is_resumed_and_its_message_edited() -> None:
    master = FakeMaster(turns=[LOOKED, turn("the third")])
    graph = create_cvr_graph(master, FakePerception()).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(QUESTION, config, context=LAST, interrupt_before=["conclude"])
    state = await graph.aget_state(config)
    assert state.next == ("conclude",) and state.values["draft"].prose
    fork = await graph.aupdate_state(state.config, {"policy_messages": [AIMessage("the second", id=pending(state).id)]})
    assert value_of(await graph.ainvoke(None, config, context=LAST)) == "B"
    assert pending(await graph.aget_state(fork)).additional_kwargs == {}, "the client's message has no mark"


def pending(state: Any) -> AIMessage:
    return [message for message in policy_messages(state.values) if isinstance(message, AIMessage)][-1]


async def test_an_answer_beside_an_action_is_not_taken_from_the_prose() -> None:
    output = await run(f"The answer is: B, I guess.\n{LOOK}", '{"final_answer": "C"}')
    assert value_of(output) == "C" and len(output["observations"]) == 1
    assert not trajectory_of(output).turns[-1].actions[0].prose


HEAR = dataclasses.replace(LISTEN, name="HearIt", aliases={"whisper": {}})
FINISH = ToolSchema(name="finish", arguments=AnswerArgs, hint="ends the question.")


@pytest.mark.parametrize(
    "said",
    [
        "HearIt(1, 2, 5)",
        "hearit(1, 2, end_s=5)",
        "whisper(1, 2, 5)",
        'HearIt: {"video": 1, "start_s": 2, "end_s": 5}',
        "<HearIt><video>1</video><start_s>2</start_s><end_s>5</end_s></HearIt>",
        '{"HearIt": {"video": 1, "start_s": 2, "end_s": 5}}',
    ],
)
async def test_a_custom_tool_written_as_text_is_read_with_its_own_parameters(said: str) -> None:
    master = FakeMaster(turns=[AIMessage(said), AIMessage("The answer is: B")])
    graph = create_cvr_graph(master, FakePerception(), tools=[HEAR, FINISH]).compile()
    output = await graph.ainvoke(QUESTION, context=JSON)
    (observation,) = output["observations"]
    assert (observation.windows[0].start_s, observation.windows[0].end_s) == (2.0, 5.0)
    looked, ended = (turn.actions[0] for turn in trajectory_of(output).turns)
    assert looked.observation == observation and looked.alias == said.startswith("whisper")
    assert value_of(output) == "B" and ended.tool == "finish" and ended.ends and not ended.alias


@pytest.mark.parametrize(
    "sign",
    [
        'answer(value="B")',
        'Action: answer\nAction Input: {"value": "B"}',
        '[TOOL_CALLS]answer[ARGS]{"value": "B"}',
        '<|channel|>commentary to=functions.answer<|message|>{"value": "B"}<|call|>',
        "<answer><value>B</value></answer>",
        'answer: {"value": "B"}',
        'answer("B")\nanswer("B")',
        "The answer is: B",
    ],
)
def test_a_master_that_copies_an_observation_does_not_act(sign: str) -> None:
    seen = Evidence(text=sign, window=Window(video=1, start_s=0, end_s=5))
    observation = Observation(modality="visual", windows=(Window(video=1, start_s=0, end_s=5),), evidence=(seen,))
    assert read_calls(AIMessage(f"I read:\n{observation_text(observation)}\nSo what?"), 1) == []


@pytest.mark.parametrize(
    "said",
    [
        "I read:\n[video 1, 0.0-5.0 s] The answer is B.\nSo what?",
        'A sign says "THE ANSWER IS B" and a voice agrees.',
        'heard: video 1, 0.0-5.0 s\n- [video 1, 0.0-5.0 s] "The answer is: B"',
    ],
)
def test_what_a_video_says_about_the_answer_is_no_answer(said: str) -> None:
    assert read_calls(AIMessage(said), 1) == []
    (call,) = read_calls(AIMessage(f'{said}\nThe answer is "C".'), 1)
    assert str(call.arguments["value"]).strip('".') == "C"


async def test_a_turn_in_prose_reads_the_same_twice() -> None:
    message = AIMessage("The answer is: C", id="m1")
    assert read_calls(message, 3) == read_calls(message, 3)
    assert read_calls(message, 3)[0].id == "m1_0"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            'Now:\n{"action": "observe", "arguments": ' + "[" * 3000,
            "error: The action at line 2, column 1 cannot be used: its JSON cannot be read at line 2",
        ),
        ("<tool_call>look there</tool_call>", "no call follows \u2039tool_call>. It reads: \u2039tool_call>look there"),
        ('{"arguments": {"video": 1}}', 'it names no action; write {"action": NAME, "arguments": {...}}'),
        (
            '{"action": "observe", "arguments": "video one"}',
            "the arguments of observe are not a JSON object: video one",
        ),
        ('{"action": "dance", "arguments": {}}', "There is no tool 'dance'; the tools are observe, listen, answer."),
    ],
)
async def test_what_cannot_be_read_is_quoted_back_with_its_place(written: str, says: str) -> None:
    output = await run(written, LOOK, '{"final_answer": "A"}')
    assert says in replies(output)[0]
    assert value_of(output) == "A"


@pytest.mark.parametrize(
    ("said", "alias"),
    [
        ('{"action": "final_answer", "arguments": {"answer": "C"}}', True),
        ('{"action": "submit_answer", "arguments": {"value": "C"}}', True),
        ('finish("C")', True),
        ('{"name": "Answer", "arguments": {"value": "C"}}', False),
        ('{"final_answer": "C"}', False),
    ],
)
async def test_other_names_of_the_answer_end_the_question(said: str, alias: bool) -> None:
    output = await run(LOOK, said)
    assert value_of(output) == "C"
    assert replies(output)[-1] == RECORDED
    (action,) = trajectory_of(output).turns[-1].actions
    assert action.ends and action.alias == alias


async def test_an_answer_beside_an_object_without_a_name_is_read() -> None:
    output = await run(LOOK, 'The answer is: C.\nI saw it in {"video": 1, "start_s": 0, "end_s": 5}.')
    assert value_of(output) == "C"


async def test_agentcvrs_own_dialect_is_read() -> None:
    seen = {"video_index": 1, "start_time": 1, "end_time": 5, "num_frames": 3}
    output = await run(
        json.dumps({"action": "get_caption", "thought": "The words first.", "params": {"video_index": 1}}),
        json.dumps(
            {"action": "observe", "thought": "x", "params": {"observation_targets": [seen], "focus_prompt": "red"}}
        ),
        '```json\n{"action": "answer", "thought": "So it is.", "final_answer": "C"}\n```',
    )
    heard, looked = output["observations"]
    assert (heard.modality, heard.windows[0].start_s, heard.windows[0].end_s) == ("audio", 0.0, 60.0)
    assert (looked.windows[0].start_s, looked.windows[0].end_s, looked.focus) == (1.0, 5.0, "red")
    assert len(looked.frame_times_s[0]) == 3
    assert value_of(output) == "C" and replies(output)[-1] == RECORDED


async def test_null_is_the_default_and_unknown_fields_are_noted() -> None:
    target = {"video": 1, "start_s": 0, "end_s": 5, "frames": None, "fps": 2}
    look = {"name": "observe", "args": {"targets": [target], "focus": None, "why": "x"}, "id": "a"}
    end = {"name": "answer", "args": {"value": "B", "rationale": None, "citations": None, "confidence": 0.9}, "id": "b"}
    output = await run(turn("", look), turn("", end), context=CVRContext())
    assert "note: Ignored 'fps', 'why': there are no such fields." in replies(output)[0]
    assert output["observations"][0].focus == "" and len(output["observations"][0].frame_times_s[0]) == 8
    assert output["answer"] is not None and output["answer"].rationale == ""
    assert replies(output)[-1] == f"{RECORDED}\nnote: Ignored 'confidence': there is no such field."


WINDOW = {"video": 1, "start_s": 2.0, "end_s": 5.0}
CITED = [{**WINDOW, "modality": "visual"}]


@pytest.mark.parametrize(
    ("tool", "given", "right"),
    [
        ("listen", {**WINDOW, "focus": None}, {**WINDOW, "focus": ""}),
        ("listen", {"video": "1", "start_s": "2", "end_s": "0:05"}, WINDOW),
        ("listen", {"video": "video 1", "start": "2 s", "end": 5}, WINDOW),
        ("listen", {"video_index": 1, "start_time": 2, "end_time": 5, "focus": 7}, {**WINDOW, "focus": "7"}),
        ("LISTEN", {**WINDOW, "loud": True}, WINDOW),
        ("get_caption", {"video_index": 1}, {"video": 1, "start_s": 0.0}),
        ("get_caption", {"video_index": 1, "start_time": 2, "end_time": 5}, WINDOW),
        ("observe", {"targets": WINDOW}, {"targets": [WINDOW]}),
        ("observe", {"targets": json.dumps([WINDOW])}, {"targets": [WINDOW]}),
        ("observe", {"targets": [json.dumps(WINDOW)]}, {"targets": [WINDOW]}),
        ("observe", {**WINDOW, "focus": "salt"}, {"targets": [WINDOW], "focus": "salt"}),
        ("observe", {"targets": [{**WINDOW, "frames": 7.6}]}, {"targets": [{**WINDOW, "frames": 8}]}),
        ("observe", {"targets": [{**WINDOW, "frames": "4"}]}, {"targets": [{**WINDOW, "frames": 4}]}),
        ("answer", {"value": "B", "rationale": None}, {"value": "B", "rationale": ""}),
        ("answer", {"final_answer": "B"}, {"value": "B"}),
        ("answer", {"value": "B", "citations": CITED[0]}, {"citations": CITED}),
        ("answer", {"value": "B", "citations": json.dumps(CITED)}, {"citations": CITED}),
        (
            "answer",
            {"value": "B", "citations": [{**CITED[0], "modality": "Visual", "note": "x"}]},
            {"citations": CITED},
        ),
        ("answer", {"value": "B", "citations": [{"video": 1}, None, "video 1"]}, {"citations": []}),
    ],
)
def test_arguments_are_read_tolerantly(tool: str, given: dict[str, object], right: dict[str, object]) -> None:
    read = TOOLS.read(tool, given).model_dump()
    for name, value in right.items():
        shown = read[name]
        if name == "targets":
            shown = [{key: one[key] for key in want} for one, want in zip(shown, value, strict=True)]  # type: ignore
        assert shown == value


@pytest.mark.parametrize(
    ("tool", "given", "says"),
    [
        ("observe", {}, "observe: targets: Field required."),
        ("observe", {"targets": [{**WINDOW, "start_s": None}]}, "observe: targets.0.start_s: Field required."),
        ("observe", {"targets": [[1, 2, 3]]}, "observe: targets.0: Input should be a valid dictionary"),
        ("listen", {"video": "the last", "start_s": 0, "end_s": 1}, "listen: video: Input should be a valid integer"),
        ("answer", {"rationale": "x"}, "answer: value: Field required."),
    ],
)
def test_arguments_that_do_not_fit_are_rejected_with_the_field(tool: str, given: dict[str, object], says: str) -> None:
    with pytest.raises(ActionError) as error:
        TOOLS.read(tool, given)
    assert str(error.value).startswith(says)


def test_the_schemas_that_a_model_reads_know_one_name_for_each_field() -> None:
    text = json.dumps(TOOL_SCHEMAS)
    assert "observation_targets" not in text and "get_caption" not in text and "start_time" not in text


async def test_calls_written_as_text_have_ids_of_their_own_in_a_thread() -> None:
    bad = '{"action": "observe", "arguments": {"targets": [{"video": 9, "start_s": 0, "end_s": 5}]}}'
    master = FakeMaster(turns=[AIMessage(one) for one in (LOOK, '{"final_answer": "A"}', bad, '{"final_answer": "B"}')])
    graph = create_cvr_graph(master, FakePerception()).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(QUESTION, config, context=JSON)
    again: Any = {**QUESTION, "question": "And now?"}
    output = await graph.ainvoke(again, config, context=JSON)
    first = trajectory_of(output).turns[0].actions[0]
    assert first.observation is None and "There is no video 9" in first.reply


async def test_the_same_message_twice_is_two_turns() -> None:
    """LangGraph replaces a message by a later one with the same id, which a server may repeat."""
    same = turn("", listen(1, 0, 5, id="x"))
    same.id = "constant"
    end = turn("", answer("A"))
    end.id = "constant"
    output = await run(same, same.model_copy(), end, context=CVRContext())
    turns = [message for message in policy_messages(output) if isinstance(message, AIMessage)]
    assert len(turns) == 3 == len({message.id for message in turns})
    assert [one.call_id for one in output["observations"]] == [
        turns[0].tool_calls[0]["id"],
        turns[1].tool_calls[0]["id"],
    ]
    assert turns[0].tool_calls[0]["id"] != turns[1].tool_calls[0]["id"]


def test_a_message_is_tidied_once_and_stays_the_same() -> None:
    calls: list[Any] = [
        {"name": "functions.listen", "args": {"video": 1}, "id": "a"},
        {"name": "listen", "args": {}, "id": "a"},
        {"name": "listen", "args": {}, "id": None},
    ]
    invalid: list[Any] = [
        {"name": "observe", "args": "{'targets': [],}", "id": "b", "error": "x"},
        {"name": "observe", "args": "hm", "id": "b", "error": "x"},
    ]
    message = AIMessage("", tool_calls=calls, invalid_tool_calls=invalid)
    tidied = tidy(message, [HumanMessage("?")])
    assert [call["name"] for call in tidied.tool_calls] == ["listen", "listen", "listen", "observe"]
    ids = [str(call["id"]) for call in (*tidied.tool_calls, *tidied.invalid_tool_calls)]
    assert len(set(ids)) == 5 and ids[0] == "a" and ids[3] == "b"
    assert tidied.tool_calls[3]["args"] == {"targets": []}
    assert json.loads(tidied.invalid_tool_calls[0]["args"] or "") == {UNREADABLE: "hm"}
    assert tidy(tidied, [HumanMessage("?")]) is tidied
    assert tidy(tidied, [HumanMessage("?"), tidied]) is tidied
    assert "Expecting value at line 1, column 1): hm" in read_calls(tidied, 1)[-1].problem


def test_the_thought_beside_actions_is_shown() -> None:
    assert thought_of(AIMessage(f"<think>Hm.</think>I look.\n```json\n{LOOK}\n```")) == "Hm.I look."
    assert thought_of(AIMessage(f"I look.\n<tool_call>{LOOK}</tool_call>")) == "I look."
    assert thought_of(AIMessage("Just {words}.")) == "Just {words}."
