"""The second pass: whether a question is answered by its evidence, and by less than that.

A chat model answers the question from the notes on the evidence windows; its answer must be right. It answers with no
notes at all, and with those on each video alone; a right answer there means that the question needs no look at several
videos. It may say that it does not know. So that a lucky guess decides nothing, an option counts as right only if it is
named again with the options in the opposite order.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from agentcvr_graph.answers import KINDS, read_reply, score_answer
from agentcvr_graph.errors import ActionError
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.models.clients.usage import counts
from agentcvr_graph.models.text_judge import ChatJudge
from agentcvr_graph.scripts.extraction.questions import prompts
from agentcvr_graph.scripts.extraction.questions.notes import notes_in, notes_of
from agentcvr_graph.scripts.generators.llm.writing import Rejection, Usage, ask_model
from agentcvr_graph.scripts.schema import Script

NOT_FROM_EVIDENCE = "not answered from its evidence"
FROM_QUESTION = "answered from the question alone"
FROM_ONE_VIDEO = "answered from one video alone"
RIGHT = {"interval": 0.5, "text": 0.75}
"""Smallest score of a right answer by kind; 1 for the others. An interval is scored by temporal IoU, a text by a judge
of its scoring points, so half of a question in two parts is not right."""


class Checker:
    """Answers questions with a chat model, from more and from less than their evidence."""

    def __init__(self, model: BaseChatModel, name: str) -> None:
        self._model = model
        self._judge = ChatJudge(model, name)

    async def rejection(self, script: Script, usage: Usage) -> Rejection | None:
        """Return why a question is rejected; None for a good one.

        Args:
            usage: to which the calls are added.

        Raises:
            Exception: what the model's client raises.
        """
        videos = script.videos
        if not await self._right(script, prompts.EVIDENCE, notes_in(videos, script.evidence), usage):
            return Rejection(NOT_FROM_EVIDENCE)
        if await self._right(script, prompts.BLIND, (), usage):
            return Rejection(FROM_QUESTION)
        for number, video in enumerate(videos, 1):
            what = prompts.ONE_VIDEO.format(number=number)
            if await self._right(script, what, notes_of(video, number), usage):
                return Rejection(FROM_ONE_VIDEO, f"video {number}")
        return None

    async def _right(self, script: Script, what: str, notes: Sequence[str], usage: Usage) -> bool:
        """Return whether the answer is right, and right again with the options in the opposite order."""
        turned = with_options_reversed(script)
        if not await self._right_once(script, what, notes, usage):
            return False
        return turned is script or await self._right_once(turned, what, notes, usage)

    async def _right_once(self, script: Script, what: str, notes: Sequence[str], usage: Usage) -> bool:
        request = prompts.check(script, what, notes)
        reply = cast(AIMessage, await ask_model(self._model, [SystemMessage(prompts.SYSTEM), HumanMessage(request)]))
        usage.add(Usage(1, *counts(reply.usage_metadata)))
        return await self._score(script, without_thoughts(reply.text), usage) >= RIGHT.get(script.kind, 1.0)

    async def _score(self, script: Script, reply: str, usage: Usage) -> float:
        if says_unknown(reply):
            return 0.0
        try:
            value = read_reply(reply, script.kind, script.options, len(script.options or script.videos))
        except ActionError:
            return 0.0
        if script.kind != "text":
            return score_answer(script.kind, value, script.key)
        question = script.as_question().model_copy(update={"scoring_points": script.scoring_points})
        grades = await self._judge.grade(question, str(value))
        usage.add(Usage(grades.cost.model_calls, grades.cost.input_tokens, grades.cost.output_tokens))
        return grades.score


def says_unknown(reply: str) -> bool:
    """Return whether the last line of a reply says that the answer is not known.

    >>> says_unknown("Nothing helps here.\\nAnswer: unknown."), says_unknown("Answer: an unknown man")
    (True, False)
    """
    lines = reply.strip().splitlines()
    last = lines[-1].strip(" .*`\"'").casefold() if lines else ""
    return last.removeprefix("answer").lstrip(" :*").strip() == prompts.UNKNOWN


def with_options_reversed(script: Script) -> Script:
    """Return the same question with its options in the opposite order, where they are labelled with letters."""
    if not script.options or KINDS[script.kind].numbers_options:
        return script
    letters = ascii_uppercase[: len(script.options)]
    moved = dict(zip(letters, reversed(letters), strict=True))
    key = sorted(moved[letter] for letter in script.key) if isinstance(script.key, list) else moved[str(script.key)]
    return script.model_copy(update={"options": script.options[::-1], "key": key})
