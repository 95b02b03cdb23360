"""Probing real files before any observation: tracks, duration, and whether the file is complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentcvr_graph import InfrastructureError, VideoError
from agentcvr_graph.media.fetch import fetch
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.media_files import counting, ffmpeg, second_of


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return counting(tmp_path_factory.mktemp("probe") / "clip.mkv", seconds=8)


@pytest.fixture
def library(tmp_path) -> MediaLibrary:
    return MediaLibrary(cache_dir=tmp_path / "cache")


def refused(library, source, **more) -> str:
    with pytest.raises(VideoError) as caught:
        library.open(Video(source=str(source), **more))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_truncated_file_is_used_as_far_as_it_goes_with_a_note(library, clip, tmp_path):
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    media = library.open(Video(source=str(cut)))
    assert 1.0 < media.info.duration_s < 7.0
    assert second_of(media.frames([0.5])[0].pixels) == 0
    assert [note.text for note in media.info.notes] == ["the file is cut off; it should be 8.0 s long"]
    assert media.notes(0.0, 0.5) == () and len(media.notes(0.5, media.info.duration_s)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "What does the cook do after she has added the salt? " * 8,
        "a\0b.mp4",
        "~nobody-of-this-name/a.mp4",
        "http://[::1",
    ],
)
def test_invalid_sources_are_refused_with_an_error(library, source):
    assert refused(library, source)


def test_boxes_are_allowed_only_for_image_folders(library, clip, tmp_path):
    assert "boxes are drawn on folders of images only" in refused(library, clip, boxes=str(tmp_path / "b.json"))


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "page.mp4"])
def test_a_playlist_opens_no_other_file(library, clip, tmp_path, name):
    body = {
        "list.m3u8": f"#EXTM3U\n#EXTINF:8,\n{clip}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"ffconcat version 1.0\nfile '{clip}'\n",
        "page.mp4": "plain text, which FFmpeg would show as a film of a terminal",
    }[name]
    path = tmp_path / name
    path.write_text(body)
    assert "it cannot be read as a video" in refused(library, path)


def test_a_file_without_read_permission_is_refused(library, clip, tmp_path, monkeypatch):
    path = tmp_path / "locked.mkv"
    path.write_bytes(clip.read_bytes())
    path.chmod(0)
    # A superuser may read every file, so this check uses the mode of the file instead.
    monkeypatch.setattr("agentcvr_graph.media.probe.os.access", lambda file, _: bool(file.stat().st_mode & 0o400))
    assert "it may not be read. Change its permissions." in refused(library, path)


def test_the_cover_of_an_audio_file_is_not_a_video_track(library, clip, tmp_path):
    cover = ffmpeg("-f lavfi -i color=red:s=64x64:d=1 -frames:v 1", tmp_path / "cover.png")
    song = ffmpeg(f"-i {clip} -i {cover} -map 0:a -map 1:v -c:v copy -disposition:v:0 attached_pic", tmp_path / "s.mp3")
    media = library.open(Video(source=str(song)))
    assert (media.info.width, media.info.has_sound) == (0, True)
    with pytest.raises(InfrastructureError, match="has no picture"):
        media.frames([1.0])


def test_a_rotated_video_has_its_displayed_size(library, clip, tmp_path):
    mp4 = ffmpeg(f"-i {clip} -c copy", tmp_path / "straight.mp4")
    turned = ffmpeg(f"-i {mp4} -c copy -metadata:s:v:0 rotate=90", tmp_path / "turned.mp4")
    media = library.open(Video(source=str(turned)))
    assert (media.info.width, media.info.height) == (180, 320)
    assert media.frames([1.0])[0].pixels.shape[:2] == (320, 180)


def test_clips_of_one_file_share_their_frames(library, clip):
    whole, part = library.open(Video(source=str(clip))), library.open(Video(source=f"{clip}#t=2,6"))
    first = whole.frames([3.25])[0]
    again = part.frames([1.25])[0]
    assert (first.cached, again.cached) == (False, True)
    assert (first.time_s, again.time_s) == pytest.approx((3.2, 1.2), abs=0.11)
    assert second_of(again.pixels) == 3


def test_a_reader_works_after_a_fork(clip, tmp_path):
    """A forked child has none of the decoder's threads. It opens the file again and does not hang."""
    code = f"""
import os
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from pathlib import Path
library = MediaLibrary(cache_dir=Path({str(tmp_path)!r}))
media = library.open(Video(source={str(clip)!r}))
media.frames([1.0])
child = os.fork()
if child == 0:
    os._exit(7 if len(media.frames([5.0, 6.0])) == 2 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=280)


def test_a_cache_that_cannot_be_written_gives_a_one_line_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(VideoError, match=r"it cannot be kept in .*Point AGENTCVR_CACHE_DIR to another folder"):
        fetch("http://127.0.0.1:9/a.mp4", blocked, max_bytes=10, cache_bytes=10, timeout_s=1)
