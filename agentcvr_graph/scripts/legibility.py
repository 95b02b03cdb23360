"""What a look at a scripted scene shows of its small text and small things, by how large they appear. Pure arithmetic.

The thresholds are those of the offline text recogniser on pictures of known letters (`python -m tests.benchmarks zoom`
measures them): capital letters of `LEGIBLE_PX` pixels, as they are shown, are read; those of `NOTICED_PX` are seen to
be text, and smaller ones are not noticed at all. A thing is recognised from `THING_PX`: 32 by 32 pixels suffice people
to name scenes and things (Torralba, Fergus and Freeman, 80 million tiny images, PAMI 2008).

Text without a size is as large as a title, and legible in every look. A look at a region shows the letters that lie in
it. Text that is too small is reported to a look that knows zoom alone, since no other look can do anything about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, get_args

from agentcvr_graph.scripts.schema import Facts, Sign, Thing
from agentcvr_graph.types import Region, Zoom
from agentcvr_graph.views import Box, box_of, region_around, scale_of

LEGIBLE_PX = 4.0
"""Height of the smallest capital letters that are read, in pixels of the picture that is shown."""
NOTICED_PX = 2.25
"""Height of the smallest capital letters that are seen to be text."""
THING_PX = 32.0
"""Height of the smallest thing that is recognised."""
THING_NOTICED_PX = 6.0
LABEL_SHARE = 0.25
"""Height of the letters on a thing with a size, as a share of the thing's."""
LETTER_WIDTH = 0.95
"""Width of a letter and its gap over the height of a capital, in the bold font of rendered videos."""
FIRST_SHARE = 0.62
"""Share of the picture of the first of two colours."""
COLOUR_SHARE = 0.12
"""Smallest share of what is shown at which a colour is named, as `models/offline/colours.py` has it."""
ASPECT = 16 / 9
_NO_ZOOM = Zoom()


class Close(NamedTuple):
    """What a look shows of the small text and things of a scene."""

    lines: tuple[str, ...] = ()
    unread: tuple[Region, ...] = ()
    """Regions with text that cannot be read."""
    things: tuple[str, ...] = ()
    """Small things in words, and where something is too small to make out."""


def is_small(facts: Facts) -> bool:
    """Return whether how closely a scene is looked at matters."""
    return bool(facts.signs) or any(thing.height is not None for thing in facts.things)


def close_look(facts: Facts, height_px: int, zoom: Zoom | None) -> Close:
    """Return what a look shows of the text and things with a size.

    Args:
        height_px: height of the video's picture.
        zoom: how closely it looks; None for a look that knows no zoom.
    """
    scale = scale_of(zoom or _NO_ZOOM, round(height_px * ASPECT), height_px)
    part = box_of(zoom.region if zoom else "")
    lines: list[str] = []
    unread: list[Region] = []
    things: list[str] = []
    for thing in facts.things:
        if thing.height is not None and part.holds(thing_box(thing)):
            shown_px = thing.height * height_px * scale
            if shown_px >= THING_PX:
                things.append(thing_words(thing))
            elif zoom is not None and shown_px >= THING_NOTICED_PX:
                things.append(f"something too small to make out ({_place(thing_box(thing), zoom)})")
    for sign in all_signs(facts):
        box = sign_box(sign)
        text = letters_in(sign, part)
        shown_px = sign.height * height_px * scale
        if text and shown_px >= LEGIBLE_PX:
            lines.append(text)
        elif text and zoom is not None and shown_px >= NOTICED_PX:
            unread.append(zoom.region or region_around(box))
    return Close(tuple(lines), tuple(dict.fromkeys(unread)), tuple(dict.fromkeys(things)))


def is_legible(sign: Sign, height_px: int) -> bool:
    """Return whether some look at a video of that height reads all of a sign."""
    looks = (Zoom(region=region, detail="high") for region in get_args(Region))
    return any(sign.text in close_look(Facts(signs=(sign,)), height_px, zoom).lines for zoom in looks)


def all_signs(facts: Facts) -> Iterator[Sign]:
    """Yield all text with a size: signs, and the labels of things with a size."""
    yield from facts.signs
    for thing in facts.things:
        if thing.height is not None and thing.label:
            x, y = thing_centre(thing)
            yield Sign(text=thing.label, height=thing.height * LABEL_SHARE, x=x, y=y)


def lines_in(lines: Sequence[str], region: Region) -> tuple[str, ...]:
    """Return what a region shows of the titles of a scene, which stand in rows at the lower left of the picture."""
    part = box_of(region)
    placed = (letters_in(title, part) for title in titles(lines))
    return tuple(text for text in placed if text)


def colours_in(colours: Sequence[str], region: Region) -> tuple[str, ...]:
    """Return the colours that a region shows, the largest first; they fill the picture in bands.

    >>> colours_in(("red", "white"), "top"), colours_in(("red", "white"), "bottom")
    (('red',), ('white', 'red'))
    """
    part = box_of(region)
    shares = [
        (min(bottom, part.bottom) - max(top, part.top), -n) for n, (top, bottom) in enumerate(bands(len(colours)))
    ]
    least = COLOUR_SHARE * (part.bottom - part.top)
    return tuple(colours[-n] for share, n in sorted(shares, reverse=True) if share >= least)


def bands(count: int) -> list[tuple[float, float]]:
    """Return the upper and lower edge of the band of each colour, as shares of the picture's height.

    >>> bands(2)
    [(0.0, 0.62), (0.62, 1.0)]
    """
    if not count:
        return []
    first = FIRST_SHARE if count == 2 else 1 / count
    rest = (1 - first) / max(1, count - 1)
    return [(0.0, first), *((first + n * rest, first + (n + 1) * rest) for n in range(count - 1))]


TITLE_HEIGHT, TITLE_STEP, TITLE_MARGIN = 0.081, 0.15, (0.0375, 0.0667)
"""Height of a title's capitals, distance of its rows, and distance from the left and lower edge, as shares."""


def titles(lines: Sequence[str]) -> Iterator[Sign]:
    """Yield the titles of a scene as they are drawn, the last at the lower edge. Long lines are smaller."""
    for n, line in enumerate(reversed(lines)):
        widest = (1 - 2 * TITLE_MARGIN[0]) * ASPECT / (LETTER_WIDTH * max(1, len(line)))
        height = min(TITLE_HEIGHT, widest)
        width = height * LETTER_WIDTH * len(line) / ASPECT
        x, y = TITLE_MARGIN[0] + width / 2, 1 - TITLE_MARGIN[1] - TITLE_STEP * (n + 0.5)
        yield Sign(text=line or " ", height=height, x=min(1.0, x), y=max(0.0, y))


def letters_in(sign: Sign, part: Box) -> str:
    """Return the letters of a sign whose middles lie in a part of the picture; none if a row is cut lengthwise."""
    box = sign_box(sign)
    if box.top < part.top or box.bottom > part.bottom:
        return ""
    step = (box.right - box.left) / len(sign.text)
    kept = [letter for n, letter in enumerate(sign.text) if part.left <= box.left + (n + 0.5) * step <= part.right]
    return "".join(kept).strip()


def sign_box(sign: Sign) -> Box:
    """Return the part of the picture that a sign fills."""
    half = sign.height * LETTER_WIDTH * len(sign.text) / ASPECT / 2
    return Box(sign.x - half, sign.y - sign.height / 2, sign.x + half, sign.y + sign.height / 2)


def thing_box(thing: Thing) -> Box:
    """Return the part of the picture that a thing with a size fills; things are half as wide again as high."""
    x, y = thing_centre(thing)
    height = thing.height or 0.0
    half = 1.5 * height / ASPECT / 2
    return Box(x - half, y - height / 2, x + half, y + height / 2)


def thing_centre(thing: Thing) -> tuple[float, float]:
    """Return the centre of a thing with a size; in the middle where the script does not say."""
    return 0.5 if thing.x is None else thing.x, 0.4 if thing.y is None else thing.y


def thing_words(thing: Thing) -> str:
    """Return a thing in words.

    >>> thing_words(Thing(name="bird", colour="red", count=2)), thing_words(Thing(name="van"))
    ('2 red birds', 'a van')
    """
    named = f"{thing.colour} {thing.name}".strip()
    return f"a {named}" if thing.count == 1 else f"{thing.count} {named}s"


def _place(box: Box, zoom: Zoom) -> str:
    return zoom.region or region_around(box) or "across the picture"
