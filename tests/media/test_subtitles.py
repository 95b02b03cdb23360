"""The subtitles of a video: the file beside it, or else its track; what cannot be read is ignored with a note."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.media_files import counting, ffmpeg

SRT = "1\n00:00:01,000 --> 00:00:02,000\n<i>The café</i> opens &amp; closes\n\n"
VTT = (
    "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Fish &amp; chips &lt;x&gt; &#39;n\n\n"
    "00:02.000 --> 00:03.000\nFish &amp; chips &lt;x&gt; &#39;n\nadd<00:02.400><c> salt</c>\n"
)
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\an8}Hello,\\Nworld\n"
    "Dialogue: 0,0:00:02.50,0:00:03.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n"
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return counting(tmp_path_factory.mktemp("subtitles") / "clip.mp4", seconds=4)


def opened(tmp_path, path):
    return MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path)))


def texts(media) -> list[str]:
    return [cue.text for cue in media.cues(0, 4)]


@pytest.mark.parametrize(
    ("kind", "text", "codec", "container", "said"),
    [
        ("vtt", VTT, "copy", "mkv", ["Fish & chips <x> 'n", "add salt"]),
        ("srt", SRT, "copy", "mkv", ["The café opens & closes"]),
        ("srt", SRT, "mov_text", "mp4", ["The café opens & closes"]),
        ("ass", ASS, "copy", "mkv", ["Hello, world"]),
    ],
)
def test_a_track_says_the_same_as_a_file_beside_the_video(tmp_path, clip, kind, text, codec, container, said):
    file = tmp_path / f"words.{kind}"
    file.write_text(text)
    inside = ffmpeg(f"-i {clip} -i {file} -map 0 -map 1 -c copy -c:s {codec}", tmp_path / f"inside.{container}")
    shutil.copy(clip, tmp_path / "beside.mp4")
    shutil.copy(file, tmp_path / f"beside.{kind}")
    inside_media, beside_media = opened(tmp_path, inside), opened(tmp_path, tmp_path / "beside.mp4")
    assert texts(beside_media) == said
    assert texts(inside_media) == said
    assert inside_media.info.has_subtitles and beside_media.info.notes == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes(range(256)) * 8, "their encoding is not recognised"),
        (b"<html>404 not found</html>", "no subtitle in it can be read"),
        (b"", "no subtitle in it can be read"),
    ],
)
def test_subtitles_that_cannot_be_read_are_ignored_with_a_note(tmp_path, clip, data, why):
    path = tmp_path / "talk.mp4"
    shutil.copy(clip, path)
    (tmp_path / "talk.srt").write_bytes(data)
    media = opened(tmp_path, path)
    assert not media.info.has_subtitles  # so the speech is transcribed
    (note,) = media.info.notes
    assert note.text == f"the subtitles talk.srt are ignored: {why}"
    (tmp_path / "talk.en.srt").write_text(SRT)
    again = opened(tmp_path, path)
    assert texts(again) == ["The café opens & closes"]
    assert [note.text for note in again.info.notes] == [note.text]


CLOCKS = {
    "a track of a file that starts late": "-map 0 -map 1 -c copy -c:s srt -output_ts_offset 30",
    "a track beside a late picture": "-itsoffset 3 -i {0} -map 2:v -map 0:a -map 1 -c copy -c:s srt",
}


@pytest.mark.parametrize("case", CLOCKS)
def test_a_track_has_the_clock_of_the_file(tmp_path, clip, case):
    """The words come one second after the file's start, which is that of its picture or sound."""
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:00,500\nNow.\n\n2\n00:00:01,000 --> 00:00:02,000\nThen.\n")
    path = ffmpeg(f"-i {clip} -i {words} {CLOCKS[case].format(clip)}", tmp_path / "inside.mkv")
    cues = opened(tmp_path, path).cues(0, 7)
    assert [(round(cue.start_s, 1), round(cue.end_s, 1), cue.text) for cue in cues] == [
        (0.0, 0.5, "Now."),
        (1.0, 2.0, "Then."),
    ]


def test_a_file_beside_a_video_has_the_clock_of_the_file(tmp_path, clip):
    path = ffmpeg(f"-i {clip} -c copy -output_ts_offset 30", tmp_path / "late.ts")
    path.with_suffix(".srt").write_text(SRT)
    (cue,) = opened(tmp_path, path).cues(0, 4)
    assert (cue.start_s, cue.end_s) == (1.0, 2.0)


def test_a_window_has_the_words_that_are_said_in_it(tmp_path, clip):
    """The file states when each word of the second line is said: "add" from 2.0, "salt" from 2.4 s."""
    shutil.copy(clip, tmp_path / "talk.mp4")
    (tmp_path / "talk.vtt").write_text(VTT)
    media = opened(tmp_path, tmp_path / "talk.mp4")
    [cue] = media.cues(2.3, 2.9)
    assert (cue.start_s, cue.end_s, cue.text, cue.word_times_s) == (2.3, 2.9, "salt", ((2.4, 2.9),))
    part = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=f"{tmp_path / 'talk.mp4'}#t=2,4"))
    assert [(cue.text, cue.word_times_s) for cue in part.cues(0, 2)] == [("add salt", ((0, 0.4), (0.4, 1.0)))]
    assert part.cues(0.41, 0.6) == ()


def test_the_language_of_the_sound_chooses_the_file(tmp_path, clip):
    path = ffmpeg(f"-i {clip} -c copy -metadata:s:a:0 language=ger", tmp_path / "talk.mkv")
    for language, word in (("en", "one"), ("de", "eins"), ("de.forced", "Schild")):
        (tmp_path / f"talk.{language}.srt").write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{word}\n")
    assert texts(opened(tmp_path, path)) == ["eins"]


def test_subtitles_of_frames_use_the_rate_of_the_video(tmp_path, clip):
    path = tmp_path / "talk.mp4"
    shutil.copy(clip, path)
    (tmp_path / "talk.sub").write_text("{10}{20}Hello|there\n")
    (cue,) = opened(tmp_path, path).cues(0, 4)
    assert (cue.start_s, cue.end_s, cue.text) == (1.0, 2.0, "Hello there")
