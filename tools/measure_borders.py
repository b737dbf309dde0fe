"""Measures what each padding does to the border of the picture, and lays the results side by side.

Run: python tools/measure_borders.py CONTENT STYLE --output=sheet.png (about 6 minutes at 192 px)

For each padding the default preset is run, and three numbers are printed for the outer 4 px,
each as the result's minus the content's, in gray levels of 0..255: "frame" is the distance of
the mean color of the outer 4 px of a side from that of the next 8 px, the mean of the four sides;
"edge" is the mean absolute difference of neighboring pixels across the side, from the outermost
pixel to the next; "detail" is the ratio of the mean absolute differences of neighbors along the
side, in the outer 4 px to the whole picture (1 where the border is as lively as the rest). The
sheet shows each result, and under it its upper left corner, magnified.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from tf_style.cli import process

process.set_environment()

import tf_style  # noqa: E402
from tf_style.network.extractor import PADDINGS  # noqa: E402

BORDER, NEXT = 4, 12
CORNER, MAGNIFIED = 48, 4


def sides(picture: np.ndarray) -> list[np.ndarray]:
    """Returns the picture [H, W, 3] turned so that each side in turn is its upper one."""
    return [np.rot90(picture, turns) for turns in range(4)]


def frame(picture: np.ndarray) -> float:
    """Returns how far the border's mean color is from that of what is next to it."""
    distances = [
        np.abs(side[:BORDER].mean((0, 1)) - side[BORDER:NEXT].mean((0, 1))).mean()
        for side in sides(picture)
    ]
    return float(np.mean(distances))


def edge(picture: np.ndarray) -> float:
    """Returns the mean absolute step from the outermost pixels to the next."""
    return float(np.mean([np.abs(side[0] - side[1]).mean() for side in sides(picture)]))


def detail(picture: np.ndarray) -> float:
    """Returns how lively the border is along itself, relative to the whole picture."""
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
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--paddings", nargs="+", default=list(PADDINGS), choices=list(PADDINGS))
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()

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
