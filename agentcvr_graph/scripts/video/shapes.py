"""Simple pictures of things, by name. Each fills a box of the canvas; an unknown thing is a block."""

from __future__ import annotations

from collections.abc import Callable

from PIL import ImageDraw

RGB = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
DARK = (30, 33, 38)
GLASS = (190, 215, 230)
Draw = ImageDraw.ImageDraw


def draw_shape(draw: Draw, name: str, box: Box, fill: RGB) -> None:
    """Draw a thing into a box."""
    SHAPES.get(name, _block)(draw, box, fill)


def _block(draw: Draw, box: Box, fill: RGB) -> None:
    draw.rounded_rectangle(box, 8, fill=fill, outline=DARK, width=3)


def _vehicle(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    wheel = (bottom - top) * 0.2
    draw.rounded_rectangle((left, top, right, bottom - wheel), 8, fill=fill, outline=DARK, width=3)
    draw.rectangle((right - 0.2 * (right - left), top + 6, right - 6, top + 0.4 * (bottom - top)), fill=GLASS)
    for share in (0.22, 0.78):
        x = left + share * (right - left)
        draw.ellipse((x - wheel, bottom - 2 * wheel, x + wheel, bottom), fill=DARK)


def _car(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    middle, width = (top + bottom) / 2, right - left
    roof = ((left + 0.25 * width, top), (right - 0.25 * width, top), (right - 0.1 * width, middle), (left, middle))
    draw.polygon(roof, fill=GLASS, outline=DARK)
    _vehicle(draw, (left, middle - 4, right, bottom), fill)


def _boat(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    deck, x, hull = (top + bottom) / 2 + 6, (left + right) / 2, 0.2 * (right - left)
    draw.polygon(((left, deck), (right, deck), (right - hull, bottom), (left + hull, bottom)), fill=fill, outline=DARK)
    draw.polygon(((x, top), (x, deck - 4), (right - hull, deck - 4)), fill=(245, 245, 240), outline=DARK)


def _tent(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    x = (left + right) / 2
    draw.polygon(((x, top), (right, bottom), (left, bottom)), fill=fill, outline=DARK)
    draw.polygon(((x, top + 20), (x + 12, bottom), (x - 12, bottom)), fill=DARK)


def _tower(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    inset = 0.3 * (right - left)
    draw.rectangle((left + inset, top + 18, right - inset, bottom), fill=fill, outline=DARK, width=3)
    draw.polygon(
        ((left + 0.2 * (right - left), top + 18), (right - 0.2 * (right - left), top + 18), ((left + right) / 2, top)),
        fill=DARK,
    )


def _tree(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    x = (left + right) / 2
    draw.rectangle((x - 7, (top + bottom) / 2, x + 7, bottom), fill=(96, 62, 34))
    draw.ellipse((left + 8, top, right - 8, bottom - 0.3 * (bottom - top)), fill=(44, 110, 58), outline=DARK, width=3)


def _fountain(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    x = (left + right) / 2
    draw.ellipse((left, bottom - 0.4 * (bottom - top), right, bottom), fill=fill, outline=DARK, width=3)
    for reach in (-26, -13, 0, 13, 26):
        draw.line((x, bottom - 20, x + reach, top + abs(reach)), fill=(214, 236, 250), width=4)


def _person(draw: Draw, box: Box, fill: RGB) -> None:
    left, top, right, bottom = box
    x, head = (left + right) / 2, 0.25 * (bottom - top)
    draw.ellipse((x - head / 2, top, x + head / 2, top + head), fill=(226, 184, 150), outline=DARK, width=2)
    draw.rounded_rectangle((x - head * 0.7, top + head, x + head * 0.7, bottom), 10, fill=fill, outline=DARK, width=3)


SHAPES: dict[str, Callable[[Draw, Box, RGB], None]] = {
    **dict.fromkeys(("van", "truck", "bus", "tractor", "wagon"), _vehicle),
    **dict.fromkeys(("tower", "statue", "crane"), _tower),
    "big tree": _tree,
    "boat": _boat,
    "car": _car,
    "fountain": _fountain,
    "person": _person,
    "tent": _tent,
    "tree": _tree,
}
