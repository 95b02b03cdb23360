"""Videos are shown as a player shows them: upright, not mirrored, with square pixels, and never squeezed."""

from __future__ import annotations

import subprocess
from fractions import Fraction

import numpy as np
import pytest

from agentcvr_graph.media.display import TURNS, UPRIGHT, Turn, fitted_size, nearest_turn, padded, shown_size
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.media_files import ffmpeg
from tests.support.shown_media import circle, circle_shape, encoded, layout_of, quarters

LAYOUTS = {
    Turn(): "red green / blue white",
    Turn(False, 1): "green white / red blue",
    Turn(False, 2): "white blue / green red",
    Turn(False, 3): "blue red / white green",
    Turn(True, 0): "green red / white blue",
    Turn(True, 1): "red blue / green white",
    Turn(True, 2): "blue white / red green",
    Turn(True, 3): "white green / blue red",
}
"""What the quarters look like for each of the eight ways to turn and mirror them."""


def matrix_of(turn: Turn, angle: float = 0.0) -> list[int]:
    """Return FFmpeg's display matrix of a turn, turned further by some degrees."""
    a, b, c, d = turn.matrix()
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turned = (a * cos + b * sin, b * cos - a * sin, c * cos + d * sin, d * cos - c * sin)
    a, b, c, d = (round(value * 65536) for value in turned)
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]


@pytest.fixture
def shown(tmp_path):
    """Return a function that gives the first frame of a file, and its size."""

    def show(path):
        media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path)))
        pixels = media.frames([0.0])[0].pixels
        media.close()
        return pixels, (media.info.width, media.info.height)

    return show


@pytest.mark.parametrize(
    ("turn", "ending"), [*((turn, "mp4") for turn in TURNS), (Turn(True, 3), "mov"), (Turn(False, 1), "mkv")], ids=str
)
def test_a_display_matrix_is_applied_as_ffmpeg_does(tmp_path, shown, turn, ending):
    path = encoded(tmp_path / f"turned.{ending}", quarters(), matrix=matrix_of(turn))
    pixels, size = shown(path)
    assert size == ((240, 320) if turn.sideways else (320, 240))
    assert pixels.shape[:2] == size[::-1]
    assert layout_of(pixels) == LAYOUTS[turn]
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    ).stdout
    if ending != "mkv":  # Matroska has its own fields for a rotation
        assert layout_of(np.frombuffer(raw, np.uint8).reshape(size[1], size[0], 3)) == LAYOUTS[turn]


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_both_readers_show_the_same_way_up(tmp_path, turn):
    path = encoded(tmp_path / "turned.mp4", quarters(), matrix=matrix_of(turn))
    media = MediaLibrary(cache_dir=tmp_path / "cache", reader="decord").open(Video(source=str(path)))
    assert layout_of(media.frames([0.0])[0].pixels) == LAYOUTS[turn]
    assert bool(media.notes(0, 1)) is turn.mirrored  # decord cannot mirror, so PyAV reads the file


@pytest.mark.parametrize("turn", TURNS, ids=str)
@pytest.mark.parametrize("angle", [-40, -10, 3, 30])
def test_another_angle_is_rounded_to_the_nearest_quarter(turn, angle):
    assert nearest_turn(matrix_of(turn, angle)) == turn
    scaled = [value * 3 for value in matrix_of(turn, angle)]
    assert nearest_turn(scaled) == turn


def test_a_matrix_of_zeros_changes_nothing():
    assert nearest_turn([0] * 9) == UPRIGHT


@pytest.mark.parametrize(
    ("sei", "turn"),
    [
        ("flip=horizontal", Turn(True, 0)),
        ("flip=vertical", Turn(True, 2)),
        ("rotate=90", Turn(False, 1)),
        ("rotate=180", Turn(False, 2)),
        ("rotate=270", Turn(False, 3)),
    ],
)
def test_a_display_orientation_inside_the_stream_is_applied(tmp_path, shown, sei, turn):
    """FFmpeg writes it to the first picture alone, of several groups of pictures."""
    plain = encoded(tmp_path / "plain.mp4", quarters(), seconds=2)
    bsf = f"h264_metadata=display_orientation=insert:{sei}"
    path = ffmpeg(f"-i {plain} -c copy -bsf:v {bsf}", tmp_path / "sei.mp4")
    assert layout_of(shown(path)[0]) == LAYOUTS[turn]
    media = MediaLibrary(cache_dir=tmp_path / "later").open(Video(source=str(path)))
    times_s = [n / 10 for n in range(20)]
    looks = [frame.pixels for times in (times_s, [0.0, 1.9], [1.2]) for frame in media.frames(times)]
    assert {layout_of(pixels) for pixels in looks} == {LAYOUTS[turn]}


def test_an_orientation_that_changes_on_the_way_is_followed(tmp_path):
    parts = b""
    for start_s, sei in ((0, "rotate=90"), (2, "flip=vertical")):
        plain = encoded(tmp_path / "plain.mp4", quarters(320, 320), seconds=2, group=100)
        how = f"-c copy -bsf:v h264_metadata=display_orientation=insert:{sei} -muxdelay 0 -output_ts_offset {start_s}"
        parts += ffmpeg(f"-i {plain} {how}", tmp_path / f"{start_s}.ts").read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(parts)
    media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path)))
    layouts = [layout_of(media.frames([time_s])[0].pixels) for time_s in (0.3, 1.7, 2.3, 3.7)]
    assert layouts == [LAYOUTS[turn] for turn in (Turn(False, 1), Turn(True, 2)) for _ in range(2)]


@pytest.mark.parametrize(
    ("ending", "stored", "aspect", "size"),
    [
        ("mpg", (720, 576), Fraction(64, 45), (1024, 576)),
        ("mp4", (720, 480), Fraction(8, 9), (720, 540)),
        ("ts", (480, 576), Fraction(2, 1), (960, 576)),
        ("mkv", (360, 640), Fraction(4, 3), (480, 640)),
        ("mkv", (576, 720), Fraction(45, 64), (576, 1024)),
    ],
)
def test_pixels_become_square(tmp_path, shown, ending, stored, aspect, size):
    pixels = circle(*stored, stretch=float(1 / aspect))
    path = encoded(tmp_path / "wide.mp4", pixels, aspect=aspect)
    if ending == "mpg":
        path = ffmpeg(f"-i {path} -c:v mpeg2video -r 25 -q:v 2", tmp_path / "wide.mpg")
    elif ending != "mp4":
        path = ffmpeg(f"-i {path} -c copy", tmp_path / f"wide.{ending}")
    seen, shown_as = shown(path)
    assert shown_as == pytest.approx(size, abs=2)
    assert seen.shape[1] / seen.shape[0] == pytest.approx(size[0] / size[1], rel=0.02)
    assert circle_shape(seen) == pytest.approx(1.0, abs=0.03)


def test_pixels_are_made_square_before_the_picture_is_turned(tmp_path, shown):
    stored = circle(320, 480, stretch=0.5)
    path = encoded(tmp_path / "both.mp4", stored, aspect=Fraction(2), matrix=matrix_of(Turn(False, 1)))
    pixels, size = shown(path)
    assert size == (480, 640)
    assert circle_shape(pixels) == pytest.approx(1.0, abs=0.03)


def test_a_stream_that_changes_its_shape_is_padded(tmp_path, shown):
    """The second half is portrait: it keeps its shape between black bars."""
    wide = encoded(tmp_path / "wide.mp4", circle(320, 180), seconds=2)
    high = encoded(tmp_path / "high.mp4", circle(180, 320), seconds=2)
    parts = [
        ffmpeg(f"-i {part} -c copy -muxdelay 0 -output_ts_offset {start_s}", tmp_path / f"{start_s}.ts").read_bytes()
        for part, start_s in ((wide, 0), (high, 2))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path)))
    frames = [media.frames([time_s])[0] for time_s in (0.5, 3.5)]
    assert [frame.pixels.shape for frame in frames] == [(180, 320, 3)] * 2
    assert [circle_shape(frame.pixels) for frame in frames] == pytest.approx([1, 1], abs=0.04)
    assert frames[1].pixels[:, :100].max() < 20


def test_sizes_that_differ_by_rounding_get_no_bars():
    assert fitted_size((1024, 576), (360, 202)) == (360, 202)
    assert fitted_size((240, 320), (320, 240)) == (180, 240)
    assert padded(np.full((240, 180, 3), 9, np.uint8), (320, 240)).sum() == 9 * 240 * 180 * 3
    assert shown_size(720, 480, Fraction(8, 9), Turn(False, 1)) == (540, 720)


@pytest.mark.parametrize(("transfer", "noted"), [("smpte2084", True), ("arib-std-b67", True), ("bt709", False)])
def test_a_picture_of_high_dynamic_range_is_noted(tmp_path, transfer, noted):
    plain = encoded(tmp_path / "plain.mp4", quarters())
    colours = f"-color_primaries bt2020 -color_trc {transfer} -colorspace bt2020nc"
    path = ffmpeg(f"-i {plain} -c:v libx264 {colours}", tmp_path / "hdr.mp4")
    media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(path)))
    assert any("is HDR" in note.text for note in media.info.notes) is noted
