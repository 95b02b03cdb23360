"""Zoom: by the height of letters in 1080p video, how many signs the offline vision model reads in each kind of look.

The signs stand in the upper right quarter of moving pictures, half of them on a ground of their own, encoded as H.264.
`scripts/legibility.py` takes its thresholds from these rows, so a last row compares what it says of each with them.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from agentcvr_graph.demo.drawing import FONT
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.offline.on_screen_text import TextReader
from agentcvr_graph.scripts.legibility import LEGIBLE_PX
from agentcvr_graph.types import Video, Zoom
from agentcvr_graph.views import frame_price, scale_of, view_of
from tests.benchmarks.rows import Row

SIZE = (1920, 1080)
LETTER_PX = (5, 7, 9, 11, 14, 18, 22)
"""Heights of a capital letter."""
CAPITAL_SHARE = 0.729
LOOKS = {
    "normal": Zoom(),
    "region": Zoom(region="top right"),
    "high": Zoom(detail="high"),
    "region, high": Zoom(region="top right", detail="high"),
}
COLOURS = ("#19235a", "#ebdcbe", "#3c3c3c", "#1e6e32", "#f5f5f5", "#781414")
WORDS = ["SALT", "START", "BATCH", "LOCK", "GATE", "FLOUR", "NORTH", "RIVER", "TRACK", "LEVEL", "WATER", "STONE"]
COUNT = 12


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    agree: list[bool] = []
    with tempfile.TemporaryDirectory() as scratch:
        library = MediaLibrary(cache_dir=Path(scratch) / "cache")
        for letter_px in LETTER_PX:
            signs = list(_signs(letter_px))
            path = _encoded([picture for _, picture in signs], Path(scratch) / f"{letter_px}.mp4")
            read = {name: _read(library, path, zoom, [sign for sign, _ in signs]) for name, zoom in LOOKS.items()}
            found = ", ".join(f"{name} {right}" for name, (right, _) in read.items())
            noticed = read["normal"][1]
            yield Row(f"signs of {COUNT} read, letters of {letter_px} px in 1080p", f"{found}; {noticed} seen unread")
            agree += [_legible(letter_px, zoom) == (2 * read[name][0] > COUNT) for name, zoom in LOOKS.items()]
    yield Row("looks in which most signs are read exactly where scripts say so", f"{sum(agree)} of {len(agree)}")
    prices = ", ".join(f"{name} {frame_price(zoom, *SIZE)}" for name, zoom in LOOKS.items())
    yield Row("frames that a frame of 1080p costs", prices)


def _legible(letter_px: int, zoom: Zoom) -> bool:
    return letter_px * scale_of(zoom, *SIZE) >= LEGIBLE_PX


def _signs(letter_px: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield signs, and the pictures that show them."""
    chance = random.Random(letter_px)
    for n in range(COUNT):
        sign = f"{chance.choice(WORDS)} {chance.choice(WORDS)} {chance.randint(10, 99)}"
        yield sign, _picture(sign, letter_px, COLOURS[n % len(COLOURS)], n % 2 == 0, chance)


def _picture(sign: str, letter_px: int, colour: str, boxed: bool, chance: random.Random) -> Image.Image:
    picture = Image.new("RGB", SIZE, colour)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 760, *SIZE), fill="#806040")
    left = chance.randint(100, 1500)
    draw.ellipse((left, 620, left + 300, 920), fill="#b02020")
    font = ImageFont.truetype(FONT, round(letter_px / CAPITAL_SHARE))
    width = font.getlength(sign)
    x, y = chance.randint(1000, int(1880 - width)), chance.randint(60, 480)
    dark = sum(picture.getpixel((0, 0))) < 380 or boxed
    if boxed:
        draw.rounded_rectangle((x - letter_px, y - letter_px, x + width + letter_px, y + letter_px), fill="#121418")
    draw.text((x, y), sign, font=font, fill="#ffffff" if dark else "#141414", anchor="lm")
    return picture


def _encoded(pictures: Sequence[Image.Image], path: Path) -> Path:
    """Encode a second of each picture."""
    size = f"{SIZE[0]}x{SIZE[1]}"
    command = (
        f"ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s {size} -r 1 -i - -r 4 -c:v libx264 -crf 23 -g 4".split()
    )
    pixels = b"".join(picture.tobytes() for picture in pictures)
    subprocess.run([*command, "-pix_fmt", "yuv420p", str(path)], input=pixels, check=True)
    return path


def _read(library: MediaLibrary, path: Path, zoom: Zoom, signs: Sequence[str]) -> tuple[int, int]:
    """Return how many signs are read exactly, ignoring white space, and how many are seen to be unreadable text."""
    clip = library.open(Video(source=str(path)))
    frames = clip.frames([float(n) for n in range(len(signs))], view_of(zoom))
    texts = TextReader().read(frames, clip.info.content_id, zoom)
    right = sum(_squeezed(sign) in map(_squeezed, text.lines) for sign, text in zip(signs, texts, strict=True))
    return right, sum(bool(text.unread) for text in texts)


def _squeezed(text: str) -> str:
    return text.replace(" ", "")
