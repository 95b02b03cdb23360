"""`conclude`: accept the answer, or send it back.

An answer is accepted if its value fits the kind and if the minimum of evidence was observed: of up to four videos each,
of more a window that the answer cites. The minimum does not apply once a budget has run out. An answer that does not
fit is sent back once. If infrastructure errors failed every observation, the run ends without an answer. Citations of
an accepted answer are clipped to their video; only those that overlap an observation are kept. Every run ends here,
with an answer, an abstention (`grounds.py`) or a typed failure, and with the message that says it to the caller.

With the feature `verify`, the citations of an answer that fits are checked before it is accepted (`verify.py`), and the
result is sent to the master once, if there is something to decide.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime

from agentcvr_graph.answers import parse_answer, parse_reply
from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph import prompts
from agentcvr_graph.graph.budget import RAISE_LIMIT, STEPS_PER_TURN, remaining_steps
from agentcvr_graph.graph.catalogues import count_of, sources_of
from agentcvr_graph.graph.chat.closing import closing_message, failure_message, left_for_next
from agentcvr_graph.graph.chat.conversation import Closed
from agentcvr_graph.graph.checks import Checks, plan_checks, result_for_master
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies
from agentcvr_graph.graph.dialects import FAILED_BY, call_answered, reply
from agentcvr_graph.graph.events import report
from agentcvr_graph.graph.grounds import (
    MODALITIES,
    abstention_of,
    confidence_of,
    failed_modalities,
    report_of_last,
    with_failures,
)
from agentcvr_graph.graph.nodes.agents import observed_videos
from agentcvr_graph.graph.policy_messages import policy_messages, policy_records
from agentcvr_graph.graph.question import question_kind, read_videos
from agentcvr_graph.graph.state import Call, CVRState, Work
from agentcvr_graph.render import error_text, plain
from agentcvr_graph.tools import Toolset
from agentcvr_graph.tools.answer import clip_citations
from agentcvr_graph.types import Answer, Failure, Observation, Usage

MOST_SEEN = 4
"""Each of up to so many videos must be observed before an answer; of more, a window must be that is cited."""
MAX_REPAIRS = 1
"""How often an answer is sent back because its value does not fit the kind."""


class Conclude:
    """The node `conclude`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, state: CVRState, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Accept the draft or send it back; or end the run with the failure that the state already holds."""
        context = self._dependencies.context_of(runtime, state.get("settings") or {})
        update = self._concluded(state, context, Work.of(runtime))
        _report_end(runtime, state, update)
        return update | {"messages": _closing(state, update)}

    def _concluded(self, state: CVRState, context: CVRContext, work: Work) -> dict[str, Any]:
        if state["failure"] is not None:
            return _settled(state, work)
        draft = cast(Call, state["draft"])
        missing = [] if state["closing"] else missing_evidence(state, context.min_evidence)
        if missing:
            text = error_text(prompts.EVIDENCE_FIRST.format(missing=" and ".join(str(number) for number in missing)))
            return {"policy_messages": policy_records(reply(draft, text)), "draft": None}
        if context.min_evidence and (message := _nothing_observed(state)):
            return {"failure": Failure(boundary="infrastructure", message=message), **_settled(state, work)}
        try:
            answer, notes = read_answer(draft, state, self._dependencies.tools, context)
        except ActionError as error:
            return _sent_back(state, draft, error, work)
        if not state["closing"] and context.min_evidence and lacks_citation(answer, state):
            return {"policy_messages": policy_records(reply(draft, error_text(prompts.CITE_FIRST))), "draft": None}
        checks = self._checks(answer, state, context)
        if checks.planned:
            return {"checks": checks.planned, "verifications": checks.settled, "clock": work}
        checked = {"checks": [], "verifications": checks.settled}
        verifications, tools = [*(state.get("verifications") or []), *checks.settled], self._dependencies.tools
        if verifications and (result := result_for_master(answer, verifications, state, context, tools)):
            return {"policy_messages": policy_records(reply(draft, result)), "draft": None, "clock": work, **checked}
        text = "\n".join([prompts.RECORDED, *(f"note: {plain(note)}" for note in notes)])
        return {
            "policy_messages": policy_records(reply(draft, text)),
            "answer": answer,
            **_settled(state, work),
            **checked,
        }

    def _checks(self, answer: Answer, state: CVRState, context: CVRContext) -> Checks:
        """Return the checks that the answer still needs; none without the feature `verify`."""
        if not self._dependencies.verifies(context):
            return Checks()
        return plan_checks(answer, state, context, self._dependencies.tools)


def _closing(state: CVRState, update: dict[str, Any]) -> list[AIMessage]:
    """Return the reply to the caller; none for an answer that was sent back."""
    answer: Answer | None = update.get("answer")
    failure: Failure | None = update.get("failure") or state["failure"]
    if answer is None and failure is None:
        return []
    if failure is not None and failure.boundary == "input":
        return [failure_message(failure, Closed(videos=read_videos(state.get("videos"))))]
    new = _observed_now(state)
    left = left_for_next(state["checked_question"], state["sources"], new)
    if answer is not None:
        return [closing_message(answer, state["sources"], state["observations"], left)]
    return [failure_message(cast(Failure, failure), left)]


def _observed_now(state: CVRState) -> list[Observation]:
    """Return what was observed for this question."""
    replies = prompts.since_brief(policy_messages(state))
    calls = {call_answered(message) for message in replies}
    return [one for one in state["observations"] if one.call_id in calls]


def _report_end(runtime: Runtime[CVRContext], state: CVRState, update: dict[str, Any]) -> None:
    """Report the end of the run, with its answer or its failure; an answer that was sent back ends nothing."""
    answer: Answer | None = update.get("answer")
    failure: Failure | None = update.get("failure") or state["failure"]
    if answer is not None:
        duration_s = update["usage"].wall_s
        text = answer.text if answer.abstained else f"answer: {answer.text}"
        report(runtime, "conclude", text, state["turn"], event="end", duration_s=duration_s)
    elif failure is not None:
        text, kind = f"failed: {failure.message}", failure.boundary
        duration_s = update["usage"].wall_s
        report(runtime, "conclude", text, state["turn"], event="failure", failure=kind, duration_s=duration_s)


def read_answer(draft: Call, state: CVRState, tools: Toolset, context: CVRContext) -> tuple[Answer, tuple[str, ...]]:
    """Return the typed answer of a draft, or its abstention, and notes on what was left out of it.

    Raises:
        ActionError: the value does not fit the kind, or the settings allow no abstention.
    """
    if draft.problem:
        raise ActionError(draft.problem)
    arguments, ignored = tools.read_answer(draft.tool, draft.arguments)
    messages, question = prompts.since_brief(policy_messages(state)), state["checked_question"]
    self_report, kind = report_of_last(messages), question_kind(question)
    failed = failed_modalities(messages, state["observations"])
    abstained = abstention_of(arguments, self_report, kind, allowed=context.abstain == "allowed")
    if abstained is not None:
        return with_failures(abstained, failed), ignored
    citations, notes = clip_citations(arguments.citations, state["observations"], sources_of(state))
    parse = parse_reply if draft.prose else parse_answer
    answer = parse(
        arguments.value,
        kind,
        question.options,
        len(question.options) or count_of(state),
        rationale=arguments.rationale,
        citations=citations,
    )
    answer = answer.model_copy(update={"confidence": confidence_of(arguments, self_report)})
    return with_failures(answer, failed), (*ignored, *notes)


def missing_evidence(state: CVRState, at_least: int) -> list[int]:
    """Return the readable videos that were observed fewer than `at_least` times; none of more than `MOST_SEEN`."""
    if count_of(state) > MOST_SEEN:
        return []
    seen = observed_videos(state["observations"])
    return [info.number for info in state["sources"] if not info.problem and seen.count(info.number) < at_least]


def lacks_citation(answer: Answer, state: CVRState) -> bool:
    """Return whether an answer about more than `MOST_SEEN` videos cites nothing that was looked at or listened to.

    An abstention has nothing to cite, and neither has a value that the master calls a guess after it has looked.
    """
    admitted = answer.abstained or (answer.is_guess and _has_looked(state))
    return count_of(state) > MOST_SEEN and not answer.citations and not admitted


def may_answer(state: CVRState, at_least: int) -> bool:
    """Return whether there is the evidence that an answer needs."""
    if not at_least or count_of(state) <= MOST_SEEN:
        return not missing_evidence(state, at_least)
    return _has_looked(state)


def _has_looked(state: CVRState) -> bool:
    """Return whether anything was looked at or listened to; a search is neither."""
    return any(one.modality in MODALITIES for one in state["observations"])


def _nothing_observed(state: CVRState) -> str:
    """Return a message with the last infrastructure error if no observation succeeded, else an empty string.

    An answer without any observation would be a guess.
    """
    messages = prompts.since_brief(policy_messages(state))
    refused = [message.text for message in messages if message.additional_kwargs.get(FAILED_BY) == "infrastructure"]
    if observed_videos(state["observations"]) or not refused:
        return ""
    return f"Nothing could be observed. The last look ended in: {refused[-1].splitlines()[0]}"


def _sent_back(state: CVRState, draft: Call, error: ActionError, work: Work) -> dict[str, Any]:
    text = error_text(str(error))
    update: dict[str, Any] = {"policy_messages": policy_records(reply(draft, text)), "draft": None}
    another = remaining_steps(state) - 1 >= STEPS_PER_TURN
    if state["repairs"] < MAX_REPAIRS and another:
        return update | {"repairs": state["repairs"] + 1}
    message = f"The master's answer does not fit the question: {error}{'' if another else RAISE_LIMIT}"
    failure = Failure(boundary="master", message=message, out_of_budget=state["closing"])
    return update | {"failure": failure} | _settled(state, work)


def _settled(state: CVRState, work: Work) -> dict[str, Any]:
    elapsed_s = state["clock"].add(work).elapsed_s
    usage = Usage(**state["spent"].model_dump(), wall_s=round(elapsed_s, 6))
    return {"usage": usage, "clock": work, "draft": None, "assignments": []}
