"""`verify`: observe one cited window once more, and let the judge compare its claim with what is there.

The second look goes through the same perception as every other one, so live and swap mode do the same; it has no focus,
so nothing suggests the claim. `conclude` plans the looks (`graph/checks.py`), one task each, which run in parallel and
lead back to it. The reviewer of expensive looks is asked here too.

A failure is data: a look or a judge that fails after all attempts leaves its citation `unclear`, with the cause. It
never ends the run, because an answer was found already.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentcvr_graph.errors import SetupError
from agentcvr_graph.graph import looks
from agentcvr_graph.graph.checks import NODE, tool_for, unclear
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies
from agentcvr_graph.graph.error_policy import error_for_master, without_keys_in_errors
from agentcvr_graph.graph.events import failure_kind
from agentcvr_graph.graph.nodes.agents import WORK, perceive
from agentcvr_graph.graph.nodes.review import Refusal, needs_review, review
from agentcvr_graph.graph.opening import Opener
from agentcvr_graph.graph.state import Check, VerifyInput, Work, verify_input
from agentcvr_graph.models.claims import ClaimJudge, Judgement
from agentcvr_graph.render import plain
from agentcvr_graph.tools.spec import AnyToolSpec
from agentcvr_graph.types import Observation, Request, Verification


class Verify:
    """The node `verify`."""

    def __init__(self, dependencies: Dependencies, judge: ClaimJudge) -> None:
        self._dependencies = dependencies
        self._judge = judge

    async def __call__(self, state: VerifyInput, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Check one citation. The node's retry policy handles what the perception raises."""
        try:
            found, opened = await self._verify(verify_input(state), runtime)
        except Exception as error:
            vars(error)[WORK] = Work.of(runtime)  # the error handler has no access to this node's times
            raise
        return {"verifications": [found], "spent": found.cost, "clock": Work.of(runtime)} | opened

    async def _verify(self, given: VerifyInput, runtime: Runtime[CVRContext]) -> tuple[Verification, dict[str, Any]]:
        """Return the verification, and the state update of a video that a reviewer's edit opened."""
        check = given["check"]
        context = self._dependencies.context_of(runtime, given.get("settings", {}))
        opener = Opener.sent(self._dependencies, context, given)
        tool = self._tool(check)
        request: Request | Observation = tool.load(check.assignment.request)
        if needs_review(tool.cost(request), context):
            try:
                request = await review(check.assignment, tool, opener, context)
            except Refusal as refused:
                return unclear(check.citation, str(refused), check.assignment.turn), {}
        if isinstance(request, Observation):
            return await self._judged(check, request), opener.update
        attempt = self._attempt(check, tool, request, runtime)
        perception = await self._dependencies.chosen_perception(context)
        with looks.reported(attempt, self._dependencies.retry):
            seen = await perceive(request, tool, perception, opener, self._dependencies.timeout_s)
        return await self._judged(check, seen), opener.update

    async def _judged(self, check: Check, observed: Observation) -> Verification:
        """Return the verification after a look; a judge that fails leaves it unclear."""
        assignment = check.assignment
        update = {"call_id": assignment.call.id, "turn": assignment.turn, "notes": observed.notes + assignment.notes}
        seen = observed.model_copy(update=update)
        try:
            said = await looks.repeated(lambda: self._ask(check.citation.claim, seen), self._dependencies.retry)
        except Exception as error:
            said = Judgement("unclear", f"the judge failed: {_cause(error)}")
        return Verification(
            citation=check.citation,
            verdict=said.verdict,
            reason=plain(said.reason),
            judge=self._judge.name,
            observation=seen,
            cost=seen.cost + said.cost,
            turn=assignment.turn,
        )

    async def _ask(self, claim: str, seen: Observation) -> Judgement:
        with without_keys_in_errors():
            async with asyncio.timeout(self._dependencies.timeout_s):
                return await self._judge.judge(claim, seen)

    async def failed(
        self, state: VerifyInput, error: NodeError, runtime: Runtime[CVRContext]
    ) -> Command[Literal["conclude"]]:
        """Leave the citation unclear: the second look failed, also after all retries."""
        check, work = verify_input(state)["check"], vars(error.error).get(WORK)
        cause, tool = _cause(error.error), self._tool(check)
        attempt = self._attempt(check, tool, tool.load(check.assignment.request), runtime)
        looks.gave_up(attempt.what, cause)
        duration_s = work.end_s - work.start_s if isinstance(work, Work) else None
        failure = failure_kind(error.error)
        attempt.report(f"{attempt.what}: failed: {cause}", event="failure", duration_s=duration_s, failure=failure)
        found = unclear(check.citation, f"the second look failed: {cause}", check.assignment.turn)
        clock = {"clock": work} if isinstance(work, Work) else {}
        return Command(update={"verifications": [found], **clock}, goto="conclude")

    def _tool(self, check: Check) -> AnyToolSpec:
        return tool_for(check.citation.modality, self._dependencies.tools)

    def _attempt(
        self, check: Check, tool: AnyToolSpec, request: Request, runtime: Runtime[CVRContext]
    ) -> looks.Attempt:
        assignment = check.assignment
        what = f"checking a citation: {tool.describe(request)}"
        return looks.Attempt(runtime, NODE, what, assignment.turn, request.windows, assignment.call.id)


def _cause(error: BaseException) -> str:
    """Return an error as one line. One of the set-up, such as a refused key, is the cause here and not the end."""
    try:
        return error_for_master(error)
    except SetupError as refused:
        return plain(str(refused))
