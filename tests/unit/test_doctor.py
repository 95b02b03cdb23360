"""The doctor reports the state of the installation and names a command that fixes each problem."""

from __future__ import annotations

import importlib.metadata
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from agentcvr_graph.cli import doctor_checks as doctor
from agentcvr_graph.cli.doctor import details_of, summary_of
from agentcvr_graph.cli.doctor_checks import Check, diagnose
from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients import openai_compatible
from agentcvr_graph.models.providers import ollama
from agentcvr_graph.models.registry import resolve_audio, resolve_chat_model

SERVER = "http://127.0.0.1:8000/v1"


def test_the_diagnosis_finds_the_offline_models_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTCVR_CACHE_DIR", str(tmp_path / "cache"))
    checks = {check.name: check for check in diagnose()}
    for name in ("python", "core", "live", "pyav", "decord", "on-screen text", "speech"):
        assert checks[name].ok is True, checks[name]
    for role in ("master", "vision"):
        assert checks[f"{role} offline"] == Check("models", f"{role} offline", True, "ready")
    assert checks["audio auto"].ok
    assert "uses offline; 'agentcvr setup'" in checks["audio auto"].detail
    assert checks["cache"].ok is True
    assert str(tmp_path / "cache") in checks["cache"].detail
    assert {"ffmpeg", "flite", "chromium"} <= {name for check in checks for name in check.split(", ")}
    assert "gpu" in checks
    assert not {"dev", "docs", "notebooks"} & checks.keys()
    assert all("\n" not in check.detail + check.fix for check in checks.values())
    assert all(check.fix for check in checks.values() if check.ok is False)


REQUIRES = ["httpx>=0.1,<1", 'av>=999; extra == "live"', 'no-such-package; extra == "live"', 'httpx; extra == "openai"']
REQUIRES += ['no-such-package>=2; extra == "studio"', 'agentcvr-graph[live]; extra == "all"']


def test_installed_packages_are_compared_with_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIRES)
    extras = "Metadata-Version: 2.4\nName: agentcvr-graph\nRequires-Python: >=3.11\n"
    extras += "".join(f"Provides-Extra: {extra}\n" for extra in ("all", "live", "openai", "studio"))
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: _parse(extras))
    core, live, openai, studio = doctor.extras()
    httpx, av = importlib.metadata.version("httpx"), importlib.metadata.version("av")
    assert core == Check("packages", "core", True, f"httpx {httpx}")
    missing = f"av {av} (needs >=999), no no-such-package"
    assert live == Check("packages", "live", False, missing, "pip install 'agentcvr-graph[live]'")
    assert openai == Check("packages", "openai", True, f"httpx {httpx}")
    assert studio == Check("packages", "studio", None, "no no-such-package", "pip install 'agentcvr-graph[studio]'")


def _parse(text: str) -> object:
    import email

    return email.message_from_string(text)


def test_one_video_reader_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    pyav, decord = doctor.readers()
    assert (pyav.ok, decord.ok) == (True, None)
    assert decord.fix == ""  # it has no wheel for some machines
    monkeypatch.setitem(sys.modules, "av", None)
    assert [check.ok for check in doctor.readers()] == [False, False]


def test_the_fix_for_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "flite" else f"/usr/bin/{name}")
    check = doctor.programs()
    assert (check.name, check.ok, check.fix) == ("flite", None, "apt-get install flite")
    assert "ffmpeg (renders videos): /usr/bin/ffmpeg, flite (renders speech): not found" in check.detail


def test_a_cache_folder_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AGENTCVR_CACHE_DIR", str(tmp_path / "file" / "cache"))
    check = doctor.cache_folder()
    assert check.ok is False
    assert "cannot be written" in check.detail
    assert "AGENTCVR_CACHE_DIR" in check.fix


@pytest.mark.parametrize(
    ("spec", "served", "ok", "detail", "fix"),
    [
        (f"{SERVER}#a", ["a", "b"], True, "reachable, serves a, b", ""),
        (SERVER, ["a"], True, "reachable, serves a", ""),
        (SERVER, ["a", "b"], False, f"The server {SERVER} serves a, b.", f"Use {SERVER}#a or {SERVER}#b."),
        (f"{SERVER}#c", ["a"], False, f"The server {SERVER} serves a.", f"Use {SERVER}#a."),
        (f"{SERVER}#c", [], False, f"The server {SERVER} serves nothing.", "Use another server."),
    ],
)
def test_model_names_are_compared_with_the_models_of_the_server(
    monkeypatch: pytest.MonkeyPatch, spec: str, served: list[str], ok: bool, detail: str, fix: str
) -> None:
    monkeypatch.setattr(openai_compatible, "served_models", lambda base_url: served)
    assert doctor.model("master", spec, resolve_chat_model) == Check("models", f"master {spec}", ok, detail, fix)


def test_an_unreachable_server_is_reported_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(base_url: str) -> list[str]:
        raise SetupError(f"The server {base_url} cannot be reached.", fix="Start the server.")

    monkeypatch.setattr(openai_compatible, "served_models", down)
    check = doctor.model("vision", f"{SERVER}#a", resolve_chat_model)
    expected = Check(
        "models", f"vision {SERVER}#a", False, f"The server {SERVER} cannot be reached.", "Start the server."
    )
    assert check == expected


def test_models_of_ollama_are_compared_with_those_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def served(base_url: str) -> list[str]:
        return ["qwen3:latest", "gemma3:4b"]

    monkeypatch.setattr(ollama, "served_models", served)
    found = {name: doctor.model("master", f"ollama:{name}", resolve_chat_model) for name in ("qwen3", "gemma3", "x")}
    assert [check.ok for check in found.values()] == [True, False, False]
    assert (found["x"].detail, found["x"].fix) == ("Ollama has qwen3:latest, gemma3:4b.", "ollama pull x")


def test_whisper_weights_are_loaded(tmp_path: Path) -> None:
    for name in ("config.json", "model.bin"):
        (tmp_path / name).write_text("{}")
    check = doctor.model("audio", f"whisper:{tmp_path}", resolve_audio)
    assert check.ok is False and f"The Whisper model in {tmp_path} cannot be loaded" in check.detail


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("openai:gpt-4o", "OPENAI_API_KEY"),
        ("mistralai:small", "pip install langchain-mistralai"),
        ("nonsense", "PROVIDER:MODEL"),
        ("transformers:./nowhere", "Give an existing folder"),
    ],
)
def test_an_unusable_model_is_reported_with_its_fix(monkeypatch: pytest.MonkeyPatch, spec: str, part: str) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    check = doctor.model("master", spec, resolve_chat_model)
    assert check.ok is False
    assert part in check.fix


def test_a_model_folder_needs_a_valid_config_and_weights(tmp_path: Path) -> None:
    def look(spec: str) -> Check:
        return doctor.model("audio", spec, lambda _: None)

    spec = f"transformers:{tmp_path}"
    (tmp_path / "config.json").write_text("{")
    assert "not JSON" in look(spec).detail
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    assert "holds no weights" in look(spec).detail
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert look(spec) == Check("models", f"audio {spec}", True, f"whisper in {tmp_path}")
    assert look("transformers:owner/name").detail.startswith("loaded from the Hugging Face cache")


def test_a_failing_native_library_is_reported_and_does_not_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(module: str) -> object:
        raise RuntimeError("libav.so: cannot open\nmore")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    assert all(check.ok is False and "libav.so: cannot open" in check.detail for check in doctor.readers())


OPTIONAL = ("openai", "transformers", "gap", "eval", "synthesis", "ray", "vllm", "training", "studio")


def printed(report: RenderableType) -> list[str]:
    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(report)
    return captured.get().splitlines()


def test_the_report_of_a_bare_installation_fits_on_one_screen_without_truncation() -> None:
    checks = [
        Check("python", "python", True, "3.11.2 on Linux x86_64"),
        Check("packages", "core", True, "httpx 0.28"),
        Check("packages", "live", False, "no av, no decord, no numpy", "pip install 'agentcvr-graph[live]'"),
        *(Check("packages", name, None, "no x", f"pip install 'agentcvr-graph[{name}]'") for name in OPTIONAL),
        Check("video readers", "pyav", False, "av: No module named 'av'", "pip install 'agentcvr-graph[live]'"),
        Check("recognition", "speech", None, "no pocketsphinx", "pip install 'agentcvr-graph[live]'"),
        Check("programs", "ffmpeg, flite", None, "ffmpeg: not found", "apt-get install ffmpeg flite"),
        Check("cache", "cache", True, f"/home/{'u' * 70}/.cache/agentcvr: 0.01 GiB used, 75.1 GiB free"),
        Check("gpu", "gpu", None, "none; models in this process run on the CPU"),
        Check("models", "master offline", True, "ready"),
    ]
    lines = printed(summary_of(checks))
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    text = "".join("".join(lines).split())
    assert "…" not in text
    for check in checks:
        assert "".join(check.fix.split()) in text
        assert check.ok is not False or "".join(check.detail.split()) in text
    assert text.count("agentcvr-graph[live]") == 2  # once for broken checks, once for an optional one
    assert "u" * 70 in text and "ffmpeg,fliteapt-get" in text


def test_verbose_prints_each_check_in_full() -> None:
    text = " ".join(" ".join(printed(details_of([Check("packages", "core", True, "httpx 0.28, rich 14.1")]))).split())
    assert "ok packages core httpx 0.28, rich 14.1" in text
