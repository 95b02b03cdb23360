"""Run the graph of a LangGraph server as a part of a program's own graph.

A server's run that waits for a human waits in the parent too: the parent's node gets the same interrupt, and the
parent's resume is passed on to the server's thread. A `RemoteGraph` alone raises the interrupt in the parent but has no
way to pass the decision on, so that the run would wait again and again.

What a server or its client raises becomes an error of this library, of the same class as in a local run where the
server names it. Values of a server are JSON; `trajectory_of` reads them. This module knows neither its nodes nor its
models.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import HumanMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Command, Interrupt, interrupt

from agentcvr_graph.errors import CVRError, InfrastructureError, InputError, SetupError, VideoError
from agentcvr_graph.graph.context import NO_SETTING, WRONG_SETTING, CVRContext
from agentcvr_graph.graph.state import ChatInput, CVRInput
from agentcvr_graph.models.clients.errors import detail_of, one_line, recognised, refused, status_of
from agentcvr_graph.models.clients.keys import without_keys
from agentcvr_graph.types import Video

if TYPE_CHECKING:
    from langgraph.pregel.remote import RemoteGraph

LOCAL = ("thread_id", "checkpoint_ns", "__pregel_stream")
"""What a `RemoteGraph` itself reads in a parent's configuration; it sends none of it as a setting."""
API_KEY = "LANGSMITH_API_KEY"
"""The environment variable with the key that LangGraph's client sends to a server."""


class WaitingError(InputError):
    """Raised when a server's run waits for a human, and the caller has no thread on which it can wait."""

    def __init__(self, waiting: Interrupt) -> None:
        super().__init__(
            f"The server's run waits for a decision: {waiting.value}.",
            fix="Call it in a node of a graph with a checkpointer, or resume its thread with Command(resume=...).",
        )


async def run_remote(
    remote: RemoteGraph, given: CVRInput | ChatInput, config: RunnableConfig, context: CVRContext | None = None
) -> dict[str, Any]:
    """Run a question on the server's thread that the configuration names; continue it if it was stopped or waits.

    Args:
        config: the configuration of the calling node. The server's thread gets its `thread_id`, a UUID. Without one the
            run has no thread and cannot wait for a human.
        context: the settings of the run; those that are not set are the server's.

    Returns:
        The output of the graph as JSON.

    Raises:
        InputError: the server cannot use the question, its options or its videos.
        WaitingError: the run waits for a human, and the caller has no thread on which it can wait.
        InfrastructureError: the server cannot be reached, refuses the run or a setting, or the run failed on it.
        SetupError: the server refuses the API key, or its graph is another one.
    """
    with errors_of(remote):
        return await _run(remote, given, config, context)


async def _run(
    remote: RemoteGraph, given: CVRInput | ChatInput, config: RunnableConfig, context: CVRContext | None
) -> dict[str, Any]:
    sent: Any = {**given, "videos": [_as_json(video) for video in given.get("videos", ())]}
    waiting: Sequence[Interrupt] = ()
    if _thread_of(config):
        sent, waiting = await _begun(remote, given, sent, config)
    while True:
        if waiting:
            sent = Command(resume={one.id: _decision(one, config) for one in waiting})
        output, waiting = await _call(remote, sent, config, context)
        if not waiting:
            return output


def thread_of_call(config: RunnableConfig, given: CVRInput | ChatInput) -> RunnableConfig:
    """Return the configuration of a tool call with a server's thread of its own, which is the same after a resume.

    Calls of one turn run in parallel, so they cannot share the thread of their agent.
    """
    if not (thread := _thread_of(config)):
        return config
    names = config.get("configurable", {})
    key = f"{thread}/{names.get('checkpoint_ns', '')}/{_asked(given)}/{given.get('videos', [])}"
    thread_id = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
    return {**config, "configurable": {**names, "thread_id": thread_id}}


async def _begun(
    remote: RemoteGraph, given: CVRInput | ChatInput, sent: Any, config: RunnableConfig
) -> tuple[Any, Sequence[Interrupt]]:
    """Return the input that continues this question on its thread, and the interrupts for which it waits."""
    await cast(Any, remote.client).threads.create(thread_id=_thread_of(config), if_exists="do_nothing")
    state = await _state(remote, config)
    values = cast(dict[str, Any], state["values"])
    if not state["next"] or _asked(values) != _asked(given):
        return sent, ()
    return None, _waiting(state)


def _asked(given: Mapping[str, Any]) -> str:
    """Return the question of an input or a state: its text, or the text of the last message of the caller."""
    asked = [one.text for one in convert_to_messages(given.get("messages") or []) if isinstance(one, HumanMessage)]
    return given.get("question") or (str(asked[-1]) if asked else "")


async def _state(remote: RemoteGraph, config: RunnableConfig) -> dict[str, Any]:
    """Return the state of the server's thread. `aget_state` of a `RemoteGraph` cannot read a thread without runs."""
    return await cast(Any, remote.client).threads.get_state(_thread_of(config))


def _waiting(state: dict[str, Any]) -> list[Interrupt]:
    return [_as_interrupt(one) for task in state["tasks"] for one in task["interrupts"]]


async def _call(
    remote: RemoteGraph, sent: Any, config: RunnableConfig, context: CVRContext | None
) -> tuple[dict[str, Any], Sequence[Interrupt]]:
    settings = context.sent if context is not None else {}
    if settings:  # a server accepts either a context or a configurable
        config = {**config, "configurable": {n: v for n, v in config.get("configurable", {}).items() if n in LOCAL}}
    try:
        output = await cast(Any, remote).ainvoke(sent, config, context=settings or None, on_disconnect="cancel")
    except GraphInterrupt as caught:
        return {}, cast(Sequence[Interrupt], caught.args[0])
    if not output:
        raise InfrastructureError(f"The server ended the run of {remote.name!r} without an output.")
    if not {"answer", "failure"} <= set(output):
        raise SetupError(f"{remote.name!r} of the server is another graph.", fix="Name one of `create_cvr_graph`.")
    if output["answer"] is None and output["failure"] is None and _thread_of(config):
        return output, _waiting(await _state(remote, config))  # outside of a node, `ainvoke` does not say that it waits
    return output, ()


def _decision(waiting: Interrupt, config: RunnableConfig) -> Any:
    """Wait for the parent's decision."""
    if not _thread_of(config):
        raise WaitingError(waiting)
    try:
        return interrupt(waiting.value)
    except (RuntimeError, KeyError) as error:  # LangGraph: called outside of a graph
        raise WaitingError(waiting) from error


def _thread_of(config: RunnableConfig) -> str:
    """Return the thread of a configuration; empty if it names none."""
    return config.get("configurable", {}).get("thread_id") or ""


def _as_interrupt(given: Any) -> Interrupt:
    return cast(Interrupt, given) if isinstance(given, Interrupt) else Interrupt(value=given["value"], id=given["id"])


def _as_json(video: str | Video) -> Any:
    return video.model_dump(mode="json", exclude_defaults=True) if isinstance(video, Video) else video


@contextmanager
def errors_of(remote: RemoteGraph) -> Generator[None]:
    """Raise what a server and its client raise as errors of this library; an unknown exception passes unchanged."""
    try:
        yield
    except (GraphBubbleUp, CVRError):
        raise
    except Exception as error:
        failure = _failure_of(error, f"The server of {remote.name!r}")
        if failure is None:
            raise
        raise failure from error


def _failure_of(error: Exception, server: str) -> CVRError | None:
    status = status_of(error)
    if status is not None:
        return refused(status, detail_of(error), server, key=API_KEY)
    if type(error).__name__ == "RemoteException":
        return _raised_by_run(error.args[0] if error.args else "", server)
    return recognised(error, server)


def _raised_by_run(data: object, server: str) -> CVRError:
    """Return the error of a run that failed, from what the server streams: `{"error": its class, "message": ...}`."""
    told = cast(Mapping[str, object], data) if isinstance(data, Mapping) else {"message": data}
    kind, message = str(told.get("error", "")), without_keys(str(told.get("message", "")))
    about_settings = message.startswith((NO_SETTING, WRONG_SETTING))
    if kind in (InputError.__name__, VideoError.__name__) and not about_settings:
        return InputError(message)
    detail = one_line(f"{kind}: {message}" if kind else message)
    return InfrastructureError(f"{server} reported that the run failed ({detail}).")
