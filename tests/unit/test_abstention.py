"""Abstentions and guesses: how a master makes them, where the settings allow them, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agentcvr_graph import CVRContext, CVRInput, create_cvr_graph
from agentcvr_graph.answers import abstention, score_of, standing
from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.eval.methods import EvalConfig
from agentcvr_graph.eval.scoring import EvalTask, row_of
from agentcvr_graph.graph.as_tool import reply_of
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.models.self_report import SelfReport, with_report
from agentcvr_graph.report import render_report
from agentcvr_graph.report.notebook import answer_html
from agentcvr_graph.short_answer import short_answer
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import Features
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import Observation, Observe, Question, Video, VideoInfo

ASKED: CVRInput = {"question": "Which shows a dog?", "videos": ["a.mp4", "b.mp4"], "options": ["a cat", "a dog"]}
LOOK = turn("", observe((1, 0, 9, 1), (2, 0, 9, 1)))
FOUND_NOTHING = turn("", {"name": "answer", "args": {"value": None, "looked_for": "a dog"}})
NEVER = CVRContext(abstain="never")


async def run(*turns: Any, features: Features = Features(abstain=True), context: CVRContext | None = None) -> Any:  # noqa: B008
    graph = create_cvr_graph(FakeMaster(turns=[LOOK, *turns]), FakePerception(), features=features).compile()
    return await graph.ainvoke(ASKED, context=context)


def reporting(confidence: float, looked_for: str = "", reason: str = "") -> AIMessage:
    """Return a turn with a value and the master's own word on what supports it."""
    report = SelfReport(confidence=confidence, looked_for=looked_for, reason=reason)
    return with_report(turn("", answer("B")), report)


async def abstained() -> Trajectory:
    return trajectory_of(await run(FOUND_NOTHING))


async def test_a_policy_abstains_with_null_and_what_it_looked_for():
    given = (await run(FOUND_NOTHING))["answer"]
    assert (given.value, given.looked_for, given.abstained, given.citations) == (None, "a dog", True, ())
    assert given.text == "No answer: looked for a dog, and found no evidence."
    assert score_of(given, "B") == 0.0


async def test_an_abstention_is_sent_back_where_a_value_is_needed():
    output = await run(FOUND_NOTHING, turn("", answer("B")), context=NEVER)
    assert output["answer"].value == "B"
    assert "This run needs a value" in "\n".join(message.text for message in policy_messages(output))


async def test_without_the_feature_null_is_no_answer():
    output = await run(FOUND_NOTHING, turn("", answer("A")), features=Features())
    assert output["answer"].value == "A"


@pytest.mark.parametrize(("context", "value"), [(None, None), (NEVER, "B")])
async def test_a_master_that_reports_a_guess_abstains_or_guesses(context: CVRContext | None, value: str | None):
    given = (await run(reporting(0.0, "a dog", "No dog."), features=Features(), context=context))["answer"]
    assert given.value == value
    if value is None:
        assert (given.looked_for, given.rationale) == ("a dog", "No dog.")
    else:
        assert given.is_guess
        assert (given.confidence, given.citations) == (0.0, ())
        assert standing(given) == "a guess: no evidence supports it; confidence 0 %"


async def test_a_supported_value_says_nothing_of_itself_without_the_feature():
    output = await run(reporting(0.8), features=Features())
    assert output["answer"].value == "B"
    assert output["answer"].confidence is None


async def test_where_an_abstention_is_shown():
    run = await abstained()
    short = short_answer(run)
    assert (short.status, short.value, short.problem) == (
        "abstained",
        None,
        "No answer: looked for a dog, and found no evidence.",
    )
    assert reply_of(run).startswith("No answer: looked for a dog")
    assert run.answer is not None
    assert "(abstained)" in answer_html(run.answer)
    page = render_report(run)
    assert "The master abstained" in page
    assert "looked for a dog" in page


async def test_an_abstention_is_a_row_of_its_own():
    question = Question(id="q", question="Which?", videos=(Video(source="a.mp4"),), options=("a", "b"), key="B")
    row = await row_of(EvalTask(question, "agent"), await abstained(), None, "now")
    assert (row.outcome, row.score, row.value, row.detail) == ("abstained", 0.0, None, "looked for a dog")
    assert not row.answered


def test_benchmarks_want_a_value_unless_a_run_says_otherwise():
    assert EvalConfig().context.abstain == "never"
    assert EvalConfig(context=CVRContext(max_turns=3)).context.abstain == "never"
    assert EvalConfig(context=CVRContext(abstain="allowed")).context.abstain == "allowed"


def test_an_abstention_without_words_says_what_every_run_looks_for():
    assert abstention("choice", " ").looked_for == "the answer to the question"


class OneSenseDown(FakePerception):
    """A perception whose vision model cannot be reached."""

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        raise InfrastructureError("The vision server cannot be reached.")


BOTH = turn("", observe((1, 0, 9, 1), (2, 0, 9, 1)), listen(1, 0, 9), listen(2, 0, 9, id="l2"))
HEARD = {"video": 2, "start_s": 0, "end_s": 9, "modality": "audio"}


@pytest.mark.parametrize(("citations", "usable"), [([], False), ([HEARD], True)])
async def test_an_answer_says_that_every_look_failed(citations: list[Any], usable: bool):
    given = turn("", answer("B", "it says so", citations))
    graph = create_cvr_graph(FakeMaster(turns=[BOTH, given]), OneSenseDown()).compile()
    found = (await graph.ainvoke(ASKED))["answer"]
    assert found is not None
    assert found.failed_modalities == ("visual",)
    assert found.rationale == "it says so. Nothing could be seen: every look failed."
    assert found.is_usable == usable


@pytest.mark.parametrize(("stated", "kept"), [("85 %", 0.85), (85, 0.85), ("very", None), (1.0, 1.0), (-3, None)])
async def test_a_confidence_is_read_tolerantly(stated: object, kept: float | None):
    given = answer("B")
    given["args"]["confidence"] = stated
    assert (await run(turn("", given), features=Features(confidence=True)))["answer"].confidence == kept
