"""Frames, sound and subtitles of real files come from the requested time, report it truly, and are decoded once."""

from __future__ import annotations

import json
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agentcvr_graph import InfrastructureError, VideoError
from agentcvr_graph.media.cache import DiskCache, evict
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.sampling import sample_times
from agentcvr_graph.media.segments import by_segment, lay_out, within
from agentcvr_graph.media.source import parse_source
from agentcvr_graph.types import Video
from tests.support.media_files import counting, ffmpeg, second_of


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return counting(tmp_path_factory.mktemp("media") / "clip.mp4")


@pytest.fixture(scope="module", params=["constant", "variable rate", "late start", "one key frame"])
def any_clip(request, tmp_path_factory, clip) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    match request.param:
        case "variable rate":
            # Drop every third frame in the second half and keep the uneven gaps.
            keep = "select='lt(t,4)+not(eq(mod(n,3),1))'"
            return ffmpeg(f"-i {clip} -vf {keep} -fps_mode vfr -c:v libx264 -g 20 -c:a copy", folder / "v.mp4")
        case "late start":
            return ffmpeg(f"-itsoffset 3 -i {clip} -c copy -muxdelay 0", folder / "late.mkv")
        case "one key frame":
            return counting(folder / "long.mp4", group=250)
    return clip


def library(tmp_path, **kwargs) -> MediaLibrary:
    return MediaLibrary(cache_dir=tmp_path / "cache", **kwargs)


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_frames_show_the_content_at_the_requested_times(any_clip, tmp_path, reader):
    media = library(tmp_path, reader=reader).open(Video(source=str(any_clip)))
    assert media.info.duration_s == pytest.approx(8, abs=0.35)
    times = [0.5, 1.5, 1.7, 2.5, 4.5, 6.5, 7.5]
    frames = media.frames(times)
    assert [second_of(frame.pixels) for frame in frames] == [math.floor(time_s) for time_s in times]
    for frame, time_s in zip(frames, times, strict=True):
        assert -0.01 <= time_s - frame.time_s <= 0.31
    media.close()


def test_without_decord_pyav_reads_and_a_note_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "decord", None)
    clip = counting(tmp_path / "clip.mp4")
    media = library(tmp_path, reader="decord").open(Video(source=str(clip)))
    assert second_of(media.frames([1.5])[0].pixels) == 1
    assert [str(note) for note in media.notes(0, 8)] == ["from 0.0 to 8.0 s decord is not installed; PyAV was used"]
    media.close()


def test_both_readers_give_the_same_frames_and_times(any_clip, tmp_path):
    times = [0.05 + 0.4 * n for n in range(19)]
    taken = {}
    for reader in ("pyav", "decord"):
        media = library(tmp_path / reader, reader=reader).open(Video(source=str(any_clip)))
        taken[reader] = media.frames(times)
        media.close()
    for one, other in zip(taken["pyav"], taken["decord"], strict=True):
        assert one.time_s == pytest.approx(other.time_s, abs=0.101)
        assert abs(float(one.pixels.mean()) - float(other.pixels.mean())) < 3


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_an_overview_uses_key_frames_and_reports_their_true_times(tmp_path, clip, reader):
    media = library(tmp_path, reader=reader).open(Video(source=str(clip)))
    frames = media.frames([1.1, 4.9])  # key frames lie at 0, 2, 4 and 6 s
    assert [frame.time_s for frame in frames] == pytest.approx([2.0, 4.0], abs=0.01)
    assert [frame.requested_s for frame in frames] == [1.1, 4.9]
    assert [second_of(frame.pixels) for frame in frames] == [2, 4]


@given(st.floats(0, 5000), st.floats(0.1, 3000), st.integers(1, 128))
def test_sample_times_are_sorted_deterministic_and_inside_the_window(start_s, length_s, frames):
    end_s = start_s + length_s
    times = sample_times(start_s, end_s, frames)
    assert len(times) == frames
    assert times == sorted(times)
    assert all(start_s - 0.001 <= time_s <= end_s + 0.001 for time_s in times)
    assert times == sample_times(start_s, end_s, frames)


def test_overlapping_windows_share_their_samples():
    wide, narrow = sample_times(0, 600, 32), sample_times(100, 400, 32)
    inside = {time_s for time_s in wide if 104 <= time_s <= 396}
    assert len(inside & set(narrow)) >= 0.7 * len(inside)


def test_a_second_library_uses_cached_frames(tmp_path, clip):
    times = sample_times(0, 8, 16)
    first = library(tmp_path).open(Video(source=str(clip))).frames(times)
    again = library(tmp_path).open(Video(source=str(clip))).frames(times)
    assert not any(frame.cached for frame in first)
    assert all(frame.cached for frame in again)
    assert all((a.pixels == b.pixels).all() and a.time_s == b.time_s for a, b in zip(first, again, strict=True))


def test_many_threads_can_read_one_file(tmp_path, clip):
    media = library(tmp_path).open(Video(source=str(clip)))
    times = [0.5 + n for n in range(7)]

    def look(shift):
        frames = media.frames([time_s + 0.01 * shift for time_s in times])
        return [second_of(frame.pixels) for frame in frames]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(look, range(16))) == [list(range(7))] * 16


@pytest.mark.parametrize("where", ["#t=3,6", "#t=npt:0:03,0:06", "#t=3,6.0s"])
def test_times_in_a_clip_start_at_zero(tmp_path, clip, where):
    media = library(tmp_path).open(Video(source=f"{clip}{where}"))
    assert media.info.duration_s == pytest.approx(3)
    assert [second_of(frame.pixels) for frame in media.frames([0.5, 1.5, 2.5])] == [3, 4, 5]
    assert np.abs(media.sound(0.2, 0.8)).max() > 0.3  # the tone lasts until 4 s of the file
    assert np.abs(media.sound(1.3, 2.5)).max() < 0.05


def test_sound_is_decoded_at_the_right_time(tmp_path, clip):
    media = library(tmp_path).open(Video(source=str(clip)))
    samples = media.sound(0, 8)
    assert samples.shape == (8 * 16_000,)
    assert samples.dtype == np.float32
    assert np.abs(samples[: int(1.9 * 16_000)]).max() < 0.05
    tone = samples[int(2.2 * 16_000) : int(3.8 * 16_000)]
    assert np.abs(tone).max() == pytest.approx(0.5, abs=0.08)
    spectrum = np.abs(np.fft.rfft(tone))
    assert spectrum.argmax() / 1.6 == pytest.approx(440, abs=2)
    part = media.sound(2.5, 3.5)
    assert np.abs(part - samples[int(2.5 * 16_000) : int(3.5 * 16_000)]).max() < 0.05


SRT = "1\n00:00:01,000 --> 00:00:03,000\n<i>Hello</i>\nthere\n\n2\n00:00:05,000 --> 00:00:06,000\nBye\n"


@pytest.mark.parametrize("kind", ["srt", "en.vtt", "embedded"])
def test_subtitles_are_read_from_the_container_or_a_sidecar_file(tmp_path, clip, kind):
    path = tmp_path / "talk.mp4"
    srt = tmp_path / "words.srt"
    srt.write_text(SRT)
    if kind == "embedded":
        ffmpeg(f"-i {clip} -i {srt} -c copy -c:s mov_text", path)
    else:
        path.write_bytes(clip.read_bytes())
        text = SRT if kind == "srt" else "WEBVTT\n\n" + SRT.replace(",", ".")
        (tmp_path / f"talk.{kind}").write_text(text)
    media = library(tmp_path).open(Video(source=str(path)))
    assert media.info.has_subtitles
    assert [(c.start_s, c.end_s, c.text) for c in media.cues(2, 9)] == [(2, 3, "Hello there"), (5, 6, "Bye")]
    shifted = library(tmp_path).open(Video(source=f"{path}#t=4,8"))
    assert [(c.start_s, c.end_s, c.text) for c in shifted.cues(0, 4)] == [(1, 2, "Bye")]


def test_sound_behind_the_end_of_a_clip_is_empty(tmp_path, clip):
    media = library(tmp_path).open(Video(source=f"{clip}#t=3,5"))
    assert len(media.sound(1.0, 2.0)) == 16_000
    assert media.sound(2.5, 3.0).shape == (0,)


def test_files_with_only_sound_or_only_pictures(tmp_path, clip):
    sound = library(tmp_path).open(Video(source=str(ffmpeg(f"-i {clip} -vn", tmp_path / "s.m4a"))))
    assert (sound.info.width, sound.info.has_sound) == (0, True)
    with pytest.raises(InfrastructureError, match="has no picture"):
        sound.frames([1.0])
    picture = library(tmp_path).open(Video(source=str(ffmpeg(f"-i {clip} -an -c copy", tmp_path / "p.mp4"))))
    assert not picture.info.has_sound
    with pytest.raises(InfrastructureError, match="has no sound"):
        picture.sound(0, 1)


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "view"
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (640, 360), (20 * number, 0, 0)).save(folder / f"frame_{number}.png")
    return folder


def test_a_folder_of_images_is_a_video(tmp_path, images):
    media = library(tmp_path).open(Video(source=str(images), fps=4))
    assert media.info.duration_s == 3.0
    frames = media.frames([0.0, 0.3, 2.6])
    assert [frame.time_s for frame in frames] == [0.0, 0.25, 2.5]
    assert [int(frame.pixels[50, 50, 0]) for frame in frames] == pytest.approx([0, 20, 200], abs=4)
    assert library(tmp_path).open(Video(source=f"{images}#fps=4&t=1,2")).info.duration_s == 1.0


def test_only_chosen_objects_are_drawn_with_their_labels(tmp_path, images):
    left, right = ({"xtl": x, "ytl": 100, "xbr": x + 100, "ybr": 300} for x in (100, 500))
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"id": 18, "bbox": {"0": left}}, {"id": 37, "bbox": {"0": right}}]))
    chosen = Video(source=str(images), fps=4, boxes=str(boxes), objects=(("37", "obj_1"),))
    (frame,) = library(tmp_path).open(chosen).frames([0.0])
    assert frame.pixels[100, 50:60].max() < 60  # x = 100 of 640 is 56 of 360
    assert frame.pixels[100, 275:290].max() > 150  # x = 500 is 281
    unknown = chosen.model_copy(update={"objects": (("5", "obj_1"),)})
    with pytest.raises(VideoError, match="no object '5'"):
        library(tmp_path).open(unknown)


def test_missing_boxes_are_named(tmp_path, images):
    with pytest.raises(VideoError, match=r"there is no file of boxes 'none\.json'\. Write its path, from the working"):
        library(tmp_path).open(Video(source=f"{images}#fps=4&boxes=none.json"))


@pytest.mark.parametrize("shape", ["mapping", "list", "objects"])
def test_boxes_are_drawn_at_their_coordinates(tmp_path, images, shape):
    box = {"xtl": 200, "ytl": 100, "xbr": 400, "ybr": 300}
    frames = {"0": box, "1": None}
    stored = {"mapping": {"obj_1": frames}, "list": [{"id": "obj_1", "bbox": frames}]}
    stored["objects"] = {"objects": stored["list"]}
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps(stored[shape]))
    media = library(tmp_path).open(Video(source=str(images), fps=4, boxes=str(boxes)))
    first, second = media.frames([0.0, 0.25])
    edge = (slice(90, 130), slice(111, 114))  # x = 200 of 640 is 112.5 of 360
    assert first.pixels[edge][..., 0].max() > 150
    assert second.pixels[edge][..., 0].max() < 60


def test_bad_inputs_give_one_line_errors(tmp_path, clip):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a video at all " * 50)
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:2000])
    (tmp_path / "nothing").mkdir()
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (32, 32)).save(folder / "a.png")
    boxes = tmp_path / "boxes.json"
    boxes.write_text("{")
    cases = {
        tmp_path / "none.mp4": "no such file or folder",
        tmp_path / "empty.mp4": "empty (0 bytes)",
        tmp_path / "text.mp4": "cannot be read as a video",
        tmp_path / "cut.mp4": "cannot be read as a video",
        tmp_path / "nothing": "holds no images",
        folder: "needs a frame rate",
        f"{folder}#fps=0": "is not a frame rate",
        f"{folder}#fps=5&boxes={boxes}": "box file",
        "ftp://host/a.mp4": "'ftp' is not supported",
        "file:///nowhere/a.mp4": "no such file or folder",
        "http:///a.mp4": "names no host",
        f"{clip}#t=9,12": "starts at 9 s, but the video ends at 8.0 s",
        f"{clip}#t=5,2": "before its start",
        f"{clip}#t=a,b": "not understood",
        f"{clip}#t=": "not understood",
        f"{clip}#speed=2": "not understood",
    }
    for source, says in cases.items():
        for reader in ("pyav", "decord"):
            with pytest.raises(VideoError) as error:
                library(tmp_path, reader=reader).open(Video(source=str(source)))
            assert says in str(error.value)
            assert str(source) in str(error.value)
            assert "\n" not in str(error.value)
            assert error.value.fix


def test_a_file_name_may_contain_a_hash(tmp_path, clip):
    path = tmp_path / "take#t=2.mp4"
    path.write_bytes(clip.read_bytes())
    assert library(tmp_path).open(Video(source=str(path))).info.duration_s == pytest.approx(8, abs=0.2)


@given(st.text(max_size=40))
def test_any_url_fragment_is_parsed_or_refused(fragment):
    try:
        source = parse_source(Video(source=f"https://host/a.mp4#{fragment}"))
    except VideoError:
        return
    assert source.spans
    assert all(start_s >= 0 and (end_s is None or end_s > start_s) for start_s, end_s in source.spans)


def test_a_clip_may_have_several_segments(tmp_path, clip):
    """Seconds 5, 6, 1 and 2 of the file are seconds 0, 1, 2 and 3 of the clip."""
    (tmp_path / "clip.srt").write_text("1\n00:00:01,500 --> 00:00:02,000\nhalf past one\n")
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    media = library(tmp_path).open(Video(source=f"{tmp_path / 'clip.mp4'}#t=5,7&t=1,3"))
    frames = media.frames([0.5, 1.5, 2.5, 3.5])
    assert [second_of(frame.pixels) for frame in frames] == [5, 6, 1, 2]
    assert [frame.time_s for frame in frames] == pytest.approx([0.5, 1.5, 2.5, 3.5])
    assert media.info.duration_s == pytest.approx(4)
    loud = np.abs(media.sound(1.0, 4.0)).reshape(3, -1).max(axis=1)  # seconds 6, 1 and 2 of the file
    assert loud[0] < 0.1 and loud[1] < 0.1 and loud[2] > 0.3
    assert [(cue.start_s, cue.end_s) for cue in media.cues(0, 4)] == [(2.5, 3.0)]
    other = library(tmp_path).open(Video(source=f"{tmp_path / 'clip.mp4'}#t=1,3&t=5,7"))
    assert other.info.content_id != media.info.content_id


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 20)), min_size=1, max_size=4), st.floats(0, 1))
def test_clip_times_are_mapped_to_file_times(stretches, share):
    segments = lay_out([(start_s, start_s + length_s) for start_s, length_s in stretches], 200.0)
    whole_s = segments[-1].until_s
    assert whole_s == pytest.approx(sum(length_s for _, length_s in stretches))
    times_s = sorted([0.0, share * whole_s, whole_s])
    placed = [(segment, time_s) for segment, own_s in by_segment(segments, times_s) for time_s in own_s]
    assert [time_s for _, time_s in placed] == times_s
    assert all(segment.start_s - 1e-6 <= time_s + segment.shift_s <= segment.end_s + 1e-6 for segment, time_s in placed)
    parts = list(within(segments, 0.0, share * whole_s))
    assert sum(last_s - first_s for _, first_s, last_s in parts) == pytest.approx(share * whole_s)


def test_the_cache_ignores_damaged_entries_and_stays_within_its_size(tmp_path):
    cache = DiskCache(tmp_path / "c", 1000)
    cache.put("a", b"x" * 100)
    assert cache.get("a") == b"x" * 100
    stored = next(path for path in (tmp_path / "c").rglob("*") if path.is_file())
    stored.write_bytes(stored.read_bytes()[:50])
    assert cache.get("a") is None
    for number in range(20):
        cache.put(str(number), b"y" * 100)
    evict(tmp_path / "c", 1000, threading.Lock())
    kept = [path.stat().st_size for path in (tmp_path / "c").rglob("*") if path.is_file()]
    assert 0 < sum(kept) <= 1000
    assert cache.get("19") == b"y" * 100


def test_a_cache_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path, caplog):
    file = tmp_path / "file"
    file.write_text("not a folder")
    for name in ("frames", "perceived"):
        cache = DiskCache(file / name, 1000)
        cache.put("a", b"x")
        cache.put("b", b"x")
        assert cache.get("a") is None
    (said,) = [record.getMessage() for record in caplog.records if record.name == "agentcvr_graph.media.cache"]
    assert said == f"The cache {file} cannot be written (Not a directory), so work is not kept for the next question."


def test_closing_a_library_and_opening_many_files_close_readers(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("agentcvr_graph.media.library.MAX_OPEN", 2)
    media = library(tmp_path)
    opened = [media.open(Video(source=f"{clip}#t=0,{end_s}")) for end_s in (2, 3, 4)]
    closed: list[object] = []
    monkeypatch.setattr("agentcvr_graph.media.clip.Media.close", lambda self: closed.append(self))
    fresh = media.open(Video(source=f"{clip}#t=0,5"))
    assert closed == [opened[1]]
    media.close()
    assert closed == [opened[1], opened[2], fresh]
