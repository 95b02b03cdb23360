"""The worker of a job: draws videos, lets the model write a question about them, and has it checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel

from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions import prompts
from agentcvr_graph.scripts.extraction.questions.answerable import Checker
from agentcvr_graph.scripts.extraction.questions.choice import Pool
from agentcvr_graph.scripts.extraction.questions.draft import QuestionDraft, question_script
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.generators.llm.writing import Usage, Writer, Written, failure_of, named
from agentcvr_graph.scripts.schema import Script


class QuestionsAbout:
    """The form of questions about extracted videos; a `Form` of the script writer."""

    schema: type[BaseModel] = QuestionDraft
    rules = prompts.RULES

    def __init__(self, videos: Sequence[ExtractedVideo]) -> None:
        self._pool = Pool(videos)

    def request(self, job: Job) -> str:
        """Return the request for one question, with the notes on the videos that are drawn for it."""
        return prompts.request(job, self._pool.draw(job))

    def script(self, draft: Any, job: Job, model: str) -> Script:
        """Return the script of a draft; raises as `question_script`."""
        return question_script(draft, job, self._pool.draw(job), model)


class QuestionWriter:
    """Writes and checks questions; a `Worker` of the job engines.

    Args:
        writer: writes them, with the form `QuestionsAbout`.
        checker: checks those that are sound.
    """

    def __init__(self, writer: Writer, checker: Checker) -> None:
        self._writer, self._checker = writer, checker

    @classmethod
    def of(
        cls, model: BaseChatModel | str, checker: BaseChatModel | str, videos: Sequence[ExtractedVideo]
    ) -> QuestionWriter:
        """Return a worker for chat models or model strings.

        Raises:
            SetupError: as `resolve_chat_model`.
        """
        return cls(Writer.of(model, QuestionsAbout(videos)), Checker(*named(checker)))

    def close(self) -> None:
        """Do nothing: models hold no files or processes."""

    async def run(self, job: Job) -> Written:
        """Return the checked question of a job, or why there is none.

        Raises:
            SetupError: a key is refused, or a package is missing.
        """
        written = await self._writer.run(job)
        if written.script is None:
            return written
        usage = Usage()
        usage.add(written.usage)
        try:
            rejection = await self._checker.rejection(written.script, usage)
        except Exception as error:  # a server's or a library's own exceptions: the job has failed, the run goes on
            return Written(job, None, f"check: {failure_of(error)}", usage)
        return replace(written, usage=usage, rejection=rejection)
