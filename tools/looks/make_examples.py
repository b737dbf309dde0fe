"""Renders examples/style.jpg, a field of brush strokes; examples/content.jpg is a photograph.

Run: python tools/looks/make_examples.py (a few seconds; overwrites the file)
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
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    path = FOLDER / "style.jpg"
    brush_strokes(np.random.default_rng(5)).save(path, quality=76)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
