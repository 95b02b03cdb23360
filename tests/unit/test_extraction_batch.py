"""Many videos: what changed, failures as data, odd names, a server that is down. Without media libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentcvr_graph.catalogue import Expansion, Refused
from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.scripts.extraction import batch
from agentcvr_graph.scripts.extraction.batch import ExtractResult, Models, extract_videos, plan
from agentcvr_graph.scripts.extraction.extract import planned_cost
from agentcvr_graph.scripts.extraction.extracted import ExtractedFile, read_extracted
from agentcvr_graph.types import Cost, Evidence, Listen, Observation, Video, VideoInfo, Window
from tests.support.command_line import agentcvr


class Heard:
    """A perception of recordings of 5 s in which one sentence is said; those called `broken...` or `down...` fail."""

    def __init__(self) -> None:
        self.media = self
        self.stamps: dict[str, str] = {}
        self.listened: list[str] = []
        self.fails, self.down = True, False

    def close(self) -> None:
        pass

    async def expand(self, video: Video) -> Expansion | None:
        if video.source != "clips":
            return None
        refused = (Refused("clips/\udcff.mp4", "its name is not UTF-8."), Refused("clips/b.mp4", "it leads nowhere."))
        return Expansion((Video(source="clips/a.mp3"),), ("clips: left out: 2",), refused)

    def reference_key(self, video: Video) -> str:
        return video.source

    async def reference_stamp(self, video: Video) -> str:
        return self.stamps.get(video.source, "")

    async def probe(self, video: Video, number: int) -> VideoInfo:
        if video.source.startswith("broken"):
            raise VideoError(video.source, "it cannot be read as a video.", fix="")
        return VideoInfo(
            number=number, video=video, duration_s=400 if video.source == "long.mp3" else 5, has_sound=True
        )

    async def listen(self, request: Listen, videos: list[VideoInfo]) -> Observation:
        source = videos[0].video.source
        self.listened.append(source)
        if source.startswith("down") or self.down:
            raise InfrastructureError("The server is down.", transient=True)
        start_s = request.window.start_s
        if start_s > 0 and self.fails:
            raise InfrastructureError("The call took longer than 300 s.")
        said = Evidence(text='"hello"', window=Window(video=1, start_s=start_s + 1, end_s=start_s + 2))
        cost = Cost(audio_s=5)
        return Observation(modality="audio", windows=(request.window,), evidence=(said,), model="ear", cost=cost)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    made = Heard()

    def perception_of(vision: str, audio: str) -> Any:
        return made

    monkeypatch.setattr(batch, "perception_of", perception_of)
    return made


async def extract(path: Path, *names: str) -> list[ExtractResult]:
    with ExtractedFile(path) as file:
        planned = await plan([Video(source=name) for name in names], file, Models())
        done = [result async for result in extract_videos(planned, file, Models(), concurrency=2)]
        return [*planned.problems, *done]


async def test_a_part_that_cannot_be_heard_is_said(heard: Heard, tmp_path: Path):
    """Sound is listened to in stretches of at most 300 s; the second one fails for good."""
    [result] = await extract(tmp_path / "v.jsonl", "long.mp3")
    assert result.extracted
    assert result.extracted.failed == ("200.0-400.0 s could not be heard: The call took longer than 300 s.",)
    assert result.extracted.notes == ()
    assert [scene.caption for scene in result.extracted.video.scenes if scene.caption] == ["hello"]
    assert (result.extracted.audio, result.extracted.cost.audio_s) == ("ear", 5)


async def test_a_part_that_failed_is_tried_again(heard: Heard, tmp_path: Path):
    path = tmp_path / "v.jsonl"
    await extract(path, "long.mp3", "a.mp3")
    with ExtractedFile(path) as file:
        planned = await plan([Video(source=name) for name in ("long.mp3", "a.mp3")], file, Models())
    assert ([job.name for job in planned.jobs], planned.again, planned.unchanged) == (["long.mp3"], 1, 1)
    heard.fails = False
    [again] = await extract(path, "long.mp3", "a.mp3")
    assert again.extracted and not again.failed_parts
    assert [scene.caption for scene in again.extracted.video.scenes if scene.caption] == ["hello", "hello"]
    assert sorted(one.name for one in read_extracted(path)) == ["a.mp3", "long.mp3"]
    assert await extract(path, "long.mp3", "a.mp3") == []


async def test_a_video_that_fails_the_second_time_keeps_its_scenes(heard: Heard, tmp_path: Path):
    path = tmp_path / "v.jsonl"
    [first] = await extract(path, "long.mp3")
    heard.down = True
    [again] = await extract(path, "long.mp3")
    assert (again.extracted, again.problem) == (None, "The server is down.")
    assert read_extracted(path) == [first.extracted]


def test_videos_with_parts_that_failed_are_said_and_counted(heard: Heard, tmp_path: Path):
    command = ("scripts", "extract", "long.mp3", "a.mp3", "--audio", "offline", "--out", tmp_path / "v.jsonl")
    done = agentcvr(*command)
    assert done.returncode == 1
    reason = "200.0-400.0 s could not be heard: The call took longer than 300 s."
    assert f"incomplete: long.mp3: {reason}" in done.stderr.splitlines()
    last = "parts of 1 of 2 videos failed: repeat the command to try them again"
    assert done.stderr.splitlines()[-1] == last
    assert "2 videos extracted" in done.stdout
    again = agentcvr(*command)
    assert again.stderr.startswith("1 video to extract (1 of them again, because parts failed), 1 unchanged: 400.0 s,")
    heard.fails = False
    assert (agentcvr(*command).returncode, agentcvr(*command).returncode) == (0, 0)


async def test_a_recording_becomes_a_scene_with_words(heard: Heard, tmp_path: Path):
    [result] = await extract(tmp_path / "v.jsonl", "a.mp3")
    assert result.extracted
    [scene] = result.extracted.video.scenes
    assert (scene.start_s, scene.end_s, scene.caption, scene.speech_s) == (0, 5, "hello", (1, 2))
    assert (result.extracted.audio, result.extracted.cost.audio_s) == ("ear", 5)


def test_the_plan_counts_calls_as_the_result_does():
    info = VideoInfo(number=1, video=Video(source="a.mp4"), duration_s=40, width=64, height=48, has_sound=True)
    both = planned_cost(info, 1.0)
    assert (both.frames, both.audio_s, both.model_calls) == (80, 40, 2 * 5 + 3)  # sound is heard in cells of 15 s
    assert planned_cost(info, 1.0, vision_calls=False).model_calls == 3
    assert planned_cost(info, 1.0, vision_calls=False, audio_calls=False).model_calls == 0


async def test_offline_models_are_planned_without_calls(heard: Heard, tmp_path: Path):
    with ExtractedFile(tmp_path / "v.jsonl") as file:
        given = [Video(source="a.mp3")]
        assert (await plan(given, file, Models())).cost == Cost(audio_s=5)
        assert (await plan(given, file, Models(audio="whisper:base"))).cost == Cost(audio_s=5, model_calls=1)


async def test_failures_cost_one_result_each_and_are_tried_again(heard: Heard, tmp_path: Path):
    path = tmp_path / "v.jsonl"
    results = await extract(path, "broken.mp4", "a.mp3", "down.mp3", "a.mp3")
    assert {(one.name, one.problem) for one in results} == {
        ("broken.mp4", "it cannot be read as a video."),
        ("a.mp3", ""),
        ("down.mp3", "The server is down."),
    }
    heard.listened.clear()
    assert {one.name for one in await extract(path, "a.mp3", "down.mp3")} == {"down.mp3"}
    assert set(heard.listened) == {"down.mp3"}


async def test_a_changed_file_is_extracted_again(heard: Heard, tmp_path: Path):
    path = tmp_path / "v.jsonl"
    for name in ("a.mp3", "b.mp3"):  # one after the other, because lines come in the order in which videos are done
        assert len(await extract(path, name)) == 1
    heard.stamps["a.mp3"] = "newer"
    [again] = await extract(path, "a.mp3")
    assert [one.name for one in read_extracted(path)] == ["a.mp3", "b.mp3"]
    assert len(path.read_text().splitlines()) == 2
    assert again.extracted and read_extracted(path)[0].key == again.extracted.key


async def test_a_name_that_is_no_text_is_written_with_escapes(heard: Heard, tmp_path: Path):
    path = tmp_path / "v.jsonl"
    assert len(await extract(path, "a\udcff.mp3", "a\udcfe.mp3")) == 2
    assert sorted(one.name for one in read_extracted(path)) == ["a\\udcfe.mp3", "a\\udcff.mp3"]
    assert await extract(path, "a\udcff.mp3", "a\udcfe.mp3") == []


async def test_a_run_ends_when_everything_fails_because_a_server_is_down(heard: Heard, tmp_path: Path):
    with pytest.raises(InfrastructureError, match=r"The last 22 videos all failed: The server is down\."):
        await extract(tmp_path / "v.jsonl", *(f"down{n}.mp3" for n in range(40)))


def test_what_a_folder_leaves_out_is_said_and_counts_as_failed(heard: Heard, tmp_path: Path):
    done = agentcvr("scripts", "extract", "clips", "--audio", "offline", "--out", tmp_path / "v.jsonl")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:3] == [
        "note: clips: left out: 2",
        "not extracted: clips/\\udcff.mp4: its name is not UTF-8.",
        "not extracted: clips/b.mp4: it leads nowhere.",
    ]
    assert [one.name for one in read_extracted(tmp_path / "v.jsonl")] == ["clips/a.mp3"]


async def test_a_file_is_extracted_once_however_its_path_is_spelled(
    heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.mp3").touch()
    (tmp_path / "link.mp3").symlink_to("a.mp3")
    monkeypatch.chdir(tmp_path)
    spellings = ("a.mp3", f"{tmp_path}/a.mp3", "./a.mp3", "link.mp3")
    path = tmp_path / "v.jsonl"
    with ExtractedFile(path) as file:
        planned = await plan([Video(source=name) for name in (*spellings, "a.mp3#t=0,2")], file, Models())
    assert [job.name for job in planned.jobs] == ["a.mp3", "a.mp3#t=0,2"]
    assert planned.notes == tuple(
        f"{name} is the same file as a.mp3, and is extracted under that name" for name in spellings[1:]
    )
    await extract(path, "a.mp3")
    with ExtractedFile(path) as file:
        planned = await plan([Video(source="link.mp3")], file, Models())
    assert (planned.jobs, planned.unchanged, len(planned.notes)) == ([], 0, 1)
