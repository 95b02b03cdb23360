"""A caller's recursion limit limits the turns: the last one comes before it, or the error names the setting."""

from __future__ import annotations

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from agentcvr_graph import CVRContext, CVRState, SetupError, create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn

GIVEN = {"question": "Which is red?", "videos": ["a.mp4"], "options": ["the first", "the second"]}
LOOK = turn("", observe((1, 0, 10, 1)))


def look_until_told(messages):
    """Look in every turn until only an answer is allowed."""
    return turn("", answer("A")) if "call answer now" in messages[-1].text else LOOK


def cvr(*turns, **options):
    return create_cvr_graph(FakeMaster(turns=list(turns) or [look_until_told] * 50), FakePerception()).compile(
        **options
    )


@pytest.mark.parametrize("limit", range(4, 40))
async def test_every_limit_ends_in_an_answer(limit):
    output = await cvr().ainvoke(GIVEN, {"recursion_limit": limit})
    assert output["answer"].value == "A"
    assert len(output["observations"]) == min(11, (limit - 4) // 2)


@pytest.mark.parametrize("limit", [4, 5, 6, 25])
async def test_a_parent_passes_its_limit_on(limit):
    parent = StateGraph(CVRState).add_node("ask", cvr()).add_edge(START, "ask").add_edge("ask", END).compile()
    output = await parent.ainvoke(GIVEN, {"recursion_limit": limit})
    assert output["answer"].value == "A"
    assert len(output["observations"]) == min(11, (limit - 4) // 2)


async def test_the_master_reads_the_turns_that_fit():
    master = FakeMaster(turns=[look_until_told] * 9)
    await create_cvr_graph(master, FakePerception()).compile().ainvoke(GIVEN, {"recursion_limit": 8})
    assert "left: 3 turns," in master.seen[0][1].text
    assert master.seen[2][-1].text.startswith("Out of turns: call answer now")


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_limit_without_a_turn_is_an_error_that_names_the_setting(limit):
    with pytest.raises(SetupError, match=r"`recursion_limit` leaves \d supersteps.*Raise `recursion_limit`"):
        await cvr().ainvoke(GIVEN, {"recursion_limit": limit})


async def test_follow_ups_on_a_thread_have_the_whole_limit_each():
    app = cvr(checkpointer=InMemorySaver())
    config = {"recursion_limit": 6, "configurable": {"thread_id": "t"}}
    for _ in range(4):
        assert (await app.ainvoke(GIVEN, config))["answer"].value == "A"


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (turn(""), "no usable action in 1 turn."),
        (turn("I see neither."), "does not fit"),
        (turn("", answer("Q")), "does not fit"),
    ],
    ids=["no action", "a reply without an answer", "an answer that does not fit"],
)
async def test_a_last_turn_that_cannot_be_repeated_is_a_failure_that_names_the_setting(last, says):
    output = await cvr(LOOK, last).ainvoke(GIVEN, {"recursion_limit": 6})
    failure = output["failure"]
    assert failure.boundary == "master" and failure.out_of_budget
    assert says in failure.message and "`recursion_limit`" in failure.message


async def test_a_last_turn_is_repeated_where_the_limit_allows_it():
    output = await cvr(LOOK, turn("", answer("Q")), turn("", answer("B"))).ainvoke(GIVEN, {"recursion_limit": 8})
    assert output["answer"].value == "B"


async def test_the_budget_of_turns_still_counts():
    output = await cvr().ainvoke(GIVEN, {"recursion_limit": 40}, context=CVRContext(max_turns=2))
    assert len(output["observations"]) == 1


def test_the_limit_counts_without_an_event_loop_too():
    assert cvr().invoke(GIVEN, {"recursion_limit": 6})["answer"].value == "A"
