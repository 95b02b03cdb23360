"""Send a call again without what the model's server refused, and leave it out from then on.

    no system message                      its text goes in front of the first user message
    max_tokens, max_completion_tokens      each is sent under the name of the other
    tool_choice, temperature, ...          left out

Only the refusals of `refusals.py` are handled; any other error is raised as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agentcvr_graph.models.clients.mixins import with_mixin
from agentcvr_graph.models.clients.refusals import PARAMETERS, SYSTEM, note_refusal, refused_features

OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class AdaptiveCalls:
    """Mixin of a chat model that adapts its calls to what its server takes."""

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> Any:
        model = cast(BaseChatModel, self)
        while True:
            known = refused_features(model)
            sent = without_system(messages) if SYSTEM in known else messages
            try:
                return await cast(Any, super())._agenerate(sent, *args, **options)
            except Exception as error:
                if note_refusal(model, error, {SYSTEM, *PARAMETERS} - known) is None:
                    raise

    def _get_request_payload(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return the body of a request; LangChain's OpenAI client and those derived from it send it."""
        payload: dict[str, Any] = cast(Any, super())._get_request_payload(*args, **options)
        for name in refused_features(cast(BaseChatModel, self)) & payload.keys():
            value = payload.pop(name)
            if other := OTHER_NAME.get(name):
                # A client may not know the other name as a parameter, so it goes into the body as it is.
                payload["extra_body"] = {**(payload.get("extra_body") or {}), other: value}
        return payload


def adaptive(model: BaseChatModel) -> BaseChatModel:
    """Return a copy of a model that adapts its calls; the model itself if it does already."""
    return model if isinstance(model, AdaptiveCalls) else with_mixin(model, AdaptiveCalls)


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
