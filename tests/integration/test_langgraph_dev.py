"""The development server behind LangGraph Studio, started as a user starts it, and driven through its client.

Without `--allow-blocking`, so a blocking call on the event loop fails the run; without a key and offline.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from langgraph_sdk import get_client

from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.state import as_input
from tests.integration.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
QUESTION = {"question": "Who is the dinner for?", "videos": [str(CLIPS_DIR / "cook_yellow.mp4")]}

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running `langgraph dev`."""
    port = free_port()
    log = tmp_path_factory.mktemp("studio") / "log.txt"
    command = ["-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | {"LANGGRAPH_DISABLE_FILE_PERSISTENCE": "true"},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "BlockingError" not in log.read_text()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{url}/ok", timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


async def test_the_same_graph_in_swap_mode(server: str):
    script = bundled_library().get("cc-000002")
    asked = as_input(script.as_question())
    videos = [video.model_dump() for video in script.as_question().videos]
    async with get_client(url=server) as client:
        assistants = {a["graph_id"]: a["assistant_id"] for a in await client.assistants.search()}
        live, swap = [await client.assistants.get_graph(assistants[name]) for name in ("agentcvr", "agentcvr_swap")]
        assert [node["id"] for node in live["nodes"]] == [node["id"] for node in swap["nodes"]]
        assert live["edges"] == swap["edges"]
        schemas = await client.assistants.get_schemas(assistants["agentcvr_swap"])
        assert "noise" in schemas["context_schema"]["properties"]
        given = {**asked, "videos": videos}
        for noise in ("off", "fitted"):
            output = await client.runs.wait(None, assistants["agentcvr_swap"], input=given, context={"noise": noise})
            assert output["answer"]["kind"] == "choice"
            assert output["observations"][0]["model"] == "script"


async def test_schemas_runs_streams_and_a_second_run_on_the_thread(server: str):
    async with get_client(url=server) as client:
        assistant = next(a for a in await client.assistants.search() if a["graph_id"] == "agentcvr")
        schemas = await client.assistants.get_schemas(assistant["assistant_id"])
        assert set(schemas["input_schema"]["properties"]) >= {"question", "videos", "options", "kind"}
        assert set(schemas["output_schema"]["properties"]) >= {"answer", "observations", "usage", "messages"}
        knobs = schemas["context_schema"]["properties"]
        assert knobs["max_turns"]["description"]
        assert {"max_frames", "language", "master", "vision", "audio"} <= set(knobs)

        graph = await client.assistants.get_graph(assistant["assistant_id"])
        names = {node["id"] for node in graph["nodes"]}
        assert {"brief", "master", "visual_agent", "audio_agent", "conclude"} <= names

        thread = (await client.threads.create())["thread_id"]
        stages, last = [], None
        async for part in client.runs.stream(
            thread, "agentcvr", input=QUESTION, context={"max_turns": 6}, stream_mode=["custom", "values"]
        ):
            assert part.event != "error", part.data
            if part.event == "custom":
                stages.append(part.data["stage"])
            elif part.event == "values":
                last = part.data
        assert stages[0] == "brief"
        assert {"visual_agent", "audio_agent", "conclude"} <= set(stages)
        assert last["answer"]["value"] == "This dinner is for my mother."

        again = await client.runs.wait(thread, "agentcvr", input=QUESTION | {"question": "What is the cook using?"})
        assert again["answer"]["kind"] == "text"
        history = await client.threads.get_history(thread)
        assert len(history) > 6


async def test_a_clear_error_reaches_the_client(server: str):
    async with get_client(url=server) as client:
        thread = (await client.threads.create())["thread_id"]
        given = {"question": "Who?", "videos": ["nowhere.mp4"]}
        failed = await client.runs.wait(thread, "agentcvr", input=given, raise_error=False)
        assert "nowhere.mp4: no such file or folder" in str(failed)
