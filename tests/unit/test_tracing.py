"""Traces and logs of a run: metadata to find it by, no pictures, no router, and a line for every look."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import BaseTracer
from langchain_core.tracers.context import register_configure_hook

from agentcvr_graph import CVRContext, InfrastructureError, create_cvr_graph
from agentcvr_graph.eval.methods.base import GraphMethod
from agentcvr_graph.eval.scoring import EvalTask
from agentcvr_graph.eval.worker import EvalWorker
from agentcvr_graph.media.types import Frame
from agentcvr_graph.models.adapters.chat_vision import ChatVision
from agentcvr_graph.models.base import SampledFrames
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.types import Observation, Observe, Question, Video, VideoInfo

GIVEN: Any = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}
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
    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        raise InfrastructureError("The server is busy.")


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
    return create_cvr_graph(FakeMaster(turns=turns), perception).compile()


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
    await graph_of(Failing()).ainvoke(GIVEN)
    lines = [(record.levelname, record.message) for record in caplog.records if record.name.endswith("looks")]
    assert [level for level, _ in lines] == ["DEBUG", "INFO", "DEBUG", "WARNING", "WARNING"]
    assert lines[0][1].startswith("start: observing video 1") and lines[1][1].startswith("end after 0.0 s: observing")
    assert "attempt failed" in lines[3][1] and "The server is busy." in lines[4][1]


def test_a_library_call_prints_nothing_to_the_terminal():
    code = "import agentcvr_graph, logging; logging.getLogger('agentcvr_graph.graph').warning('not shown')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
