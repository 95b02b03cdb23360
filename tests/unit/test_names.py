"""What a video is called: the name of its file or folder, whatever characters it has, and never a path."""

from __future__ import annotations

import pytest

from agentcvr_graph.render import video_line
from agentcvr_graph.types import Video, VideoInfo


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("/home/me/Lesson #1.mp4", "Lesson #1"),
        ("Lesson #2.mp4", "Lesson #2"),
        ("Lesson #2.mp4#t=1,5", "Lesson #2"),
        ("Lesson #1/#2.mp4", "#2"),
        ("Lesson #1/", "Lesson #1"),
        ("/home/me/#1.mp4#t=1,5", "#1"),
        ("lesson.mp4#t=npt:0:01,0:05&t=9,12", "lesson"),
        ("/data/views/drone_a/#fps=10&boxes=/data/boxes.json", "drone_a"),
        ("/data/views/drone_a", "drone_a"),
        ("/data/v1.2/", "v1.2"),
        ("what?.mp4", "what?"),
        ("100%.MP4", "100%"),
        ("10:30.mp4", "10:30"),
        ("-dash.mkv", "-dash"),
        ("Mr. Bean.webm", "Mr. Bean"),
        ("Episode 1.5", "Episode 1.5"),
        (".mp4", ".mp4"),
        ("C:\\Users\\me\\film.mp4", "film"),
        ("../film.mp4", "film"),
        (".", "video 1"),
        ("/", "video 1"),
        ("https://host/a/My%20film.mp4?token=abc#t=1,2", "My film"),
        ("https://host/a%23b.mp4", "a#b"),
        ("https://me:secret@host/watch/", "watch"),
        ("https://me:secret@host", "https://host"),
        ("file:///home/me/a%20b.mp4", "a b"),
        ("Caf\u00e9 ☕.mov", "Caf\u00e9 ☕"),
    ],
)
def test_a_title_is_the_name_of_the_file(source, title):
    info = VideoInfo(number=1, video=Video(source=source))
    assert info.title == title


def test_a_title_that_was_given_is_kept():
    assert VideoInfo(number=1, video=Video(source="/a/b.mp4", title="My own")).title == "My own"


@pytest.mark.parametrize(
    "source", ["/home/me/secret project/a.mp4", "/home/me/secret project/", "https://host/x/a.mp4"]
)
def test_the_line_of_an_unreadable_video_shows_no_path(source):
    info = VideoInfo(number=1, video=Video(source=source), problem=f"{source}: no such file or folder. Check the path.")
    line = video_line(info)
    assert "no such file or folder" in line
    assert "/home" not in line and "host" not in line
