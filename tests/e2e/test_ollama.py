"""`ollama:NAME` and `agentcvr models` against an HTTP server that answers as Ollama does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agentcvr_graph import create_cvr_graph, resolve_chat_model
from agentcvr_graph.cli.models import command_with
from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.reachable import Reachable, proposed, reachable_models
from agentcvr_graph.models.registry import read_model_string
from agentcvr_graph.testing import FakePerception
from tests.e2e.test_model_refusals import ANSWER, LOOK, QUESTION
from tests.support.stub_endpoint import Reply, StubEndpoint

pytest.importorskip("langchain_ollama")
pytestmark = pytest.mark.enable_socket


def chunk(**message: Any) -> Reply:
    """Return a reply of `/api/chat`: lines of JSON, the last of which holds the counts."""
    said = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", **message}}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 900, "eval_count": 20}
    lines = [{**said, "done": False}, {**said, "message": NOTHING, **end}]
    return Reply(body="".join(f"{json.dumps(line)}\n" for line in lines).encode())


NOTHING = {"role": "assistant", "content": ""}


def calling(name: str, arguments: dict[str, Any]) -> Reply:
    return chunk(content="", tool_calls=[{"function": {"name": name, "arguments": arguments}}])


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def run(endpoint: StubEndpoint) -> Any:
        monkeypatch.setenv("OLLAMA_HOST", endpoint.url.removesuffix("/v1"))
        graph = create_cvr_graph(resolve_chat_model("ollama:qwen3:8b"), FakePerception()).compile()
        return await graph.ainvoke(QUESTION)

    return run


async def test_a_model_with_tools_acts_with_them_in_a_long_context(ask: Any) -> None:
    look = {"targets": [{"video": 1, "start_s": 0, "end_s": 5}]}
    turns = [calling("observe", look), calling("answer", {"value": "B"})]
    with StubEndpoint(lambda number, _: turns[number]) as endpoint:
        output = await ask(endpoint)
    assert output["answer"].value == "B"
    assert output["usage"].input_tokens == 1800
    assert all(call["options"]["num_ctx"] == 16_384 and call["model"] == "qwen3:8b" for call in endpoint.calls)
    assert [tool["function"]["name"] for tool in endpoint.calls[0]["tools"]] == ["observe", "listen", "answer"]


async def test_a_model_without_tools_acts_in_a_schema(ask: Any) -> None:
    def reply(number: int, body: dict[str, Any]) -> Reply:
        if body.get("tools"):
            error = {"error": "registry.ollama.ai/library/gemma3:4b does not support tools"}
            return Reply(status=400, body=json.dumps(error).encode())
        return chunk(content=json.dumps(ANSWER if number > 1 else LOOK))

    with StubEndpoint(reply) as endpoint:
        output = await ask(endpoint)
    assert output["answer"].value == "B"
    assert endpoint.calls[1]["format"]["required"] == ["thought", "actions"]


async def test_a_model_that_was_not_pulled_is_a_failure_that_says_so(ask: Any) -> None:
    missing = Reply(status=404, body=b'{"error": "model \\"qwen3:8b\\" not found, try pulling it first"}')
    with StubEndpoint(lambda *_: missing) as endpoint:
        output = await ask(endpoint)
    assert output["failure"].boundary == "infrastructure"
    assert "try pulling it first" in output["failure"].message


def test_a_string_without_a_model_is_refused() -> None:
    with pytest.raises(SetupError, match=r"names no model.*ollama list"):
        read_model_string("ollama:")


def test_models_lists_what_ollama_has_with_what_each_can_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    capabilities = {
        "qwen3:8b": ["completion", "tools"],
        "gemma3:4b": ["completion", "vision"],
        "nomic-embed-text": ["embedding"],
    }

    def reply(_: int, body: dict[str, Any]) -> Reply:
        listed = {"models": [{"name": name} for name in capabilities]}
        shown = {"capabilities": capabilities.get(body.get("model", ""))}
        return Reply(body=json.dumps(shown if body else listed).encode())

    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    with StubEndpoint(reply) as endpoint:
        monkeypatch.setenv("OLLAMA_HOST", endpoint.url.removesuffix("/v1"))
        found = reachable_models(folders=[tmp_path])
    roles = {model.spec: sorted(model.roles) for model in found if model.where == "Ollama"}
    assert roles == {
        "ollama:qwen3:8b": ["master"],
        "ollama:gemma3:4b": ["master", "vision"],
        "ollama:nomic-embed-text": [],
    }


def test_models_lists_an_openai_compatible_server_keys_folders_and_the_hub_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    saved = tmp_path / "mine"
    cached = tmp_path / "hub" / "models--org--whisper-x" / "snapshots" / "abc"
    for folder, kind in ((saved, "LlamaForCausalLM"), (cached, "WhisperForConditionalGeneration")):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"architectures": [kind]}))
    (saved / "model.safetensors").touch()
    for name in ("Systran--faster-whisper-base", "me--my-whisper-ct2"):
        weights = tmp_path / "hub" / f"models--{name}" / "snapshots" / "abc" / "model.bin"
        weights.parent.mkdir(parents=True)
        weights.touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    models = {"data": [{"id": "Qwen2.5-VL-7B"}, {"id": "bge-m3"}]}
    with StubEndpoint(lambda *_: Reply(body=json.dumps(models).encode())) as endpoint:
        found = {model.spec: sorted(model.roles) for model in reachable_models([endpoint.url], [tmp_path])}
    assert found[f"{endpoint.url}#Qwen2.5-VL-7B"] == ["master", "vision"]
    assert found[f"{endpoint.url}#bge-m3"] == []
    assert found[f"transformers:{saved}"] == ["master"]
    assert found["transformers:org/whisper-x"] == ["audio"]
    assert found["whisper:base"] == found["whisper:me/my-whisper-ct2"] == ["audio"]
    assert found["anthropic:claude-sonnet-4-5"] == ["master", "vision"]


def test_the_proposed_command_uses_what_needs_no_installation() -> None:
    models = [
        Reachable("anthropic:x", "key", frozenset({"master", "vision"}), "langchain-anthropic"),
        Reachable("http://h:1/v1#vl model", "server", frozenset({"master", "vision"})),
    ]
    command = command_with(proposed(models))
    assert command.endswith("--master 'http://h:1/v1#vl model' --vision 'http://h:1/v1#vl model'")
    assert command_with(proposed([])) == "agentcvr ask a.mp4 b.mp4 -q 'Who arrives first?'"


NO_SYSTEM = Reply(status=400, body=b'{"error": "system role not supported"}')


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_refusal_is_adapted_to_in_every_way_of_calling(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(_: int, body: dict[str, Any]) -> Reply:
        return NO_SYSTEM if body["messages"][0]["role"] == "system" else chunk(content="Mary")

    with StubEndpoint(reply) as endpoint:
        monkeypatch.setenv("OLLAMA_HOST", endpoint.url.removesuffix("/v1"))
        model = resolve_chat_model("ollama:gemma3")
        assert await said_by(model, way) == "Mary"
    assert [call["messages"][0]["role"] for call in endpoint.calls] == ["system", "user"]


async def said_by(model: Any, way: str) -> str:
    """Return the reply of a model that is called in one of LangChain's ways."""
    messages = [SystemMessage("Be brief."), HumanMessage("Who?")]
    match way:
        case "invoke":
            return (await asyncio.to_thread(model.invoke, messages)).text
        case "ainvoke":
            return (await model.ainvoke(messages)).text
        case "stream":
            return await asyncio.to_thread(lambda: "".join(part.text for part in model.stream(messages)))
        case _:
            return "".join([part.text async for part in model.astream(messages)])


async def test_an_error_behind_the_first_part_of_a_stream_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words as those of a refusal: a reply that has begun is not asked for again."""
    begun = chunk(content="Ma").body or b""
    broken = Reply(body=begun.splitlines()[0] + b'\n{"error": "system role not supported"}\n')
    with StubEndpoint(lambda *_: broken) as endpoint:
        monkeypatch.setenv("OLLAMA_HOST", endpoint.url.removesuffix("/v1"))
        with pytest.raises(Exception, match="system role not supported"):
            await said_by(resolve_chat_model("ollama:gemma3"), "astream")
    assert len(endpoint.calls) == 1


async def test_a_run_that_streams_messages_adapts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [NO_SYSTEM, calling("listen", {"video": 1, "start_s": 0, "end_s": 5}), calling("answer", {"value": "B"})]

    with StubEndpoint(lambda number, _: turns[number]) as endpoint:
        monkeypatch.setenv("OLLAMA_HOST", endpoint.url.removesuffix("/v1"))
        graph = create_cvr_graph(resolve_chat_model("ollama:qwen3:8b"), FakePerception()).compile()
        parts = [part async for part in graph.astream(QUESTION, stream_mode=["messages", "values"])]
    assert [mode for mode, _ in parts].count("values") > 1
    assert parts[-1][1]["answer"].value == "B"
    assert [call["messages"][0]["role"] for call in endpoint.calls] == ["system", "user", "user"]
