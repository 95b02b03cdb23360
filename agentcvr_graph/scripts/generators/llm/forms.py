"""What a writer requests from the model, and how the draft in its reply becomes a script."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import BaseModel

from agentcvr_graph.scripts.generators.llm import prompts
from agentcvr_graph.scripts.generators.llm.draft import Draft, script_of
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.schema import Script


class DeclinedError(Exception):
    """The model says why it can write nothing. The job is drawn again."""


class Form(Protocol):
    """What a writer requests, and how a draft becomes a script."""

    @property
    def schema(self) -> type[BaseModel]:
        """The model of a draft."""
        ...

    @property
    def rules(self) -> str:
        """The system message."""
        ...

    def request(self, job: Job) -> str:
        """Return the request for one script."""
        ...

    def script(self, draft: Any, job: Job, model: str) -> Script:
        """Return the script of a draft, which is an instance of `schema`.

        Raises:
            UnusableDraftError: the draft has faults that the model can correct.
            DeclinedError: the draft says that there can be none.
        """
        ...


class InventedScripts:
    """The form of scripts that the model invents, videos included."""

    schema: type[BaseModel] = Draft
    rules = prompts.RULES

    def request(self, job: Job) -> str:
        """Return the request for one script."""
        return prompts.request(job)

    def script(self, draft: Any, job: Job, model: str) -> Script:
        """Return the script of a draft; raises as `script_of`."""
        return script_of(draft, job, model)
