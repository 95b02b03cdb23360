"""Folders and patterns as input: which files are videos, in which order, and what an error says."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcvr_graph import Video, VideoError
from agentcvr_graph.catalogue import MAX_VIDEOS
from agentcvr_graph.media import folders
from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.folders import expand
from agentcvr_graph.media.source import locate
from agentcvr_graph.utils.natural_order import natural


def made(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names_of(expansion, base):
    return [os.path.relpath(video.source, base) for video in expansion.videos]


def listed(source, access=EVERYTHING):
    return expand(Video(source=str(source)), access)


def problem(source, access=EVERYTHING):
    with pytest.raises(VideoError) as raised:
        listed(source, access)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_folder_of_videos_is_its_videos_in_natural_order(tmp_path):
    made(tmp_path, "clip 10.mp4", "Clip 2.MOV", "clip 1.mkv", "talk.webm")
    found = listed(tmp_path)
    assert names_of(found, tmp_path) == ["clip 1.mkv", "Clip 2.MOV", "clip 10.mp4", "talk.webm"]
    assert found.notes == ()


def test_what_is_no_video_is_left_out_with_a_note(tmp_path):
    made(tmp_path, "a.mp4", "b.mp4", ".hidden.mp4", "._a.mp4", "a.srt", "b.en.vtt", "cover.jpg", "a.mp3", "in/c.mp4")
    made(tmp_path, "notes.txt", "x.pdf", "data.json", "z")
    found = listed(tmp_path)
    assert names_of(found, tmp_path) == ["a.mp4", "b.mp4"]
    assert found.notes == (
        f"{tmp_path}: left out besides 2 videos: 1 folder, 2 hidden files, 1 image, 1 sound file, 2 subtitle files, "
        "4 other files (data.json, notes.txt, x.pdf and 1 more)",
    )


@pytest.mark.parametrize(
    ("names", "videos"),
    [
        (["1.jpg", "2.jpg"], None),
        (["1.jpg", "2.jpg", "sound.wav"], None),
        (["1.jpg", "2.jpg", "film.mp4"], ["film.mp4"]),
        (["b.mp3", "a.wav"], ["a.wav", "b.mp3"]),
        (["b.mp3", "a.mp4"], ["a.mp4"]),
        (["a.gif", "b.gif"], None),
    ],
)
def test_a_folder_is_its_videos_or_else_one_video_of_its_pictures_or_else_its_sounds(tmp_path, names, videos):
    found = listed(made(tmp_path, *names))
    assert (found and names_of(found, tmp_path)) == videos


@pytest.mark.parametrize("pictures", [{"fps": 10}, {"boxes": "b.json"}, {"objects": (("a", "b"),)}])
def test_a_folder_with_a_frame_rate_or_boxes_is_always_one_video(tmp_path, pictures):
    made(tmp_path, "1.jpg", "film.mp4")
    assert expand(Video(source=str(tmp_path), **pictures), EVERYTHING) is None
    assert listed(f"{tmp_path}#fps=10&t=0,5") is None


def test_a_clip_of_a_folder_is_a_clip_of_each_of_its_videos(tmp_path):
    made(tmp_path, "a.mp4", "b.mp4")
    assert [video.source.partition("#")[2] for video in listed(f"{tmp_path}#t=0,60").videos] == ["t=0,60"] * 2


@pytest.mark.parametrize(
    ("pattern", "videos"),
    [
        ("*.mp4", ["a.mp4", "b.mp4"]),
        ("*", ["a.mp4", "b.mp4", "c.wav"]),
        ("[ab].mp4", ["a.mp4", "b.mp4"]),
        ("?.wav", ["c.wav"]),
        ("*/cam.mp4", ["day 2/cam.mp4", "day 10/cam.mp4"]),
        ("**/*.mp4", ["a.mp4", "b.mp4", "day 2/cam.mp4", "day 10/cam.mp4"]),
        ("day*/**", ["day 2/cam.mp4", "day 10/cam.mp4"]),
        (".*.mp4", [".hidden.mp4"]),
        ("day 2", ["day 2/cam.mp4"]),
    ],
)
def test_a_pattern_is_the_videos_and_sounds_that_it_matches(tmp_path, pattern, videos):
    made(tmp_path, "b.mp4", "a.mp4", "c.wav", ".hidden.mp4", "a.srt", "day 10/cam.mp4", "day 2/cam.mp4")
    assert sorted(names_of(listed(tmp_path / pattern), tmp_path), key=videos.index) == videos


def test_files_of_one_name_are_told_apart_by_their_titles(tmp_path):
    made(tmp_path, "day 1/cam.mp4", "day 2/cam.mp4", "day 2/cam.mov", "day 2/talk.mp4")
    titles = [video.title for video in listed(tmp_path / "**/*.m*").videos]
    assert titles == ["day 1/cam", "day 2/cam.mov", "day 2/cam.mp4", None]


def test_a_name_that_exists_is_no_pattern(tmp_path):
    made(tmp_path, "take [1].mp4", "take 1.mp4", "[old]/a.mp4")
    assert listed(tmp_path / "take [1].mp4") is None
    assert names_of(listed(tmp_path / "[old]/*.mp4"), tmp_path) == ["[old]/a.mp4"]


def test_other_things_are_no_folder_and_no_pattern(tmp_path):
    made(tmp_path, "a.mp4", "notes.txt")
    for source in (tmp_path / "a.mp4", tmp_path / "notes.txt", tmp_path / "missing", "https://x.org/a*.mp4", "s://x/*"):
        assert listed(source) is None


def test_relative_folders_keep_relative_names(tmp_path, monkeypatch):
    made(tmp_path, "clips/a.mp4")
    monkeypatch.chdir(tmp_path)
    for source in ("clips", "clips/", "./clips", "clips/*", "c*/*.mp4"):
        assert listed(source).videos[0].source == str(Path("clips", "a.mp4"))
    assert listed((tmp_path / "clips").as_uri()).videos[0].source == str(tmp_path / "clips" / "a.mp4")


def test_folders_without_a_video_say_what_they_hold(tmp_path):
    assert problem(tmp_path) == f"{tmp_path}: the folder is empty. Name a folder with video files or images."
    made(tmp_path, "a.txt", "in/b.mp4")
    assert problem(tmp_path) == (
        f"{tmp_path}: the folder holds no video and no image, but 1 folder, 1 other file (a.txt). Name the folder with "
        f"the videos, or all below it: '{tmp_path}/**/*.mp4'."
    )
    assert "matches no video, but 1 other file (a.txt)" in problem(tmp_path / "a.*")
    assert "matches nothing" in problem(tmp_path / "*.mp4")
    assert "the pattern cannot be used" in problem(tmp_path / "a**b")


def test_a_folder_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folders.os, "scandir", refuse)
    assert problem(tmp_path) == (f"{tmp_path}: the folder cannot be read (Permission denied). Check its permissions.")


def test_links(tmp_path):
    clips = made(tmp_path / "clips", "a.mp4")
    (clips / "again.mp4").symlink_to("a.mp4")
    (clips / "broken.mp4").symlink_to("missing.mp4")
    (clips / "loop.mp4").symlink_to("loop.mp4")
    (clips / "up").symlink_to(clips)
    found = listed(clips)
    assert names_of(found, clips) == ["a.mp4", "again.mp4"]
    assert "1 folder, 2 unreadable links" in found.notes[0]
    assert len(listed(clips / "**/*.mp4").videos) == 2
    problem = "the link leads to no file that may be read."
    refused = {(f"{clips}/broken.mp4", problem), (f"{clips}/loop.mp4", problem)}
    assert set(found.refused) == refused
    assert set(listed(clips / "*.mp4").refused) == refused


def test_access_rules_hold_for_folders_patterns_and_links(tmp_path, monkeypatch):
    secret = made(tmp_path / "secret", "s.mp4")
    root = made(tmp_path / "root", "clips/a.mp4")
    (root / "clips" / "out.mp4").symlink_to(secret / "s.mp4")
    (root / "out").symlink_to(secret)
    monkeypatch.chdir(tmp_path)
    access = Access(roots=(root,))
    for source in ("clips", "clips/*.mp4", str(root / "clips"), "**/*.mp4"):  # relative names count from the roots
        assert [Path(video.source).name for video in listed(source, access).videos] == ["a.mp4"]
    for source in (secret / "*.mp4", "../secret/*", "clips/../../secret/*.mp4", "out/*"):
        assert "it lies outside the folders that may be read" in problem(source, access)
    assert listed(secret, access) is None  # probing refuses it, with the same words as a file that does not exist


def test_too_many_videos_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_VIDEOS", 2)
    assert MAX_VIDEOS == 100_000
    assert "stands for 3 videos, which are too many" in problem(made(tmp_path, "a.mp4", "b.mp4", "c.mp4"))


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.sets(NAMES, max_size=8))
def test_wild_names_are_listed_once_in_order_and_lead_back_to_their_files(stems):
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "clips")
        base.mkdir()
        for stem in stems:
            (base / f"{stem}.mp4").touch()
        shown = sorted((f"{stem}.mp4" for stem in stems if not stem.startswith(".")), key=natural)
        if not shown:
            assert "the folder" in problem(base)
            return
        for source in (base, base / "*"):
            found = listed(source)
            assert names_of(found, base) == shown
            for video, name in zip(found.videos, shown, strict=True):
                assert locate(video.source, EVERYTHING)[2] == base / name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text_are_left_out(tmp_path):
    made(tmp_path, "a.mp4")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).touch()
    found = listed(tmp_path)
    assert names_of(found, tmp_path) == ["a.mp4"]
    assert "1 unreadable name" in found.notes[0]
    assert found.refused == ((f"{tmp_path}/\udcff.mp4", "its name is not UTF-8. Rename it."),)
    assert listed(tmp_path / "*.mp4").refused == found.refused


def test_only_what_is_named_like_a_video_is_refused(tmp_path):
    made(tmp_path, "a.mp4")
    (tmp_path / "notes.txt").symlink_to("missing.txt")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.mp4")
    for source in (tmp_path, tmp_path / "*"):
        found = listed(source)
        assert "2 pipes, 1 unreadable link" in found.notes[0]
        assert found.refused == ((f"{tmp_path}/pipe.mp4", "it is a pipe, a socket or a device, not a file."),)


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        *(("a.mp4", True), ("in/A.MOV#t=1,2", True), ("x.wav", True), ("https://x.org/a", True)),
        *(("clips", False), ("a.mp4/", False), ("*.mp4", False), ("take [1].mp4", False), ("file:///clips", False)),
    ],
)
def test_names_that_end_as_files_do_are_not_looked_up(source, plain):
    assert folders.is_plain_name(source) is plain
