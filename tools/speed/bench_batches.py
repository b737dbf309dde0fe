"""Pictures per hour, optimized together by `stylize_batch` and one after the other by `stylize`.

Run: python tools/speed/bench_batches.py [--edges=128,256,512] [--count=8] [PHOTO ...]
(10 minutes on two cores)

Photos are cropped to squares; without any, crops of the example photograph. The styles are the
example's and its mirror images. For each edge both ways run the default config in turns, after a
short run of each that traces the graphs. Each row shows the pictures per hour of both, their ratio,
and how far the results are apart: the largest ratio of losses, and the mean difference of the
pictures in levels of 255.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import tf_style

EXAMPLES = Path(__file__).parents[2] / "examples"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--edges", default="128,256,512", help="sides of the squares, px")
    parser.add_argument("--count", type=int, default=8, help="number of pictures")
    parser.add_argument("--precision", default="auto", help="as for tf_style")
    parser.add_argument("--rounds", type=int, default=2, help="the best one counts")
    options = parser.parse_args()
    photos = squares(options.photos or [EXAMPLES / "content.jpg"], options.count)
    styles = [mirrored(EXAMPLES / "style.jpg", number) for number in range(options.count)]
    print("edge  alone, pictures/h  together  ratio  loss ratio  levels apart", flush=True)
    for edge in map(int, options.edges.split(",")):
        config = tf_style.StyleConfig(size=edge, precision=options.precision)
        contents = [
            np.asarray(photo.resize((edge, edge), Image.Resampling.LANCZOS)) for photo in photos
        ]
        measure(edge, contents, styles, config, options.rounds)


def measure(
    edge: int,
    contents: Sequence[np.ndarray],
    styles: Sequence[np.ndarray],
    config: tf_style.StyleConfig,
    rounds: int,
) -> None:
    """Measures and prints a row."""

    def alone(config: tf_style.StyleConfig) -> list[tf_style.StyleResult]:
        pairs = zip(contents, styles, strict=True)
        return [tf_style.stylize(*pair, config=config) for pair in pairs]

    def together(config: tf_style.StyleConfig) -> list[tf_style.StyleResult]:
        return tf_style.stylize_batch(contents, styles, config=config)

    for function in (alone, together):
        function(config.replace(steps=1))
    seconds: dict[Callable, float] = {}
    results = {}
    for _ in range(rounds):
        for function in (alone, together):
            start = time.perf_counter()
            results[function] = function(config)
            taken = time.perf_counter() - start
            seconds[function] = min(taken, seconds.get(function, taken))
    pairs = list(zip(results[alone], results[together], strict=True))
    losses = max(max(a.loss / b.loss, b.loss / a.loss) for a, b in pairs)
    levels = np.mean([np.abs(a.pixels.astype(float) - b.pixels).mean() for a, b in pairs])
    per_hour = [3600.0 * len(contents) / seconds[function] for function in (alone, together)]
    ratio = per_hour[1] / per_hour[0]
    print(
        f"{edge:4}  {per_hour[0]:17.0f}  {per_hour[1]:8.0f}  {ratio:5.2f}  {losses:10.3f}"
        f"  {levels:12.1f}",
        flush=True,
    )


def squares(paths: Sequence[Path], count: int) -> list[Image.Image]:
    """Returns square crops of photographs; several of each if there are fewer than `count`."""
    made = []
    for number in range(count):
        with Image.open(paths[number % len(paths)]) as file:
            photo = file.convert("RGB")
        side = min(photo.size)
        share = (number // len(paths)) / max(1, (count - 1) // len(paths))
        left, top = (round(share * (length - side)) for length in photo.size)
        made.append(photo.crop((left, top, left + side, top + side)))
    return made


def mirrored(path: Path, number: int) -> np.ndarray:
    """Returns one of the eight mirror images and turns of a picture, uint8."""
    with Image.open(path) as file:
        pixels = np.rot90(np.asarray(file.convert("RGB")), number % 4)
    return pixels[:, ::-1] if number % 8 >= 4 else pixels


if __name__ == "__main__":
    main()
