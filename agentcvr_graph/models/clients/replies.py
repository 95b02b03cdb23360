"""Accept what OpenAI-compatible servers send in place of OpenAI's reply, and name what they send in place of a reply.

Servers deviate: arguments as objects or encoded twice, one call instead of a list, the older `function_call`, ids that
are numbers or missing, token counts with fractions. LangChain's client refuses or loses such replies, so they are
brought into OpenAI's form before it reads them. A body with an error, without choices or without a message, or a page
of HTML, is an infrastructure error that the graph retries, although its HTTP status is 200.

`tolerant` returns a copy of any chat model whose class builds its result in `_create_chat_result`, as LangChain's
OpenAI client and those derived from it do. This module imports no client library.
"""

from __future__ import annotations

import json
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatResult

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.models.chat_format.call_shapes import arguments_of
from agentcvr_graph.models.chat_format.loose_json import decoded
from agentcvr_graph.models.clients.errors import one_line, raise_error_in
from agentcvr_graph.models.clients.mixins import with_mixin
from agentcvr_graph.models.clients.usage import count, counts

SERVER = "The model's server"
Body = dict[str, Any]


class TolerantReplies:
    """Mixin of a chat model that reads deviating replies."""

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        try:
            return cast(Any, super())._generate(*args, **kwargs)
        except Exception as error:
            return self._cut_off_reply(error)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        try:
            return await cast(Any, super())._agenerate(*args, **kwargs)
        except Exception as error:
            return self._cut_off_reply(error)

    def _cut_off_reply(self, error: Exception) -> ChatResult:
        """Return the reply in an error of OpenAI's client; raise every other error.

        The client refuses a reply to a call with a schema that the limit of tokens cut off. It is the model's reply
        nevertheless, and was paid for.
        """
        completion: Any = getattr(error, "completion", None)
        if completion is None:
            raise error
        return self._create_chat_result(completion)

    def _create_chat_result(self, response: Any, *args: Any, **kwargs: Any) -> ChatResult:
        given = _as_body(response)
        tidied = tidy_reply(given)
        # A reply in OpenAI's form is passed on as it came, with what a subclass reads from it.
        chosen = response if tidied == given else tidied
        return cast(Any, super())._create_chat_result(chosen, *args, **kwargs)


def tolerant(model: BaseChatModel) -> BaseChatModel:
    """Return a copy of a model that reads deviating replies; the model itself if its class is of another kind.

    The copy does not stream, unless the model was asked to: a stream of deviating parts cannot be put right.
    """
    if isinstance(model, TolerantReplies) or not hasattr(type(model), "_create_chat_result"):
        return model
    streams = bool(getattr(model, "streaming", False))
    return with_mixin(model, TolerantReplies, **({} if streams else {"disable_streaming": True}))


def tidy_reply(body: Body) -> Body:
    """Return a reply in OpenAI's form.

    Raises:
        InfrastructureError: the body is an error or holds no message; transient, so that the call is repeated.
        SetupError: the body says that the key was refused.
    """
    raise_error_in(body, SERVER)
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise _unusable("gave a reply without choices", body)
    first = cast(Any, choices[0])
    raise_error_in(cast(Body, first) if isinstance(first, dict) else {}, SERVER)
    tidied = {**body, "choices": [_tidy_choice(choice, body) for choice in cast(list[Any], choices)]}
    if body.get("usage") is not None:
        tidied["usage"] = _tidy_usage(body["usage"])
    return tidied


def _as_body(response: Any) -> Body:
    dump = getattr(response, "model_dump", None)
    body: Any = dump(warnings=False) if callable(dump) else response
    if isinstance(body, dict):
        return cast(Body, body)
    raise _unusable("answered with something that is not JSON", str(body))


def _unusable(what: str, body: object) -> InfrastructureError:
    shown = json.dumps(body, default=str) if isinstance(body, dict) else str(body)
    return InfrastructureError(f"{SERVER} {what} ({one_line(shown)}).", transient=True)


def _tidy_choice(choice: Any, body: Body) -> Body:
    given = cast(Body, choice) if isinstance(choice, dict) else {}
    message: Any = given.get("message") or given.get("delta")
    if not message and isinstance(given.get("text"), str):
        message = {"content": given["text"]}
    if not isinstance(message, dict):
        raise _unusable("gave a reply without a message", body)
    return {**given, "message": _tidy_message(cast(Body, message))}


def _tidy_message(message: Body) -> Body:
    tidied = {**message, "role": "assistant"}
    content = message.get("content")
    if not (content is None or isinstance(content, str | list)):
        tidied["content"] = json.dumps(content)
    calls: Any = message.get("tool_calls")
    if not calls and isinstance(message.get("function_call"), dict):
        calls, tidied["function_call"] = [{"function": message["function_call"]}], None
    if calls:
        listed = cast(list[Any], calls if isinstance(calls, list) else [calls])
        tidied["tool_calls"] = [call for one in listed if (call := _tidy_call(decoded(one))) is not None]
    return tidied


def _tidy_call(call: Any) -> Body | None:
    if not isinstance(call, dict):
        return None
    given = cast(Body, call)
    function = given["function"] if isinstance(given.get("function"), dict) else given
    inner = cast(Body, function)
    arguments = next((inner[key] for key in ("arguments", "parameters", "args") if inner.get(key) is not None), None)
    tidied = {"name": str(inner.get("name") or ""), "arguments": _arguments_text(arguments)}
    call_id = given.get("id")
    if isinstance(given.get("function"), dict):
        kept = {key: value for key, value in inner.items() if key not in ("parameters", "args")}
        tidied = {**kept, **tidied}
    else:
        given = {}
    return {**given, "type": "function", "id": None if call_id is None else str(call_id), "function": tidied}


def _arguments_text(written: Any) -> str:
    """Return arguments as the JSON text of an object where they can be read, else as they are."""
    if isinstance(written, str) and written.strip().startswith("{"):
        return written
    arguments = arguments_of(written)
    return str(written) if arguments is None else json.dumps(arguments)


def _tidy_usage(usage: Any) -> Body | None:
    if not isinstance(usage, dict):
        return None
    given = cast(Body, usage)
    read, written = counts(given)
    tidied: Body = {**given, "prompt_tokens": read, "completion_tokens": written}
    tidied["total_tokens"] = count(given.get("total_tokens")) or read + written
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if isinstance(given.get(name), dict):
            details = cast(Body, given[name])
            tidied[name] = {key: value if value is None else count(value) for key, value in details.items()}
        elif name in given:
            tidied[name] = None
    return tidied
