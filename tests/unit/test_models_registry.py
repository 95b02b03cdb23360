"""Model strings: how each form is parsed, and a one-line error for every string that cannot be used."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agentcvr_graph.errors import CVRError, InfrastructureError, SetupError
from agentcvr_graph.models.adapters.chat_vision import PROMPT_ID, ChatVision
from agentcvr_graph.models.adapters.transcription_endpoint import TranscriptionEndpoint
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.clients import openai_compatible
from agentcvr_graph.models.clients.errors import MAX_DETAIL_CHARS, as_infrastructure_error, recognised
from agentcvr_graph.models.providers.auto import Auto
from agentcvr_graph.models.providers.base import Provider
from agentcvr_graph.models.providers.hosted import Hosted
from agentcvr_graph.models.providers.in_process import InProcess
from agentcvr_graph.models.providers.offline import Offline
from agentcvr_graph.models.providers.ollama import Ollama
from agentcvr_graph.models.providers.server import Server
from agentcvr_graph.models.providers.tiny import Tiny
from agentcvr_graph.models.providers.whisper import Whisper
from agentcvr_graph.models.reachable import SERVERS
from agentcvr_graph.models.registry import (
    PROVIDERS,
    read_model_string,
    resolve_audio,
    resolve_chat_model,
    resolve_vision,
)

SERVER = "http://127.0.0.1:8000/v1"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "AGENTCVR_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("offline", Offline()),
        (" offline ", Offline()),
        ("tiny", Tiny()),
        ("openai:gpt-4o", Hosted("openai", "gpt-4o")),
        ("gpt-4o", Hosted("", "gpt-4o")),
        ("ollama:qwen3:8b", Ollama("qwen3:8b")),
        (f"{SERVER}#qwen", Server(SERVER, "qwen")),
        (f"{SERVER}/", Server(SERVER, "")),
        (f"{SERVER}#Qwen/Qwen3-4B", Server(SERVER, "Qwen/Qwen3-4B")),
        ("transformers:Qwen/Qwen3-4B", InProcess("Qwen/Qwen3-4B")),
        ("transformers:./folder", InProcess("./folder")),
        ("auto", Auto()),
        ("whisper:base", Whisper("base")),
        ("whisper:./folder", Whisper("./folder")),
    ],
)
def test_every_form_of_model_string_is_parsed(spec: str, expected: object) -> None:
    assert read_model_string(spec) == expected


@pytest.mark.parametrize("resolve", [resolve_chat_model, resolve_vision, resolve_audio])
@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("", ["Unknown model string ''", "'offline'", "transformers:FOLDER_OR_REPO"]),
        ("ftp://host/model", ["'ftp://host/model'", "'offline'"]),
        ("./model", ["'./model'", "write 'transformers:./model'"]),
        ("openai:", ["'openai:'", "names no model"]),
        ("transformers:", ["'transformers:'", "names no model"]),
        ("vllm:Qwen/Qwen3-4B", ["vllm serve Qwen/Qwen3-4B"]),
        ("http://host:8000", ["http://host:8000/v1"]),
        ("http:///v1", ["no host"]),
        ("transformers:./not-there", ["./not-there", "existing folder"]),
        ("transformers:not-there", ["not-there", "OWNER/NAME"]),
    ],
)
def test_an_invalid_model_string_raises_a_one_line_error(resolve: object, spec: str, parts: list[str]) -> None:
    with pytest.raises(SetupError) as caught:
        resolve(spec)  # pyright: ignore[reportCallIssue]
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("nonsense", ["Unknown model string 'nonsense'", "'offline'"]),
        ("offlin", ["Unknown model string 'offlin': did you mean 'offline'? Allowed are 'offline'"]),
        ("Offline ", ["did you mean 'offline'?"]),
        ("tinny", ["did you mean 'tiny'?"]),
        ("nobody:model", ["Unknown model string 'nobody:model'", "PROVIDER:MODEL"]),
        ("openai:gpt-4o", ["'openai:gpt-4o' needs an API key", "OPENAI_API_KEY"]),
        ("gpt-4o", ["'gpt-4o' needs an API key", "OPENAI_API_KEY"]),
        ("mistralai:small", ["'langchain-mistralai'", "pip install langchain-mistralai"]),
        ("cohere:command", ["pip install langchain-cohere"]),
    ],
)
def test_an_unusable_hosted_model_raises_a_one_line_error(spec: str, parts: list[str]) -> None:
    for resolve in (resolve_chat_model, resolve_vision):
        with pytest.raises(SetupError) as caught:
            resolve(spec)
        assert "\n" not in str(caught.value)
        for part in parts:
            assert part in str(caught.value)


def test_only_openai_models_transcribe_by_name() -> None:
    with pytest.raises(SetupError, match=r"anthropic:claude.*openai:whisper-1"):
        resolve_audio("anthropic:claude")
    with pytest.raises(SetupError, match=r"openai:whisper-1.*OPENAI_API_KEY"):
        resolve_audio("openai:whisper-1")


@pytest.mark.parametrize(
    ("resolve", "spec", "module", "install"),
    [
        (resolve_chat_model, f"{SERVER}#m", "langchain_openai", "agentcvr-graph[openai]"),
        (resolve_chat_model, "openai:gpt-4o", "langchain", "agentcvr-graph[openai]"),
        (resolve_chat_model, "transformers:a/b", "torch", "agentcvr-graph[transformers]"),
        (resolve_audio, "transformers:a/b", "transformers", "agentcvr-graph[transformers]"),
        (resolve_vision, "openai:gpt-4o", "PIL", "agentcvr-graph[live]"),
    ],
)
def test_the_error_names_the_missing_extra(
    monkeypatch: pytest.MonkeyPatch, resolve: object, spec: str, module: str, install: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # makes Python raise ImportError for this module
    with pytest.raises(SetupError) as caught:
        resolve(spec)  # pyright: ignore[reportCallIssue]
    assert f"pip install '{install}'" in str(caught.value)


def test_a_folder_without_a_model_raises_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"holds no config\.json"):
        resolve_chat_model(f"transformers:{tmp_path}")


def test_a_served_model_is_configured_without_network_access(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    master = resolve_chat_model(f"{SERVER}#qwen", timeout_s=7.0)
    assert isinstance(master, ChatOpenAI)
    assert master.model_name == "qwen"
    assert master.openai_api_base == SERVER
    assert master.max_retries == 0
    assert master.request_timeout == 7.0
    assert isinstance(master.openai_api_key, SecretStr)
    assert master.openai_api_key.get_secret_value() == "none", "a provider's key must not go to a named server"


def test_model_names_are_the_strings_that_the_user_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert isinstance(resolve_vision("openai:gpt-4o"), ChatVision)
    assert resolve_vision("openai:gpt-4o").name == f"openai:gpt-4o (prompt {PROMPT_ID})"
    assert resolve_audio("openai:whisper-1").name == "openai:whisper-1"
    assert resolve_audio(f"{SERVER}#whisper").name == f"{SERVER}#whisper"
    assert TranscriptionEndpoint(SERVER, "whisper").name == f"{SERVER}#whisper"


def test_the_name_of_a_folder_changes_with_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    before = read_model_string("transformers:.").cache_name()
    assert before.startswith(f"transformers:{tmp_path}@")
    assert read_model_string(f"transformers:{tmp_path}").cache_name() == before
    (tmp_path / "model.safetensors").write_bytes(b"trained")
    assert read_model_string("transformers:.").cache_name() != before
    assert read_model_string("transformers:owner/name").cache_name() == "transformers:owner/name"


@pytest.mark.parametrize(
    ("config", "turns"),
    [('{"agentcvr": {"max_turns": 6}}', 6), ('{"agentcvr": {}}', None), ("{}", None)],
)
def test_a_folder_states_the_turns_that_its_model_was_trained_with(
    tmp_path: Path, config: str, turns: int | None
) -> None:
    (tmp_path / "config.json").write_text(config)
    assert read_model_string(f"transformers:{tmp_path}").trained_turns() == turns
    master: Any = resolve_chat_model(f"transformers:{tmp_path}")
    assert master.trained_turns == turns


def test_other_model_strings_state_no_turns(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    for spec in ("offline", "transformers:owner/name", f"transformers:{tmp_path}/model.gguf", f"{SERVER}#m"):
        assert read_model_string(spec).trained_turns() is None


@pytest.mark.parametrize("stated", ["6", "[6]", '{"max_turns": 0}', '{"max_turns": "6"}', '{"max_turns": 6.5}'])
def test_a_number_of_turns_that_is_none_is_an_error(tmp_path: Path, stated: str) -> None:
    (tmp_path / "config.json").write_text(f'{{"agentcvr": {stated}}}')
    with pytest.raises(SetupError, match=r'config\.json has a key .agentcvr. .* Write "agentcvr": {"max_turns": 6}'):
        read_model_string(f"transformers:{tmp_path}").trained_turns()


def _serve(monkeypatch: pytest.MonkeyPatch, reply: httpx.Response | httpx.HTTPError) -> None:
    def get(url: str, **kwargs: object) -> httpx.Response:
        assert url == f"{SERVER}/models"
        if isinstance(reply, httpx.HTTPError):
            raise reply
        return reply

    monkeypatch.setattr(openai_compatible.httpx, "get", get)


def test_the_only_model_of_a_server_is_used_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(monkeypatch, httpx.Response(200, json={"data": [{"id": "qwen"}]}))
    assert openai_compatible.only_model(SERVER) == "qwen"
    assert openai_compatible.only_model(SERVER, "named") == "named"


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (httpx.Response(200, json={"data": [{"id": "a"}, {"id": "b"}]}), ["2 models", f"{SERVER}#a, {SERVER}#b"]),
        (httpx.Response(200, json={"data": []}), ["0 models"]),
        (httpx.Response(200, text="<html>"), ["not an OpenAI-compatible server", "/v1"]),
        (httpx.Response(200, json=["a"]), ["not an OpenAI-compatible server"]),
        (httpx.Response(404), ["HTTP 404"]),
        (httpx.Response(401), ["refused the API key", "AGENTCVR_API_KEY"]),
        (httpx.ConnectError("refused"), ["cannot be reached", "Start the server"]),
        (httpx.ReadTimeout("late"), ["did not answer in time"]),
    ],
)
def test_a_server_without_exactly_one_usable_model_raises_setup_error(
    monkeypatch: pytest.MonkeyPatch, reply: httpx.Response | httpx.HTTPError, parts: list[str]
) -> None:
    _serve(monkeypatch, reply)
    with pytest.raises(SetupError) as caught:
        resolve_chat_model(SERVER)
    for part in parts:
        assert part in str(caught.value)


def _status_error(status: int, body: object, url: str = f"{SERVER}/chat/completions") -> openai.APIStatusError:
    response = httpx.Response(status, request=httpx.Request("POST", url))
    return openai.APIStatusError("raw text", response=response, body=body)  # pyright: ignore[reportArgumentType]


def _caused_by(cause: Exception) -> Exception:
    error = RuntimeError("wrapped")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "transient", "part"),
    [
        (_status_error(429, {"message": "slow down"}), InfrastructureError, True, "slow down"),
        (
            _status_error(429, {"error": {"message": "You exceeded your current quota"}}),
            InfrastructureError,
            False,
            "quota",
        ),
        (_status_error(503, None), InfrastructureError, True, "HTTP 503"),
        (_status_error(400, {"message": "too many\nimages"}), InfrastructureError, False, "too many images"),
        (_status_error(404, {"message": "no such model"}), InfrastructureError, False, "no such model"),
        (_status_error(401, {"message": "bad key"}), SetupError, None, "Set AGENTCVR_API_KEY"),
        (_status_error(401, None, "https://api.openai.com/v1/chat"), SetupError, None, "Set OPENAI_API_KEY"),
        (openai.APITimeoutError(httpx.Request("POST", SERVER)), InfrastructureError, True, "did not answer in time"),
        (
            openai.APIConnectionError(request=httpx.Request("POST", SERVER)),
            InfrastructureError,
            True,
            "cannot be reached",
        ),
        (httpx.ConnectError("refused"), InfrastructureError, True, "refused"),
        (TimeoutError(), InfrastructureError, True, "did not answer in time"),
        (RuntimeError("Event loop is closed"), InfrastructureError, True, "cannot be reached"),
        (_caused_by(_status_error(502, None)), InfrastructureError, True, "HTTP 502"),
        (KeyError("choices"), InfrastructureError, False, "KeyError"),
        (ValueError("x" * 1000), InfrastructureError, False, "..."),
    ],
)
def test_client_errors_become_one_line_infrastructure_or_setup_errors(
    error: Exception, kind: type[CVRError], transient: bool | None, part: str
) -> None:
    mapped = as_infrastructure_error(error, "the model")
    assert type(mapped) is kind
    assert getattr(mapped, "transient", None) is transient
    assert part in str(mapped)
    assert str(mapped).startswith("the model")
    assert len(str(mapped)) < MAX_DETAIL_CHARS + 100
    assert "\n" not in str(mapped)


def test_unexpected_errors_are_not_recognised() -> None:
    assert recognised(TimeoutError(), "the model") is not None
    assert recognised(_status_error(400, None), "the model") is not None
    assert recognised(KeyError("choices"), "the model") is None


@pytest.mark.timeout(60)
def test_an_exception_that_is_its_own_cause_is_read_once() -> None:
    error = KeyError("choices")
    error.__cause__ = KeyError("inner")
    error.__cause__.__cause__ = error
    own = ValueError("own")
    own.__cause__ = own  # as after `raise error from error`
    assert recognised(error, "the model") is recognised(own, "the model") is None


def test_the_code_that_failed_is_named_if_no_client_library_raised() -> None:
    said = [
        str(as_infrastructure_error(one, "the model", "the tool 'zoom'")) for one in (KeyError("x"), TimeoutError())
    ]
    assert said == ["the tool 'zoom' failed: KeyError: 'x'", "the model did not answer in time."]


def test_errors_of_the_library_pass_through_unchanged() -> None:
    error = InfrastructureError("as it is", transient=True)
    assert as_infrastructure_error(error, "the model") is error


@dataclass(frozen=True)
class Parrot(Provider):
    """A provider in one class, with a chat model and an audio model that repeat a word."""

    word: str
    form = "'parrot:WORD'"
    audio_form = "'parrot:WORD'"

    @classmethod
    def parse(cls, text: str) -> Parrot | None:
        return cls(text.removeprefix("parrot:")) if text.startswith("parrot:") else None

    @property
    def spec(self) -> str:
        return f"parrot:{self.word}"

    def chat(self, timeout_s: float) -> ParrotChat:
        return ParrotChat(word=self.word)

    def audio(self, timeout_s: float) -> ParrotAudio:
        return ParrotAudio(self.spec)


class ParrotChat(ChatModelBase):
    word: str

    def _reply(self, request: ChatRequest) -> AIMessage:
        return AIMessage(self.word)


@dataclass(frozen=True)
class ParrotAudio:
    name: str

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        return ModelOutput(evidence=())


def test_a_provider_takes_one_class_and_one_registry_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentcvr_graph.models.registry.PROVIDERS", [Parrot, *PROVIDERS])
    assert resolve_chat_model("parrot:hello").invoke("?").text == "hello"
    assert resolve_audio("parrot:hello").name == "parrot:hello"
    assert isinstance(resolve_vision("parrot:hello"), ChatVision)
    with pytest.raises(SetupError, match=r"Allowed are 'parrot:WORD', 'offline', 'tiny'"):
        read_model_string("")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_guide_shows_the_form_of_every_provider(provider: type[Provider]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "models.md").read_text()
    assert provider.form.partition(" (")[0].strip("'") in guide


def test_a_provider_without_audio_models_is_refused_and_the_error_lists_those_with_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Parrot, "audio", Provider.audio)
    monkeypatch.setattr("agentcvr_graph.models.registry.PROVIDERS", [Parrot, *PROVIDERS])
    with pytest.raises(SetupError, match=r"No transcription is known for 'parrot:x'.*openai:whisper-1") as caught:
        resolve_audio("parrot:x")
    assert "'tiny'" not in str(caught.value)


def test_a_misspelled_name_is_recognised_without_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain", None)
    with pytest.raises(SetupError, match="did you mean 'offline'"):
        resolve_chat_model("offlin")
    with pytest.raises(SetupError, match=r"^The package .langchain. is not installed"):
        resolve_chat_model("openai:gpt-4o")
    # Without LangChain a short name of a hosted model cannot be told from a misspelled one.
    for short in ("nosuch", "gpt-4o"):
        said = rf"^Unknown model string '{short}'\. Allowed are 'offline', .* or PROVIDER:MODEL "
        with pytest.raises(SetupError, match=said):
            resolve_chat_model(short)
    said = r"^Unknown model string 'no:such': a hosted model needs more packages, agentcvr-graph\[openai\]\. A"
    with pytest.raises(SetupError, match=said):
        resolve_chat_model("no:such")


@pytest.mark.parametrize("wrong", [None, 3])
def test_a_model_string_of_another_type_is_refused(wrong: Any) -> None:
    for resolve in (resolve_chat_model, resolve_vision, resolve_audio):
        with pytest.raises(SetupError, match="Allowed are 'offline'"):
            resolve(wrong)


def test_the_small_master_neither_sees_nor_hears() -> None:
    with pytest.raises(SetupError, match="sees no pictures"):
        resolve_vision("tiny")
    with pytest.raises(SetupError, match="hears no sound; Whisper's smallest size is 'whisper:tiny'"):
        resolve_audio("tiny")


def test_every_flag_of_the_page_on_models_is_read():
    page = (Path(__file__).parents[2] / "docs/how-to/models.md").read_text(encoding="utf-8")
    flags = re.findall(r"--(?:master|vision|audio) ([^\s`\"']+)", page)
    assert len(flags) >= 12
    for flag in flags:
        assert read_model_string(flag).spec == flag
    for kind, address in SERVERS.items():
        assert any(flag.startswith(address.replace("127.0.0.1", "localhost")) for flag in flags), kind
