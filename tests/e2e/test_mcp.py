"""`agentcvr mcp` as clients start it: over stdio by a desktop or coding agent, and over HTTP."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from agentcvr_graph.demo import CLIPS_DIR
from tests.e2e.conftest import START_TIMEOUT_S, free_port

ROOT = Path(__file__).parents[2]
WINE = {"question": "Who cooks with white wine?", "videos": ["script://cc-000002/1", "script://cc-000002/2"]}
SAID = "This time I am cooking with white wine."

pytestmark = pytest.mark.enable_socket


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return {**kept, "PYTHONPATH": os.pathsep.join(sys.path)}


def over_stdio(*options: str, folder: Path) -> Client:
    command = ["-m", "agentcvr_graph", "mcp", *options]
    return Client(
        stdio_client(
            StdioServerParameters(command=sys.executable, args=command, env=environment(), cwd=folder),
        )
    )


PAGE = (ROOT / "docs/how-to/mcp.md").read_text()


def documented() -> list[tuple[list[str], dict[str, str]]]:
    """Return the arguments and the environment of each server over stdio that the page starts."""
    blocks = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    configs = [config for block in blocks for servers in json.loads(block).values() for config in servers.values()]
    assert {config["command"] for config in configs} == {"agentcvr"}
    lines = [shlex.split(line.partition(" -- ")[2]) for line in re.findall(r"^    (?:claude|codex) mcp .*", PAGE, re.M)]
    lines += [shlex.split(line) for line in re.findall(r"^    agentcvr mcp .*", PAGE, re.M) if "--http" not in line]
    found = [(config["args"], config.get("env", {})) for config in configs]
    return found + [(arguments, {}) for command, *arguments in lines if command == "agentcvr"]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "agentcvr_graph", "mcp", "--http", "--swap", "--port", str(port)]
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(f"http://127.0.0.1:{port}/mcp", process, tmp_path / "log.txt")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(address, timeout=2)
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


async def test_a_question_is_answered_over_http(address: str):
    steps: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(message or "")

    async with Client(address) as client:
        result = await client.call_tool("ask_videos", WINE, progress_callback=on_progress)
        wrong = await client.call_tool("ask_videos", {**WINE, "videos": ["/etc/passwd"]})
        report = await client.call_tool("evidence_report", {"run": result.structured_content["run"]})
        page = (await client.read_resource(report.structured_content["uri"])).contents[0]
    assert result.structured_content["answer"] == SAID and steps[0] == "opening 2 videos"
    assert wrong.is_error and "\n" not in wrong.content[0].text
    assert SAID in page.text


def test_the_example_of_a_client_runs_unchanged(address: str):
    command = [sys.executable, str(ROOT / "docs/examples/mcp_ask.py"), address]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert SAID in ran.stdout and "listening to video 2" in ran.stdout, ran.stderr


async def test_a_video_below_the_root_is_described_over_stdio(tmp_path: Path):
    """Nothing that the libraries print reaches stdout, which is the connection."""
    async with over_stdio("--root", str(CLIPS_DIR), folder=tmp_path) as client:
        clip = f"{CLIPS_DIR / 'cook_red.mp4'}#t=0,4"
        result = await client.call_tool("describe_video", {"video": clip, "frames": 1})
        outside = await client.call_tool("describe_video", {"video": str(tmp_path / "other.mp4")})
    found = result.structured_content
    assert (found["title"], found["duration_s"], found["problem"]) == ("cook_red", 4, "")
    assert any("HEAT THE PAN" in one["text"] for one in found["statements"])
    assert outside.is_error and "outside the folders that may be read" in outside.content[0].text


async def test_every_server_of_the_page_starts(tmp_path: Path):
    """The files of desktops and editors and each command; those that differ only in their folder start once."""
    found = documented()
    assert len(found) == 5
    for options, _ in found:
        options[options.index("--root") + 1] = str(CLIPS_DIR)
    for number, (options, variables) in enumerate(found):
        if (options, variables) not in found[:number]:
            started = StdioServerParameters(
                command=sys.executable,
                args=["-m", "agentcvr_graph", *options],
                env=environment() | variables,
                cwd=tmp_path,
            )
            async with Client(stdio_client(started)) as client:
                named = {tool.name for tool in (await client.list_tools()).tools}
                assert named >= {"ask_videos", "describe_video", "evidence_report"}


def test_a_server_with_an_unknown_model_does_not_start(tmp_path: Path):
    command = [sys.executable, "-m", "agentcvr_graph", "mcp", "--swap", "--master", "transformers:/nowhere"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and len(done.stderr.strip().splitlines()) == 1
