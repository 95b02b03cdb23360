"""Draw one moment of a cooking clip: a pure function from a step and a time to an image.

Only `make_clips.py` uses this module, to generate the bundled clips.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFont

SIZE = (640, 360)
PAN = (320, 236)
"""Centre of the pan."""
FONT = "DejaVuSans-Bold.ttf"
Draw = ImageDraw.ImageDraw


def draw_moment(caption: str, prop: str, progress: float, seconds: float, wall: str, clock: str) -> Image.Image:
    """Return an image of the kitchen during a step.

    Args:
        caption: on-screen text of the step.
        prop: the object to draw over the kitchen; a key of `PROPS`.
        progress: finished share of the step, 0 to 1.
        seconds: time since the start of the clip, in seconds; animates the flames.
        wall: colour of the wall.
        clock: time on the wall clock; empty for no clock.
    """
    picture = Image.new("RGB", SIZE, wall)
    draw = ImageDraw.Draw(picture)
    _kitchen(draw, seconds)
    PROPS[prop](draw, progress)
    if clock:
        draw.rounded_rectangle((34, 26, 214, 96), 10, fill="#15191f", outline="#c9ced6", width=4)
        draw.text((124, 61), clock, font=_font(46), fill="#f5d547", anchor="mm")
    draw.rectangle((0, 300, 640, 360), fill="#15191f")
    draw.text((24, 330), caption, font=_font(38), fill="#ffffff", anchor="lm")
    return picture


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, size)


def _kitchen(draw: Draw, seconds: float) -> None:
    for x in range(0, 640, 64):
        draw.line((x, 0, x, 176), fill="#ffffff30", width=1)
    for y in range(44, 176, 44):
        draw.line((0, y, 640, y), fill="#ffffff30", width=1)
    draw.rectangle((0, 176, 640, 300), fill="#d9c7a6")
    draw.rectangle((0, 176, 640, 184), fill="#b59f78")
    draw.rounded_rectangle((180, 244, 460, 296), 8, fill="#3b4048")
    for n in range(6):
        height = 10 + 5 * math.sin(seconds * 7 + n * 1.7)
        x = 240 + n * 32
        draw.polygon(((x - 9, 268), (x + 9, 268), (x, 268 - height)), fill="#f08c1e")
    draw.rectangle((430, 226, 570, 238), fill="#23262b")
    draw.ellipse((PAN[0] - 124, PAN[1] - 34, PAN[0] + 124, PAN[1] + 34), fill="#23262b")
    draw.ellipse((PAN[0] - 108, PAN[1] - 26, PAN[0] + 108, PAN[1] + 26), fill="#4a4f57")


def _steam(draw: Draw, progress: float) -> None:
    for n in range(5):
        rise = (progress * 3 + n / 5) % 1
        x = 250 + n * 35 + 8 * math.sin(rise * 9 + n)
        y = 214 - rise * 110
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill="#eef1f4")


def _shaker(colour: str, grains: str) -> Callable[[Draw, float], None]:
    def draw_shaker(draw: Draw, progress: float) -> None:
        x, y = 330 + 26 * math.sin(progress * 40), 92
        draw.rounded_rectangle((x - 22, y - 52, x + 22, y + 18), 6, fill=colour, outline="#15191f", width=2)
        draw.rectangle((x - 22, y + 8, x + 22, y + 22), fill="#8d949e")
        for n in range(44):
            fall = (progress * 5 + n * 0.137) % 1
            gx = x + 34 * math.sin(n * 2.4)
            gy = y + 28 + fall * 112
            draw.ellipse((gx - 3, gy - 3, gx + 3, gy + 3), fill=grains)

    return draw_shaker


def _meat(draw: Draw, progress: float) -> None:
    x = 640 - min(1.0, progress * 1.6) * 330
    draw.rounded_rectangle((x - 66, PAN[1] - 34, x + 66, PAN[1] + 12), 20, fill="#a3392f", outline="#5d1b16", width=4)
    draw.ellipse((x - 44, PAN[1] - 24, x - 8, PAN[1] - 6), fill="#f0d7cf")


def _onions(draw: Draw, progress: float) -> None:
    for n in range(7):
        fall = min(1.0, max(0.0, progress * 2.2 - n * 0.15))
        x, y = 240 + n * 27, 20 + fall * (PAN[1] - 30 + 8 * (n % 2))
        draw.ellipse((x - 17, y - 10, x + 17, y + 10), fill="#8e4aa8")
        draw.arc((x - 11, y - 6, x + 11, y + 6), 200, 340, fill="#c79ad8", width=3)


def _spoon(draw: Draw, progress: float) -> None:
    x = PAN[0] + 72 * math.cos(progress * 24)
    y = PAN[1] + 14 * math.sin(progress * 24)
    draw.line((x + 70, y - 130, x, y), fill="#8a5a2b", width=12)
    draw.ellipse((x - 20, y - 12, x + 20, y + 12), fill="#8a5a2b")


def _plate(draw: Draw, progress: float) -> None:
    x = -120 + min(1.0, progress * 1.5) * 250
    draw.ellipse((x - 100, 206, x + 100, 268), fill="#fbfbf8", outline="#c9ced6", width=4)
    draw.ellipse((x - 52, 216, x + 52, 252), fill="#a3392f")
    draw.ellipse((x - 20, 218, x + 40, 240), fill="#4f9d45")


PROPS: dict[str, Callable[[Draw, float], None]] = {
    "steam": _steam,
    "salt": _shaker("#f4f6f8", "#ffffff"),
    "pepper": _shaker("#2d3138", "#15191f"),
    "meat": _meat,
    "onions": _onions,
    "spoon": _spoon,
    "plate": _plate,
}
