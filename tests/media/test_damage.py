"""What can be decoded is used, what cannot is noted; very short and very long files can be looked at."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import numpy as np
import pytest

from agentcvr_graph import LivePerception
from agentcvr_graph.errors import VideoError
from agentcvr_graph.media import clip as clip_module
from agentcvr_graph.media.cache import DECODING
from agentcvr_graph.media.clip import content_id
from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.sampling import sample_times
from agentcvr_graph.media.types import Note
from agentcvr_graph.types import Listen, Observe, Target, Video, Window
from tests.support.clock_media import CLOCKS, clock_folder, heard_second, seen_second
from tests.support.media_files import ffmpeg
from tests.support.silent_model import Silent

DAMAGED = [
    name
    for name in CLOCKS
    if name.startswith(("plain.", "bare.h264", "bare.aac", "variable")) and not name.endswith((".m4a", ".flac", ".ogv"))
]
LOST_S = 2.0
"""Damage in the middle costs at most this much around it, in seconds."""


def damaged(name: str, folder: Path) -> Path:
    """Write a file of `CLOCKS` with 600 wrong bytes in its middle."""
    data = bytearray((clock_folder() / name).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = random.Random(1).randbytes(600)
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.fixture
def library(tmp_path) -> MediaLibrary:
    return MediaLibrary(cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_in_the_middle_costs_only_what_is_near_it(library, tmp_path, name):
    media = library.open(Video(source=str(damaged(name, tmp_path))))
    clock, length_s = CLOCKS[name], media.info.duration_s
    assert length_s == pytest.approx(12, abs=LOST_S)
    times_s = [n + 0.5 for n in range(int(length_s))]
    far = [time_s for time_s in times_s if time_s < 4]
    if clock.picture_s is not None:
        frames = dict(zip(times_s, media.frames(times_s), strict=True))
        assert all(
            seen_second(frames[time_s].pixels) == pytest.approx(int(frames[time_s].time_s), abs=0.4) for time_s in far
        )
        assert seen_second(frames[times_s[-1]].pixels) > 9
        assert media.frames([n / 25 for n in range(140, 170)])  # the damage itself
    if clock.sound_s is not None:
        whole = media.sound(0.0, length_s)
        heard = [heard_second(whole[round((s - 0.2) * 16_000) : round((s + 0.2) * 16_000)]) for s in times_s]
        assert all(heard[int(s)] == pytest.approx(int(s), abs=0.2) for s in far)
        assert heard[-1] == pytest.approx(int(times_s[-1]), abs=1.2)


def test_pictures_that_cannot_be_decoded_are_noted_with_their_time(library, tmp_path):
    media = library.open(Video(source=str(damaged("plain.mp4", tmp_path))))
    assert media.notes(0.0, 12.0) == ()
    media.frames([5.5 + n / 25 for n in range(40)])
    (note,) = media.notes(0.0, 12.0)
    assert note.endswith("s the picture cannot be decoded; the last one before is shown")
    assert media.notes(0.0, 4.0) == () and media.notes(9.0, 12.0) == ()


def test_notes_come_from_worker_processes_and_count_from_the_start_of_the_clip(tmp_path):
    path = damaged("plain.mp4", tmp_path)
    library = IsolatedLibrary(workers=1, cache_dir=tmp_path / "cache")
    clip = library.open(Video(source=f"{path}#t=5,8"))
    clip.frames([0.5 + n / 25 for n in range(40)])
    (note,) = clip.notes(0.0, 3.0)
    begin_s = float(note.split()[1])
    assert 0.0 < begin_s < 3.0
    library.close()


def test_the_observation_says_what_could_not_be_decoded(tmp_path):
    perception = LivePerception(Silent(), Silent(), MediaLibrary(cache_dir=tmp_path / "cache"))
    path = clock_folder() / "late-picture.mp4"

    async def look():
        info = await perception.probe(Video(source=str(path)), 1)
        early = Observe(targets=(Target(video=1, start_s=0.0, end_s=2.0, frames=2),))
        late = Observe(targets=(Target(video=1, start_s=5.0, end_s=7.0, frames=2),))
        return [(await perception.observe(request, [info])).notes for request in (early, late)]

    early, late = asyncio.run(look())
    assert "video 1: from 0.0 to 3.0 s there is no picture yet; the first one is shown instead" in early
    assert not [note for note in late if "picture" in note]


def test_what_is_heard_of_a_damaged_cell_carries_the_note(tmp_path):
    path = damaged("variable.mp3", tmp_path)
    perception = LivePerception(Silent(), Silent(), MediaLibrary(cache_dir=tmp_path / "cache"))

    async def hear():
        info = await perception.probe(Video(source=str(path)), 1)
        request = Listen(window=Window(video=1, start_s=0.0, end_s=info.duration_s))
        return [(await perception.listen(request, [info])).notes for _ in range(2)]

    fresh, cached = asyncio.run(hear())
    assert fresh == cached
    assert [note for note in fresh if "some sound cannot be decoded" in note]


SHORT = {
    "one.mp4": ("-f lavfi -i color=red:s=64x48:r=25 -frames:v 1 -pix_fmt yuv420p", 0.04),
    "one.mkv": ("-f lavfi -i color=red:s=64x48:r=25 -frames:v 1 -c:v libx264 -pix_fmt yuv420p", 0.04),
    "one.ts": ("-f lavfi -i color=red:s=64x48:r=25 -frames:v 1 -c:v libx264 -pix_fmt yuv420p", 0.04),
    "one.avi": ("-f lavfi -i color=red:s=64x48:r=25 -frames:v 1 -c:v mpeg4", 0.04),
    "one.webm": ("-f lavfi -i color=red:s=64x48:r=25 -frames:v 1 -c:v libvpx", 0.04),
    "one.gif": ("-f lavfi -i color=red:s=64x48:r=25 -frames:v 1", 0.04),
    "one.h264": ("-f lavfi -i color=red:s=64x48:r=25 -frames:v 1 -pix_fmt yuv420p", 0.04),
    "two.mp4": ("-f lavfi -i color=red:s=64x48:r=1 -frames:v 2 -pix_fmt yuv420p", 2.0),
    "slow.mp4": ("-f lavfi -i color=red:s=64x48:r=1/30 -frames:v 3 -pix_fmt yuv420p", 90.0),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_single_picture_can_be_looked_at(library, tmp_path, name):
    how, length_s = SHORT[name]
    media = library.open(Video(source=str(ffmpeg(how, tmp_path / name))))
    assert media.info.duration_s == pytest.approx(length_s, abs=0.1)
    for times_s in ([0.0], sample_times(0.0, 0.1, 4)):
        red, green, blue = media.frames(times_s)[-1].pixels.mean(axis=(0, 1))
        assert red > 200 and green < 60 and blue < 60


def test_a_video_of_one_picture_has_a_window_that_can_be_asked_for(tmp_path):
    path = ffmpeg(SHORT["one.mp4"][0], tmp_path / "one.mp4")
    perception = LivePerception(Silent(), Silent(), MediaLibrary(cache_dir=tmp_path / "cache"))
    info = asyncio.run(perception.probe(Video(source=str(path)), 1))
    assert info.duration_s == 0.1


@pytest.mark.parametrize("ending", ["wav", "mp3", "m4a", "opus"])
def test_a_moment_of_sound_can_be_heard(library, tmp_path, ending):
    path = ffmpeg("-f lavfi -i sine=f=800:d=0.1:r=48000 -filter:a volume=4", tmp_path / f"s.{ending}")
    media = library.open(Video(source=str(path)))
    assert media.info.duration_s == pytest.approx(0.1, abs=0.06)
    assert np.abs(media.sound(0.0, 0.1)).max() > 0.2


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_an_overview_without_key_frames_does_not_decode_everything(library, tmp_path, monkeypatch, ending):
    """Ten minutes with one key frame; with a limit of 100 frames, the whole is shown by its key frame, with a note."""
    monkeypatch.setattr(clip_module, "_MOST_ON_THE_WAY", 100)
    how = "-f lavfi -i color=c=black:s=32x32:r=5:d=600 -c:v libx264 -preset ultrafast -pix_fmt yuv420p"
    path = ffmpeg(f"{how} -x264-params keyint=100000:min-keyint=100000:scenecut=0", tmp_path / f"long.{ending}")
    media = library.open(Video(source=str(path)))
    frames = media.frames(sample_times(0.0, 600.0, 16))
    assert {round(frame.time_s, 1) for frame in frames} == {0.0}
    (note,) = media.notes(0.0, 600.0)
    assert "key frames are up to 600 s apart, and the nearest ones are shown" in note
    close = media.frames(sample_times(400.0, 410.0, 8))  # a short window is still exact
    assert [frame.time_s for frame in close] == pytest.approx(sample_times(400.0, 410.0, 8), abs=0.21)


def test_key_frames_are_decoded_alone(library, tmp_path, monkeypatch):
    """Twenty minutes with five key frames: showing them takes no longer than decoding five pictures."""
    how = "-f lavfi -i testsrc2=s=64x48:r=10:d=1200 -c:v libx264 -preset ultrafast -pix_fmt yuv420p"
    path = ffmpeg(f"{how} -x264-params keyint=2400:min-keyint=2400:scenecut=0 -bf 3", tmp_path / "sparse.mp4")
    media = library.open(Video(source=str(path)))
    started_s = time.process_time()
    frames = media.frames([240.0, 480.0, 720.0, 960.0])
    assert [frame.time_s for frame in frames] == pytest.approx([240.0, 480.0, 720.0, 960.0], abs=0.11)
    assert time.process_time() - started_s < 1.0


def test_the_version_of_the_decoding_is_part_of_every_content_id(tmp_path, monkeypatch):
    path = clock_folder() / "plain.mp4"
    before = content_id(path)
    monkeypatch.setattr(clip_module, "DECODING", DECODING + 1)
    assert content_id(path) != before


@pytest.mark.parametrize("size", [1, 70_000, 3 << 20, 40 << 20])
def test_a_part_that_is_missing_changes_the_content_id(tmp_path, size):
    """A download that lacks a part has the size of the whole file, and often its beginning, middle and end."""
    path, whole = tmp_path / "a.mp4", bytes(range(1, 251)) * (size // 250 + 1)
    path.write_bytes(whole[:size])
    before = content_id(path)
    assert content_id(path) == before
    hole = range(size * 5 // 8, size * 5 // 8 + max(1, size // 100))
    path.write_bytes(whole[: hole.start] + bytes(len(hole)) + whole[hole.stop : size])
    assert path.stat().st_size == size and content_id(path) != before


def test_frames_of_another_version_of_the_decoding_are_not_used(tmp_path, monkeypatch):
    video = Video(source=str(clock_folder() / "plain.mp4"))
    first = MediaLibrary(cache_dir=tmp_path).open(video).frames([1.0])
    assert MediaLibrary(cache_dir=tmp_path).open(video).frames([1.0])[0].cached and not first[0].cached
    monkeypatch.setattr(clip_module, "DECODING", DECODING + 1)
    assert not MediaLibrary(cache_dir=tmp_path).open(video).frames([1.0])[0].cached


def test_a_note_names_a_moment_or_a_stretch():
    assert str(Note(4.0, 4.0, "it is red")) == "at 4.0 s it is red"
    assert str(Note(4.0, 5.5, "it is red")) == "from 4.0 to 5.5 s it is red"


def test_a_file_that_may_not_be_read_is_an_error_of_that_video(tmp_path, monkeypatch):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"video")

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("agentcvr_graph.media.clip.content_id", refused)
    with pytest.raises(VideoError, match=r"the file cannot be read \(Permission denied\)"):
        MediaLibrary().open(Video(source=str(path)))
