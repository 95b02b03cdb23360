"""Traces and logs of a run: metadata to find it by, no pictures, no router, and a line for every look."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import BaseTracer
from langchain_core.tracers.context import register_configure_hook
from langgraph.types import RetryPolicy

from agentcvr_graph import BugError, CVRContext, InfrastructureError, SetupError, create_cvr_graph
from agentcvr_graph.eval.methods.base import GraphMethod
from agentcvr_graph.eval.scoring import EvalTask
from agentcvr_graph.eval.worker import EvalWorker
from agentcvr_graph.graph.builder import RETRY
from agentcvr_graph.graph.events import Progress
from agentcvr_graph.graph.looks import wait_before_retry
from agentcvr_graph.media.types import Frame
from agentcvr_graph.models.adapters.chat_vision import ChatVision
from agentcvr_graph.models.base import SampledFrames
from agentcvr_graph.models.clients.errors import is_transient
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.types import Observation, Observe, Question, Video, VideoInfo

GIVEN: Any = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}
LOOK = "observing video 1, 0.0-60.0 s (2 frames); video 2, 0.0-60.0 s (2 frames)"
COLLECTOR: ContextVar[BaseTracer | None] = ContextVar("collector", default=None)
register_configure_hook(COLLECTOR, inheritable=True)
JPEG = "/9j/"
"""How every JPEG begins in base64."""


class Collector(BaseTracer):
    """A tracer that keeps every run."""

    def __init__(self) -> None:
        super().__init__(_schema_format="original+chat")  # with messages as they are, as LangSmith gets them
        self.runs: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        pass

    def _end_trace(self, run: Any) -> None:
        self.runs.append(run)
        super()._end_trace(run)


class Looking(FakePerception):
    """A perception that shows frames to a chat model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = FakeMaster(turns=[AIMessage("[video 1, 0.0-60.0 s] a red ball")] * 9)
        self.vision = ChatVision(self.model, name="stub")

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        pixels = np.zeros((8, 8, 3), dtype=np.uint8)
        for target in request.targets:
            await self.vision.look([SampledFrames(target.window, (Frame(1.0, pixels),), "id")], request.focus)
        return await super().observe(request, videos)


class Failing(FakePerception):
    """A perception whose looks fail for a while."""

    def __init__(self, error: Exception, times: int = 99) -> None:
        super().__init__()
        self.error, self.left = error, times

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return await super().observe(request, videos)


BUSY = InfrastructureError("The server is busy.", transient=True)
QUICK = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=is_transient)


@contextmanager
def collect(collector: Collector) -> Generator[None]:
    """Give the collector every run of this context, as LangSmith gets it by an environment variable."""
    token = COLLECTOR.set(collector)
    try:
        yield
    finally:
        COLLECTOR.reset(token)


def graph_of(perception: FakePerception) -> Any:
    turns = [turn("", observe((1, 0, 60, 2), (2, 0, 60, 2))), *[turn("", answer("B"))] * 12]
    return create_cvr_graph(FakeMaster(turns=turns), perception, retry=QUICK).compile()


async def traced(perception: FakePerception, **config: Any) -> list[Any]:
    collector = Collector()
    await graph_of(perception).ainvoke(GIVEN, {"callbacks": [collector], **config})
    return collector.runs


async def test_a_run_is_found_by_its_question_its_videos_and_its_versions():
    runs = await traced(FakePerception(), metadata={"user": "ann"}, tags=["mine"])
    whole = next(run for run in runs if run.parent_run_id is None)
    metadata = whole.extra["metadata"]
    assert whole.name == "agentcvr" and set(whole.tags) == {"mine", "agentcvr"}
    assert metadata["video_count"] == 2 and metadata["user"] == "ann" and len(metadata["question_id"]) == 12
    assert metadata["agentcvr_version"] and metadata["langgraph_version"]


@pytest.mark.parametrize("named", [True, False])
async def test_an_application_names_its_question_also_from_a_run_around(named: bool):
    collector = Collector()

    async def inside(given: Any) -> Any:
        return await graph_of(FakePerception()).ainvoke(given)

    metadata = {"question_id": "q-17"} if named else {}
    await RunnableLambda(inside).ainvoke(GIVEN, {"callbacks": [collector], "metadata": metadata})
    found = {run.extra["metadata"].get("question_id") for run in collector.runs if run.name in ("agentcvr", "master")}
    assert len(found) == 1 and (found == {"q-17"}) is named


async def test_every_trace_of_an_evaluated_question_has_the_id_of_its_record():
    collector = Collector()
    question = Question(
        question="Which?", videos=(Video(source="a.mp4"),), options=("x", "y"), kind="choice", id="CC-4"
    )

    class Calling:
        """A method that calls a model without a graph, as the single pass does."""

        async def ask(self, question: Question) -> Any:
            await FakeMaster(turns=[AIMessage("B")]).ainvoke("Which?")
            raise InfrastructureError("The server is busy.")

    methods: Any = {"agent": GraphMethod(graph_of(FakePerception()), CVRContext()), "calling": Calling()}
    with collect(collector):
        rows = [(await EvalWorker(methods, None).run(EvalTask(question, name, attempt=2))).row for name in methods]
    assert [row.id for row in rows] == ["CC-4", "CC-4"]
    roots = [run for run in collector.runs if run.parent_run_id is None]
    assert [(run.extra["metadata"]["method"], run.extra["metadata"]["attempt"]) for run in roots] == [
        ("agent", 2),
        ("calling", 2),
    ]
    assert {run.extra["metadata"]["question_id"] for run in collector.runs} == {"CC-4"}
    assert all("agentcvr" in run.tags and run.extra["metadata"]["video_count"] == 1 for run in roots)


async def test_routers_are_not_traced():
    names = {run.name for run in await traced(FakePerception())}
    assert {"brief", "master", "visual_agent", "conclude"} <= names
    assert not {name for name in names if name.startswith("after_")}


async def test_frames_reach_the_model_and_no_trace():
    perception = Looking()
    runs = await traced(perception)
    assert JPEG in str(perception.model.seen[0])
    assert JPEG not in str([(run.inputs, run.outputs, run.serialized, run.extra) for run in runs])
    (call, _) = [run for run in runs if "image, not traced" in str(run.inputs)]
    assert "video 1, 1.0 s:" in str(call.inputs) and "a red ball" in str(call.outputs)


async def test_frames_are_traced_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AGENTCVR_TRACE_MEDIA", "true")
    assert JPEG in str([run.inputs for run in await traced(Looking())])


async def test_every_look_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "agentcvr_graph")
    await graph_of(FakePerception()).ainvoke(GIVEN)
    await graph_of(Failing(InfrastructureError("The disk is full."))).ainvoke(GIVEN)
    lines = [f"{r.levelname} {r.message}" for r in caplog.records if r.name.endswith("looks")]
    assert [line for line in lines if "master" not in line] == [
        f"DEBUG start: {LOOK}",
        f"INFO end after 0.0 s: {LOOK}",
        f"DEBUG start: {LOOK}",
        f"WARNING attempt 1 of 3 failed after 0.0 s: {LOOK}: InfrastructureError: The disk is full.",
        f"WARNING failed: {LOOK}: The disk is full.",
    ]


async def test_a_repeated_look_is_logged_with_its_attempt_its_cause_and_the_wait(caplog: pytest.LogCaptureFixture):
    await graph_of(Failing(BUSY, times=1)).ainvoke(GIVEN)
    (line,) = [record.message for record in caplog.records if record.name.endswith("looks")]
    cause = "InfrastructureError: The server is busy."
    assert line == f"attempt 1 of 3 failed after 0.0 s, retry in 0.0 s: {LOOK}: {cause}"


@pytest.mark.parametrize(
    ("policy", "attempt", "error", "wait_s"),
    [
        (RETRY, 1, TimeoutError(), 0.5),
        (RETRY, 2, TimeoutError(), 1.0),
        (RETRY, 3, TimeoutError(), None),
        (RETRY, 1, InfrastructureError("refused"), None),
        (RetryPolicy(initial_interval=8, max_interval=9, retry_on=KeyError), 2, KeyError(), 9),
        (RetryPolicy(retry_on=KeyError), 1, TimeoutError(), None),
        (RetryPolicy(retry_on=(KeyError, OSError)), 1, TimeoutError(), 0.5),
        (RetryPolicy(retry_on=[KeyError, BUSY.__class__]), 1, TimeoutError(), None),
    ],
)
def test_the_wait_before_a_retry_follows_the_policy(
    policy: RetryPolicy, attempt: int, error: Exception, wait_s: float | None
):
    assert wait_before_retry(policy, attempt, error) == wait_s


async def events_of(graph: Any) -> list[Progress]:
    events: list[Progress] = []
    with suppress(SetupError, BugError):
        async for event in graph.astream(GIVEN, stream_mode="custom"):
            assert set(event) == set(Progress.__annotations__)
            events.append(event)
    return events


async def test_progress_has_the_start_the_retries_and_the_end_of_every_look_and_of_the_run():
    events = await events_of(graph_of(Failing(BUSY, times=2)))
    found = [(event["event"], event["stage"], event["attempt"], event["failure"]) for event in events]
    assert found == [
        ("start", "brief", 1, ""),
        ("start", "master", 1, ""),
        ("start", "visual_agent", 1, ""),
        ("retry", "visual_agent", 1, "infrastructure"),
        ("start", "visual_agent", 2, ""),
        ("retry", "visual_agent", 2, "infrastructure"),
        ("start", "visual_agent", 3, ""),
        ("end", "visual_agent", 3, ""),
        ("start", "master", 1, ""),
        ("end", "conclude", 1, ""),
    ]
    looks = [event for event in events if event["stage"] == "visual_agent"]
    assert {event["call"] for event in looks} == {"call_0"} and all(event["windows"] for event in looks)
    assert looks[0]["duration_s"] is None and all(e["duration_s"] is not None for e in events if e["event"] != "start")
    assert [event["wait_s"] for event in looks if event["event"] == "retry"] == [0.001, 0.002]
    assert looks[1]["text"].endswith("retry in 0.0 s: The server is busy.") and looks[-1]["text"].startswith(LOOK)


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (BUSY, {("visual_agent", "infrastructure"), ("conclude", "infrastructure")}),
        (TimeoutError(), {("visual_agent", "timeout"), ("conclude", "infrastructure")}),
        (SetupError("No key."), {("visual_agent", "setup")}),
        (BugError("Broken."), {("visual_agent", "bug")}),
    ],
)
async def test_progress_names_what_failed(error: Exception, kinds: set[tuple[str, str]]):
    events = await events_of(graph_of(Failing(error)))
    assert {(event["stage"], event["failure"]) for event in events if event["event"] == "failure"} == kinds


async def test_progress_says_why_a_question_or_a_master_cannot_be_used():
    def choose(context: CVRContext) -> Any:
        raise SetupError("No key.")

    wrong = create_cvr_graph(choose, FakePerception()).compile()
    assert [(one["stage"], one["failure"]) for one in await events_of(wrong)][-1] == ("brief", "setup")
    useless = create_cvr_graph(FakeMaster(turns=[AIMessage("")] * 3), FakePerception()).compile()
    assert [(one["stage"], one["failure"]) for one in await events_of(useless)][-1] == ("conclude", "master")


def test_a_library_call_prints_nothing_to_the_terminal():
    """Also where looks are repeated and fail, and where the library warns."""
    code = """
import asyncio, logging
from agentcvr_graph import create_cvr_graph
from tests.unit.test_tracing import BUSY, GIVEN, Failing, graph_of
logging.getLogger('agentcvr_graph.graph').warning('not shown')
print(asyncio.run(graph_of(Failing(BUSY)).ainvoke(GIVEN))["failure"].boundary)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("infrastructure\n", "")
