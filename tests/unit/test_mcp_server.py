"""The MCP server, driven by the official client: typed tools, short results, progress, cancellation, media roots."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from mcp import Client

from agentcvr_graph import InfrastructureError, InputError, create_cvr_graph
from agentcvr_graph.cli.mcp_run import check_free
from agentcvr_graph.mcp_server import service as service_module
from agentcvr_graph.mcp_server.server import build_server
from agentcvr_graph.mcp_server.service import VideoService
from agentcvr_graph.media.access import Access
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.types import Observation, Observe, Video, VideoInfo
from tests.unit.test_find import Kept

CITED = {"video": 1, "start_s": 10, "end_s": 20, "modality": "visual"}
TURNS = [
    turn("", observe((1, 0, 60, 6)), listen(1, 0, 30)),
    turn("", answer("B", "It is red.", citations=[CITED])),
]


class Pictures:
    """A source of pictures that are their own names."""

    def thumbnail(self, video: Video, time_s: float) -> bytes:
        return f"{Path(video.source).name} at {time_s:g}".encode()


class Failing(FakePerception):
    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        raise InfrastructureError("The vision model is not reachable.")


class Waiting(FakePerception):
    """A perception whose looks never end. `began` and `ended` say when one did."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.ended = asyncio.Event(), asyncio.Event()

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError


@pytest.fixture
def video(tmp_path: Path) -> str:
    (tmp_path / "a.mp4").write_bytes(b"")
    return str(tmp_path / "a.mp4")


@pytest.fixture
def given(video: str) -> dict[str, object]:
    return {"question": "Which is red?", "videos": [video], "options": ["the hat", "the ball"]}


def client_of(tmp_path: Path, perception: FakePerception | None = None, turns: Sequence[object] = TURNS) -> Client:
    seen = perception or FakePerception()
    graph = create_cvr_graph(FakeMaster(turns=[*turns]), seen).compile()
    return Client(build_server(VideoService(graph, seen, Access(roots=(tmp_path,)), thumbnails=Pictures())))


async def test_four_tools_have_typed_input_and_output(tmp_path):
    async with client_of(tmp_path) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert sorted(tools) == ["ask_videos", "describe_video", "evidence_report", "find_in_videos"]
    asking = tools["ask_videos"].input_schema
    assert asking["required"] == ["question", "videos"] and "order" in json.dumps(asking["properties"]["kind"])
    assert all(field["description"] for field in asking["properties"].values())
    assert {"status", "answer", "value", "evidence", "run"} <= set(tools["ask_videos"].output_schema["properties"])
    assert all(tool.description and tool.annotations.read_only_hint for tool in tools.values())


async def test_an_answer_is_short_typed_and_links_to_its_pictures(tmp_path, given, video):
    steps: list[tuple[float, str]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, message or ""))

    async with client_of(tmp_path) as client:
        schema = next(one for one in (await client.list_tools()).tools if one.name == "ask_videos").output_schema
        result = await client.call_tool("ask_videos", given, progress_callback=on_progress)
        found = result.structured_content
        text, *links = result.content
        pictures = [await client.read_resource(link.uri) for link in links]
    jsonschema.validate(found, schema)
    assert (found["status"], found["value"], found["answer"]) == ("answered", "B", "the ball")
    assert found["evidence"] == [
        {"video": 1, "start_s": 10, "end_s": 20, "modality": "visual", "file": f"{video}#t=10,20"}
    ]
    assert len(json.dumps(found)) < 600 and text.text.startswith("Answer: the ball")
    assert [base64.b64decode(one.contents[0].blob) for one in pictures] == [b"a.mp4 at 15"]
    assert [number for number, _ in steps] == sorted({number for number, _ in steps})
    said = " | ".join(message for _, message in steps)
    expected = ("opening 1 video", "observing video 1", "(6 frames): done in 0.0 s", "answer: the ball")
    assert all(step in said for step in expected)


async def test_one_video_needs_no_list(tmp_path, given, video):
    async with client_of(tmp_path, turns=TURNS * 2) as client:
        for videos in (video, json.dumps([video])):
            result = await client.call_tool("ask_videos", {**given, "videos": videos})
            assert result.structured_content["value"] == "B"


async def test_the_report_of_a_run_is_a_page(tmp_path, given):
    async with client_of(tmp_path) as client:
        run = (await client.call_tool("ask_videos", given)).structured_content["run"]
        result = await client.call_tool("evidence_report", {"run": run})
        page = (await client.read_resource(result.structured_content["uri"])).contents[0]
    assert page.mime_type == "text/html" and "Which is red?" in page.text and str(tmp_path) not in page.text
    assert result.structured_content["answer"]["value"] == "B"
    assert [link.mime_type for link in result.content[1:]] == ["text/html", "image/jpeg"]


async def test_a_video_is_described(tmp_path, video):
    async with client_of(tmp_path) as client:
        result = await client.call_tool("describe_video", {"video": video, "frames": 4, "listen": True})
        facts = await client.call_tool("describe_video", {"video": video, "frames": 0})
    found = result.structured_content
    assert (found["title"], found["duration_s"], found["has_sound"]) == ("a", 60, True)
    assert [(one["how"], one["text"]) for one in found["statements"]] == [("seen", "a red ball"), ("heard", '"hello"')]
    assert facts.structured_content["statements"] == []


WRONG = [
    ("ask_videos", {"question": "Which?", "videos": []}, "`videos`: List should have at least 1 item"),
    ("ask_videos", {"videos": ["a.mp4"]}, "`question`: Field required"),
    (
        "ask_videos",
        {"question": "Which?", "videos": ["a.mp4"], "kind": "poem"},
        "`kind`: unknown answer kind 'poem'; choose one of: choice",
    ),
    ("ask_videos", {"question": "Which?", "videos": ["/etc/passwd"]}, "outside the folders that may be read"),
    ("ask_videos", {"question": "Which?", "videos": ["{root}/../b.mp4"]}, "outside the folders that may be read"),
    ("describe_video", {"video": "/etc/hosts"}, "outside the folders that may be read"),
    ("describe_video", {"video": "{root}/a.mp4", "frames": 999}, "`frames`: Input should be less than or equal to 32"),
    ("find_in_videos", {"query": "x", "videos": ["/etc/hosts"]}, "outside the folders that may be read"),
    ("find_in_videos", {"query": "...", "videos": ["{root}/a.mp4"]}, "there is no word to search for"),
    ("evidence_report", {"run": "guessed"}, "There is no run 'guessed'"),
    ("find_everything", {}, "find_everything"),
    (
        "ask_videos",
        {"question": "Which?", "videos": ["{root}/a.mp4"], "model": "x"},
        "There is no argument 'model'; `ask_videos` takes question, videos, options, kind.",
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "says"), WRONG)
async def test_a_wrong_call_gives_one_line(tmp_path, tool, arguments, says):
    arguments = json.loads(json.dumps(arguments).replace("{root}", str(tmp_path)))
    async with client_of(tmp_path) as client:
        result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert result.is_error and says in content.text and "\n" not in content.text
    assert "pydantic" not in content.text and "Error executing" not in content.text


async def test_an_infrastructure_failure_is_data(tmp_path, given, video):
    looks = [turn("", observe((1, 0, 60, 6))), *[turn("", answer("B"))] * 12]
    async with client_of(tmp_path, Failing(), looks) as client:
        asked = await client.call_tool("ask_videos", given)
        described = await client.call_tool("describe_video", {"video": video})
    assert not asked.is_error and asked.structured_content["status"] == "failed"
    assert "not reachable" in asked.structured_content["problem"]
    assert not described.is_error and "not reachable" in described.structured_content["problem"]


async def test_videos_are_searched(tmp_path, video):
    async with client_of(tmp_path) as client:
        found = await client.call_tool("find_in_videos", {"query": "ball", "videos": [video]})
        nothing = await client.call_tool("find_in_videos", {"query": "zebra", "videos": video})
    assert found.structured_content == {
        "status": "found",
        "statements": [{"video": video, "start_s": 0.0, "end_s": 60.0, "text": "a red ball"}],
        "notes": [],
        "problem": "",
    }
    assert found.content[0].text == f"{video}, 0.0-60.0 s: a red ball"
    assert (nothing.structured_content["status"], nothing.content[0].text) == ("nothing", "Nothing was found.")


async def test_a_search_whose_index_cannot_be_used_is_data(tmp_path, video):
    (tmp_path / "evidence.sqlite").write_text("damaged " * 1000)
    async with client_of(tmp_path, Kept(tmp_path)) as client:
        found = await client.call_tool("find_in_videos", {"query": "ball", "videos": [video]})
    assert found.structured_content["status"] == "failed"
    assert "file is not a database" in found.structured_content["problem"]


async def test_cancelling_a_call_cancels_its_run(tmp_path, given):
    perception = Waiting()
    async with client_of(tmp_path, perception) as client:
        call = asyncio.create_task(client.call_tool("ask_videos", given))
        await asyncio.wait_for(perception.began.wait(), 20)
        call.cancel()
        await asyncio.wait_for(perception.ended.wait(), 20)
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_only_the_pictures_of_a_run_can_be_read(tmp_path, given):
    async with client_of(tmp_path) as client:
        run = (await client.call_tool("ask_videos", given)).structured_content["run"]
        for uri in (f"agentcvr://runs/{run}/pictures/1-99000.jpg", "agentcvr://runs/guessed/pictures/1-15000.jpg"):
            with pytest.raises(Exception, match=r"cites no picture|There is no run"):
                await client.read_resource(uri)


async def test_old_runs_are_forgotten(tmp_path, given, monkeypatch):
    monkeypatch.setattr(service_module, "KEPT_RUNS", 2)
    perception = FakePerception()
    graph = create_cvr_graph(FakeMaster(turns=TURNS * 3), perception).compile()
    service = VideoService(graph, perception, Access(roots=(tmp_path,)))

    async def ignore(text: str) -> None:
        pass

    runs = [(await service.ask(given, ignore))[0] for _ in range(3)]
    assert service.run(runs[1]) and service.run(runs[2])
    with pytest.raises(Exception, match="There is no run"):
        service.run(runs[0])


@pytest.mark.enable_socket
def test_a_port_that_is_taken_is_one_line_before_anything_is_served():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="cannot be listened on"):
        check_free("127.0.0.1", taken.getsockname()[1])
