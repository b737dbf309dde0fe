"""Measures the effect of each padding on the border of the picture, and renders a sheet.

Run: python tools/looks/measure_borders.py CONTENT STYLE --output=sheet.png
(about 6 minutes at 192 px on two cores)

Runs the preset with each padding. Prints three numbers, each the result's minus the content's;
the first two are gray levels, 0..255:

- "frame": the distance of the mean color of the outer 4 px of a side from that of the next 8 px,
  averaged over the four sides;
- "edge": the mean absolute difference of the outermost pixels and the next, across the side;
- "detail": the mean absolute difference of neighbors along the side, in the outer 4 px relative to
  the whole picture; 1 where the border has as much detail as the rest.

The sheet shows each result above its upper left corner, magnified.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import tf_style
from tf_style.cli import process
from tf_style.config.network import PADDINGS

BORDER, NEXT = 4, 12
CORNER, MAGNIFIED = 48, 4


def sides(picture: np.ndarray) -> list[np.ndarray]:
    """Returns the picture [H, W, 3] rotated so that each side in turn is at the top."""
    return [np.rot90(picture, turns) for turns in range(4)]


def frame(picture: np.ndarray) -> float:
    """Returns the distance of the border's mean color from that of the adjacent band."""
    distances = [
        np.abs(side[:BORDER].mean((0, 1)) - side[BORDER:NEXT].mean((0, 1))).mean()
        for side in sides(picture)
    ]
    return float(np.mean(distances))


def edge(picture: np.ndarray) -> float:
    """Returns the mean absolute difference of the outermost pixels and the next."""
    return float(np.mean([np.abs(side[0] - side[1]).mean() for side in sides(picture)]))


def detail(picture: np.ndarray) -> float:
    """Returns the detail along the border relative to the whole picture."""
    along = [np.abs(np.diff(side, axis=1)) for side in sides(picture)]
    return float(np.mean([steps[:BORDER].mean() / steps.mean() for steps in along]))


def column(pixels: np.ndarray) -> np.ndarray:
    """Returns the picture with its corner magnified below, as uint8 [H, W, 3]."""
    corner = Image.fromarray(pixels[:CORNER, :CORNER])
    corner = corner.resize((CORNER * MAGNIFIED,) * 2, Image.Resampling.NEAREST)
    page = Image.new("RGB", (max(pixels.shape[1], corner.width), pixels.shape[0] + corner.height))
    page.paste(Image.fromarray(pixels), (0, 0))
    page.paste(corner, (0, pixels.shape[0]))
    return np.pad(np.asarray(page), ((4, 4), (4, 4), (0, 0)), constant_values=255)


def main() -> None:
    """Runs every padding, prints the table and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--output", type=Path, required=True, help="the sheet")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--paddings", nargs="+", default=PADDINGS, choices=PADDINGS)
    parser.add_argument("--size", type=int, default=192, help="longer edge, px")
    parser.add_argument("--steps", type=int, default=40, help="optimizer steps")
    arguments = parser.parse_args()
    process.set_environment()

    base = tf_style.preset(arguments.preset).replace(
        size=arguments.size, scales="none", steps=arguments.steps
    )
    untouched = base.replace(size=arguments.size, steps=1, style_weight=0.0, tv_weight=0.0)
    content = tf_style.stylize(arguments.content, arguments.style, config=untouched).pixels
    columns = [column(content)]
    own = [measure(content.astype(np.float64)) for measure in (frame, edge, detail)]
    print("padding          frame    edge  detail      total  seconds", flush=True)
    for padding in arguments.paddings:
        config = base.replace(padding=padding)
        result = tf_style.stylize(arguments.content, arguments.style, config=config)
        picture = result.pixels.astype(np.float64)
        found = [
            measure(picture) - start
            for measure, start in zip((frame, edge, detail), own, strict=True)
        ]
        print(
            f"{padding:14s} {found[0]:+7.2f} {found[1]:+7.2f} {found[2]:+7.2f} "
            f"{result.terms['total']:10.4g} {result.seconds:8.1f}",
            flush=True,
        )
        columns.append(column(result.pixels))
        Image.fromarray(np.concatenate(columns, 1)).save(arguments.output)


if __name__ == "__main__":
    main()
