"""The tracks that a player would start by itself are used: default before others, no commentary, no cover."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from agentcvr_graph.media.containers import open_container
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.tracks import chosen_tracks, language_of, subtitle_stream
from agentcvr_graph.types import Video
from tests.support.clock_media import heard_second
from tests.support.media_files import ffmpeg


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    """Return a folder with two tones (400 and 800 Hz, heard as seconds 0 and 4), two pictures and subtitles."""
    folder = tmp_path_factory.mktemp("parts")
    for number, name in ((400, "low"), (800, "high")):
        ffmpeg(f"-f lavfi -i sine=f={number}:d=2:r=48000 -filter:a volume=4", folder / f"{name}.wav")
    ffmpeg("-f lavfi -i color=c=black:s=64x48:r=10:d=2 -pix_fmt yuv420p", folder / "small.mp4")
    ffmpeg("-f lavfi -i color=c=white:s=128x96:r=10:d=2 -pix_fmt yuv420p", folder / "large.mp4")
    for word in ("first", "second", "third"):
        (folder / f"{word}.srt").write_text(f"1\n00:00:00,500 --> 00:00:01,500\n{word}\n")
    return folder


def two_sounds(parts: Path, path: Path, flags: str) -> Path:
    tones = f"-i {parts}/small.mp4 -i {parts}/low.wav -i {parts}/high.wav -map 0:v -map 1 -map 2 -c:v copy -c:a aac"
    return ffmpeg(f"{tones} {flags}", path)


def heard(path: Path, tmp_path: Path) -> str:
    media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path)))
    return {0: "low", 4: "high"}[round(heard_second(media.sound(0.5, 1.5)))]


SOUNDS = {
    "none is default": ("-disposition:a 0", "low"),
    "the first is default": ("-disposition:a:0 default -disposition:a:1 0", "low"),
    "the second is default": ("-disposition:a:0 0 -disposition:a:1 default", "high"),
    "both are default": ("-disposition:a default", "low"),
    "the first is commentary": ("-disposition:a:0 comment -disposition:a:1 0", "high"),
    "the default is commentary": ("-disposition:a:0 default+comment -disposition:a:1 0", "high"),
    "the first is described": ("-disposition:a:0 visual_impaired -disposition:a:1 0", "high"),
    "the first is for the hard of hearing": ("-disposition:a:0 hearing_impaired -disposition:a:1 0", "high"),
    "a title says karaoke": ("-disposition:a 0 -metadata:s:a:0 title=Karaoke", "high"),
    "a title says commentary": ("-disposition:a 0 -metadata:s:a:0 title=Director's_Commentary", "high"),
    "a title says description": ("-disposition:a 0 -metadata:s:a:0 title=Audio-Description", "high"),
}


@pytest.mark.parametrize("case", SOUNDS)
def test_the_sound_that_a_player_would_start_is_heard(parts, tmp_path, case):
    flags, expected = SOUNDS[case]
    assert heard(two_sounds(parts, tmp_path / "a.mkv", flags), tmp_path) == expected


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_the_default_sound_is_heard_in_every_container(parts, tmp_path, ending):
    path = two_sounds(parts, tmp_path / f"a.{ending}", "-disposition:a:0 0 -disposition:a:1 default")
    assert heard(path, tmp_path) == "high"
    info = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path))).info
    assert info.tracks.sound.startswith("track 2 of 2") and info.tracks.picture.startswith("track 1 of 1")
    assert info.tracks.subtitles == ""


PICTURES = {
    "the second is default": ("-disposition:v:0 0 -disposition:v:1 default", "-i {0}/large.mp4 -i {0}/small.mp4", 64),
    "both are default": ("-disposition:v default", "-i {0}/small.mp4 -i {0}/large.mp4", 128),
    "none is default": ("-disposition:v 0", "-i {0}/small.mp4 -i {0}/large.mp4", 128),
}


@pytest.mark.parametrize("case", PICTURES)
@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_the_default_or_else_the_largest_picture_is_shown(parts, tmp_path, case, reader):
    flags, inputs, width = PICTURES[case]
    path = ffmpeg(f"{inputs.format(parts)} -map 0:v -map 1:v -c copy {flags}", tmp_path / "v.mkv")
    media = MediaLibrary(cache_dir=tmp_path / "cache", reader=reader).open(Video(source=str(path)))
    assert media.info.width == width
    assert (media.frames([1.0])[0].pixels.mean() > 128) == (width == 128)


def test_a_cover_before_the_video_is_not_shown(parts, tmp_path):
    cover = ffmpeg("-f lavfi -i color=red:s=512x512:d=1 -frames:v 1", tmp_path / "cover.png")
    path = ffmpeg(
        f"-i {parts}/small.mp4 -i {cover} -map 1:v -map 0:v -c copy -disposition:v:0 attached_pic -disposition:v:1 0",
        tmp_path / "a.mp4",
    )
    assert MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path))).info.width == 64


SUBTITLES = {
    "plain": ("", "first"),
    "the first is forced": ("-disposition:s:0 forced", "second"),
    "the second is default": ("-disposition:s:0 0 -disposition:s:1 default", "second"),
    "the language of the sound": (
        "-metadata:s:a:0 language=ger -metadata:s:s:0 language=eng -metadata:s:s:2 language=deu",
        "third",
    ),
    "not for the hard of hearing": ("-disposition:s:0 hearing_impaired", "second"),
    "a title says forced": ("-metadata:s:s:0 title=Forced", "second"),
    "all are forced": ("-disposition:s forced", ""),
}


@pytest.mark.parametrize("case", SUBTITLES)
def test_the_subtitles_that_belong_to_the_sound_are_chosen(parts, tmp_path, case):
    flags, expected = SUBTITLES[case]
    files = " ".join(f"-i {parts}/{word}.srt" for word in ("first", "second", "third"))
    maps = "-map 0 -map 1 -map 2 -map 3 -map 4 -c:v copy -c:a aac -c:s srt"
    path = ffmpeg(f"-i {parts}/small.mp4 -i {parts}/low.wav {files} {maps} {flags}", tmp_path / "s.mkv")
    with open_container(path) as container:
        chosen = subtitle_stream(container)
        number = "" if chosen is None else ["first", "second", "third"][chosen.index - 2]
        assert number == expected
        assert bool(chosen_tracks(container).subtitles) == bool(expected)
        assert chosen is None or language_of(chosen) in ("", "deu")


def pictures_of_words(path: Path) -> Path:
    """Write a subtitle file of the format of Blu-ray discs, which holds pictures: two empty ones."""
    data = b""
    for time_s in (0.5, 1.5):
        state = bytes.fromhex("00400030 10 0000 80 00 00 00")
        for kind, body in ((0x16, state), (0x80, b"")):
            data += struct.pack(">2sIIBH", b"PG", int(90_000 * time_s), 0, kind, len(body)) + body
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("flags", ["-disposition:s:0 default -disposition:s:1 0", "-disposition:s 0"])
def test_words_are_read_and_not_pictures_of_words(parts, tmp_path, flags):
    discs = pictures_of_words(tmp_path / "words.sup")
    maps = f"-i {parts}/small.mp4 -i {discs} -i {parts}/second.srt -map 0 -map 1 -map 2 -c copy -c:s:1 srt"
    both = ffmpeg(f"{maps} {flags}", tmp_path / "both.mkv")
    media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(both)))
    assert media.info.tracks.subtitles.startswith("track 2 of 2")
    assert [cue.text for cue in media.cues(0, 2)] == ["second"]


def test_pictures_of_words_alone_are_no_subtitles(parts, tmp_path):
    """Then the speech is transcribed."""
    discs = pictures_of_words(tmp_path / "words.sup")
    alone = ffmpeg(f"-i {parts}/small.mp4 -i {discs} -map 0 -map 1 -c copy", tmp_path / "alone.mkv")
    info = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(alone))).info
    assert not info.has_subtitles and info.tracks.subtitles == ""
