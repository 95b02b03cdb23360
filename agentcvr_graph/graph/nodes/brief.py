"""`brief`: check the question, probe its videos, and write the first messages.

Errors in the input are raised here, before any model is called; one error names all videos that cannot be read. A
follow-up question on the same thread about the same videos keeps the conversation and its evidence.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, RemoveMessage, SystemMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.runtime import Runtime
from langgraph.types import Overwrite
from pydantic import ValidationError

from agentcvr_graph.answers import KINDS, resolve_kind
from agentcvr_graph.errors import InputError, VideoError
from agentcvr_graph.graph import prompts
from agentcvr_graph.graph.budget import full_budget
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies
from agentcvr_graph.graph.dialects import answered_calls, instructions
from agentcvr_graph.graph.events import report
from agentcvr_graph.graph.nodes.memory import memory_of
from agentcvr_graph.graph.state import Clock, CVRInput, CVRState, Work
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.types import AnswerKind, Cost, Observation, Question, Usage, Video, VideoInfo

MAX_VIDEOS = 100
MAX_CHARACTERS = 20_000
"""Maximum length of a question or an option: a limit for untrusted clients, far above normal use."""


class Brief:
    """The node `brief`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, state: CVRState, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Write the brief.

        Raises:
            InputError: the question or its videos cannot be used; nothing has been spent.
        """
        context = self._dependencies.context_of(runtime, {})
        question = check_question(state)
        count = len(question.videos)
        report(runtime, "brief", f"opening {count} video{'' if count == 1 else 's'}")
        sources = await probe_all(await self._dependencies.chosen_perception(context), question.videos, context)
        known: list[Observation] = []
        if (memory := memory_of(runtime, context)) is not None and sources != state.get("sources"):
            known = await memory.recall(question.question, sources)
        kind, left = question_kind(question), full_budget(context).shown()
        text = prompts.brief(question.question, kind, question.options, sources, left, known)
        message = HumanMessage(
            text,
            id=f"{prompts.BRIEF_ID}{uuid.uuid4().hex}",
            additional_kwargs={prompts.ENDING_TOOLS: list(self._dependencies.tools.ending)},
        )
        return {
            "checked_question": question,
            "sources": sources,
            "settings": context.sent,
            **(await self._conversation(state, context, sources, message, known)),
            **_reset(),
            "clock": Clock().add(Work.of(runtime)),
        }

    async def _conversation(
        self,
        state: CVRState,
        context: CVRContext,
        sources: list[VideoInfo],
        brief: HumanMessage,
        known: list[Observation],
    ) -> dict[str, Any]:
        if sources == state.get("sources"):
            return {"messages": _continued(state["messages"], brief)}
        _, dialect = await self._dependencies.bound_master(context)
        tools = self._dependencies.tools
        system = SystemMessage(prompts.system(instructions(dialect, tools), context.language, tools))
        messages: list[BaseMessage] = [RemoveMessage(id=REMOVE_ALL_MESSAGES), system, brief]
        return {"messages": messages, "observations": Overwrite(known)}


def _continued(messages: Sequence[AnyMessage], brief: HumanMessage) -> list[BaseMessage]:
    """Return the update that puts a brief behind a conversation in which every call has its reply.

    A run that was cancelled, and a question over one that waits for a human, leave calls without replies. Servers that
    enforce OpenAI's rule would reject the conversation from then on.
    """
    complete = answered_calls(messages)
    if complete == list(messages):
        return [brief]
    return [RemoveMessage(id=REMOVE_ALL_MESSAGES), *complete, brief]


def check_question(given: CVRInput) -> Question:
    """Return the question with its videos as `Video`s and its kind decided.

    Raises:
        InputError: the question is empty, there are no videos, the options do not fit the kind, or a limit is exceeded.
    """
    question = (given.get("question") or "").strip()
    if not question:
        raise InputError("The question is empty.", fix="Ask something, in plain words.")
    videos = tuple(as_video(video) for video in given.get("videos") or ())
    if not videos:
        raise InputError("There is no video to look at.", fix="Name at least one file, URL or image folder.")
    if len(videos) > MAX_VIDEOS:
        raise InputError(f"{len(videos):,} videos are too many.", fix=f"Ask about at most {MAX_VIDEOS}.")
    options = tuple(option.strip() for option in given.get("options") or ())
    longest = max(map(len, (question, *options)))
    if longest > MAX_CHARACTERS:
        raise InputError(
            f"The question or an option has {longest:,} characters.", fix=f"Use at most {MAX_CHARACTERS:,} in each."
        )
    if not all(options):
        raise InputError("An option is empty.", fix="Give every option a text.")
    kind = resolve_kind(given.get("kind") or "auto", options)
    KINDS[kind].check(options, len(options or videos))
    return Question(question=question, videos=videos, options=options, kind=kind)


def as_video(video: str | Video | dict[str, Any]) -> Video:
    """Return the caller's video as a `Video`: a server passes dictionaries, a program strings or objects.

    Raises:
        InputError: the value is not a video.
    """
    if isinstance(video, Video):
        return video
    if isinstance(video, str):
        if not video.strip():
            raise InputError("A video has an empty name.", fix="Name a file, a URL or an image folder.")
        return Video(source=video)
    try:
        return Video.model_validate(video)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "a video"
        fix = "Name a file, a URL or an image folder."
        raise InputError(f"A video cannot be understood: {place}: {first['msg']}.", fix=fix) from None


async def probe_all(perception: Perception, videos: Sequence[Video], context: CVRContext) -> list[VideoInfo]:
    """Probe all videos concurrently.

    Raises:
        InputError: no video can be read, or one cannot and the context says `stop`; the message names each of them.
    """
    found = await asyncio.gather(*(_probe(perception, video, n) for n, video in enumerate(videos, start=1)))
    problems = [info.problem for info in found if info.problem]
    if len(problems) == len(found) or (problems and context.unreadable == "stop"):
        raise InputError("\n".join(problems))
    return list(found)


async def _probe(perception: Perception, video: Video, number: int) -> VideoInfo:
    try:
        return await perception.probe(video, number)
    except VideoError as error:
        return VideoInfo(number=number, video=video, problem=str(error))


def question_kind(question: Question) -> AnswerKind:
    """Return the kind of a checked question, which is never `auto`."""
    return resolve_kind(question.kind, question.options)


def _reset() -> dict[str, Any]:
    """Return the initial values of a run's channels; the thread may hold those of an earlier question."""
    return {
        "answer": None,
        "failure": None,
        "usage": Usage(),
        "turn": 0,
        "complaints": 0,
        "repairs": 0,
        "closing": False,
        "spent": Overwrite(Cost()),
        "assignments": [],
        "draft": None,
        # The next question on this thread starts from the defaults, not from this one's options.
        "options": [],
        "kind": "auto",
    }
