"""`brief`: check the question, list its videos, probe the first of them, and write the first messages.

Errors in the input are raised here, before any model is called; one error names all videos that cannot be read. A
follow-up question on the same thread about the same videos, or with more behind them, keeps the conversation and its
evidence. A chat (`messages` without a question) raises no error in its input: the run ends with a reply that asks for
what is missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from agentcvr_graph.catalogue import LISTED, Catalogue
from agentcvr_graph.graph import prompts
from agentcvr_graph.graph.budget import check_steps, full_budget, remaining_steps
from agentcvr_graph.graph.catalogues import count_kept, list_videos, probe_first
from agentcvr_graph.graph.chat.conversation import (
    Conversation,
    MissingError,
    files_in_folders,
    missing_in,
    read_conversation,
    waits_for_reply,
)
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies
from agentcvr_graph.graph.dialects import answered_calls, choose_dialect, instructions
from agentcvr_graph.graph.events import failures_reported, report
from agentcvr_graph.graph.nodes.memory import memory_of
from agentcvr_graph.graph.nodes.review import check_review
from agentcvr_graph.graph.policy_messages import policy_messages, policy_records
from agentcvr_graph.graph.question import check_count, check_question, question_kind
from agentcvr_graph.graph.state import Clock, CVRState, Work
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.tools import Toolset
from agentcvr_graph.types import Cost, Failure, Observation, Question, Usage


class Brief:
    """The node `brief`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, state: CVRState, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Write the brief, and report why it cannot be written.

        Raises:
            InputError: the question or its videos cannot be used; nothing has been spent.
            SetupError: the recursion limit leaves no turn, what the settings choose cannot be used, or reviews have no
                thread on which they can wait.
        """
        with failures_reported(runtime, "brief"):
            context = self._dependencies.context_of(runtime, {})
            check_steps(state)
            check_review(runtime, context)
            try:
                return await self._brief(state, context, runtime)
            except MissingError as missing:
                return _asked_back(missing, context, runtime)

    async def _brief(self, state: CVRState, context: CVRContext, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        chat = read_conversation(state) if not state.get("question") and waits_for_reply(state["messages"]) else None
        perception = await self._dependencies.chosen_perception(context)
        question, catalogue = await _listed(state, chat, perception)
        if chat is not None and (files := files_in_folders(catalogue)):
            chat = read_conversation(state, files)
            question, catalogue = await _listed(state, chat, perception)
        with missing_in(chat):
            check_count(question, len(catalogue))
            if chat is not None:
                question = question.model_copy(update={"question": chat.over(catalogue)})
            report(runtime, "brief", _opening(catalogue))
            listed = await probe_first(perception, catalogue, context)
        self._dependencies.catalogues.keep(catalogue)
        old = count_kept(state, catalogue, listed)
        known = [] if old or chat is None else chat.known(listed)
        if (memory := memory_of(runtime, context)) is not None:
            known += await memory.recall(question.question, [info for info in listed if info.number > old])
        reserve = self._dependencies.reserve(context)
        tools = self._dependencies.tools
        text = prompts.brief(
            question.question,
            question_kind(question),
            question.options,
            listed,
            full_budget(context, remaining_steps(state) - 1, reserve).shown(),
            known,
            earlier=() if old or chat is None else chat.earlier,
            more=prompts.more_videos(len(listed), len(catalogue), tools),
            tools=tools,
        )
        message = _brief_message(text, tools)
        return {
            "checked_question": question,
            "catalogue": catalogue.summary,
            **({"messages": [_asked(question)]} if chat is None else {"videos": list(question.videos)}),
            "sources": listed if old else Overwrite(listed),
            "settings": context.sent,
            **(await self._conversation(state, context, old, message, known)),
            **_reset(),
            "clock": Clock().add(Work.of(runtime)),
        }

    async def _conversation(
        self, state: CVRState, context: CVRContext, old: int, brief: HumanMessage, known: list[Observation]
    ) -> dict[str, Any]:
        if old:
            return {"policy_messages": _continued(policy_messages(state), brief), "observations": known}
        dialect = choose_dialect(await self._dependencies.chosen_master(context), context.dialect)
        tools = self._dependencies.tools
        system = SystemMessage(prompts.system(instructions(dialect, tools), context.language, tools))
        return {"policy_messages": Overwrite(policy_records(system, brief)), "observations": Overwrite(known)}


async def _listed(state: CVRState, chat: Conversation | None, perception: Perception) -> tuple[Question, Catalogue]:
    """Return the question, and the list of all its videos."""
    with missing_in(chat):
        question = check_question(state if chat is None else {**state, **chat.fields})
        return question, await list_videos(perception, question.videos)


def _asked_back(missing: MissingError, context: CVRContext, runtime: Runtime[CVRContext]) -> dict[str, Any]:
    """Return the update of a run that asks for what a chat lacks."""
    return {
        **_reset(),
        "failure": Failure(boundary="input", message=str(missing)),
        "checked_question": None,
        "videos": list(missing.videos),
        "settings": context.sent,
        "clock": Clock().add(Work.of(runtime)),
    }


def _asked(question: Question) -> HumanMessage:
    """Return the question as the caller's message."""
    options = prompts.option_lines(question.options, question_kind(question))
    return HumanMessage("\n".join([question.question, *options]))


def _opening(catalogue: Catalogue) -> str:
    """Return the progress line: how many videos are opened."""
    count = len(catalogue)
    return (
        f"opening {count} video{'' if count == 1 else 's'}"
        if count <= LISTED
        else f"opening {LISTED} of {count:,} videos"
    )


def _brief_message(text: str, tools: Toolset) -> HumanMessage:
    """Return the brief as a message, by which a trajectory later finds the question and the graph's tools."""
    marks = {prompts.TOOL_OUTLINES: tools.stored_outlines}
    return HumanMessage(text, id=f"{prompts.BRIEF_ID}{uuid.uuid4().hex}", additional_kwargs=marks)


def _continued(messages: Sequence[AnyMessage], brief: HumanMessage) -> Any:
    """Return the update that puts a brief behind a conversation in which every call has its reply.

    A run that was cancelled, and a question over one that waits for a human, leave calls without replies. Servers that
    enforce OpenAI's rule would reject the conversation from then on.
    """
    complete = answered_calls(messages)
    if complete == list(messages):
        return policy_records(brief)
    return Overwrite(policy_records(*complete, brief))


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
        "checks": [],
        "verifications": Overwrite([]),
        # The next question on this thread starts from the defaults, not from this one's options.
        "options": [],
        "kind": "auto",
    }
