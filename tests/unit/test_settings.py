"""The settings of a run: validated in one line, unset is not default, and kept for the question that sent them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from agentcvr_graph import CVRContext, InputError, create_cvr_graph, retake
from agentcvr_graph.errors import SetupError
from agentcvr_graph.graph.context import merged
from agentcvr_graph.server import ServerContext, SwapContext, choose_master
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn

QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
CONFIG = {"configurable": {"thread_id": "t"}}
LOOK = turn("", observe((1, 0, 10, 8), id="x"))
AGAIN = turn("", observe((2, 0, 10, 8), id="y"))
CAREFUL = {"review_above_frames": 4, "min_evidence": 0}


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ("max_turns=3", "The context is 'max_turns=3' (str). Pass CVRContext(max_turns=8), or {'max_turns': 8}."),
        (3, "The context is 3 (int)."),
        ([("max_turns", 3)], "The context is [('max_turns', 3)] (list)."),
        (CVRContext, "(ModelMetaclass)."),
        ({3: 3}, "The context has the key 3 (int)."),
    ],
)
async def test_a_context_that_holds_no_settings_is_refused(context, says):
    app = create_cvr_graph(FakeMaster(turns=[]), FakePerception()).compile()
    with pytest.raises(InputError) as caught:
        await app.ainvoke(QUESTION, context=context)
    assert says in str(caught.value) and "\n" not in str(caught.value)


async def test_settings_of_a_review_need_a_thread():
    app = create_cvr_graph(FakeMaster(turns=[]), FakePerception()).compile()
    with pytest.raises(SetupError, match=r"'review_above_frames' lets the run wait.*checkpointer.*thread_id"):
        await app.ainvoke(QUESTION, context=CVRContext(review_above_frames=32))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"max_turns": 0}, "The setting 'max_turns' cannot be 0. Give a whole number of at least 1."),
        ({"max_turns": "12"}, "The setting 'max_turns' cannot be '12'. Give a whole number of at least 1."),
        ({"max_turns": True}, "The setting 'max_turns' cannot be True. Give a whole number of at least 1."),
        ({"max_turns": 2.5}, "The setting 'max_turns' cannot be 2.5. Give a whole number of at least 1."),
        ({"max_turns": None}, "The setting 'max_turns' cannot be None. Give a whole number of at least 1."),
        ({"max_turns": 10**400}, "and at most 1e+12"),
        ({"max_frames": [8]}, "The setting 'max_frames' cannot be [8]. Give a whole number of at least 0."),
        ({"max_tokens": -1}, "The setting 'max_tokens' cannot be -1. Give a whole number of at least 0 or null."),
        ({"max_wall_s": "60"}, "The setting 'max_wall_s' cannot be '60'. Give a finite number of at least 0 or null."),
        ({"max_audio_s": float("nan")}, "The setting 'max_audio_s' cannot be nan. Give a finite number"),
        ({"max_audio_s": float("inf")}, "The setting 'max_audio_s' cannot be inf."),
        ({"remember": "yes"}, "The setting 'remember' cannot be 'yes'. Give true or false."),
        ({"remember": 1}, "The setting 'remember' cannot be 1. Give true or false."),
        ({"unreadable": "skip"}, "The setting 'unreadable' cannot be 'skip'. Choose from: stop, continue."),
        ({"dialect": None}, "The setting 'dialect' cannot be None. Choose from: auto, tools, schema, json."),
        ({"language": 3}, "The setting 'language' cannot be 3. Give text."),
        ({"memory_namespace": "../other"}, "The setting 'memory_namespace' cannot be '../other'. Give text that"),
        ({"memory_namespace": "a\n"}, "The setting 'memory_namespace' cannot be"),
        ({"max_turn": 3}, "There is no setting 'max_turn'. Did you mean 'max_turns'? Choose from: max_turns, "),
        ({"master": "offline"}, "There is no setting 'master'. Choose from: max_turns, "),
    ],
)
async def test_a_wrong_setting_is_one_line_that_names_it(settings, says):
    with pytest.raises(InputError) as caught:
        CVRContext(**settings)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    app = create_cvr_graph(FakeMaster(turns=[]), FakePerception()).compile()
    with pytest.raises(InputError) as caught:
        await app.ainvoke(QUESTION, context=settings)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "settings", [{"max_audio_s": 5}, {"max_tokens": None}, {"memory_namespace": "user_1@host"}, {}]
)
def test_a_right_setting_is_kept(settings):
    assert CVRContext(**settings).sent == settings


def test_noise_and_models_are_checked_by_type():
    with pytest.raises(InputError, match=r"'noise' cannot be 'loud'\. Choose from: off, clear, mild, fitted\."):
        SwapContext(noise="loud")
    with pytest.raises(InputError, match=r"'vision' cannot be 3\. Give text\."):
        ServerContext(vision=3)


def test_a_key_in_a_wrong_value_is_not_shown():
    with pytest.raises(InputError) as caught:
        SwapContext(noise="https://user:secret@host/a?token=secret")
    assert "secret" not in str(caught.value)


@dataclass(frozen=True)
class Decorated(CVRContext):
    """Settings of a user who writes them as a dataclass."""

    user: str = "nobody"


class Plain(CVRContext):
    """Settings of a user who writes them as Pydantic fields."""

    user: str = "nobody"


@pytest.mark.parametrize("schema", [Decorated, Plain])
def test_users_add_settings_in_a_subclass(schema):
    given = schema(max_turns=3, user="ada")
    assert (given.user, given.max_turns, given.sent) == ("ada", 3, {"max_turns": 3, "user": "ada"})
    assert merged(schema, {"max_turns": 5, "max_frames": 7}, given).sent == {
        "max_turns": 3,
        "max_frames": 7,
        "user": "ada",
    }
    assert schema(user="ada") == schema(user="ada") != schema()
    with pytest.raises(InputError, match="There is no setting 'usr'"):
        schema(usr="ada")


def test_a_context_schema_of_another_type_is_rejected():
    with pytest.raises(SetupError, match="The context_schema <class 'dict'> is not a subclass of CVRContext"):
        create_cvr_graph(FakeMaster(turns=[]), FakePerception(), context_schema=dict)


def test_settings_that_were_sent_come_before_stored_ones_and_those_before_defaults():
    assert merged(CVRContext, {}, None) == CVRContext()
    assert merged(CVRContext, {"max_turns": 3}, None).max_turns == 3
    assert merged(CVRContext, {"max_turns": 3, "max_frames": 7}, CVRContext(max_turns=12)).sent == {
        "max_turns": 12,
        "max_frames": 7,
    }
    assert merged(ServerContext, {"master": "x"}, CVRContext(max_turns=3)).sent == {"master": "x", "max_turns": 3}
    assert merged(CVRContext, {"max_turns": 3}, {"of": "a parent"}).max_turns == 3
    with pytest.raises(InputError, match="'max_turns' cannot be 'many'"):
        merged(CVRContext, {"max_turns": "many"}, None)


class Run:
    """A graph that chooses its master by the context, under a checkpointer."""

    def __init__(self, *turns, checkpointer=None):
        self.master, self.chosen = FakeMaster(turns=list(turns)), []
        self.perception = FakePerception()
        graph = create_cvr_graph(self.choose, self.perception, context_schema=ServerContext)
        self.graph = graph.compile(checkpointer=checkpointer or InMemorySaver())

    def choose(self, context):
        self.chosen.append(context.master)
        return self.master

    async def __call__(self, given, **context):
        return await self.graph.ainvoke(given, CONFIG, context=context or None)


APPROVE = Command(resume={"decisions": [{"type": "approve"}]})


async def test_a_resume_without_settings_keeps_those_of_the_question():
    run = Run(LOOK, AGAIN, turn("", answer("A")))
    assert (await run(QUESTION, **CAREFUL, master="mine"))["__interrupt__"]
    assert (await run(APPROVE))["__interrupt__"]  # the second look needs approval too
    output = await run(APPROVE)
    assert output["answer"].value == "A" and output["usage"].frames == 16
    assert set(run.chosen) == {"mine"}


async def test_settings_that_a_resume_sends_win_and_stay():
    run = Run(LOOK, AGAIN, turn("", listen(1, 0, 30)), turn("", answer("A")))
    await run(QUESTION, **CAREFUL, master="mine")
    output = await run(APPROVE, review_above_frames=None, review_above_audio_s=10.0)
    assert output["__interrupt__"][0].value["action_requests"][0]["name"] == "listen"
    output = await run(APPROVE)
    assert output["answer"].value == "A" and set(run.chosen) == {"mine"}
    settings = (await run.graph.aget_state(CONFIG)).values["settings"]
    assert settings == {**CAREFUL, "review_above_frames": None, "review_above_audio_s": 10.0, "master": "mine"}


async def test_a_new_question_starts_from_what_it_sends_alone():
    run = Run(LOOK, turn("", answer("A")), AGAIN, turn("", answer("B")))
    await run(QUESTION, **CAREFUL, master="mine")
    await run(APPROVE)
    output = await run(QUESTION, min_evidence=0)
    assert output["answer"].value == "B" and "__interrupt__" not in output
    assert run.chosen[-1] == "offline"


async def test_a_cancelled_run_resumes_with_its_settings():
    run = Run(turn("", observe((1, 0, 10, 64))), turn("", answer("A")))
    looking, observe_now = asyncio.Event(), run.perception.observe

    async def stuck(request, videos):
        looking.set()
        await asyncio.Event().wait()

    run.perception.observe = stuck
    task = asyncio.create_task(run(QUESTION, max_frames=12, min_evidence=0, master="mine"))
    await looking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    run.perception.observe = observe_now
    output = await run(None)
    assert output["usage"].frames == 12 and set(run.chosen) == {"mine"}


async def test_a_fork_keeps_the_settings_of_its_question():
    run = Run(LOOK, turn("", answer("A")), turn("", answer("B")))
    await run(QUESTION, max_frames=10, min_evidence=0)
    look = {"name": "observe", "args": {"targets": [{"video": 2, "start_s": 0, "end_s": 9, "frames": 64}]}}
    fork = await retake(run.graph, CONFIG, turn=1, calls=[look])
    output = await run.graph.ainvoke(None, fork)
    assert output["answer"].value == "B" and output["usage"].frames == 10


async def test_allowed_models_are_checked_after_a_client_edited_the_state(monkeypatch):
    monkeypatch.delenv("AGENTCVR_MODELS", raising=False)
    graph = create_cvr_graph(choose_master, FakePerception(), context_schema=ServerContext)
    app = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["master"])
    await app.ainvoke(QUESTION, CONFIG)
    await app.aupdate_state(CONFIG, {"settings": {"master": "openai:gpt-4.1"}})
    with pytest.raises(InputError, match=r"'openai:gpt-4\.1' may not be chosen here"):
        await app.ainvoke(None, CONFIG)


async def test_a_resumed_parent_keeps_the_settings_of_its_child():
    class Parent(TypedDict):
        given: dict
        answer: str

    master = FakeMaster(turns=[LOOK, AGAIN, turn("", answer("A"))])
    child = create_cvr_graph(master, FakePerception()).compile()

    async def ask(state):
        output = await child.ainvoke(state["given"], context=CVRContext(**CAREFUL) if "given" in state else None)
        return {"answer": output["answer"].value}

    app = StateGraph(Parent).add_node(ask).add_edge(START, "ask").compile(checkpointer=InMemorySaver())
    assert (await app.ainvoke({"given": QUESTION}, CONFIG))["__interrupt__"]
    assert (await app.ainvoke(APPROVE, CONFIG))["__interrupt__"]
    assert (await app.ainvoke(APPROVE, CONFIG))["answer"] == "A"
