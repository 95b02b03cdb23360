"""Servers that refuse what a call asks for: the call is sent again in a form that they take.

The endpoint is a real HTTP server on this machine that refuses in the words of the servers named in the cases.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.graph.state import CVROutput
from agentcvr_graph.testing import FakePerception
from tests.support.stub_endpoint import Reply, StubEndpoint

pytest.importorskip("langchain_openai")
pytestmark = pytest.mark.enable_socket

QUESTION: Any = {"question": "Which?", "videos": ["a.mp4"], "options": ["red", "blue"]}
WINDOW = {"video": 1, "start_s": 0.0, "end_s": 5.0, "frames": 2}
LOOK = {
    "thought": "",
    "actions": [{"action": "observe", "arguments": {"targets": [WINDOW], "focus": ""}}],
}
ANSWER = {
    "thought": "B.",
    "actions": [{"action": "answer", "arguments": {"value": "B", "rationale": "", "citations": []}}],
}
NO_TOOLS = {
    "vLLM": (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    "Ollama": (400, "registry.ollama.ai/library/gemma3:4b does not support tools"),
    "llama.cpp": (500, "tools param requires --jinja flag"),
    "llama.cpp, older": (500, "Unsupported param: tools"),
    "Gemini": (400, "Function calling is not enabled for models/gemma-3-27b-it"),
    "OpenRouter": (404, 'No endpoints found that support tool use. Try disabling "observe".'),
    "Groq": (400, "`tool calling` is not supported with this model"),
}
NO_SCHEMA = {
    "DeepSeek": (400, "This response_format type is unavailable now"),
    "LM Studio": (400, "'response_format.type' must be 'text'"),
    "vLLM": (400, "The provided JSON schema contains features not supported by xgrammar."),
    "llama.cpp": (400, "Failed to initialize samplers: failed to parse grammar"),
}


def refused(status: int, message: str) -> Reply:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
    return Reply(status=status, body=json.dumps(body).encode())


def answers(body: dict[str, Any]) -> Reply:
    """Look in the first turn and answer in the next, as text."""
    turn = ANSWER if any(message["role"] == "assistant" for message in body["messages"]) else LOOK
    return Reply(text=json.dumps(turn))


async def ask(url: str, **settings: Any) -> CVROutput:
    graph = create_cvr_graph(resolve_chat_model(f"{url}#m"), FakePerception()).compile()
    return await graph.ainvoke(QUESTION, context=CVRContext(**settings))


def system_of(call: dict[str, Any]) -> str:
    return call["messages"][0]["content"]


@pytest.mark.parametrize("server", NO_TOOLS)
async def test_without_tool_calls_the_master_acts_in_a_schema(server: str) -> None:
    with StubEndpoint(lambda _, body: refused(*NO_TOOLS[server]) if "tools" in body else answers(body)) as endpoint:
        first, second = await ask(endpoint.url), await ask(endpoint.url)
    assert first["answer"] and second["answer"] and first["answer"].value == "B"
    assert ["tools" in call for call in endpoint.calls] == [True, False, False, False, False], "it is refused once"
    for call in endpoint.calls[1:]:
        schema = call["response_format"]["json_schema"]["schema"]
        assert schema["required"] == ["thought", "actions"]
        assert system_of(call).count("Act by writing one JSON object") == 1
    assert "Act by writing" not in system_of(endpoint.calls[0])


@pytest.mark.parametrize("server", NO_SCHEMA)
async def test_without_a_schema_either_the_master_writes_json(server: str) -> None:
    def reply(_: int, body: dict[str, Any]) -> Reply:
        if "tools" in body:
            return refused(*NO_TOOLS["vLLM"])
        return refused(*NO_SCHEMA[server]) if "response_format" in body else answers(body)

    with StubEndpoint(reply) as endpoint:
        output = await ask(endpoint.url)
    assert output["answer"] and output["answer"].value == "B"
    assert len(endpoint.calls) == 4
    last = system_of(endpoint.calls[-1])
    assert "Act by writing JSON" in last and "one JSON object, and nothing" not in last


async def test_runs_in_parallel_are_all_answered() -> None:
    with StubEndpoint(lambda _, body: refused(*NO_TOOLS["vLLM"]) if "tools" in body else answers(body)) as endpoint:
        outputs = await asyncio.gather(*(ask(endpoint.url) for _ in range(6)))
    assert all(output["answer"] for output in outputs)


async def test_a_dialect_that_was_asked_for_is_not_replaced() -> None:
    with StubEndpoint(lambda _, body: refused(*NO_TOOLS["vLLM"])) as endpoint:
        output = await ask(endpoint.url, dialect="tools")
    assert output["failure"] and "--enable-auto-tool-choice" in output["failure"].message
    assert len(endpoint.calls) == 1


async def test_the_setting_schema_needs_no_refusal() -> None:
    with StubEndpoint(lambda _, body: answers(body)) as endpoint:
        assert (await ask(endpoint.url, dialect="schema"))["answer"]
    assert all("response_format" in call and "tools" not in call for call in endpoint.calls)


async def test_a_turn_in_a_schema_that_is_cut_off_is_a_turn_of_the_master() -> None:
    with StubEndpoint(lambda *_: Reply(text='{"thought": "I am', finish_reason="length")) as endpoint:
        output = await ask(endpoint.url, dialect="schema")
    assert output["failure"] and output["failure"].boundary == "master"
    assert len(endpoint.calls) == output["usage"].model_calls == 3


SYSTEM = {
    "vLLM": (400, "System role not supported None"),
    "Gemini": (400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
    "OpenAI": (400, "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
    "Mistral's template": (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
}


@pytest.mark.parametrize("server", SYSTEM)
async def test_without_system_messages_the_text_goes_to_the_user_message(server: str) -> None:
    def reply(_: int, body: dict[str, Any]) -> Reply:
        return refused(*SYSTEM[server]) if body["messages"][0]["role"] == "system" else Reply()

    with StubEndpoint(reply) as endpoint:
        for _ in range(2):
            model = resolve_chat_model(f"{endpoint.url}#m")
            await model.ainvoke([SystemMessage("Be brief."), HumanMessage("Who?")])
    assert [len(call["messages"]) for call in endpoint.calls] == [2, 1, 1]
    assert endpoint.calls[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nWho?"}]


PARAMETERS = {
    "max_completion_tokens": (
        {"max_tokens": 7},
        "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not "
        "permitted', 'input': 7}]",
    ),
    "temperature": (
        {"temperature": 0.0},
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
    ),
    "tool_choice": ({"tool_choice": "any"}, "deepseek-reasoner does not support this tool_choice"),
}


@pytest.mark.parametrize("name", PARAMETERS)
async def test_a_parameter_that_is_refused_is_left_out_or_renamed(name: str) -> None:
    options, words = PARAMETERS[name]
    with StubEndpoint(lambda _, body: refused(400, words) if name in body else Reply()) as endpoint:
        for _ in range(2):
            await resolve_chat_model(f"{endpoint.url}#m").bind(**options).ainvoke("Who?")
    assert [name in call for call in endpoint.calls] == [True, False, False]
    assert endpoint.calls[-1].get("max_tokens") == options.get("max_tokens")


async def test_another_error_is_raised_at_once() -> None:
    missing = StubEndpoint(lambda *_: refused(404, "The model `m` does not exist."))
    with missing as endpoint, pytest.raises(Exception, match="does not exist"):
        await resolve_chat_model(f"{endpoint.url}#m").ainvoke("Who?")
    assert len(endpoint.calls) == 1


def ignoring(tools: bool, schema: bool, *, calls_when_asked: bool = False) -> Any:
    """Return a server that ignores tools or schemas without an error, and then lets its model answer in words."""

    def reply(_: int, body: dict[str, Any]) -> Reply:
        if calls_when_asked and [tool["function"]["name"] for tool in body.get("tools", [])] == ["ready"]:
            return Reply("", tool=("ready", {}))
        if "tools" in body and tools or "response_format" in body and schema:
            return Reply("I would look at the first video.")
        return answers_in_turn(body)

    return reply


def answers_in_turn(body: dict[str, Any]) -> Reply:
    """Look, and answer once something was seen."""
    seen = any(message["role"] == "user" and "red ball" in str(message["content"]) for message in body["messages"][2:])
    return Reply(text=json.dumps(ANSWER if seen else LOOK))


def forms(endpoint: StubEndpoint) -> list[str]:
    """Return what each call was bound to: its tools, a schema, or nothing."""
    calls: list[Any] = endpoint.calls
    return [
        "+".join(tool["function"]["name"] for tool in call.get("tools", []))
        or ("schema" if "response_format" in call else "words")
        for call in calls
    ]


ALL = "observe+listen+answer"


async def test_a_server_that_ignores_tools_is_found_out_once(caplog: pytest.LogCaptureFixture) -> None:
    with StubEndpoint(ignoring(tools=True, schema=False)) as endpoint:
        first, second = await ask(endpoint.url), await ask(endpoint.url)
    assert first["answer"] and second["answer"]
    assert forms(endpoint) == [ALL, "ready", "schema", "schema", "schema", "schema"]
    assert first["usage"].model_calls == 4, "the call that asked for `ready` is counted"
    assert [record.message for record in caplog.records if "ignores tools" in record.message] == [
        f"The server of {endpoint.url} m ignores tools: the master acts in a schema from now on."
    ]


async def test_a_server_that_ignores_tools_and_schemas_gets_neither() -> None:
    with StubEndpoint(ignoring(tools=True, schema=True)) as endpoint:
        output = await ask(endpoint.url)
        await ask(endpoint.url)
    assert output["answer"]
    assert forms(endpoint) == [ALL, "ready", "schema", "words", "words", "words", "words"]


async def test_a_model_that_calls_the_tool_it_is_asked_for_keeps_its_tools() -> None:
    with StubEndpoint(ignoring(tools=True, schema=False, calls_when_asked=True)) as endpoint:
        output = await ask(endpoint.url)
    assert output["failure"] and output["failure"].boundary == "master"
    assert forms(endpoint) == [ALL, "ready", ALL, ALL]


async def test_runs_in_parallel_ask_once() -> None:
    with StubEndpoint(ignoring(tools=True, schema=False)) as endpoint:
        outputs = await asyncio.gather(*(ask(endpoint.url) for _ in range(6)))
    assert all(output["answer"] for output in outputs)
    assert forms(endpoint).count("ready") == 1


async def test_a_dialect_of_the_settings_is_kept_although_the_server_ignores_it() -> None:
    with StubEndpoint(ignoring(tools=True, schema=True)) as endpoint:
        await ask(endpoint.url, dialect="schema")
        await ask(endpoint.url, dialect="tools")
    assert forms(endpoint) == ["schema"] * 3 + [ALL] * 3
