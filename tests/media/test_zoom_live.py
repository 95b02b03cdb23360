"""Zoom over real files: small letters are read in a close look, and each moment is decoded once for all looks."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw, ImageFont

from agentcvr_graph.demo.drawing import FONT
from agentcvr_graph.media.clip import Media
from agentcvr_graph.media.display import TURNS
from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.readers.pyav_reader import PyAVReader
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.render import read_picture, read_unread
from agentcvr_graph.types import Detail, Observation, Observe, PricedTarget, Region, Target, Video, ZoomObserve
from agentcvr_graph.views import View
from tests.media.test_display import matrix_of
from tests.support import shown_media

LETTER_PX = 14
"""Height of the capital letters, in pixels of the 1920x1080 picture."""
CODE = "GATE K7 RW4"
SECONDS = 4


def picture(size: tuple[int, int] = (1920, 1080)) -> Image.Image:
    """Draw a picture whose quarters have different colours, with a small sign in the upper right one."""
    drawn = Image.new("RGB", size, "#304080")
    draw = ImageDraw.Draw(drawn)
    across, down = size[0] / 2, size[1] / 2
    draw.rectangle((0, down, across, size[1]), fill="#207030")
    draw.rectangle((across, down, *size), fill="#902020")
    font = ImageFont.truetype(FONT, round(LETTER_PX / 0.729))
    x, y = across * 1.5, down / 2
    draw.rectangle((x - 20, y - 18, x + font.getlength(CODE) + 20, y + 18), fill="#101418")
    draw.text((x, y), CODE, font=font, fill="#ffffff", anchor="lm")
    return drawn


def encoded(drawn: Image.Image, path: Path, *options: str) -> Path:
    """Encode a picture as a video of four seconds."""
    size = f"{drawn.width}x{drawn.height}"
    command = f"ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s {size} -r 5 -i - -c:v libx264 -crf 23 -g 5".split()
    pixels = drawn.tobytes() * 5 * SECONDS
    subprocess.run([*command, "-pix_fmt", "yuv420p", *options, str(path)], input=pixels, check=True)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoded(picture(), tmp_path_factory.mktemp("zoom") / "sign.mp4")


def zoomed(region: Region = "", detail: Detail = "normal", frames: int = 1, price: int = 1) -> ZoomObserve:
    target = PricedTarget(video=1, start_s=0, end_s=SECONDS, frames=frames, region=region, detail=detail, price=price)
    return ZoomObserve(targets=(target,))


async def looked(perception: LivePerception, clip: Path, request: Observe) -> Observation:
    info = await perception.probe(Video(source=str(clip)), 1)
    return await perception.observe(request, [info])


async def test_small_letters_are_read_in_a_close_look_and_not_without(clip: Path, tmp_path: Path):
    perception = LivePerception(OfflineVision(), OfflineAudio(), MediaLibrary(cache_dir=tmp_path))
    plain = await looked(perception, clip, Observe(targets=(Target(video=1, start_s=0, end_s=SECONDS, frames=1),)))
    assert CODE not in plain.evidence[0].text and not read_unread(plain.evidence[0].text)
    normal = await looked(perception, clip, zoomed())
    assert read_picture(normal.evidence[0].text)[1] == []
    assert read_unread(normal.evidence[0].text) == ["top right"]
    for region, detail, price in (("top right", "normal", 1), ("", "high", 9), ("top right", "high", 8)):
        seen = await looked(perception, clip, zoomed(region, detail, price=price))
        assert read_picture(seen.evidence[0].text)[1] == [CODE], (region, detail)
        assert read_unread(seen.evidence[0].text) == []
        assert seen.cost.frames == price
        assert [zoom.words for zoom in seen.zooms] == [", ".join(w for w in (region, "high detail" * (price > 1)) if w)]
    other = await looked(perception, clip, zoomed("bottom left", "high"))
    assert read_picture(other.evidence[0].text)[1:3] == ([], ["dark green"])


def decodings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list that grows by the size of each picture that is decoded."""
    sizes: list[tuple[int, int]] = []
    for name in ("shown_at", "key_frames"):
        method = getattr(PyAVReader, name)

        def counted(self: PyAVReader, times_s: list[float], size: tuple[int, int], method=method):
            sizes.extend([size] * len(times_s))
            return method(self, times_s, size)

        monkeypatch.setattr(PyAVReader, name, counted)
    return sizes


def test_a_moment_is_decoded_once_for_all_its_views(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sizes = decodings(monkeypatch)
    media = MediaLibrary(cache_dir=tmp_path).open(Video(source=str(clip)))
    (large,) = media.frames([1.0], View("top right", 1080))
    assert (sizes, large.cached, large.pixels.shape) == ([(1920, 1080)], False, (540, 960, 3))
    (small,) = media.frames([1.0], View("bottom left", 360))
    (whole,) = media.frames([1.0], View("", 1080))
    assert (sizes, small.cached, small.pixels.shape) == ([(1920, 1080)], True, (202, 360, 3))
    assert (whole.cached, whole.pixels.shape) == (True, (608, 1080, 3))
    fresh = MediaLibrary(cache_dir=tmp_path).open(Video(source=str(clip)))
    assert np.array_equal(fresh.frames([1.0], View("top right", 1080))[0].pixels, large.pixels)
    assert len(sizes) == 1, "another process reads the stored picture"
    media.frames([1.0])
    assert sizes[1:] == [(360, 202)], "a look without zoom is stored as ever, at its own size"


def test_large_pictures_keep_to_the_limit_of_the_cache(clip: Path, tmp_path: Path):
    media = MediaLibrary(cache_dir=tmp_path, cache_bytes=200_000).open(Video(source=str(clip)))
    sizes: list[int] = []
    for n in range(10):
        media.frames([n / 5], View("top", 1080))
        sizes.append(sum(file.stat().st_size for file in (tmp_path / "frames").rglob("*") if file.is_file()))
    assert max(sizes) <= 200_000 < 10 * sizes[0], "ten of these pictures do not fit"


def test_a_worker_process_sends_the_view_alone(clip: Path, tmp_path: Path):
    here = MediaLibrary(cache_dir=tmp_path / "a").open(Video(source=str(clip)))
    library = IsolatedLibrary(workers=1, cache_dir=tmp_path / "b")
    try:
        there = library.open(Video(source=str(clip)))
        for view in (View("top right", 360), View("left", 1080), None):
            assert np.array_equal(there.frames([1.0], view)[0].pixels, here.frames([1.0], view)[0].pixels)
    finally:
        library.close()


SHOWN = [
    *(pytest.param({"matrix": matrix_of(turn)}, id=f"turn {turn.mirrored} {turn.quarters}") for turn in TURNS),
    pytest.param({"aspect": Fraction(64, 45)}, id="wide pixels"),
    pytest.param({"aspect": Fraction(1, 2), "matrix": matrix_of(TURNS[1])}, id="high pixels, turned"),
]


@pytest.mark.parametrize("how", SHOWN)
def test_a_region_is_one_of_the_picture_as_it_is_displayed(how: dict[str, Any], tmp_path: Path):
    path = shown_media.encoded(tmp_path / "shown.mp4", shown_media.quarters(), **how)
    check_quarters(MediaLibrary(cache_dir=tmp_path).open(Video(source=str(path))))


def test_a_picture_folder_is_shown_upright_and_at_its_own_size(tmp_path: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(3):
        shown_media.picture(folder / f"{n}.jpg", shown_media.quarters(1920, 1080), exif=turned_exif())
    media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(folder), fps=1))
    check_quarters(media)
    assert media.frames([1.0], View("top right", 1080))[0].pixels.shape == (960, 540, 3)


def turned_exif() -> Image.Exif:
    """Return the orientation of a picture that is shown turned by a quarter."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif


def check_quarters(media: Media) -> None:
    """Check that the corner regions are the quarters of the whole picture, and the centre shows a part of each."""
    layout = layout_shown(media, "")
    names = layout.replace(" /", "").split()
    assert layout_shown(media, "centre") == layout
    corners: tuple[Region, ...] = ("top left", "top right", "bottom left", "bottom right")
    assert [layout_shown(media, region).split()[0] for region in corners] == names
    assert len(set(names)) == 4


def layout_shown(media: Media, region: Region) -> str:
    return shown_media.layout_of(media.frames([0.5], View(region, 1080))[0].pixels)
