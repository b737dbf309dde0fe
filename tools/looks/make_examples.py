"""Renders examples/content.jpg and examples/style.jpg: a landscape and a field of brush strokes.

Run: python tools/looks/make_examples.py (a few seconds; overwrites both files)
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FOLDER = Path(__file__).resolve().parents[2] / "examples"
WIDTH, HEIGHT = 768, 576


def fractal_noise(rng: np.random.Generator, height: int, width: int, octaves: int) -> np.ndarray:
    """Returns float64 [height, width], about -1..1: smooth noise, octave by octave."""
    total = np.zeros((height, width))
    for octave in range(octaves):
        grid = rng.uniform(-1, 1, (3 * 2**octave + 1, 4 * 2**octave + 1)).astype(np.float32)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) / 2**octave
    return total / 1.5


def landscape(rng: np.random.Generator) -> Image.Image:
    """Returns mountains, a lake that reflects them, a village and trees, in the morning."""
    rows = np.linspace(0, 1, HEIGHT)[:, None, None]
    horizon = int(HEIGHT * 0.58)
    sky = (1 - rows) * np.array([70, 120, 190]) + rows * np.array([250, 215, 170])
    clouds = np.clip(fractal_noise(rng, HEIGHT, WIDTH, 6) + 0.1, 0, 1)[..., None]
    picture = sky * (1 - 0.6 * clouds) + 255 * 0.6 * clouds
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for depth in range(4):  # ranges of hills; near ones are darker
        ridge = fractal_noise(rng, 8, WIDTH, 6)[4]
        top = horizon - 150 + 38 * depth - ridge * (95 - 20 * depth)
        rock = np.array([[150, 160, 185], [105, 125, 140], [75, 105, 85], [52, 84, 50]][depth])
        shade = 1 + 0.28 * fractal_noise(rng, HEIGHT, WIDTH, 7)[..., None]
        snow = ((y - top < 22 + 9 * ridge) & (depth == 0))[..., None]
        hill = np.where(snow, [240, 244, 250], rock) * shade
        picture = np.where((y >= top)[..., None], hill, picture)
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(150):  # woods along the shore
        left, foot = int(rng.integers(0, WIDTH)), horizon - int(rng.integers(0, 30))
        tall = int(rng.integers(18, 46))
        tone = int(rng.integers(-12, 25))
        draw.polygon(
            [(left, foot), (left + tall // 3, foot - tall), (left + 2 * tall // 3, foot)],
            fill=(30 + tone, 62 + tone, 38 + tone // 2),
        )
    walls = [(236, 226, 205), (222, 190, 150), (205, 150, 120), (240, 236, 228)]
    for i in range(9):  # a village
        side, wide, tall = 250 + 38 * i + int(rng.integers(-6, 6)), 34, int(rng.integers(34, 62))
        draw.rectangle([side, horizon - tall, side + wide, horizon], fill=walls[i % 4])
        roof = [(side - 4, horizon - tall), (side + wide // 2, horizon - tall - 26)]
        draw.polygon([*roof, (side + wide + 4, horizon - tall)], fill=(150 - 6 * i, 62, 48))
        for window in range(6, tall - 12, 14):
            for column in (7, 21):
                corner = (side + column, horizon - tall + window)
                draw.rectangle([*corner, corner[0] + 6, corner[1] + 8], fill=(60, 66, 86))
    draw.rectangle([396, horizon - 118, 420, horizon], fill=(228, 214, 190))
    draw.polygon(
        [(392, horizon - 118), (408, horizon - 182), (424, horizon - 118)], fill=(92, 70, 72)
    )
    picture = np.asarray(image, np.float64).copy()
    below = HEIGHT - horizon  # the lake reflects the land, darker and rippled
    ripple = (3 * np.sin(np.arange(below) ** 0.8 * 1.3) + rng.normal(0, 1, below)).astype(int)
    for row in range(below):
        source = np.roll(picture[max(0, horizon - 1 - row)], ripple[row] * row // 60, axis=0)
        picture[horizon + row] = source * 0.72 + np.array([18, 34, 46])
    grain = rng.normal(0, 3, picture.shape)
    return Image.fromarray(np.clip(picture + grain, 0, 255).astype(np.uint8))


def brush_strokes(rng: np.random.Generator) -> Image.Image:
    """Returns short strokes of thick paint that follow swirls, in six colors."""
    palette = np.array(
        [
            [24, 40, 92],
            [38, 84, 152],
            [92, 150, 190],
            [236, 196, 70],
            [206, 96, 40],
            [238, 230, 200],
        ]
    )
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    angle = 2.2 * fractal_noise(rng, HEIGHT, WIDTH, 3)
    tone = fractal_noise(rng, HEIGHT, WIDTH, 4)
    for _ in range(7):  # swirls with a bright center
        cx, cy, radius = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(60, 150)
        distance = np.hypot(x - cx, y - cy)
        weight = np.exp(-((distance / radius) ** 2))
        angle = angle * (1 - weight) + (np.arctan2(y - cy, x - cx) + np.pi / 2) * weight
        tone = tone + 1.3 * np.exp(-((distance / (0.45 * radius)) ** 2))
    image = Image.new("RGB", (WIDTH, HEIGHT), (30, 46, 84))
    draw = ImageDraw.Draw(image)
    for width, count in ((13, 1600), (9, 3200), (6, 5200), (3, 5200)):
        for _ in range(count):
            px, py = rng.uniform(0, WIDTH - 1), rng.uniform(0, HEIGHT - 1)
            level = (tone[int(py), int(px)] + 0.9) / 2.4 * 5 + rng.normal(0, 0.55)
            color = palette[int(np.clip(round(level), 0, 5))] + rng.normal(0, 14, 3)
            points = []
            for _ in range(8):  # each stroke bends with the flow
                points.append((px, py))
                bend = angle[int(np.clip(py, 0, HEIGHT - 1)), int(np.clip(px, 0, WIDTH - 1))]
                px, py = px + 0.55 * width * np.cos(bend), py + 0.55 * width * np.sin(bend)
            fill = tuple(int(value) for value in np.clip(color, 0, 255))
            light = tuple(min(255, value + 34) for value in fill)
            draw.line(points, fill=fill, width=width, joint="curve")
            if width > 3:  # the ridge of the paint catches the light
                ridge = [(a, b - width / 3) for a, b in points]
                draw.line(ridge, fill=light, width=max(1, width // 5), joint="curve")
    return image.filter(ImageFilter.GaussianBlur(0.6))


def main() -> None:
    """Writes both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    landscape(np.random.default_rng(11)).save(FOLDER / "content.jpg", quality=84)
    brush_strokes(np.random.default_rng(5)).save(FOLDER / "style.jpg", quality=76)
    for path in sorted(FOLDER.glob("*.jpg")):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
