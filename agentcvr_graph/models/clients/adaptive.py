"""Send a call again without what the model's server refused, and leave it out from then on.

    no system message                      its text goes in front of the first user message
    max_tokens, max_completion_tokens      each is sent under the name of the other
    tool_choice, temperature, ...          left out

Only the refusals of `refusals.py` are handled; any other error is raised as it came. The four ways to call a model
(blocking or not, at once or in a stream) share `attempts`, which knows when a call is sent again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agentcvr_graph.models.clients.mixins import with_mixin
from agentcvr_graph.models.clients.refusals import PARAMETERS, SYSTEM, note_refusal, refused_features
from agentcvr_graph.models.clients.request_bodies import with_messages_as_written

OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class AdaptiveCalls:
    """Mixin of a chat model that adapts its calls to what its server takes."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> Any:
        reply = None
        for attempt in attempts(self, messages):
            with attempt as sent:
                reply = cast(Any, super())._generate(sent, *args, **options)
        return reply

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> Any:
        reply = None
        for attempt in attempts(self, messages):
            with attempt as sent:
                reply = await cast(Any, super())._agenerate(sent, *args, **options)
        return reply

    def _get_request_payload(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return the body of a request; LangChain's OpenAI client and those derived from it send it."""
        payload: dict[str, Any] = cast(Any, super())._get_request_payload(*args, **options)
        for name in refused_features(cast(BaseChatModel, self)) & payload.keys():
            value = payload.pop(name)
            if other := OTHER_NAME.get(name):
                # A client may not know the other name as a parameter, so it goes into the body as it is.
                payload["extra_body"] = {**(payload.get("extra_body") or {}), other: value}
        walked = hasattr(self, "openai_api_base") and "messages" in payload  # other clients do not walk a body
        return with_messages_as_written(payload) if walked else payload


class AdaptiveStreams(AdaptiveCalls):
    """Mixin of a chat model that streams: a refusal is adapted to before the first chunk, a later error is raised."""

    def _stream(self, messages: list[BaseMessage], *args: Any, **options: Any) -> Iterator[Any]:
        for attempt in attempts(self, messages):
            with attempt as sent:
                for chunk in cast(Any, super())._stream(sent, *args, **options):
                    attempt.begun = True
                    yield chunk

    async def _astream(self, messages: list[BaseMessage], *args: Any, **options: Any) -> AsyncIterator[Any]:
        for attempt in attempts(self, messages):
            with attempt as sent:
                async for chunk in cast(Any, super())._astream(sent, *args, **options):
                    attempt.begun = True
                    yield chunk


class Attempt:
    """One call. It leaves the errors that refuse a feature which the call used to the next attempt."""

    def __init__(self, model: BaseChatModel, messages: list[BaseMessage]) -> None:
        self._model = model
        self._known = refused_features(model)
        self._messages = without_system(messages) if SYSTEM in self._known else messages
        self.begun = False
        """Whether a part of the reply has arrived."""
        self.refused = False

    def __enter__(self) -> list[BaseMessage]:
        return self._messages

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, Exception) and not self.begun:
            left = {SYSTEM, *PARAMETERS} - self._known
            self.refused = note_refusal(self._model, error, left) is not None
        return self.refused


def attempts(model: object, messages: list[BaseMessage]) -> Iterator[Attempt]:
    """Yield a call, and another one after each that was refused."""
    while True:
        attempt = Attempt(cast(BaseChatModel, model), messages)
        yield attempt
        if not attempt.refused:
            return


def adaptive(model: BaseChatModel) -> BaseChatModel:
    """Return a copy of a model that adapts its calls; the model itself if it does already."""
    if isinstance(model, AdaptiveCalls):
        return model
    # LangChain asks whether a class has `_stream`, so a model that does not stream must not inherit one.
    streams = cast(Any, type(model))._stream is not cast(Any, BaseChatModel)._stream
    return with_mixin(model, AdaptiveStreams if streams else AdaptiveCalls)


def without_system(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages with the text of system messages in front of the first user message.

    >>> [message.text for message in without_system([SystemMessage("Be brief."), HumanMessage("Who?")])]
    ['Be brief.\\n\\nWho?']
    """
    said = [str(message.text) for message in messages if isinstance(message, SystemMessage)]
    rest = [message for message in messages if not isinstance(message, SystemMessage)]
    first = next((n for n, message in enumerate(rest) if isinstance(message, HumanMessage)), None)
    if not said or first is None:
        return [*map(HumanMessage, said), *rest]
    return [*rest[:first], _with_text("\n\n".join(said), rest[first]), *rest[first + 1 :]]


def _with_text(text: str, message: BaseMessage) -> BaseMessage:
    content = cast(str | list[Any], message.content)
    if isinstance(content, str):
        return message.model_copy(update={"content": f"{text}\n\n{content}"})
    return message.model_copy(update={"content": [{"type": "text", "text": text}, *content]})
