"""Replies of OpenAI-compatible servers that deviate from OpenAI's, over HTTP: what can be read is read, the rest fails.

The endpoint is a real server on this machine; LangChain's OpenAI client reads its replies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import RetryPolicy

from agentcvr_graph import CVRContext, InfrastructureError, create_cvr_graph
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import CVROutput
from agentcvr_graph.models.clients.errors import is_transient
from agentcvr_graph.models.clients.replies import TolerantReplies, tidy_reply, tolerant
from agentcvr_graph.models.clients.usage import cost_of, count
from agentcvr_graph.models.providers.server import Server
from agentcvr_graph.testing import FakeMaster, FakePerception
from tests.support.stub_endpoint import Reply, StubEndpoint

pytest.importorskip("langchain_openai")
pytestmark = pytest.mark.enable_socket

WINDOW = {"video": 1, "start_s": 0, "end_s": 5}
QUESTION: Any = {"question": "Which?", "videos": ["a.mp4"], "options": ["red", "blue"]}
QUICK = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=is_transient)
USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


def function(name: str, arguments: Any, **call: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}, **call}


def body(*calls: Any, usage: Any = USAGE, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, **({"tool_calls": list(calls)} if calls else {}), **message}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


LOOK = body(function("listen", json.dumps(WINDOW)))
ANSWER = body(function("answer", '{"value": "B"}'))


def http(reply: Any) -> Reply:
    if isinstance(reply, Reply):
        return reply
    return Reply(body=reply if isinstance(reply, bytes) else json.dumps(reply).encode())


async def ask(replies: Sequence[Any], *, given: bool = False) -> tuple[CVROutput, list[dict[str, Any]]]:
    """Return the output of a run whose master's server gives these replies, and the requests that it got."""

    def reply(number: int, request: dict[str, Any]) -> Reply:
        return http(replies[min(number, len(replies) - 1)])

    with StubEndpoint(reply) as endpoint:
        if given:
            from langchain_openai import ChatOpenAI
            from pydantic import SecretStr

            master: Any = ChatOpenAI(model="m", base_url=endpoint.url, api_key=SecretStr("none"), max_retries=0)
        else:
            master = Server(endpoint.url, "m").chat(5.0)
        graph = create_cvr_graph(master, FakePerception(), retry=QUICK).compile()
        output = await graph.ainvoke(QUESTION, context=CVRContext(max_turns=6))
        requests: list[Any] = list(cast(Any, endpoint).calls)
    return output, requests


CALLS: dict[str, Any] = {
    "OpenAI": LOOK,
    "arguments as an object": body(function("listen", WINDOW)),
    "arguments encoded twice": body(function("listen", json.dumps(json.dumps(WINDOW)))),
    "arguments with a trailing comma": body(function("listen", '{"video": 1, "start_s": 0, "end_s": 5,}')),
    "arguments in Python": body(function("listen", "{'video': 1, 'start_s': 0, 'end_s': 5}")),
    "arguments cut before the last brace": body(
        function("listen", '{"video": 1, "start_s": 0, "end_s": 5.0, "focus": "x"')
    ),
    "arguments in a list": body(function("listen", [WINDOW])),
    "no id": body({key: value for key, value in function("listen", json.dumps(WINDOW)).items() if key != "id"}),
    "an empty id": body(function("listen", json.dumps(WINDOW), id="")),
    "null as the id": body(function("listen", json.dumps(WINDOW), id=None)),
    "a number as the id": body(function("listen", json.dumps(WINDOW), id=0)),
    "no type": body({"id": "c", "function": {"name": "listen", "arguments": json.dumps(WINDOW)}}),
    "no function around it": body({"id": "c", "name": "listen", "arguments": WINDOW}),
    "parameters": body({"id": "c", "function": {"name": "listen", "parameters": WINDOW}}),
    "one call instead of a list": body(tool_calls=function("listen", WINDOW)),
    "a call as text": body(tool_calls=[json.dumps(function("listen", WINDOW))]),
    "function_call": body(function_call={"name": "listen", "arguments": json.dumps(WINDOW)}),
    "a prefix": body(function("functions.listen", json.dumps(WINDOW))),
    "special tokens in the name": body(function("listen<|channel|>commentary", json.dumps(WINDOW))),
    "no role": body(function("listen", json.dumps(WINDOW)), role=None),
    "another role": body(function("listen", json.dumps(WINDOW)), role="model"),
    "content as an object": body(function("listen", json.dumps(WINDOW)), content={"text": "hm"}),
    "content as parts": body(function("listen", json.dumps(WINDOW)), content=[{"type": "text", "text": "hm"}]),
    "a delta": {**LOOK, "choices": [{"index": 0, "delta": LOOK["choices"][0]["message"]}]},
    "a call in the text": body(
        content=f'<tool_call>{{"name": "listen", "arguments": {json.dumps(WINDOW)}}}</tool_call>'
    ),
    "usage of fractions": body(
        function("listen", json.dumps(WINDOW)), usage={"prompt_tokens": 10.4, "completion_tokens": 1.6}
    ),
    "usage as text": body(
        function("listen", json.dumps(WINDOW)), usage={"prompt_tokens": "10", "completion_tokens": "2"}
    ),
    "usage without parts": body(
        function("listen", json.dumps(WINDOW)), usage={"prompt_tokens": 10, "total_tokens": 12}
    ),
    "usage of OpenAI's other interface": body(
        function("listen", json.dumps(WINDOW)), usage={"input_tokens": 10, "output_tokens": 2}
    ),
    "usage with details of null": body(
        function("listen", json.dumps(WINDOW)),
        usage={
            **USAGE,
            "prompt_tokens_details": None,
            "completion_tokens_details": {"reasoning_tokens": None, "x": 1.5},
        },
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_read_from_every_form_of_reply(name: str) -> None:
    output, requests = await ask([CALLS[name], ANSWER])
    assert output["failure"] is None and output["answer"] is not None
    assert output["answer"].value == "B"
    assert [one.window_s for one in windows_of(output)] == [(0.0, 5.0)]
    assert len(requests) == 2
    assert (output["usage"].input_tokens, output["usage"].output_tokens) == (20, 4)
    assert_openai_accepts(requests[-1]["messages"])


class _Span:
    def __init__(self, start_s: float, end_s: float) -> None:
        self.window_s = (start_s, end_s)


def windows_of(output: CVROutput) -> list[_Span]:
    return [_Span(window.start_s, window.end_s) for one in output["observations"] for window in one.windows]


def assert_openai_accepts(messages: list[Any]) -> None:
    """Check OpenAI's rule: every call has an id of its own and its arguments, and one reply each follows."""
    waiting: list[str] = []
    seen: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, f"no reply to {waiting}"
        calls: list[Any] = message.get("tool_calls") or []
        for call in calls:
            assert call["id"] and call["id"] not in seen
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            seen.add(call["id"])
            waiting.append(call["id"])
    assert not waiting


def listens(*ids: Any) -> dict[str, Any]:
    calls = [
        function("listen", json.dumps({**WINDOW, "start_s": n, "focus": str(n)}), id=call_id)
        for n, call_id in enumerate(ids)
    ]
    return body(*calls)


@pytest.mark.parametrize("ids", [("a", "a"), (None, None), ("", ""), (0, 0), ("a", "a", "a"), ("a", None, "b", "a")])
async def test_calls_of_one_turn_that_share_an_id_get_their_own_replies(ids: tuple[Any, ...]) -> None:
    output, requests = await ask([listens(*ids), ANSWER])
    turn = next(message for message in policy_messages(output) if isinstance(message, AIMessage))
    stored = [call["id"] for call in turn.tool_calls]
    assert len(set(stored)) == len(ids) and all(stored)
    assert [one.call_id for one in output["observations"]] == stored
    assert [one.focus for one in output["observations"]] == [str(n) for n in range(len(ids))]
    assert_openai_accepts(requests[-1]["messages"])


async def test_a_server_that_gives_every_turn_the_same_id_does_not_mix_up_turns() -> None:
    output, requests = await ask([LOOK, LOOK, LOOK, body(function("answer", '{"value": "B"}'))])
    ids = [one.call_id for one in output["observations"]]
    assert len(ids) == 3 == len(set(ids)) and ids[0] == "c1"
    assert all(len(call_id) == 9 and call_id.isalnum() for call_id in ids[1:])
    replies = [message for message in policy_messages(output) if isinstance(message, ToolMessage)]
    assert [reply.tool_call_id for reply in replies][:3] == ids
    assert_openai_accepts(requests[-1]["messages"])


async def test_arguments_that_cannot_be_read_are_quoted_and_stored_as_json() -> None:
    output, requests = await ask([body(function("listen", "video one, please")), LOOK, ANSWER])
    assert output["answer"] is not None
    replies = [message.text for message in policy_messages(output) if isinstance(message, ToolMessage)]
    assert replies[0].startswith(
        "error: The arguments are not valid JSON (Expecting value at line 1, column 1): video one, please"
    )
    assert_openai_accepts(requests[-1]["messages"])


BROKEN: dict[str, Any] = {
    "an error": {"error": {"message": "The engine died.", "code": 500}},
    "an error without a code": {"error": {"message": "The engine died."}},
    "an error as text": {"error": "The engine died."},
    "an error of older vLLM": {"object": "error", "message": "The engine died.", "code": 500},
    "an error in the choice": {"choices": [{"error": {"message": "The engine died.", "code": 502}, "message": None}]},
    "choices of null": {**ANSWER, "choices": None},
    "no choices": {**ANSWER, "choices": []},
    "choices left out": {"id": "x", "object": "chat.completion"},
    "message of null": {**ANSWER, "choices": [{"index": 0, "message": None, "finish_reason": "stop"}]},
    "a choice of null": {**ANSWER, "choices": [None]},
    "HTML": Reply(body=b"<html>Bad gateway</html>", headers={"Content-Type": "text/html"}),
    "HTML as JSON": b"<html>Bad gateway</html>",
    "an empty body": b"",
    "a list": b"[]",
    "null": b"null",
    "half of the JSON": json.dumps(ANSWER).encode()[:80],
    "half of the body": Reply(half=True),
    "no reply": Reply(nothing=True),
    "not UTF-8": b'{"choices": "\xff\xfe"}',
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_reply_is_retried(name: str) -> None:
    output, requests = await ask([LOOK, BROKEN[name], BROKEN[name], ANSWER])
    assert output["failure"] is None and output["answer"] is not None
    assert len(requests) == 4


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_replies_without_end_are_an_infrastructure_failure(name: str) -> None:
    output, requests = await ask([BROKEN[name]])
    assert output["answer"] is None and output["failure"] is not None
    assert output["failure"].boundary == "infrastructure"
    assert "\n" not in output["failure"].message
    assert len(requests) == 3


@pytest.mark.parametrize("name", ["arguments as an object", "function_call", "usage as text", "no role"])
async def test_a_client_that_the_caller_made_reads_the_same(name: str) -> None:
    output, _ = await ask([CALLS[name], BROKEN["choices of null"], ANSWER], given=True)
    assert output["answer"] is not None and len(output["observations"]) == 1


def streamed(*parts: Any, end: bytes = b"data: [DONE]\n\n") -> Reply:
    lines = [b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts]
    return Reply(body=b"".join(lines) + end, headers={"Content-Type": "text/event-stream"})


def part(**delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


WORDS = part(content='{"action": "answer", "arguments": {"value": "B"}}')
STREAMS = {
    "an error in the stream": streamed(part(content="hm"), {"error": {"message": "The engine died.", "code": 500}}),
    "an error without a code": streamed(part(content="hm"), {"error": {"message": "The engine died."}}),
    "cut off": Reply(
        body=b"data: " + json.dumps(WORDS).encode(), half=True, headers={"Content-Type": "text/event-stream"}
    ),
    "half a part": streamed(end=b'data: {"choices": [{"del\n\n'),
    "nothing": streamed(),
    "no body": Reply(body=b"", headers={"Content-Type": "text/event-stream"}),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_a_broken_stream_is_retried(name: str) -> None:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    replies = [STREAMS[name], STREAMS[name], streamed(WORDS)]

    def reply(number: int, request: Any) -> Reply:
        return replies[min(number, 2)]

    with StubEndpoint(reply) as stub:
        endpoint: Any = stub
        master = ChatOpenAI(model="m", base_url=endpoint.url, api_key=SecretStr("none"), max_retries=0, streaming=True)
        graph = create_cvr_graph(master, FakePerception(), retry=QUICK).compile()
        output = await graph.ainvoke(QUESTION, context=CVRContext(min_evidence=0))
        assert [call.get("stream") for call in endpoint.calls] == [True] * 3
    assert output["answer"] is not None and output["answer"].value == "B"


async def test_a_master_does_not_stream_when_its_callers_do() -> None:
    def reply(number: int, request: Any) -> Reply:
        return http([LOOK, ANSWER][number])

    with StubEndpoint(reply) as stub:
        endpoint: Any = stub
        graph: Any = create_cvr_graph(Server(endpoint.url, "m").chat(5.0), FakePerception(), retry=QUICK).compile()
        kinds = [kind async for kind, _ in graph.astream(QUESTION, stream_mode=["messages", "values"])]
        assert not any(call.get("stream") for call in endpoint.calls)
    assert "messages" in kinds and len(endpoint.calls) == 2


async def test_an_error_that_does_not_pass_is_not_retried() -> None:
    output, requests = await ask([{"error": {"message": "The prompt is too long.", "code": 400}}])
    assert output["failure"] is not None and "The prompt is too long." in output["failure"].message
    assert len(requests) == 1


def test_a_reply_in_openais_form_is_not_changed() -> None:
    assert tidy_reply(ANSWER) == ANSWER
    with pytest.raises(InfrastructureError) as error:
        tidy_reply({"choices": []})
    assert error.value.transient


def test_other_models_are_not_copied() -> None:
    master = FakeMaster(turns=[])
    assert tolerant(master) is master
    served = Server("http://127.0.0.1:9/v1", "m").chat(1.0)
    assert isinstance(served, TolerantReplies) and tolerant(served) is served
    assert type(served).__name__ == "ChatOpenAI"


@pytest.mark.parametrize(
    ("written", "right"),
    [
        (3, 3),
        (2.5, 2),
        (12.6, 13),
        ("7", 7),
        ("7.9", 8),
        (None, 0),
        ("n/a", 0),
        (True, 0),
        (-1, 0),
        (1e400, 0),
        ([], 0),
    ],
)
def test_counts_of_tokens_are_rounded(written: Any, right: int) -> None:
    assert count(written) == right


def test_a_message_without_usage_costs_one_call() -> None:
    assert cost_of(AIMessage("x")).model_dump(exclude_defaults=True) == {"model_calls": 1}
    message = AIMessage("x")
    message.usage_metadata = {"input_tokens": 1.6, "output_tokens": "3", "total_tokens": None}  # pyright: ignore
    assert (cost_of(message).input_tokens, cost_of(message).output_tokens) == (2, 3)
