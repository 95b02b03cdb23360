"""Live perception over real files: its costs, its cache, and its behaviour when a part of it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph import InfrastructureError
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.base import ModelOutput
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.clipping import clip_evidence
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.types import Evidence, Listen, Observe, Target, Video, Window
from tests.support.media_files import counting, ffmpeg

RED = Video(source=str(CLIPS_DIR / "cook_red.mp4"))


class CountingVision:
    """A vision model that reports the number of frames per window and counts its calls."""

    name = "test-vision"

    def __init__(self):
        self.calls = 0

    async def look(self, sampled, focus):
        self.calls += 1
        return ModelOutput(tuple(Evidence(text=f"{len(part.frames)} frames", window=part.window) for part in sampled))


class CountingAudio:
    """An audio model that reports one statement per sound and counts its calls and the seconds."""

    name = "test-audio"

    def __init__(self):
        self.calls = 0
        self.seconds = 0.0

    async def hear(self, sound, focus):
        self.calls += 1
        self.seconds += len(sound.samples) / 16_000
        return ModelOutput((Evidence(text='"one two three four"', window=sound.window),))


def perception(tmp_path: Path) -> tuple[LivePerception, CountingVision, CountingAudio]:
    vision, audio = CountingVision(), CountingAudio()
    return LivePerception(vision, audio, MediaLibrary(cache_dir=tmp_path / "cache")), vision, audio


def look(*targets):
    keys = ("video", "start_s", "end_s", "frames")
    return Observe(targets=tuple(Target(**dict(zip(keys, target, strict=True))) for target in targets))


def listen(start_s, end_s, video=1):
    return Listen(window=Window(video=video, start_s=start_s, end_s=end_s))


async def test_it_is_a_perception_and_probes_real_files(tmp_path):
    live, _, _ = perception(tmp_path)
    assert isinstance(live, Perception)
    info = await live.probe(RED, 3)
    assert (info.number, info.width, info.height, info.has_sound) == (3, 640, 360, True)
    assert info.duration_s == pytest.approx(38, abs=0.1)


async def test_a_repeated_observation_is_free_also_in_a_new_process(tmp_path):
    first, vision, _ = perception(tmp_path)
    second, unused_vision, _ = perception(tmp_path)
    for live, cached in ((first, 0), (first, 8), (second, 8)):
        videos = [await live.probe(RED, 1)]
        seen = await live.observe(look((1, 0, 30, 8)), videos)
        assert (seen.cost.frames, seen.cost.cached_frames) == (8, cached)
        assert seen.evidence[0].text == "8 frames"
        assert len(seen.frame_times_s[0]) == 8
    assert (vision.calls, unused_vision.calls) == (1, 0)


async def test_overlapping_windows_are_transcribed_once(tmp_path):
    live, _, audio = perception(tmp_path)
    videos = [await live.probe(RED, 1)]
    await live.listen(listen(0, 38), videos)
    assert audio.seconds == pytest.approx(38, abs=0.5)
    part = await live.listen(listen(20, 25), videos)
    assert audio.seconds == pytest.approx(38, abs=0.5)
    assert part.cost.cached_audio_s == pytest.approx(5, abs=0.1)


class PairedAudio(CountingAudio):
    """An audio model whose first call ends after a second one has begun."""

    def __init__(self):
        super().__init__()
        self._second = asyncio.Event()

    async def hear(self, sound, focus):
        heard = await super().hear(sound, focus)
        if self.calls > 1:
            self._second.set()
        await self._second.wait()
        return heard


async def test_the_cells_of_a_long_window_are_heard_at_the_same_time_and_told_in_order(tmp_path):
    live = LivePerception(CountingVision(), PairedAudio(), MediaLibrary(cache_dir=tmp_path / "cache"))
    heard = await asyncio.wait_for(live.listen(listen(0, 38), [await live.probe(RED, 1)]), 60)
    starts_s = [said.window.start_s for said in heard.evidence if said.window]
    assert len(starts_s) >= 2 and starts_s == sorted(starts_s)


async def test_transcripts_do_not_depend_on_earlier_requests(tmp_path):
    one, _, _ = perception(tmp_path / "one")
    other, _, _ = perception(tmp_path / "other")
    videos = [await one.probe(RED, 1)]
    await one.listen(listen(0, 38), videos)
    assert (await one.listen(listen(10, 20), videos)).evidence == (await other.listen(listen(10, 20), videos)).evidence


async def test_a_video_that_cannot_be_decoded_does_not_affect_the_others(tmp_path):
    live, _, _ = perception(tmp_path)
    silent = ffmpeg(f"-i {counting(tmp_path / 'a.mp4')} -vn", tmp_path / "sound.m4a")
    videos = [await live.probe(RED, 1), await live.probe(Video(source=str(silent)), 2)]
    seen = await live.observe(look((1, 0, 10, 4), (2, 0, 5, 4)), videos)
    assert [e.window.video for e in seen.evidence] == [1]
    assert seen.notes == ("Video 2: sound.m4a has no picture.",)
    with pytest.raises(InfrastructureError, match="no picture"):
        await live.observe(look((2, 0, 5, 4)), videos)


async def test_a_deleted_video_raises_infrastructure_error(tmp_path):
    live, _, _ = perception(tmp_path)
    path = counting(tmp_path / "a.mp4", seconds=3)
    videos = [await live.probe(Video(source=str(path)), 1)]
    path.unlink()
    with pytest.raises(InfrastructureError, match="Video 1 can no longer be read"):
        await live.observe(look((1, 0, 3, 2)), videos)


async def test_a_video_that_was_replaced_is_not_taken_for_the_one_of_the_question(tmp_path):
    live, _, _ = perception(tmp_path)
    path = counting(tmp_path / "a.mp4", seconds=3)
    videos = [await live.probe(Video(source=str(path)), 1)]
    counting(path, seconds=5)
    for request in (live.observe(look((1, 0, 3, 2)), videos), live.listen(listen(0, 3), videos)):
        with pytest.raises(InfrastructureError, match="Video 1 is no longer the file that the question began with"):
            await request


seconds = st.integers(0, 600).map(lambda n: n / 10)


@given(seconds, seconds, seconds, seconds, st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=12))
def test_evidence_is_clipped_to_the_window(start, length, at, lasts, words):
    window = Window(video=1, start_s=start, end_s=start + length + 0.1)
    said = Evidence(text=f'"{" ".join(words)}"', window=Window(video=1, start_s=at, end_s=at + lasts + 0.1))
    cut = clip_evidence(said, window)
    if cut is None:
        return
    assert window.start_s <= cut.window.start_s <= cut.window.end_s <= window.end_s
    kept = cut.text.strip('"').split()
    step = said.window.duration_s / len(words)
    inside = [w for n, w in enumerate(words) if window.start_s <= at + (n + 0.5) * step < window.end_s]
    assert kept == (words if cut.window == said.window else inside)
