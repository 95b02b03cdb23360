"""Run the graph of a LangGraph server as a part of a program's own graph.

A server's run that waits for a human waits in the parent too: the parent's node gets the same interrupt, and the
parent's resume is passed on to the server's thread. A `RemoteGraph` alone raises the interrupt in the parent but has no
way to pass the decision on, so that the run would wait again and again.

Values of a server are JSON; `trajectory_of` reads them. This module knows neither its nodes nor its models.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphInterrupt
from langgraph.types import Command, Interrupt, interrupt

from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.state import CVRInput
from agentcvr_graph.types import Video

if TYPE_CHECKING:
    from langgraph.pregel.remote import RemoteGraph

LOCAL = ("thread_id", "checkpoint_ns", "__pregel_stream")
"""What a `RemoteGraph` itself reads in a parent's configuration; it sends none of it as a setting."""


async def run_remote(
    remote: RemoteGraph, given: CVRInput, config: RunnableConfig, context: CVRContext | None = None
) -> dict[str, Any]:
    """Run a question on the server's thread that the configuration names; continue it if it was stopped or waits.

    Args:
        config: the configuration of the calling node. The server's thread gets its `thread_id`, a UUID. Without one the
            run has no thread and cannot wait for a human.
        context: the settings of the run; those that are not set are the server's.

    Returns:
        The output of the graph as JSON.

    Raises:
        InputError: the run waits for a human, and the caller is no node that can wait.
    """
    sent: Any = given | {"videos": [_as_json(video) for video in given["videos"]]}
    waiting: Sequence[Interrupt] = ()
    if config.get("configurable", {}).get("thread_id"):
        sent, waiting = await _begun(remote, given, sent, config)
    while True:
        if waiting:
            sent = Command(resume={one.id: _decision(one) for one in waiting})
        output, waiting = await _call(remote, sent, config, context)
        if not waiting:
            return output


def thread_of_call(config: RunnableConfig, given: CVRInput) -> RunnableConfig:
    """Return the configuration of a tool call with a server's thread of its own, which is the same after a resume.

    Calls of one turn run in parallel, so they cannot share the thread of their agent.
    """
    names = config.get("configurable", {})
    if not names.get("thread_id"):
        return config
    key = f"{names['thread_id']}/{names.get('checkpoint_ns', '')}/{given['question']}/{given['videos']}"
    thread_id = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
    return {**config, "configurable": {**names, "thread_id": thread_id}}


async def _begun(
    remote: RemoteGraph, given: CVRInput, sent: Any, config: RunnableConfig
) -> tuple[Any, Sequence[Interrupt]]:
    """Return the input that continues this question on its thread, and the interrupts for which it waits."""
    thread_id = config.get("configurable", {})["thread_id"]
    await cast(Any, remote.client).threads.create(thread_id=thread_id, if_exists="do_nothing")
    state = await _state(remote, config)
    if not state["next"] or cast(dict[str, Any], state["values"]).get("question") != given["question"]:
        return sent, ()
    return None, _waiting(state)


async def _state(remote: RemoteGraph, config: RunnableConfig) -> dict[str, Any]:
    """Return the state of the server's thread. `aget_state` of a `RemoteGraph` cannot read a thread without runs."""
    return await cast(Any, remote.client).threads.get_state(config.get("configurable", {})["thread_id"])


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
    if output["answer"] is None and output["failure"] is None and config.get("configurable", {}).get("thread_id"):
        return output, _waiting(await _state(remote, config))  # outside of a node, `ainvoke` does not say that it waits
    return output, ()


def _decision(waiting: Interrupt) -> Any:
    """Wait for the parent's decision."""
    try:
        return interrupt(waiting.value)
    except RuntimeError as error:  # LangGraph: called outside of a runnable
        raise InputError(
            f"The server's run waits for a decision: {waiting.value}.",
            fix="Call it in a node of a graph with a checkpointer, or resume its thread with Command(resume=...).",
        ) from error


def _as_interrupt(given: Any) -> Interrupt:
    return cast(Interrupt, given) if isinstance(given, Interrupt) else Interrupt(value=given["value"], id=given["id"])


def _as_json(video: str | Video) -> Any:
    return video.model_dump(mode="json", exclude_defaults=True) if isinstance(video, Video) else video
