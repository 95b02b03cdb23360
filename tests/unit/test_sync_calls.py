"""Callers without an event loop: `invoke`, `stream`, `batch` and `update_state`, with checkpointers and in a parent."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from agentcvr_graph import CVRContext, CVRState, InputError, SetupError, create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.utils.private_loop import run_in_private_loop

GIVEN = {"question": "Which is red?", "videos": ["a.mp4"], "options": ["the first", "the second"]}
THREAD = {"configurable": {"thread_id": "t"}}


def look_then_answer(messages):
    return turn("", answer("A")) if isinstance(messages[-1], ToolMessage) else turn("", observe((1, 0, 10, 4)))


def cvr(perception=None, **options):
    graph = create_cvr_graph(FakeMaster(turns=[look_then_answer] * 20), perception or FakePerception())
    return graph.compile(**options)


def sqlite_saver(path) -> SqliteSaver:
    return SqliteSaver(sqlite3.connect(path / "runs.db", check_same_thread=False))


def test_invoke_returns_the_output():
    output = cvr().invoke(GIVEN, context=CVRContext(max_frames=2))
    assert output["answer"].value == "A" and output["usage"].frames == 2


def test_stream_yields_every_event_in_order():
    events = list(cvr().stream(GIVEN, stream_mode=["custom", "values"]))
    stages = [event["stage"] for mode, event in events if mode == "custom"]
    assert stages == ["brief", "master", "visual_agent", "visual_agent", "master", "conclude"]
    assert events[-1][0] == "values" and events[-1][1]["answer"].value == "A"


def test_batch_runs_every_input():
    outputs = cvr().batch([GIVEN, GIVEN, GIVEN])
    assert [output["answer"].value for output in outputs] == ["A"] * 3


def test_threads_run_side_by_side_in_one_loop():
    loops = set()

    class Both(FakePerception):
        async def observe(self, request, videos):
            loops.add(asyncio.get_running_loop())
            self.requests.append(request)
            both.set() if len(self.requests) == 2 else None
            await both.wait()
            return await FakePerception().observe(request, videos)

    both = asyncio.Event()
    app = cvr(Both())
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(app.invoke, [GIVEN, GIVEN]))
    assert [output["answer"].value for output in outputs] == ["A", "A"] and len(loops) == 1


def test_errors_of_the_run_are_raised_to_the_caller():
    with pytest.raises(InputError, match="The question is empty"):
        cvr().invoke({"question": "", "videos": ["a.mp4"]})
    with pytest.raises(InputError, match="The input is a str"):
        list(cvr().stream("Which is red?"))


def test_closing_a_stream_early_cancels_the_run_and_waits_for_its_end():
    class Endless(FakePerception):
        stopped = False

        async def observe(self, request, videos):
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                self.stopped = True
                raise

    perception = Endless()
    events = cvr(perception).stream(GIVEN, stream_mode="custom")
    assert next(event for event in events if event["stage"] == "visual_agent")
    events.close()
    assert perception.stopped
    cvr(perception).stream(GIVEN).close()  # never started


@pytest.fixture
def interruptible():
    """Let SIGINT raise KeyboardInterrupt, because test processes that run side by side ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_cancels_the_work_and_waits_for_its_end():
    ended = []

    async def work():
        try:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0.1)
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_in_private_loop(work)
    assert ended == [True]


def test_the_run_sees_the_context_variables_of_the_caller():
    tenant: ContextVar[str] = ContextVar("tenant", default="")
    seen = []

    class Watching(FakePerception):
        async def observe(self, request, videos):
            seen.append(tenant.get())
            return await super().observe(request, videos)

    token = tenant.set("t-1")
    cvr(Watching()).invoke(GIVEN)
    tenant.reset(token)
    assert seen == ["t-1"]


async def test_in_a_running_loop_the_error_names_the_async_methods():
    for call in (lambda: cvr().invoke(GIVEN), lambda: cvr().stream(GIVEN), lambda: next(cvr().stream(GIVEN))):
        with pytest.raises(SetupError, match=r"event loop.*`await graph\.ainvoke.*graph\.astream"):
            call()


async def test_batch_and_update_state_do_not_wait_for_the_loop_that_they_block(tmp_path):
    """A saver that belongs to the caller's loop would wait for the loop, which waits for the method."""
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
        app = cvr(checkpointer=saver)
        with pytest.raises(SetupError, match=r"`batch` would block the event loop.*`await graph\.abatch"):
            app.batch([GIVEN, GIVEN], [THREAD, THREAD])
        with pytest.raises(SetupError, match=r"`update_state` would block.*`await graph\.aupdate_state"):
            app.update_state(THREAD, {"question": "Which is green?"})


@pytest.mark.parametrize("make", [lambda path: InMemorySaver(), sqlite_saver], ids=["memory", "sqlite"])
def test_a_thread_is_kept_forked_and_continued(make, tmp_path):
    app = cvr(checkpointer=make(tmp_path))
    assert app.invoke(GIVEN, THREAD)["answer"].value == "A"
    assert app.invoke(GIVEN, THREAD)["answer"].value == "A"
    assert app.get_state(THREAD).next == () and len(list(app.get_state_history(THREAD))) == 14
    before = next(found for found in app.get_state_history(THREAD) if found.next == ("conclude",))
    fork = app.update_state(before.config, {"turn": 2}, as_node="master")  # its edges are async functions
    assert app.invoke(None, fork)["answer"].value == "A"


def test_an_interrupt_is_answered_with_a_command(tmp_path):
    app = cvr(checkpointer=sqlite_saver(tmp_path))
    review = CVRContext(review_above_frames=1)
    waiting = app.invoke(GIVEN, THREAD, context=review)
    assert waiting["__interrupt__"]
    output = app.invoke(Command(resume={"decisions": [{"type": "approve"}]}), THREAD, context=review)
    assert output["answer"].value == "A"


@pytest.mark.parametrize("saver", [None, "memory", "sqlite"])
def test_a_synchronous_parent_runs_the_graph_as_a_node(saver, tmp_path):
    kept = {None: lambda: None, "memory": InMemorySaver, "sqlite": lambda: sqlite_saver(tmp_path)}[saver]()
    parent = StateGraph(CVRState).add_node("ask", cvr()).add_edge(START, "ask").compile(checkpointer=kept)
    assert parent.invoke(GIVEN, THREAD)["answer"].value == "A"
    events = parent.stream(GIVEN, THREAD, stream_mode="custom", subgraphs=True)
    assert [event["stage"] for _, event in events][-1] == "conclude"


async def test_a_saver_without_async_methods_serves_async_callers_too(tmp_path):
    app = cvr(checkpointer=sqlite_saver(tmp_path))
    assert (await app.ainvoke(GIVEN, THREAD))["answer"].value == "A"
    assert (await app.aget_state(THREAD)).next == ()
    assert len([found async for found in app.aget_state_history(THREAD, limit=3)]) == 3


async def test_an_async_saver_is_called_in_its_own_loop(tmp_path):
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
        app = cvr(checkpointer=saver)
        assert (await app.ainvoke(GIVEN, THREAD))["answer"].value == "A"
        assert (await asyncio.to_thread(app.invoke, GIVEN, THREAD))["answer"].value == "A"
        assert (await app.aget_state(THREAD)).next == ()


def test_an_async_saver_whose_loop_ended_is_refused():
    class Idle(InMemorySaver):
        loop = asyncio.new_event_loop()

    Idle.loop.close()
    with pytest.raises(SetupError, match="The checkpointer Idle belongs to an event loop that does not run"):
        cvr(checkpointer=Idle()).invoke(GIVEN, THREAD)
