"""A user's app that uses every public name with its types, which pyright must accept.

`test_public_types.py` type-checks this file and runs it once.
"""

# pyright: strict

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import (
    ActionError,
    Answer,
    BugError,
    ChatInput,
    Citation,
    ClaimedCitation,
    Cost,
    CVRAnswered,
    CVRContext,
    CVRError,
    CVRFailed,
    CVRInput,
    CVROutput,
    CVRState,
    Evidence,
    Failure,
    Features,
    InfrastructureError,
    InputError,
    Listen,
    LivePerception,
    Observation,
    Observe,
    Perception,
    Progress,
    Question,
    ScriptedPerception,
    ScriptLibrary,
    SetupError,
    Target,
    Trajectory,
    Usage,
    Verification,
    Video,
    VideoError,
    VideoInfo,
    Window,
    as_agent,
    as_tool,
    create_cvr_graph,
    resolve_chat_model,
    resolve_perception,
    retake,
    trajectory_of,
)
from agentcvr_graph.testing import FakeMaster, answer, observe, turn


class RedCars:
    """A perception that always sees a red car."""

    async def probe(self, video: Video, number: int) -> VideoInfo:
        if not video.source:
            raise VideoError(video.source, "it has no name.")
        return VideoInfo(number=number, video=video, duration_s=60.0, width=640, height=360)

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        windows = tuple(Window(video=t.video, start_s=t.start_s, end_s=t.end_s) for t in request.targets)
        evidence = tuple(Evidence(text="A red car.", window=window) for window in windows)
        cost = Cost(frames=request.frames)
        return Observation(modality="visual", windows=windows, evidence=evidence, model="cars", cost=cost)

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        raise InfrastructureError("There is nothing to be heard.", transient=False)


def master() -> FakeMaster:
    """Return a master that observes, then answers."""
    turns: list[AIMessage] = [turn("", observe((1, 0, 10, 4))), turn("", answer("red")), turn("", answer("blue"))]
    return FakeMaster(turns=turns)


async def ask() -> tuple[Trajectory, Trajectory]:
    """Run a question and retake its first turn; return both trajectories."""
    perception: Perception = RedCars()
    app = create_cvr_graph(master(), perception).compile(checkpointer=InMemorySaver())
    context = CVRContext(max_turns=4, max_frames=64)
    given = CVRInput(question="Which colour is the car?", videos=["a.mp4", Video(source="b.mp4", title="B")])
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    output: CVROutput = await app.ainvoke(given, config, context=CVRContext(max_turns=4, min_evidence=0))
    look = Target(video=1, start_s=0.0, end_s=5.0, frames=2).model_dump()
    fork = await retake(app, config, 1, [{"name": "observe", "args": {"targets": [look]}}], context=context)
    other: CVROutput = await app.ainvoke(None, fork, context=CVRContext(max_turns=4, min_evidence=0))
    return trajectory_of(output), trajectory_of(other)


def wait() -> CVROutput:
    """Run a question without an event loop."""
    app = create_cvr_graph(master(), RedCars()).compile()
    given = CVRInput(question="Which colour is the car?", videos=["a.mp4"])
    return app.invoke(given, context=CVRContext(max_turns=4, min_evidence=0))


def tool() -> BaseTool:
    """Return the graph as a tool for an agent."""
    return as_tool(create_cvr_graph(master(), RedCars()).compile(), context=CVRContext(max_turns=4))


async def agent() -> str:
    """Ask the graph as an agent of another framework; return its final message."""
    app = as_agent(create_cvr_graph(master(), RedCars()).compile(), context=CVRContext(max_turns=4))
    output = await app.ainvoke({"messages": [HumanMessage("Which colour is the car in a.mp4?")]})
    return str(output["messages"][-1].text)


async def checked() -> list[str]:
    """Ask with checks of the citations; return the claims that were not supported."""
    app = create_cvr_graph(master(), RedCars(), features=Features(verify=True)).compile()
    output = await app.ainvoke(CVRInput(question="Which colour is the car?", videos=["a.mp4"]))
    checks: list[Verification] = output["verifications"]
    cited: list[ClaimedCitation] = [check.citation for check in checks if check.verdict != "supported"]
    return [citation.claim for citation in cited]


async def chat() -> CVROutput:
    """Ask in a conversation."""
    app = create_cvr_graph(master(), RedCars()).compile()
    return await app.ainvoke(ChatInput(messages=[("user", "Which colour is the car in a.mp4?")]))


def summary(trajectory: Trajectory) -> str:
    """Return a one-line summary of a trajectory."""
    found: Answer | None = trajectory.answer
    failure: Failure | None = trajectory.failure
    usage: Usage = trajectory.usage
    cited: tuple[Citation, ...] = found.citations if found else ()
    said = found.text if found else failure.message if failure else ""
    return f"{said}, {usage.frames} frames, {len(cited)} proofs"


def to_blame(error: CVRError) -> str:
    """Return who can fix an error."""
    match error:
        case InputError():
            return "the caller"
        case SetupError():
            return "the owner"
        case ActionError():
            return "the master"
        case InfrastructureError():
            return "the infrastructure"
        case BugError():
            return "we"
        case _:
            return error.message


def shown(event: Progress) -> str:
    """Return a line for an event of the `custom` stream."""
    return f"turn {event['turn']}, {event['stage']}, {event['event']}: {event['text']}"


def in_words(output: CVROutput) -> str:
    """Return the answer's text, or the failure."""
    answer = output["answer"]
    return answer.text if answer is not None else str(output["failure"])


def text_of(output: CVRAnswered) -> str:
    """Return the answer of a run that is known to have one."""
    return output["answer"].text


def reason_of(output: CVRFailed) -> str:
    """Return the message of a run that is known to have failed."""
    return output["failure"].message


def scripted(path: Path) -> ScriptedPerception:
    """Return the perception of swap mode."""
    return ScriptedPerception(ScriptLibrary(path))


def live(vision: str = "offline") -> LivePerception:
    """Return the perception of real video."""
    return resolve_perception(vision=vision)


def offline() -> BaseChatModel:
    """Return the default master."""
    return resolve_chat_model("offline")


def stored(question: Question) -> str:
    """Return a question as JSON."""
    return question.model_dump_json()


def turns_of(state: CVRState) -> int:
    """Return the number of turns in a state snapshot."""
    return state["turn"]
