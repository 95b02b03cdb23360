"""Folders of pictures as phones, cameras and file managers make them, shown as a viewer shows them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from agentcvr_graph import VideoError
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.malformed_media import png
from tests.support.media_files import ffmpeg
from tests.support.shown_media import circle, circle_shape, layout_of, picture, quarters

UPRIGHT = "red green / blue white"
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}
"""How a camera stores an upright picture under each EXIF orientation."""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "pictures"
    path.mkdir()
    return path


@pytest.fixture
def opened(tmp_path, folder):
    """Return a function that opens the folder at one picture a second."""
    return lambda: MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(folder), fps=1))


def levels(media, count: int) -> list[int]:
    """Return the grey level in the middle of each of the first pictures."""
    frames = media.frames([n + 0.5 for n in range(count)])
    return [int(frame.pixels[frame.pixels.shape[0] // 2, frame.pixels.shape[1] // 2].mean()) for frame in frames]


def tagged(path, pixels, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, exif=exif)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_pictures_are_upright_by_their_orientation_tag(folder, opened, ending):
    for orientation, stored in STORED.items():
        tagged(folder / f"{orientation}.{ending}", stored(quarters()), orientation)
    media = opened()
    assert (media.info.width, media.info.height) == (320, 240)
    frames = media.frames([n + 0.5 for n in range(8)])
    assert [layout_of(frame.pixels) for frame in frames] == [UPRIGHT] * 8


def test_pictures_of_mixed_sizes_are_padded_and_not_squeezed(folder, opened):
    for number in range(3):
        picture(folder / f"{number}.png", circle(320, 240))
    picture(folder / "3.png", circle(240, 320))
    picture(folder / "4.png", circle(640, 160))
    media = opened()
    assert (media.info.width, media.info.height) == (320, 240)
    frames = media.frames([0.5, 3.5, 4.5])
    assert [frame.pixels.shape for frame in frames] == [(240, 320, 3)] * 3
    assert [circle_shape(frame.pixels) for frame in frames] == pytest.approx([1, 1, 1], abs=0.06)
    assert frames[1].pixels[:, :60].max() < 20 < 200 < frames[1].pixels.max()


def test_companions_and_hidden_files_are_no_pictures(folder, opened):
    for number in range(3):
        picture(folder / f"IMG_{number}.JPG", quarters())
        (folder / f"._IMG_{number}.JPG").write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + bytes(80))
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt", ".hidden.jpg"):
        (folder / name).write_bytes(b"\0" * 30)
    (folder / "__MACOSX").mkdir()
    (folder / "album.jpg").mkdir()
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    media = opened()
    assert media.info.duration_s == 3.0 and media.info.notes == ()
    assert [layout_of(frame.pixels) for frame in media.frames([0.5, 1.5, 2.5])] == [UPRIGHT] * 3


def test_names_are_in_natural_order(folder, opened):
    names = ["frame2.png", "Frame10.PNG", "frame001.png", "frame9.png", "frame100.png", "a²b.png"]
    shade = {
        "a²b.png": 0,
        "frame001.png": 40,
        "frame2.png": 80,
        "frame9.png": 120,
        "Frame10.PNG": 160,
        "frame100.png": 200,
    }
    for name in names:
        Image.new("L", (32, 32), shade[name]).save(folder / name)
    assert levels(opened(), 6) == pytest.approx([0, 40, 80, 120, 160, 200], abs=2)


@pytest.mark.parametrize(
    ("ending", "kept_bytes"), [("png", 60), ("jpg", 900), ("webp", 40), ("bmp", 900), ("tif", 100)]
)
def test_a_damaged_picture_is_replaced_by_the_one_before_with_a_note(folder, opened, ending, kept_bytes):
    for number in range(5):
        Image.new("L", (320, 240), 50 * number).save(folder / f"{number}.{ending}")
    (folder / f"0.{ending}").write_bytes(b"")
    damaged = folder / f"2.{ending}"
    damaged.write_bytes(damaged.read_bytes()[:kept_bytes])
    media = opened()
    frames = media.frames([n + 0.5 for n in range(5)])
    assert [frame.time_s for frame in frames] == [1, 1, 1, 3, 4]
    assert levels(media, 5) == pytest.approx([50, 50, 50, 150, 200], abs=3)
    said = " ".join(media.notes(0, 5))
    assert f"0.{ending} is left out: it cannot be read as a picture" in said and f"2.{ending} is left out" in said
    assert media.notes(3.5, 4.5) == ()


def test_pictures_in_a_format_that_cannot_be_read_are_named_in_a_note(folder, opened):
    for number in range(2):
        picture(folder / f"IMG_{number}.jpg", quarters())
    for number in range(2, 7):
        (folder / f"IMG_{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    media = opened()
    assert media.info.duration_s == 2.0
    (note,) = media.info.notes
    assert "5 images are left out" in note.text and "IMG_2.HEIC, IMG_3.HEIC, IMG_4.HEIC and 2 more" in note.text


def test_a_picture_is_read_by_its_content_and_not_by_its_name(folder, opened):
    Image.new("L", (32, 32), 100).save(folder / "a.heic", format="JPEG")
    Image.new("L", (32, 32), 200).save(folder / "b.jpg", format="WEBP")
    assert levels(opened(), 2) == pytest.approx([100, 200], abs=3)


def test_a_folder_is_refused_only_when_nothing_is_left(folder, opened):
    (folder / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(VideoError, match=r"none of its images can be read \(a\.heic\)"):
        opened()
    (folder / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"none of its images can be read \(b\.jpg\)"):
        opened()
    (folder / "b.jpg").unlink()
    (folder / "a.heic").unlink()
    (folder / "._a.jpg").write_bytes(b"\0\x05\x16\x07")
    with pytest.raises(VideoError, match="the folder holds no images"):
        opened()


def saved(image, path, **how):
    image.save(path, **how)


KINDS = {
    "16-bit grey PNG": lambda path: saved(Image.fromarray(np.full((32, 32), 0x8080, np.uint16)), path / "a.png"),
    "16-bit grey TIFF": lambda path: saved(Image.fromarray(np.full((32, 32), 0x8080, np.uint16)), path / "a.tif"),
    "16-bit RGB PNG": lambda path: ffmpeg(
        "-f lavfi -i color=0x808080:s=32x32:d=1 -frames:v 1 -pix_fmt rgb48be", path / "a.png"
    ),
    "16-bit RGB TIFF": lambda path: ffmpeg(
        "-f lavfi -i color=0x808080:s=32x32:d=1 -frames:v 1 -pix_fmt rgb48le", path / "a.tiff"
    ),
    "fractions in a TIFF": lambda path: saved(
        Image.fromarray(np.pad(np.full((31, 31), 0.5, np.float32), (1, 0), constant_values=1)), path / "a.tif"
    ),
    "grey": lambda path: saved(Image.new("L", (32, 32), 128), path / "a.jpg"),
    "palette": lambda path: saved(Image.new("RGB", (32, 32), (128, 128, 128)).quantize(4), path / "a.png"),
    "CMYK": lambda path: saved(Image.new("CMYK", (32, 32), (0, 0, 0, 127)), path / "a.jpg"),
    "half transparent": lambda path: saved(Image.new("RGBA", (32, 32), (0, 0, 0, 127)), path / "a.png"),
    "half transparent grey": lambda path: saved(Image.new("LA", (32, 32), (0, 127)), path / "a.png"),
    "transparent palette": lambda path: saved(Image.new("RGBA", (32, 32), (0, 0, 0, 127)), path / "a.webp"),
    "animated": lambda path: saved(
        Image.new("L", (32, 32), 128), path / "a.gif", save_all=True, append_images=[Image.new("L", (32, 32), 0)]
    ),
    "AVIF": lambda path: saved(Image.new("RGB", (32, 32), (128, 128, 128)), path / "a.avif"),
    "JPEG 2000": lambda path: saved(Image.new("RGB", (32, 32), (128, 128, 128)), path / "a.jp2"),
    "PPM": lambda path: saved(Image.new("RGB", (32, 32), (128, 128, 128)), path / "a.ppm"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_has_its_brightness(folder, opened, kind):
    KINDS[kind](folder)
    assert levels(opened(), 1) == pytest.approx([128], abs=3)


@pytest.mark.parametrize("value", [0, 65535])
def test_16_bit_black_and_white_stay_so(folder, opened, value):
    Image.fromarray(np.full((32, 32), value, np.uint16)).save(folder / "a.png")
    assert levels(opened(), 1) == pytest.approx([value // 257], abs=1)


def test_transparent_parts_are_white(folder, opened):
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(folder / "a.png")
    assert levels(opened(), 1) == [255]


def test_a_picture_too_large_is_left_out(folder, opened, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    Image.new("L", (32, 32), 100).save(folder / "a.png")
    (folder / "b.png").write_bytes(png(400, 300))
    assert levels(opened(), 1) == pytest.approx([100], abs=2)
