"""The frames of a rendered video: a scene and its progress in, a picture out.

Colours fill the picture in bands, so that a vision model that measures colours names the same ones; text stands on a
ground just large enough for it. What moves is the scene's thing, or a ball where it has none.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agentcvr_graph.media.types import Pixels
from agentcvr_graph.models.offline.palette import PALETTE
from agentcvr_graph.scripts.legibility import all_signs, bands, is_small, thing_box
from agentcvr_graph.scripts.schema import PICTURE_SIZE, Facts, Motion, Sign, Thing
from agentcvr_graph.scripts.video.shapes import DARK, RGB, draw_shape

WIDTH, HEIGHT = PICTURE_SIZE
FONT = "DejaVuSans-Bold.ttf"
FONT_PX = 40
CAPITAL_SHARE = 0.729
"""Height of a capital letter of the font as a share of the font's size."""
LINE_PX = 54
MARGIN_PX = 24
THING_PX = (190, 124)
BALL_PX = 30
_STEPS: dict[Motion, tuple[float, float]] = {
    "to the right": (1, 0),
    "to the left": (-1, 0),
    "down": (0, 1),
    "up": (0, -1),
}


def blank(size: tuple[int, int] = PICTURE_SIZE) -> Pixels:
    """Return the picture where there is no scene."""
    return np.asarray(Image.new("RGB", size, PALETTE["dark grey"]))


def moves(facts: Facts) -> bool:
    """Return whether a scene's pictures differ from one another."""
    return facts.motion in _STEPS


def draw_scene(facts: Facts, progress: float, size: tuple[int, int] = PICTURE_SIZE) -> Pixels:
    """Return a picture of shape (height, width, 3).

    What has no size of its own is drawn on a canvas of `PICTURE_SIZE` and enlarged; small print and small things are
    drawn at the picture's own pixels.

    Args:
        progress: how much of the scene is over, 0 to 1.
        size: width and height of the picture in pixels.
    """
    picture = _draw_large(facts, progress)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    if is_small(facts):
        _draw_small(ImageDraw.Draw(picture), facts, progress, size)
    return np.asarray(picture)


def _draw_large(facts: Facts, progress: float) -> Image.Image:
    picture = _ground(facts.colours).copy()
    draw = ImageDraw.Draw(picture)
    for thing, box in boxes_of(facts, progress):
        if thing.height is not None:
            continue
        draw_shape(draw, thing.name, box, PALETTE.get(thing.colour, PALETTE["light grey"]))
        if thing.label:
            _label(draw, thing.label, box)
    if not facts.things and moves(facts):
        shift = _shift(facts.motion, progress)
        x, y = WIDTH / 2 + shift[0], HEIGHT * 0.42 + shift[1]
        draw.ellipse((x - BALL_PX, y - BALL_PX, x + BALL_PX, y + BALL_PX), fill=_contrast(facts.colours), outline=DARK)
    labels = {thing.label for thing in facts.things}
    _signs(draw, [line for line in facts.text if line not in labels])
    return picture


def _draw_small(draw: ImageDraw.ImageDraw, facts: Facts, progress: float, size: tuple[int, int]) -> None:
    scale = size[0] / WIDTH
    for thing, box in boxes_of(facts, progress):
        if thing.height is not None:
            left, top, right, bottom = (edge * scale for edge in box)
            fill = PALETTE.get(thing.colour, PALETTE["light grey"])
            draw_shape(draw, thing.name, (left, top, right, bottom), fill)
    for sign in all_signs(facts):
        _small_print(draw, sign, size)


def _small_print(draw: ImageDraw.ImageDraw, sign: Sign, size: tuple[int, int]) -> None:
    """Draw text of a given height on a ground of its own."""
    letter_px = sign.height * size[1]
    font = _font(max(1, round(letter_px / CAPITAL_SHARE)))
    x, y, half = sign.x * size[0], sign.y * size[1], font.getlength(sign.text) / 2
    ground = (x - half - letter_px, y - letter_px, x + half + letter_px, y + letter_px)
    draw.rounded_rectangle(ground, 0.4 * letter_px, fill=(18, 20, 24))
    draw.text((x, y), sign.text, font=font, fill=(255, 255, 255), anchor="mm")


def boxes_of(facts: Facts, progress: float) -> Iterator[tuple[Thing, tuple[float, float, float, float]]]:
    """Return every thing with its box in the picture, (left, top, right, bottom) in pixels."""
    shift = _shift(facts.motion, progress)
    for thing, box in (*_placed(tuple(t for t in facts.things if t.height is None)), *_small(facts.things)):
        yield thing, (box[0] + shift[0], box[1] + shift[1], box[2] + shift[0], box[3] + shift[1])


@functools.lru_cache(maxsize=64)
def _ground(colours: tuple[str, ...]) -> Image.Image:
    """Draw horizontal bands of the colours, the first the largest."""
    names = colours or ("dark grey",)
    picture = Image.new("RGB", PICTURE_SIZE, PALETTE.get(names[0], PALETTE["grey"]))
    draw = ImageDraw.Draw(picture)
    for name, (top, _) in list(zip(names, bands(len(names)), strict=True))[1:]:
        draw.rectangle((0, top * HEIGHT, WIDTH, HEIGHT), fill=PALETTE.get(name, PALETTE["grey"]))
    return picture


def _shift(motion: Motion, progress: float) -> tuple[float, float]:
    """Return the shift of a moving thing in pixels: once across the middle of the picture in a scene."""
    across, down = _STEPS.get(motion, (0, 0))
    return across * (progress - 0.5) * WIDTH * 0.6, down * (progress - 0.5) * HEIGHT * 0.45


def _placed(things: tuple[Thing, ...]) -> Iterator[tuple[Thing, tuple[float, float, float, float]]]:
    """Yield every single thing with its box: where the script says, else in rows from left to right."""
    singles = [thing for thing in things for _ in range(thing.count)]
    columns = max(1, math.ceil(math.sqrt(len(singles) * 2)))
    rows = max(1, math.ceil(len(singles) / columns))
    scale = min(1.0, 2.9 / columns, 1.9 / rows)
    width, height = THING_PX[0] * scale, THING_PX[1] * scale
    for n, thing in enumerate(singles):
        row, column = divmod(n, columns)
        x = thing.x * WIDTH if thing.x is not None else WIDTH * (column + 0.5) / min(columns, len(singles))
        y = thing.y * HEIGHT if thing.y is not None else HEIGHT * 0.74 * (row + 0.5) / rows
        yield thing, (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _small(things: tuple[Thing, ...]) -> Iterator[tuple[Thing, tuple[float, float, float, float]]]:
    """Yield the things with a size, each with the box of its first; the others stand beside it."""
    for thing in things:
        if thing.height is not None:
            box = thing_box(thing)
            width = box.right - box.left
            for n in range(thing.count):
                left, right = box.left + 1.2 * n * width, box.right + 1.2 * n * width
                yield thing, (left * WIDTH, box.top * HEIGHT, right * WIDTH, box.bottom * HEIGHT)


def _signs(draw: ImageDraw.ImageDraw, lines: list[str]) -> None:
    """Draw lines of text at the lower edge, each on a ground of its own."""
    for n, line in enumerate(reversed(lines)):
        font = _fitting_font(line, WIDTH - 2 * MARGIN_PX)
        y = HEIGHT - MARGIN_PX - LINE_PX * (n + 0.5)
        width = font.getlength(line)
        ground = (MARGIN_PX - 10, y - LINE_PX / 2 + 3, MARGIN_PX + width + 10, y + LINE_PX / 2 - 3)
        draw.rounded_rectangle(ground, 6, fill=(18, 20, 24))
        draw.text((MARGIN_PX, y), line, font=font, fill=(255, 255, 255), anchor="lm")


def _fitting_font(line: str, width_px: float) -> ImageFont.FreeTypeFont:
    size = FONT_PX
    while size > 14 and _font(size).getlength(line) > width_px:
        size -= 2
    return _font(size)


def _label(draw: ImageDraw.ImageDraw, text: str, box: tuple[float, float, float, float]) -> None:
    font = _fitting_font(text, 0.72 * (box[2] - box[0]))
    place = (box[0] + 0.42 * (box[2] - box[0]), box[1] + 0.4 * (box[3] - box[1]))
    draw.text(place, text, font=font, fill=DARK, anchor="mm")


@functools.lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, size_px)


def _contrast(colours: tuple[str, ...]) -> RGB:
    """Return a text colour that contrasts with the ground."""
    red, green, blue = PALETTE.get(colours[0] if colours else "dark grey", PALETTE["grey"])
    return DARK if 0.3 * red + 0.6 * green + 0.1 * blue > 110 else (240, 240, 236)
