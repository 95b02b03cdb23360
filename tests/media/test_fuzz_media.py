"""Opening any file ends quickly in a readable clip or in a typed error, and this process survives.

Files are decoded in worker processes, with the limits of a server.
"""

from __future__ import annotations

import io
import os
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import av
import pytest
from PIL import Image

from agentcvr_graph import VideoError
from agentcvr_graph.errors import CVRError, InfrastructureError
from agentcvr_graph.media.access import Access
from agentcvr_graph.media.containers import open_container
from agentcvr_graph.media.isolated import IsolatedClip, IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.subtitles import MAX_BYTES
from agentcvr_graph.perception.factory import isolated_media
from agentcvr_graph.types import Video
from tests.support.malformed_media import chunk, gif, jpeg_of_size, mutations, png, real_files
from tests.support.media_files import ffmpeg

EACH = 2
"""Number of files per kind of damage and container. Raise it for a more thorough test."""
TIMEOUT_S = 20.0
Outcome = str


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("malformed")


@pytest.fixture(scope="module")
def real(folder) -> dict[str, bytes]:
    return real_files(folder)


@pytest.fixture(scope="module")
def library(folder):
    access = Access(roots=(folder,), max_duration_s=6 * 3600.0, max_pixels=8192 * 4320, max_images=1000)
    library = isolated_media(workers=1, timeout_s=TIMEOUT_S, cache_dir=folder / "cache", access=access)
    yield library
    library.close()


def opened(library: IsolatedLibrary, path: Path, **settings) -> tuple[IsolatedClip | None, Outcome]:
    """Return the clip, if it can be opened, and the outcome. Raise every error that is not a `CVRError`."""
    try:
        return library.open(Video(source=str(path), **settings)), "opened"
    except CVRError as error:
        problem = error
    assert str(problem) and "\n" not in str(problem)
    return None, type(problem).__name__


def looked_at(library: IsolatedLibrary, path: Path, **settings) -> list[Outcome]:
    """Return the outcomes of opening a file and of reading its frames, sound and subtitles as agents do."""
    clip, outcome = opened(library, path, **settings)
    if clip is None:
        return [outcome]
    end_s = clip.info.duration_s
    assert end_s > 0
    checks = {
        "overview": lambda: clip.frames([n * end_s / 8 for n in range(8)]),
        "close": lambda: clip.frames([0.0, 0.1, 0.2, max(0.2, end_s - 0.1)]),
        "beginning": lambda: clip.sound(0.0, min(end_s, 2.0)),
        "end": lambda: clip.sound(max(0.0, end_s - 2.0), end_s),
        "subtitles": lambda: clip.cues(0.0, end_s),
    }
    return [outcome, *(_outcome(what) for what in checks.values())]


def _outcome(what) -> Outcome:
    try:
        what()
        return "done"
    except InfrastructureError:
        return "InfrastructureError"


def test_the_intact_files_have_readable_frames_and_sound(library, folder, real):
    """The intact files are readable, so anything that the broken files lack is due to the damage."""
    for ending, data in real.items():
        path = folder / f"sound.{ending}"
        path.write_bytes(data)
        clip, _ = opened(library, path)
        assert clip is not None, ending
        picture, sound = ending not in ("wav", "mp3", "flac"), ending != "gif"
        assert (clip.info.width > 0, clip.info.has_sound) == (picture, sound), ending
        assert not picture or len(clip.frames([0.5, 1.0])) == 2
        assert not sound or len(clip.sound(0.5, 1.0)) == 8000


def test_broken_files_end_in_a_result_or_a_typed_error(library, folder, real):
    outcomes: Counter[Outcome] = Counter()
    slowest_s, broken = 0.0, list(mutations(real, EACH))
    for name, data in broken:
        path = folder / name
        path.write_bytes(data)
        started_s = time.monotonic()
        outcomes.update(looked_at(library, path))
        slowest_s = max(slowest_s, time.monotonic() - started_s)
        path.unlink()
    assert len(broken) >= 200
    assert outcomes["opened"] > len(broken) / 4 and outcomes["NotAVideoError"] > len(broken) / 8, outcomes
    assert outcomes["done"] and outcomes["InfrastructureError"], outcomes
    assert slowest_s < 3 * TIMEOUT_S


def test_enormous_sizes_in_a_header_cost_nothing(library, folder, real):
    """Headers that claim enormous pictures or lengths, without the data."""
    claims = {
        "screen.gif": gif(65535, 65535),
        "large.gif": gif(9000, 9000),
        "long.wav": real["wav"][:40] + b"\xff\xff\xff\x7f" + real["wav"][44:],
        "rate.wav": real["wav"][:24] + b"\x01\x00\x00\x00" + real["wav"][28:],
        "still.wav": real["wav"][:24] + b"\x00\x00\x00\x00" + real["wav"][28:],
    }
    for box, behind in ((b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 76)):
        place = real["mp4"].index(box) + 4 + behind
        claims[f"{box.decode()}.mp4"] = real["mp4"][:place] + b"\x7f\xff\xff\xff" * 2 + real["mp4"][place + 8 :]
    for name, data in claims.items():
        started_s = time.monotonic()
        (folder / name).write_bytes(data)
        assert looked_at(library, folder / name), name
        assert time.monotonic() - started_s < TIMEOUT_S, name


def test_frames_that_grow_beyond_the_size_limit_are_not_decoded(folder):
    how = "-f lavfi -i testsrc=s={}:r=10:d=2 -pix_fmt yuv420p -c:v libx264 -g 5 -output_ts_offset {}"
    small = ffmpeg(how.format("64x48", 0), folder / "small.ts")
    large = ffmpeg(how.format("640x360", 2), folder / "large.ts")
    grown = folder / "grown.ts"
    grown.write_bytes(small.read_bytes() + large.read_bytes())
    for most, says in ((100_000, "InfrastructureError"), (1_000_000, "done")):
        library = MediaLibrary(cache_dir=folder / f"grown-{most}", access=Access(max_pixels=most))
        clip = library.open(Video(source=str(grown)))
        assert (clip.info.width, clip.info.height) == (64, 48)
        assert len(clip.frames([0.5])) == 1
        assert _outcome(lambda clip=clip: clip.frames([clip.info.duration_s - 0.3])) == says


ODD: dict[str, bytes] = {
    "empty.mp4": b"",
    "byte.mp4": b"\x00",
    "text.mp4": b"It is not a video.\n" * 100,
    "zeros.mkv": bytes(100_000),
    "ones.ts": b"\xff" * 100_000,
    "magic.mp4": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    "magic.mkv": b"\x1aE\xdf\xa3" + b"\x01" + b"\xff" * 7,
    "magic.avi": b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrl",
    "magic.ogg": b"OggS" + b"\xff" * 300,
    "magic.flv": b"FLV\x01\x05\x00\x00\x00\x09" + b"\xff" * 300,
    "magic.gif": b"GIF89a",
    "magic.mp3": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + b"\xff" * 300,
    "nested.mp4": b"".join(len(b"x" * 8 * (1000 - n)).to_bytes(4, "big") + b"moov" for n in range(1000)),
    "program.mp4": b"\x7fELF" + bytes(1000),
    "archive.mp4": b"PK\x03\x04" + zlib.compress(bytes(10_000)),
    "page.mp4": b"<html><video src='file:///etc/passwd'></html>",
    "xml.mp4": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><tt>&b;</tt>',
}


@pytest.mark.parametrize("name", ODD)
def test_files_that_are_not_videos_are_refused(library, folder, name):
    (folder / name).write_bytes(ODD[name])
    assert opened(library, folder / name) == (None, "NotAVideoError")


def test_files_that_combine_two_formats_are_handled(library, folder, real):
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(picture, "PNG")
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsound.ts\n#EXT-X-ENDLIST\n"
    for name, data in {
        "page.mp4": b"<html><!--" + real["mp4"] + b"--></html>",
        "behind.mp4": real["mp4"] + b"PK\x03\x04" + real["mkv"] + playlist,
        "picture.mp4": picture.getvalue() + real["mp4"],
        "tagged.mp3": b"ID3\x04\x00\x00\x00\x00\x01\x00" + playlist.ljust(128, b"\n") + real["mp3"],
        "playlist.ts": playlist + real["ts"],
        "twice.avi": real["avi"] + real["avi"],
        "chained.ogg": real["ogg"] + real["ogg"],
    }.items():
        (folder / name).write_bytes(data)
        assert looked_at(library, folder / name), name


def test_folders_devices_and_dangling_links_are_refused(library, folder):
    (folder / "folder.mp4").mkdir()
    (folder / "zero.mp4").symlink_to("/dev/zero")
    (folder / "dangling.mp4").symlink_to(folder / "nowhere")
    for name in ("folder.mp4", "zero.mp4", "dangling.mp4"):
        assert opened(library, folder / name) == (None, "VideoError"), name


def test_a_title_that_is_not_utf_8_does_not_prevent_opening(library, folder, real):
    """Old recordings have titles in other encodings."""
    for ending in ("mp4", "mkv", "mp3", "flac"):
        made = ffmpeg(f"-i {folder / f'real.{ending}'} -c copy -metadata title=NAMED", folder / f"titled.{ending}")
        made.write_bytes(made.read_bytes().replace(b"NAMED", b"N\xe4M\xff\xfe"))
        assert opened(library, made)[1] == "opened", ending


# Playlists name other files. These must not be opened.


def playlists(name: str) -> dict[str, str]:
    return {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n",
        "master.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{name}\n",
        "keyed.m3u8": f'#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI="{name}"\n#EXTINF:2,\nx.ts\n',
        "list.ffconcat": f"ffconcat version 1.0\nfile {name}\n",
        "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp2t"><Representation id="1" '
        f'bandwidth="1"><BaseURL>{name}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "list.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns={name}\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"
        f"a=rtpmap:96 H264/90000\na=control:file:{name}\n",
        "list.pls": f"[playlist]\nFile1={name}\nNumberOfEntries=1\n",
        "list.asx": f'<asx version="3.0"><entry><ref href="{name}"/></entry></asx>',
        "list.xspf": f'<?xml version="1.0"?><playlist><trackList><track><location>{name}</location></track></trackList>'
        "</playlist>",
        "list.ram": f"file://{name}\n",
        "images.txt": "%03d.png\n",
    }


class Canary:
    """A named pipe that sets `sang` when a process opens it for reading: its writer waits for a reader."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self.sang = threading.Event()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        with self.path.open("wb"):
            self.sang.set()

    def close(self) -> None:
        os.close(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK))
        self._thread.join()
        self.path.unlink()


@pytest.fixture
def canary(folder):
    canary = Canary(folder / "canary.ts")
    yield canary
    canary.close()


@pytest.mark.parametrize("name", ["list.m3u8", "master.m3u8", "list.ffconcat"])
def test_the_canary_detects_a_playlist_that_is_followed(folder, canary, name):
    """FFmpeg follows playlists unless the caller forbids it."""
    (folder / name).write_text(playlists("canary.ts")[name])
    with pytest.raises((av.error.FFmpegError, OSError)):
        av.open(str(folder / name))
    assert canary.sang.wait(5)


@pytest.mark.parametrize("ending", ["", ".mp4", ".ts", ".mkv", ".mp3", ".gif"])
@pytest.mark.parametrize("place", ["name", "path", "url"])
def test_a_playlist_does_not_open_the_files_it_names(library, folder, canary, place, ending):
    named = {"name": "canary.ts", "path": str(canary.path), "url": canary.path.as_uri()}[place]
    for name, text in playlists(named).items():
        path = folder / f"{name}{ending}"
        path.write_text(text)
        assert opened(library, path) == (None, "NotAVideoError"), path.name
        with pytest.raises((av.error.FFmpegError, OSError)):
            open_container(path)
    assert not canary.sang.is_set()


def test_subtitles_that_are_playlists_open_no_other_file(library, folder, canary, real):
    clip = folder / "subtitled.mp4"
    clip.write_bytes(real["mp4"])
    for text in playlists(str(canary.path)).values():
        for ending in (".srt", ".vtt", ".ass", ".ssa"):
            clip.with_suffix(ending).write_text(text)
        assert looked_at(library, clip)[0] == "opened"
    assert not canary.sang.is_set()
    for ending in (".srt", ".vtt", ".ass", ".ssa"):
        clip.with_suffix(ending).unlink()


# Subtitles beside a video.

ASS = "[Script Info]\n[Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: {}\n"
SIDECARS: dict[str, bytes] = {
    "empty.srt": b"",
    "binary.srt": bytes(range(256)) * 100,
    "utf16.srt": "1\n00:00:00,000 --> 00:00:01,000\nhello\n".encode("utf-16"),
    "latin.srt": "1\n00:00:00,000 --> 00:00:01,000\ngrüezi\n".encode("latin-1"),
    "huge-times.srt": b"1\n99999999999999999999:00:00,000 --> 99999999999999999999:00:01,000\nhello\n",
    "backwards.srt": b"1\n00:00:02,000 --> 00:00:01,000\nhello\n",
    "negative.srt": b"1\n-00:00:02,000 --> 00:00:01,000\nhello\n",
    "unended.srt": b"1\n00:00:00,000 --> ",
    "long-line.srt": b"1\n00:00:00,000 --> 00:00:01,000\n" + b"x" * 2_000_000,
    "many.srt": b"".join(b"1\n00:00:00,000 --> 00:00:01,000\nx\n\n" for _ in range(20_000)),
    "tags.srt": b"1\n00:00:00,000 --> 00:00:01,000\n" + b"<i>" * 50_000 + b"<font color=" * 1000,
    "json.srt": b"[" * 100_000,
    "objects.srt": b'{"events": [{"start": NaN, "end": 1e999, "text": 1}]}',
    "frames.srt": b"{1}{25}hello\n{999999999999999999999}{1}x\n",
    "ttml.vtt": b'<?xml version="1.0"?><!DOCTYPE tt [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="0s" end="1s">&b;</p></body></tt>',
    "external.vtt": b'<?xml version="1.0"?><!DOCTYPE tt [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    b'<tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="0s" end="1s">&a;</p></body></tt>',
    "cues.vtt": b"WEBVTT\n\nX-TIMESTAMP-MAP=MPEGTS:999999999999999999,LOCAL:00:00:00.000\n\n00:00.000 --> 99:99.999\nx",
    "drawn.ass": ASS.format(r"0,0:00:00.00,0:00:01.00,Default,{\p1}m 0 0 l 9 9" + r"{\b1" * 10_000).encode(),
    "fields.ass": ASS.format("x,y,z").encode(),
    "styles.ass": b"[V4+ Styles]\nStyle: a,b\n[Fonts]\nfontname: x\n" + b"!" * 100_000 + ASS.format("").encode(),
    "large.srt": b"1\n00:00:00,000 --> 00:00:01,000\n" + b"x" * MAX_BYTES,
}


@pytest.mark.parametrize("name", SIDECARS)
def test_subtitles_are_parsed_or_ignored(library, folder, real, name):
    sidecar = folder / name
    sidecar.write_bytes(SIDECARS[name])
    clip = sidecar.with_suffix(".mp4")
    clip.write_bytes(real["mp4"])
    started_s = time.monotonic()
    outcomes = looked_at(library, clip)
    assert outcomes[0] == "opened" and "InfrastructureError" not in outcomes
    assert time.monotonic() - started_s < TIMEOUT_S
    found = library.open(Video(source=str(clip))).cues(0, 2)
    assert not any("root:" in cue.text for cue in found)
    assert name != "large.srt" or not found


def test_subtitles_linked_from_outside_the_folder_are_not_read(library, folder, tmp_path, real):
    words = "1\n00:00:00,000 --> 00:00:01,000\nhello\n"
    (tmp_path / "elsewhere.srt").write_text(words)
    clip = folder / "linked.mp4"
    clip.write_bytes(real["mp4"])
    clip.with_suffix(".srt").symlink_to(tmp_path / "elsewhere.srt")
    assert library.open(Video(source=str(clip))).cues(0, 2) == ()
    inside = folder / "inside.mp4"
    inside.write_bytes(real["mp4"])
    inside.with_suffix(".srt").write_text(words)
    assert [cue.text for cue in library.open(Video(source=str(inside))).cues(0, 2)] == ["hello"]


# Folders of images.


def pictures() -> dict[str, bytes]:
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(jpeg, "JPEG")
    text = chunk(b"zTXt", b"x\x00\x00" + zlib.compress(bytes(70 * 2**20)))
    return {
        "bomb.png": png(30_000, 30_000, rows=300),
        "large.png": png(10_000, 8_000, rows=300),
        "claims.png": png(2**31 - 1, 2**31 - 1, rows=1),
        "none.png": png(0, 0),
        "flat.png": png(1, 1_000_000, rows=10),
        "text.png": png(64, 48, chunks=text),
        "short.png": png(64, 48)[:60],
        "crc.png": png(64, 48).replace(b"IDAT", b"IDAX"),
        "claims.jpg": jpeg_of_size(jpeg.getvalue(), 65_500, 65_500),
        "short.jpg": jpeg.getvalue()[:200],
        "head.jpg": b"\xff\xd8\xff\xe0" + bytes(1000),
        "text.jpg": b"It is not a picture.",
        "film.png": gif(65_535, 65_535),
        "claims.bmp": b"BM" + b"\xff" * 60,
        "claims.webp": b"RIFF\xff\xff\xff\x7fWEBPVP8L" + b"\xff" * 40,
        "empty.jpg": b"",
        "vector.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "script.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    }


PICTURES = pictures()


@pytest.mark.parametrize("name", PICTURES)
def test_an_image_of_a_folder_is_decoded_or_raises_a_typed_error(library, folder, name):
    alone, second = folder / f"alone-{name}", folder / f"second-{name}"
    for place in (alone, second):
        place.mkdir()
    (alone / name).write_bytes(PICTURES[name])
    (second / name).write_bytes(PICTURES[name])
    (second / "0.png").write_bytes(png(64, 48))
    started_s = time.monotonic()
    first = looked_at(library, alone, fps=1)
    assert first[0] == "VideoError" or "InfrastructureError" in first or name == "flat.png", first
    clip, _ = opened(library, second, fps=1)
    assert clip is not None and len(clip.frames([0.0])) == 1
    (shown,) = clip.frames([1.0])
    replaced = any(f"{name} is left out" in note for note in clip.notes(1.0, 2.0))
    assert replaced and shown.time_s == 0.0 or name == "flat.png"
    assert time.monotonic() - started_s < TIMEOUT_S


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a": {"0": {"xtl": NaN, "ytl": 1e999, "xbr": 2, "ybr": 3}}}',
        '{"a": {"0": {"xtl": 9, "ytl": 9, "xbr": 2, "ybr": 3}}}',
        '{"a": {"0": {"xtl": 1e300, "ytl": -1e300, "xbr": 1e308, "ybr": 1e308}}}',
        '{"a": {"' + "9" * 5000 + '": {"xtl": 1, "ytl": 1, "xbr": 2, "ybr": 3}}}',
        '{"\\ud800": {"0": {"xtl": 1, "ytl": 1, "xbr": 2, "ybr": 3}}}',
        '[{"id": [], "bbox": {}}]',
        '{"objects": 3}',
        "\x00",
        "",
    ],
)
def test_a_box_file_is_drawn_or_refused(library, folder, text):
    place = folder / f"boxed-{zlib.crc32(text.encode())}"
    place.mkdir()
    (place / "0.png").write_bytes(png(64, 48))
    boxes = folder / f"{place.name}.json"
    boxes.write_text(text)
    outcomes = looked_at(library, place, fps=1, boxes=str(boxes))
    assert outcomes[0] in ("opened", "VideoError")


@pytest.mark.parametrize(
    "name", ["\udcff.mp4", "a\nb.mp4", "-i.mp4", "%n%s%d.mp4", "a|b;c&d`e$(f).mp4", "😀.mp4", "x" * 250 + ".mp4"]
)
def test_files_with_unusual_names_are_opened(library, folder, real, name):
    path = folder / name
    path.write_bytes(real["mp4"])
    assert looked_at(library, path)[0] == "opened"


def test_errors_of_the_library_keep_their_type_and_message(library, folder):
    with pytest.raises(VideoError, match=r"nowhere\.mp4: no such file"):
        library.open(Video(source=str(folder / "nowhere.mp4")))
