"""Draws four flat graphic prints; a module for the other tools, not a program.

Flat colors with sharp edges are the hardest styles: between the edges nothing hides a weave, and
their contrast made the Gram losses of the paper outweigh any photograph.
"""

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

Color = tuple[int, int, int]


def poster() -> Image.Image:
    """Returns a red sun over a green wood and striped water, 1024x768 px."""
    page = Image.new("RGB", (1024, 768), (240, 196, 25))
    draw = ImageDraw.Draw(page)
    draw.rectangle([0, 520, 1024, 768], fill=(28, 36, 92))
    draw.ellipse([560, 90, 900, 430], fill=(222, 42, 36))
    for index in range(9):
        left, top = 130 * index - 60, 300 - 20 * (index % 3)
        green = (16, 110, 88) if index % 2 else (12, 70, 70)
        draw.polygon([(left, 520), (left + 80, top), (left + 160, 520)], fill=green)
    for index in range(7):
        draw.rectangle([0, 560 + 30 * index, 1024, 568 + 30 * index], fill=(240, 196, 25))
    return page


def linocut() -> Image.Image:
    """Returns thick black waves around a red ring, on cream, 768x1024 px."""
    page = Image.new("RGB", (768, 1024), (245, 238, 220))
    draw = ImageDraw.Draw(page)
    black, red = (15, 15, 15), (196, 30, 34)
    for row in range(24):
        wave = [(x, 44 * row + 18 * math.sin(x / 70 + 0.9 * row)) for x in range(0, 769, 16)]
        draw.line(wave, fill=black, width=16)
    draw.ellipse([230, 250, 540, 560], fill=red)
    for ray in range(12):
        angle = ray * math.pi / 6
        tip = (385 + 360 * math.cos(angle), 405 + 360 * math.sin(angle))
        draw.line([(385, 405), tip], fill=black, width=10)
    draw.ellipse([290, 310, 480, 500], fill=(245, 238, 220))
    return page


def waves() -> Image.Image:
    """Returns hills in blue, cream and orange under a sun, 1024x704 px."""
    page = Image.new("RGB", (1024, 704), (250, 232, 200))
    draw = ImageDraw.Draw(page)
    colors: list[Color] = [
        (15, 60, 110), (40, 120, 160), (120, 190, 200), (250, 250, 240), (235, 120, 50)
    ]  # fmt: skip
    for row in range(14):
        hill = [
            (x, 150 + 45 * row + 50 * math.sin(x / 110 + 1.3 * row) + 18 * math.sin(x / 37 + row))
            for x in range(0, 1025, 8)
        ]
        draw.polygon([*hill, (1024, 704), (0, 704)], fill=colors[row % 5])
    draw.ellipse([720, 40, 860, 180], fill=(235, 60, 40))
    return page


def tiles() -> Image.Image:
    """Returns squares halved by triangles and quarter circles, in six colors, 1024x1024 px."""
    page = Image.new("RGB", (1024, 1024))
    draw = ImageDraw.Draw(page)
    colors: list[Color] = [
        (230, 57, 70), (241, 250, 238), (168, 218, 220),
        (69, 123, 157), (29, 53, 87), (255, 183, 3),
    ]  # fmt: skip
    chosen, side = random.Random(5), 128
    for top in range(0, 1024, side):
        for left in range(0, 1024, side):
            ground, form = chosen.sample(colors, 2)
            draw.rectangle([left, top, left + side, top + side], fill=ground)
            if chosen.random() < 0.5:
                draw.polygon([(left, top), (left + side, top), (left, top + side)], fill=form)
            else:
                draw.pieslice([left - side, top - side, left + side, top + side], 0, 90, fill=form)
    return page


PRINTS: dict[str, Callable[[], Image.Image]] = {
    "poster": poster,
    "linocut": linocut,
    "waves": waves,
    "tiles": tiles,
}
"""What draws each print, by name."""
