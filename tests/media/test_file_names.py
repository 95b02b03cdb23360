"""What exists as a file or folder is opened, whatever its name looks like."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from agentcvr_graph import VideoError
from agentcvr_graph.media.access import Access
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.media_files import counting

NAMES = [
    "10:30.mp4",
    "take:1.mp4",
    "file:x.mp4",
    "https:x.mp4",
    "a?b.mp4",
    "#1.mp4",
    "Lesson #2.mp4",
    "take#t=2.mp4",
    "100%.mp4",
    "%03d.mp4",
    "with space .mp4",
    "-dash.mp4",
    "~tilde.mp4",
    "C:\\film.mp4",
    "[1] {2} (3)*.mp4",
    "caf\u00e9.mp4",
    "cafe\u0301.mp4",
    "☕ 日本.mp4",
    "quote'\".mp4",
    "FILM.MP4",
    "no ending",
    "concat:a|b.mp4",
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return counting(tmp_path_factory.mktemp("names") / "clip.mp4", seconds=2)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "films"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def length_s(tmp_path, source: str, reader="auto", **access) -> float:
    library = MediaLibrary(cache_dir=tmp_path / "cache", reader=reader, access=Access(**access))
    media = library.open(Video(source=source))
    assert len(media.frames([0.5])) == 1 and media.sound(0, 0.5).shape == (8000,)
    library.close()
    return media.info.duration_s


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_exists_is_a_file(tmp_path, folder, clip, name):
    shutil.copy(clip, folder / name)
    for source in (name, f"./{name}", str(folder / name)):
        assert length_s(tmp_path, source) == pytest.approx(2, abs=0.1)
    assert length_s(tmp_path, f"{name}#t=0,1") == pytest.approx(1)
    assert length_s(tmp_path, name, roots=(folder,)) == pytest.approx(2, abs=0.1)


def test_decord_opens_such_a_file_too(tmp_path, folder, clip):
    shutil.copy(clip, folder / "10:30.mp4")
    assert length_s(tmp_path, "10:30.mp4", "decord") == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_may_be_written_in_either_way(tmp_path, folder, clip, form):
    shutil.copy(clip, folder / unicodedata.normalize(form, "café.mp4"))
    for other in ("NFC", "NFD"):
        assert length_s(tmp_path, unicodedata.normalize(other, "café.mp4")) == pytest.approx(2, abs=0.1)


def test_file_urls_and_the_home_folder(tmp_path, folder, clip, monkeypatch):
    shutil.copy(clip, folder / "a b#1.mp4")
    monkeypatch.setenv("HOME", str(folder))
    url = (folder / "a b#1.mp4").as_uri()
    for source in (url, url.replace("file:///", "file://localhost/"), f"{url}#t=0,2", "~/a b#1.mp4"):
        assert length_s(tmp_path, source) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    "source", ["Lesson #1.mp4", "10:30.mp4", "none.mp4#t=1,2", "file:///none.mp4", "a/b.mp4", "café.mp4"]
)
def test_a_missing_file_is_called_missing(tmp_path, folder, source):
    with pytest.raises(VideoError, match="no such file or folder"):
        length_s(tmp_path, source)
    with pytest.raises(VideoError, match="there is no such file, and the scheme 'take' is not supported"):
        length_s(tmp_path, "take:1.mp4")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_a_pipe_or_device_is_refused_and_never_opened(tmp_path, folder, clip, make):
    make(folder / "pipe.mp4")
    with pytest.raises(VideoError, match=r"pipe\.mp4: it is a pipe, a socket or a device, not a file\. Copy the video"):
        length_s(tmp_path, "pipe.mp4")
    shutil.copy(clip, folder / "talk.mp4")
    make(folder / "talk.srt")
    assert MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source="talk.mp4")).cues(0, 2) == ()


def test_a_folder_may_have_any_name(tmp_path, folder):
    from PIL import Image

    for name in ("#1", "10:30", "v1.2", "a?b%20"):
        (folder / name).mkdir()
        Image.new("RGB", (32, 32)).save(folder / name / "0.png")
        media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=f"{name}#fps=2"))
        assert media.info.duration_s == 0.5
