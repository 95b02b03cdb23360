"""The named colours, as RGB: the offline vision model names them, and rendered scripts are drawn in them."""

from __future__ import annotations

PALETTE: dict[str, tuple[int, int, int]] = {
    "black": (15, 15, 15),
    "dark grey": (80, 80, 80),
    "grey": (140, 140, 140),
    "light grey": (205, 205, 205),
    "white": (250, 250, 250),
    "red": (215, 40, 40),
    "dark red": (120, 20, 20),
    "orange": (240, 140, 30),
    "brown": (120, 75, 40),
    "beige": (235, 220, 190),
    "yellow": (245, 220, 60),
    "green": (50, 160, 70),
    "dark green": (20, 80, 40),
    "turquoise": (60, 190, 190),
    "light blue": (150, 200, 240),
    "blue": (45, 95, 210),
    "dark blue": (25, 35, 90),
    "purple": (130, 60, 170),
    "pink": (240, 150, 180),
}
