"""The schema of a turn admits calls that the planner accepts: it names videos, times and options of the question."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from agentcvr_graph.catalogue import Sources
from agentcvr_graph.graph.action_schema import TurnBounds, turn_schema
from agentcvr_graph.graph.dialects import read_calls, thought_of
from agentcvr_graph.graph.nodes.master import plan_closing, plan_turn
from agentcvr_graph.tools import TOOLS, Budget, Features, Toolset
from agentcvr_graph.types import Evidence, Observation, Question, Video, VideoInfo, Window

CHOICE = Question(question="Which?", videos=(Video(source="a.mp4"),), options=("red", "blue"), kind="choice")


def video(number: int, **given: Any) -> VideoInfo:
    facts: dict[str, Any] = {"duration_s": 60.0, "fps": 25.0, "width": 640, "height": 360, "has_sound": True}
    return VideoInfo(number=number, video=Video(source=f"{number}.mp4"), **{**facts, **given})


VIDEOS = (video(1), video(2, has_sound=False), video(3, problem="it cannot be read"))
BUDGET = Budget(turns=9, frames=10_000, frames_per_call=10_000, audio_s=1e6)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return the values that a schema admits, in so far as a planner's test needs them."""
    if "anyOf" in schema:
        return st.one_of(*map(values, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            assert schema["required"] == list(schema["properties"]) and schema["additionalProperties"] is False
            return st.fixed_dictionaries({name: values(part) for name, part in schema["properties"].items()})
        case "array":
            return st.lists(values(schema["items"]), min_size=schema["minItems"], max_size=schema["maxItems"])
        case "string":
            return st.text(min_size=schema.get("minLength", 0), max_size=8)
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case _:
            return st.floats(schema.get("minimum", 0), schema.get("maximum", 9), allow_nan=False)


def bounds(**given: Any) -> TurnBounds:
    facts: dict[str, Any] = {"question": CHOICE, "videos": VIDEOS, **given}
    return TurnBounds(**facts)


@given(values(turn_schema(TOOLS, bounds(may_answer=False))))
def test_nothing_is_refused_of_what_the_schema_of_short_videos_admits(written: dict[str, Any]) -> None:
    calls = read_calls(AIMessage(json.dumps(written)), 1)
    assert calls and not any(call.problem for call in calls)
    plan = plan_turn(calls, VIDEOS, BUDGET, TOOLS, 1)
    assert len(plan.assignments) == len(calls) and not plan.refusals and plan.draft is None


LONG = (video(1, duration_s=7200.0),)


@given(values(turn_schema(TOOLS, bounds(videos=LONG, may_answer=False))))
def test_only_the_order_of_two_times_is_refused_in_a_long_video(written: dict[str, Any]) -> None:
    plan = plan_turn(read_calls(AIMessage(json.dumps(written)), 1), LONG, BUDGET, TOOLS, 1)
    refused = [reply.text for reply in plan.refusals]
    assert all("must end after its start" in text or "lies outside video" in text for text in refused)


@given(values(turn_schema(TOOLS, bounds(closing=True))))
def test_a_closing_turn_is_an_answer(written: dict[str, Any]) -> None:
    draft = plan_closing(read_calls(AIMessage(json.dumps(written)), 1), TOOLS).draft
    assert draft is not None and draft.arguments["value"] in ("A", "B")


def choices_of(tool: str, **given: Any) -> list[dict[str, Any]]:
    """Return the forms that the arguments of a tool may have."""
    actions = turn_schema(TOOLS, bounds(**given))["properties"]["actions"]["items"]["anyOf"]
    (found,) = [action for action in actions if action["properties"]["action"]["enum"] == [tool]]
    arguments = found["properties"]["arguments"]
    return arguments.get("anyOf", [arguments])


def arguments_of(tool: str, **given: Any) -> dict[str, Any]:
    (choice,) = choices_of(tool, **given)
    return choice["properties"]


def test_the_schema_names_the_videos_that_each_tool_can_use() -> None:
    targets = arguments_of("observe")["targets"]["items"]["anyOf"]
    assert {target["properties"]["video"]["enum"][0] for target in targets} == {1, 2}
    assert max(target["properties"]["end_s"]["maximum"] for target in targets) == 60.0
    assert {choice["properties"]["video"]["enum"][0] for choice in choices_of("listen")} == {1}


def test_a_window_ends_behind_the_cell_in_which_it_starts() -> None:
    first, second, *_, last = [
        (time["start_s"]["minimum"], time["start_s"]["maximum"], time["end_s"]["minimum"])
        for time in (choice["properties"] for choice in choices_of("listen"))
    ]
    assert (first, second, last) == ((0, 7.5, 7.6), (7.5, 15.0, 15.1), (52.5, 59.9, 60.0))


OBSERVED = Observation(
    modality="visual",
    windows=(Window(video=1, start_s=0, end_s=30),),
    frame_times_s=((15.0,),),
    evidence=(Evidence(text="a ball", window=Window(video=1, start_s=2.04, end_s=4)),),
)


def test_what_was_observed_can_be_cited_and_nothing_else() -> None:
    assert "citations" not in arguments_of("answer")
    (cited,) = arguments_of("answer", observed=(OBSERVED,))["citations"]["items"]["anyOf"]
    found = {name: part["enum"][0] for name, part in cited["properties"].items()}
    assert found == {"video": 1, "start_s": 2.0, "end_s": 4.0, "modality": "visual"}


def test_a_citation_that_states_a_claim_may_write_it() -> None:
    claimed = Toolset(Features(verify=True).apply(TOOLS))
    schema = json.dumps(turn_schema(claimed, bounds(observed=(OBSERVED,))))
    assert '"claim": {"type": "string", "maxLength": 200}' in schema
    assert '"claim"' not in json.dumps(turn_schema(TOOLS, bounds(observed=(OBSERVED,))))


def test_an_answer_without_evidence_is_not_offered_unless_it_is_all_that_is_left() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        choices_of("answer", may_answer=False)
    assert choices_of("answer", may_answer=False, closing=True)


def test_without_sound_there_is_no_listening() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        choices_of("listen", videos=(video(1, has_sound=False),))


@pytest.mark.parametrize(
    ("kind", "options", "value"),
    [
        ("choice", ("x", "y"), {"type": "string", "enum": ["A", "B"]}),
        ("number", (), {"type": "number"}),
        ("order", ("x", "y", "z"), {"type": "integer", "minimum": 1, "maximum": 3}),
        ("interval", (), {"type": "number"}),
        ("choices", ("x", "y"), {"type": "string", "enum": ["A", "B"]}),
    ],
)
def test_the_value_has_the_form_of_the_answer_kind(kind: Any, options: tuple[str, ...], value: dict[str, Any]) -> None:
    schema = arguments_of(
        "answer", question=Question(question="?", videos=(Video(source="a.mp4"),), options=options, kind=kind)
    )["value"]
    assert schema.get("items", schema) == value


def test_the_thought_of_a_constrained_turn_is_shown() -> None:
    written = {"thought": "B is likely.", "actions": [{"action": "answer", "arguments": {"value": "B"}}]}
    assert thought_of(AIMessage(json.dumps(written))) == "B is likely."


MANY = Sources(VIDEOS, 300)


@given(values(turn_schema(TOOLS, bounds(videos=MANY, may_answer=False))))
def test_of_many_videos_a_call_may_name_those_that_are_not_open(written: dict[str, Any]) -> None:
    plan = plan_turn(read_calls(AIMessage(json.dumps(written)), 1), MANY, BUDGET, TOOLS, 1)
    assert not any("There is no video" in reply.text for reply in plan.refusals)
    assert choices_of("listen", videos=MANY)[-1]["properties"]["video"] == {
        "type": "integer", "minimum": 1, "maximum": 300,
    }  # fmt: skip


def test_an_answer_about_many_videos_has_a_citation() -> None:
    given: dict[str, Any] = {"videos": MANY, "observed": [OBSERVED], "must_cite": True}
    assert arguments_of("answer", **given)["citations"]["minItems"] == 1
    assert arguments_of("answer", **given, closing=True)["citations"]["minItems"] == 0
