"""One job, from the request to a script that holds: ask, read, check, send the faults back, at most twice.

Transient failures of the model's server are tried again with growing pauses; what still fails is a failed row, with the
reason, and never an exception that takes the other jobs with it.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from agentcvr_graph.failures import is_transient
from agentcvr_graph.scripts.schema import Script
from training.synthesis import prompts
from training.synthesis.draft import Draft, UnusableDraftError, script_of
from training.synthesis.jobs import Job

REPAIRS = 2
ATTEMPTS = 5
"""Calls of a model whose server is busy or unreachable."""
_SHOWN_FAULTS = 12


@dataclass
class Usage:
    """What a job, or a run, has cost."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, other: Usage) -> None:
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens


@dataclass(frozen=True)
class Written:
    """What a job came to."""

    job: Job
    script: Script | None
    failure: str = ""
    """Why there is no script."""
    usage: Usage = field(default_factory=Usage)


class Writer:
    """Writes scripts with one chat model.

    Args:
        model: any chat model; structured output is used where it has it, else JSON in the text of its reply.
        name: what the scripts' origin calls it.
    """

    def __init__(self, model: BaseChatModel, name: str) -> None:
        self._model = model
        self._name = name
        self._structured = _structured(model)

    async def write(self, job: Job) -> Written:
        """The script of a job, or why there is none. Raises nothing but cancellation."""
        usage = Usage()
        messages: list[BaseMessage] = [SystemMessage(prompts.RULES), HumanMessage(self._request(job))]
        failure = ""
        try:
            for _ in range(1 + REPAIRS):
                reply, draft = await self._ask(messages, usage)
                try:
                    return Written(job, script_of(_draft(reply, draft), job, self._name), usage=usage)
                except UnusableDraftError as error:
                    failure = str(error)
                    messages += [AIMessage(reply), HumanMessage(prompts.repair(error.faults[:_SHOWN_FAULTS]))]
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a server's or a library's own exceptions: the job has failed, the run goes on
            failure = f"{type(error).__name__}: {error}"
        return Written(job, None, failure, usage)

    def _request(self, job: Job) -> str:
        asked = prompts.request(job)
        schema = "" if self._structured else prompts.as_json(json.dumps(Draft.model_json_schema()))
        return f"{asked}\n\n{schema}".strip()

    async def _ask(self, messages: list[BaseMessage], usage: Usage) -> tuple[str, Draft | None]:
        """The reply as text, and as a draft where the model gives one."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=30),
            retry=retry_if_exception(lambda error: isinstance(error, Exception) and is_transient(error)),
            reraise=True,
        )
        found: Any = await retrying(self._structured.ainvoke if self._structured else self._model.ainvoke, messages)
        raw = cast(AIMessage, found["raw"] if isinstance(found, dict) else found)
        counted = raw.usage_metadata
        usage.add(Usage(1, counted["input_tokens"], counted["output_tokens"]) if counted else Usage(1))
        if not isinstance(found, dict):
            return raw.text, None
        parsed = cast(dict[str, Any], found)["parsed"]
        arguments = raw.tool_calls[0]["args"] if raw.tool_calls else None
        return raw.text or json.dumps(arguments), parsed if isinstance(parsed, Draft) else None


def _structured(model: BaseChatModel) -> Any:
    """The model with structured output, or None where it has none."""
    try:
        return model.with_structured_output(Draft, include_raw=True)
    except (NotImplementedError, ValueError):
        return None


def _draft(reply: str, draft: Draft | None) -> Draft:
    """The draft of a reply.

    Raises:
        UnusableDraftError: the reply holds no JSON object, or another one.
    """
    if draft is not None:
        return draft
    start, end = reply.find("{"), reply.rfind("}")
    if start < 0 or end < start:
        raise UnusableDraftError(["the reply holds no JSON object"])
    try:
        return Draft.model_validate_json(re.sub(r"^\s*//.*$", "", reply[start : end + 1], flags=re.M))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, item['loc'])) or 'JSON'}: {item['msg']}" for item in error.errors()]
        raise UnusableDraftError(faults) from error
