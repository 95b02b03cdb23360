"""The graphs of a server: which settings an untrusted client may choose."""

from __future__ import annotations

import pytest

from agentcvr_graph import InputError, Listen, LivePerception, SetupError, Window, create_cvr_graph, server
from agentcvr_graph.errors import SettingsError
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.clients.extras import naming_extra
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.server import (
    ServerContext,
    SwapContext,
    allowed_model,
    choose_master,
    choose_perception,
    choose_scripts,
    make_swap_graph,
)
from agentcvr_graph.testing import FakeMaster, FakePerception, observe, turn


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    monkeypatch.delenv("AGENTCVR_MODELS", raising=False)


@pytest.mark.parametrize(
    "spec",
    [
        "http://169.254.169.254/v1",
        "http://localhost:8000/v1#model",
        "transformers:/etc",
        "transformers:owner/model",
        "openai:gpt-4.1",
        "any",
        "",
    ],
)
def test_a_run_may_choose_only_allowed_models(spec):
    for choose, context in (
        (choose_master, ServerContext(master=spec)),
        (choose_perception, ServerContext(vision=spec)),
        (choose_perception, ServerContext(audio=spec)),
    ):
        with pytest.raises(InputError, match=r"may not be chosen here\. Choose from: offline(, auto)?\."):
            choose(context)


@pytest.mark.parametrize(
    ("features", "problem"), [("verify=openai:gpt-4.1", "OPENAI_API_KEY"), ("verify=gpt", "'gpt'")]
)
def test_a_judge_that_cannot_be_used_is_an_error_that_clients_read(monkeypatch, features, problem):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("AGENTCVR_FEATURES", features)
    server._swap_graph.cache_clear()
    with pytest.raises(SettingsError, match=problem):
        make_swap_graph()


def test_the_server_owner_sets_the_allowed_models(monkeypatch):
    monkeypatch.setenv("AGENTCVR_MODELS", "openai:gpt-4.1, http://localhost:8000/v1#qwen")
    assert allowed_model("http://localhost:8000/v1#qwen") and allowed_model("offline")
    with pytest.raises(InputError, match="http://localhost:8000/v1#qwen"):
        allowed_model("http://localhost:8001/v1#qwen")
    assert allowed_model(ServerContext().audio, "auto") == "auto"  # always allowed for sound: nothing is downloaded
    monkeypatch.setenv("AGENTCVR_MODELS", "any")
    assert allowed_model("http://localhost:8001/v1") == "http://localhost:8001/v1"


def test_noise_is_chosen_by_name_and_not_by_file(tmp_path):
    rates = tmp_path / "rates.json"
    rates.write_text("{}")
    with pytest.raises(InputError, match="Choose from: off, clear, mild, fitted"):
        choose_scripts(SwapContext(noise=str(rates)))
    assert isinstance(choose_scripts(SwapContext(noise="mild")), ScriptedPerception)


async def test_a_run_with_a_forbidden_model_raises_input_error():
    given = {"question": "Which?", "videos": ["script://cc-000000/1"], "options": ["x", "y"]}
    with pytest.raises(InputError, match="may not be chosen here"):
        await make_swap_graph().ainvoke(given, context=SwapContext(master="http://10.0.0.1/v1"))


async def test_the_client_of_a_server_without_the_extra_live_reads_which_extra_is_missing(monkeypatch):
    """LangGraph's server shows messages of a ValueError and hides those of other exceptions."""

    def without_live(*models: str, **media: object):
        raise ModuleNotFoundError("No module named 'rapidocr'", name="rapidocr")

    monkeypatch.setattr("agentcvr_graph.perception.factory.resolve_vision", without_live)
    server._perception.cache_clear()
    with pytest.raises(ValueError, match=r"'rapidocr' is not installed\. Install it with: .*agentcvr-graph\[live\]"):
        await server.make_graph().ainvoke({"question": "Which?", "videos": ["a.mp4"]})


@pytest.mark.parametrize("after", [0, 1], ids=["in a turn", "in a look"])
async def test_the_client_of_a_server_whose_key_is_refused_in_a_call_reads_that(after):
    refused = SetupError("The model refused the API key (HTTP 401).", fix="Set OPENAI_API_KEY.")

    class Refused(FakePerception):
        async def observe(self, request, videos):
            raise refused

    def refuse(messages):
        raise refused

    turns = [turn("", observe((1, 0, 10, 2))) if after else refuse]
    graph = create_cvr_graph(FakeMaster(turns=turns * 2), Refused()).compile()
    with pytest.raises(ValueError, match=r"^The model refused the API key \(HTTP 401\)\. Set OPENAI_API_KEY\."):
        await graph.ainvoke({"question": "Which?", "videos": ["a.mp4"]})
    short_graph = server.create_short_graph(graph, SwapContext).compile()
    short = await short_graph.ainvoke({"question": "Which?", "videos": ["a.mp4"]})
    assert short["status"] == "failed" and "Set OPENAI_API_KEY." in short["problem"]


async def test_a_package_that_a_look_misses_ends_the_run_with_its_extra(tmp_path):
    class Missing(LivePerception):
        async def _open(self, number, videos):
            raise ModuleNotFoundError("No module named 'faster_whisper'", name="faster_whisper")

    perception = Missing(OfflineVision(), OfflineAudio(), MediaLibrary(cache_dir=tmp_path))
    with pytest.raises(SetupError, match=r"'faster_whisper' is not installed\..*agentcvr-graph\[live\]"):
        await perception.listen(Listen(window=Window(video=1, start_s=0, end_s=1)), [])


def test_a_broken_module_of_this_library_is_no_missing_extra():
    broken = ImportError("cannot import name 'x'", name="agentcvr_graph.media")
    with pytest.raises(ImportError, match="cannot import name"), naming_extra("live"):
        raise broken


async def test_the_short_graph_returns_a_few_hundred_characters_and_errors_as_data():
    graph = server.create_short_graph(server.make_swap_graph(), SwapContext).compile()
    given = {"question": "Who cooks with white wine?", "videos": ["script://cc-000002/1", "script://cc-000002/2"]}
    output = await graph.ainvoke(given, context=SwapContext(max_turns=6))
    assert (output["status"], output["answer"]) == ("answered", "This time I am cooking with white wine.")
    assert output["evidence"][0]["video"] == 1 and len(repr(output)) < 800
    wrong = await graph.ainvoke({**given, "videos": ["script://cc-000002/9"]})
    assert (wrong["status"], wrong["answer"]) == ("wrong_input", "") and "cc-000002/9" in wrong["problem"]
