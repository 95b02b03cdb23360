"""The worker that writes one script: request a draft, check it, send its faults back, at most twice.

A `Form` defines what is requested and how a draft becomes a script: a script that the model invents, or a question
about given videos.

Transient errors of the model's server are retried with growing pauses. What still fails is a failed row with the
reason, never an exception that ends the other jobs. Only a wrong set-up ends the run, since no job can succeed.

Whether a server honours a JSON schema shows at the first request. One that refuses it, or ignores it and replies with
an unusable draft, is asked for JSON in plain text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.models.clients.errors import as_infrastructure_error, is_transient, status_of
from agentcvr_graph.models.clients.usage import counts
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.scripts.generators.llm import prompts
from agentcvr_graph.scripts.generators.llm.draft import UnusableDraftError, faults_of
from agentcvr_graph.scripts.generators.llm.forms import DeclinedError, Form, InventedScripts
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.schema import Script

REPAIRS = 2
ATTEMPTS = 5
"""Calls of a model while its server is busy or unreachable."""
_SHOWN_FAULTS = 12
_REFUSED = frozenset({400, 404, 415, 422, 501})
"""HTTP statuses of servers that do not support JSON schemas or tools."""


@dataclass
class Usage:
    """The cost of a job, or of a run."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, other: Usage) -> None:
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens


@dataclass(frozen=True)
class Rejection:
    """Why an attempt at a job is not kept."""

    reason: str
    """One of few, so that they can be counted: `near-duplicate`, ..."""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@dataclass(frozen=True)
class Written:
    """The result of a job."""

    job: Job
    script: Script | None
    failure: str = ""
    """Why there is no script."""
    usage: Usage = field(default_factory=Usage)
    rejection: Rejection | None = None
    """Why the attempt is not kept; the job is drawn again."""


def failed_result(job: Job, error: Exception) -> Written:
    """Return the result of a job that a cluster could not carry out."""
    return Written(job, None, f"{type(error).__name__}: {error}")


class Writer:
    """Writes scripts with one chat model; a `Worker` of the job engines.

    Args:
        model: any chat model; structured output is used where it has it, else JSON in the text of its reply.
        name: what the scripts' origin calls it.
        form: what is requested.
    """

    def __init__(self, model: BaseChatModel, name: str, form: Form | None = None) -> None:
        self._model = model
        self._name = name
        self._form: Form = form or InventedScripts()
        self._structured = _structured(model, self._form.schema)
        self._accepted = False
        """Whether the server has ever honoured a structured request."""

    @classmethod
    def of(cls, model: BaseChatModel | str, form: Form | None = None) -> Writer:
        """Return a writer for a chat model or a model string.

        Raises:
            SetupError: as `resolve_chat_model`.
        """
        return cls(*named(model), form)

    def close(self) -> None:
        """Do nothing: a model holds no files or processes."""

    async def run(self, job: Job) -> Written:
        """Return the script of a job, or why there is none.

        Raises:
            SetupError: the key is refused, or a package is missing.
        """
        return await self._written(job, Usage())

    async def _written(self, job: Job, usage: Usage) -> Written:
        """Return the result of a job, with its cost added to what was spent on it before; raises as `run`."""
        structured = self._structured
        try:
            script, failure = await self._repaired(job, structured, usage)
        except _SchemaIgnoredError:
            return await self._without_schemas(job, usage)
        except DeclinedError as error:
            return Written(job, None, usage=usage, rejection=Rejection("no question found", str(error)))
        except Exception as error:  # a server's or a library's own exceptions: the job has failed, the run goes on
            if structured and not self._accepted and status_of(error) in _REFUSED:
                return await self._without_schemas(job, usage)
            script, failure = None, failure_of(error)
        return Written(job, script, failure, usage)

    async def _without_schemas(self, job: Job, usage: Usage) -> Written:
        """Do a job again, and all later ones, with the schema in the text of the request; raises as `run`."""
        self._structured = None
        return await self._written(job, usage)

    async def _repaired(self, job: Job, structured: Any, usage: Usage) -> tuple[Script | None, str]:
        """Return the script and "", or None and the faults of the last draft.

        Raises:
            _SchemaIgnoredError: the draft is unusable, and the server has never honoured a schema.
        """
        form = self._form
        request = form.request(job)
        if not structured:
            request = f"{request}\n\n{prompts.as_json(json.dumps(form.schema.model_json_schema()))}"
        messages: list[BaseMessage] = [SystemMessage(form.rules), HumanMessage(request)]
        failure = ""
        for _ in range(1 + REPAIRS):
            reply, draft = await self._ask(structured, messages, usage)
            try:
                return form.script(draft or _draft(reply, form.schema), job, self._name), ""
            except UnusableDraftError as error:
                if structured and not self._accepted:
                    raise _SchemaIgnoredError from error
                failure = str(error)
                messages += [AIMessage(reply), HumanMessage(prompts.repair(error.faults[:_SHOWN_FAULTS]))]
        return None, failure

    async def _ask(self, structured: Any, messages: list[BaseMessage], usage: Usage) -> tuple[str, BaseModel | None]:
        """Return the reply as text, and as a draft where the model gives one."""
        found = await ask_model(structured or self._model, messages)
        raw = cast(AIMessage, found["raw"] if isinstance(found, dict) else found)
        usage.add(Usage(1, *counts(raw.usage_metadata)))
        if not isinstance(found, dict):
            return raw.text, None
        self._accepted = True
        parsed = cast(dict[str, Any], found)["parsed"]
        arguments = raw.tool_calls[0]["args"] if raw.tool_calls else None
        return raw.text or json.dumps(arguments), parsed if isinstance(parsed, self._form.schema) else None


class _SchemaIgnoredError(Exception):
    """The server took a request with a schema, and replied without regard to it."""


@dataclass(frozen=True)
class _StructuredModel:
    """A model with structured output that returns a reply which its client cannot parse, instead of raising.

    `include_raw` promises that, but OpenAI's client parses a reply before LangChain sees it, and raises pydantic's
    error. To retry it as a transient error would be in vain, and the call would not be counted.
    """

    model: Any
    schema: type[BaseModel]

    async def ainvoke(self, messages: Sequence[BaseMessage]) -> Any:
        try:
            return await self.model.ainvoke(messages)
        except ValidationError as error:
            if error.title != self.schema.__name__:
                raise
            return _unparsed_reply(error)


def _unparsed_reply(error: ValidationError) -> AIMessage:
    """Return the reply of the HTTP response that LangChain's client attaches to the error; empty without one."""
    try:
        body = cast(Any, error).response.json()
        text, (read, written) = str(body["choices"][0]["message"]["content"]), counts(body.get("usage"))
    except (AttributeError, LookupError, TypeError, ValueError):
        return AIMessage("")
    return AIMessage(
        text, usage_metadata={"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    )


async def ask_model(model: Any, messages: Sequence[BaseMessage]) -> Any:
    """Return the reply of a model; repeat the call while its server is busy, with growing pauses."""
    retrying = AsyncRetrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=30),
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and is_transient(error)),
        reraise=True,
    )
    return await retrying(model.ainvoke, messages)


def named(model: BaseChatModel | str) -> tuple[BaseChatModel, str]:
    """Return a chat model with the name that results record.

    Raises:
        SetupError: as `resolve_chat_model`.
    """
    if isinstance(model, str):
        return resolve_chat_model(model), model
    return model, type(model).__name__


def failure_of(error: Exception) -> str:
    """Return why a job failed.

    Raises:
        SetupError: no job can succeed.
    """
    known = as_infrastructure_error(error, "the model")
    if isinstance(known, SetupError):
        raise known from error
    return f"{type(error).__name__}: {error}"


def _structured(model: BaseChatModel, schema: type[BaseModel]) -> Any:
    """Return the model with structured output, or None where it has none."""
    try:
        return _StructuredModel(model.with_structured_output(schema, include_raw=True), schema)
    except (NotImplementedError, ValueError):
        return None


def _draft(reply: str, schema: type[BaseModel]) -> BaseModel:
    """Return the draft in a reply, without the thoughts and the text around it.

    Raises:
        UnusableDraftError: the reply holds no JSON object, or another one.
    """
    said = without_thoughts(reply)
    start, end = said.find("{"), said.rfind("}")
    if start < 0 or end < start:
        raise UnusableDraftError(["the reply holds no JSON object"])
    try:
        return schema.model_validate_json(re.sub(r"^\s*//.*$", "", said[start : end + 1], flags=re.M))
    except ValidationError as error:
        raise UnusableDraftError(faults_of(error)) from error
