"""What is seen and heard at a time of a file is what a player shows there, in many containers and with odd clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.clock_media import (
    CLOCKS,
    clock_folder,
    expected_second,
    heard_second,
    seen_second,
    times_of,
)

READ_BY_DECORD = (".mp4", ".mov", ".mkv", ".webm", ".flv", "plain.ts", "plain.avi")
"""The last two are read by PyAV instead."""


@pytest.fixture(scope="module")
def folder() -> Path:
    return clock_folder()


@pytest.fixture(params=CLOCKS)
def name(request) -> str:
    return request.param


def opened(path: Path, tmp_path: Path, **settings):
    return MediaLibrary(cache_dir=tmp_path / "cache", **settings).open(Video(source=str(path)))


def test_lengths_are_those_that_a_player_shows(folder, tmp_path, name):
    clock = CLOCKS[name]
    info = opened(folder / name, tmp_path).info
    assert info.duration_s == pytest.approx(clock.length_s, abs=clock.tolerance_s)
    assert (info.width > 0, info.has_sound) == (clock.picture_s is not None, clock.sound_s is not None)
    expected = [part for part in (clock.note, "there is no sound" if clock.silent_s[1] else "") if part]
    assert [part for part, note in zip(expected, info.notes, strict=True) if part not in note.text] == []


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_the_second_is_seen_at_its_time(folder, tmp_path, name, reader):
    clock = CLOCKS[name]
    if clock.picture_s is None or (reader == "decord" and not name.endswith(READ_BY_DECORD)):
        return
    media = opened(folder / name, tmp_path, reader=reader)
    last_s = media.info.duration_s - 0.2
    times_s = [time_s for time_s in times_of(clock) if time_s < last_s]
    closer = [time_s + n / 25 for time_s in (0.2, 7.3) for n in range(10) if time_s < last_s - 0.5]
    looks = [times_s, closer, *([time_s] for time_s in times_s[::-5])]  # rows first, then single ones from the end
    for look in looks:
        frames = media.frames(look)
        assert len(frames) == len(look)
        for time_s, frame in zip(look, frames, strict=True):
            second = expected_second(clock, clock.picture_s, frame.time_s)
            if second is not None and expected_second(clock, clock.picture_s, time_s) is not None:
                assert seen_second(frame.pixels) == pytest.approx(second, abs=0.35), (time_s, frame.time_s)
                assert abs(time_s - frame.time_s) <= 0.36  # the nearest key frame, where there are as many
    media.close()


def test_the_second_is_heard_at_its_time(folder, tmp_path, name):
    clock = CLOCKS[name]
    if clock.sound_s is None:
        return
    media = opened(folder / name, tmp_path)
    whole = media.sound(0.0, media.info.duration_s)
    for time_s in times_of(clock):
        second = expected_second(clock, clock.sound_s, time_s)
        if second is None or time_s > media.info.duration_s - 0.4:
            continue
        silent = clock.silent_s[0] - 0.05 < time_s < clock.silent_s[1]
        parts = (
            whole[round((time_s - 0.1) * 16_000) : round((time_s + 0.1) * 16_000)],
            media.sound(time_s - 0.1, time_s + 0.1),
        )
        for part in parts:
            assert heard_second(part) == (-1 if silent else pytest.approx(second, abs=0.2)), time_s


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_a_picture_lasts_from_its_first_frame_to_its_last(folder, tmp_path, ending):
    for name, expected in (("plain", (0, 12)), ("late-picture", (3, 15)), ("late-sound", (0, 12))):
        info = opened(folder / f"{name}{ending}", tmp_path).info
        first_s, last_s = info.picture_s
        assert (first_s, min(last_s, info.duration_s)) == pytest.approx(expected, abs=0.1)


def test_the_picture_of_a_clip_is_that_of_its_part(folder, tmp_path):
    path = folder / "late-sound.mp4"
    for clip, expected in (("#t=2,14", (0, 10)), ("#t=2,5", (0, 3)), ("#t=13,15", (0, 0)), ("#t=1,3&t=11,15", (0, 3))):
        info = MediaLibrary(cache_dir=tmp_path).open(Video(source=f"{path}{clip}")).info
        assert info.picture_s == pytest.approx(expected, abs=0.1)
