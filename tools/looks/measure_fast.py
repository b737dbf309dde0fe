"""Measures style networks against the optimizer, at equal distance from the photograph.

Run: python tools/looks/measure_fast.py --photos PHOTO... --paintings PAINTING... --cache=FOLDER
         [--networks default OTHER.tfstyle...] [--size=256] [--weights 0.1 0.25 0.5 1 2]
         [--pairs=10] [--plot=FILE] [--curve=FILE]
(30 seconds for each pair at 256 px on two cores, at the first time: FOLDER keeps what the optimizer
painted, which is the same for all networks)

Paintings are files with the names of the networks' styles, or NAME=FILE. They meet the photographs
in turn. The optimizer paints each pair with Gram matrices and each content weight, from coarse to
fine; its style distance at the network's content distance is interpolated between them.
Where no weight came as near or as far, it is that of the nearest, marked "*". With `--weights`
alone, without a number, only the networks are measured, and FOLDER stays empty. Distances are
relative: content is 1 for a picture of one color; style is the mean over the layers of
|G - A|^2 / |A|^2. Prints for each network a row for each style with the means, and the ratio of the
style distances; then the means in each layer, of the networks and of the optimizer. `--plot` draws
both distances of each pair of the last network, `--curve` the mean distances of all networks
against the minutes of their trainings (both need matplotlib).
"""

import argparse
import hashlib
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from relative_distances import (
    STYLE_EDGE,
    Distance,
    Measure,
    Painter,
    distance_of,
    losses_measured,
    mean_of,
    picture_of,
)

from tf_style.cli import process
from tf_style.feedforward.bundled import named_network
from tf_style.training.preparation import named_paintings

WEIGHTS = (0.1, 0.25, 0.5, 1.0, 2.0)


class Pair(NamedTuple):
    """What was measured of a photograph and a style.

    Attributes:
        name: of the style.
        network: distance of the network's picture.
        optimizer: distances of the optimizer's pictures, for each content weight.
    """

    name: str
    network: Distance
    optimizer: list[Distance]

    @property
    def at_equal_content(self) -> tuple[float, bool]:
        """The optimizer's style distance at the network's content, and whether it is known."""
        return at_content(self.optimizer, self.network.content)


def at_content(distances: list[Distance], content: float) -> tuple[float, bool]:
    """Returns the style distance at a content distance, and whether it lies between measured ones.

    Style distances are interpolated linearly in the content distance.
    """
    contents, styles = np.array(sorted(distances)).T
    is_inside = contents[0] <= content <= contents[-1]
    return float(np.interp(content, contents, styles)), bool(is_inside)


def optimized(photo: Path, painting: Path, weight: float, size: int, cache: Path) -> np.ndarray:
    """Returns the optimizer's picture, float32 `[1, h, w, 3]`, painted or from the cache."""
    import tf_style

    losses = {**losses_measured(), "content_weight": weight}
    given = photo.read_bytes() + painting.read_bytes() + repr(losses).encode()
    mark = hashlib.sha256(given).hexdigest()[:12]
    place = cache / f"{photo.stem}_{painting.stem}_{size}_{weight:g}_{mark}.png"
    if not place.exists():
        config = tf_style.StyleConfig().replace(size=size, style_size=STYLE_EDGE, **losses)
        tf_style.stylize(photo, painting, config=config).save(place)
    return picture_of(place, size)


def row(name: str, pairs: list[Pair]) -> str:
    """Returns the row of a style, or of all."""
    network = mean_of([pair.network for pair in pairs])
    if not pairs[0].optimizer:
        return f"{name} | {network.content:.3f} | {network.style:.4f}"
    found = [pair.at_equal_content for pair in pairs]
    style = float(np.mean([value for value, _ in found]))
    mark = "" if all(is_inside for _, is_inside in found) else "*"
    return (
        f"{name} | {network.content:.3f} | {network.style:.4f} | {style:.4f}{mark} | "
        f"{network.style / style:.2f}"
    )


def pyplot() -> Any:
    """Returns matplotlib's plots, without a screen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def plot(pairs: list[Pair], path: Path) -> None:
    """Draws the distances of all pairs."""
    figure, axes = pyplot().subplots(figsize=(7, 5))
    for number, pair in enumerate(pairs):
        color = f"C{number % 10}"
        axes.plot(*np.array(sorted(pair.optimizer)).T, ".-", color=color, linewidth=0.8)
        axes.plot(*pair.network, "x", color=color, label=pair.name)
    axes.set(xlabel="content distance", ylabel="style distance", yscale="log")
    axes.legend(title="x: network", fontsize=7)
    figure.savefig(path, dpi=120)


def draw_curve(minutes: list[float], means: list[Distance], path: Path) -> None:
    """Draws the mean distances of networks against the minutes that they were trained."""
    order = np.argsort(minutes)
    figure, axes = pyplot().subplots(figsize=(7, 4))
    for name, values in zip(Distance._fields, np.array(means)[order].T, strict=True):
        axes.plot(np.array(minutes)[order], values, "o-", label=name)
    axes.set(xlabel="minutes of training", ylabel="mean relative distance", ylim=(0.0, None))
    axes.set_xlim(0.0, None)
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", nargs="+", required=True, help="files, or NAME=FILE")
    parser.add_argument("--cache", type=Path, required=True, help="folder for pictures")
    parser.add_argument(
        "--networks", nargs="+", default=["default"], help=".tfstyle files, or 'default'"
    )
    parser.add_argument("--size", type=int, default=256, help="longer edge of photographs, px")
    parser.add_argument("--weights", type=float, nargs="*", default=WEIGHTS, help="of the content")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--plot", type=Path, help="picture file")
    parser.add_argument("--curve", type=Path, help="picture file")
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    networks = [named_network(name) for name in options.networks]
    try:
        files = {name: Path(file) for name, file in named_paintings(options.paintings).items()}
    except ValueError as error:
        parser.error(str(error))
    if options.plot or options.curve:
        pyplot()  # An error now, not after the measurements.
    for place, network in zip(options.networks, networks, strict=True):
        if options.curve and "seconds" not in network.about:
            parser.error(f"--curve needs networks that tell their time of training, not {place}")
        if unknown := [name for name in files if name not in network.styles]:
            parser.error(
                f"--paintings must be of the styles of {place}: {', '.join(network.styles)}. "
                f"Received: {unknown}. Write NAME=FILE."
            )
    options.cache.mkdir(parents=True, exist_ok=True)
    measure, painters = Measure(), [Painter(network) for network in networks]
    pairs: list[list[Pair]] = [[] for _ in networks]
    by_layer: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number in range(options.pairs):
        photo = options.photos[number % len(options.photos)]
        name = list(files)[(number + number // len(options.photos)) % len(files)]
        photograph = picture_of(photo, options.size)
        targets = measure.targets(photograph, picture_of(files[name], STYLE_EDGE))
        size = max(photograph.shape[1:3])
        distances = []
        for weight in options.weights:
            picture = optimized(photo, files[name], weight, size, options.cache)
            found = measure.by_layer(picture, targets)
            distances.append(distance_of(found))
            by_layer[f"optimizer, content weight {weight:g}"].append(found.style)
        for place, network, painter, own in zip(
            options.networks, networks, painters, pairs, strict=True
        ):
            found = measure.by_layer(painter(photograph, network.styles[name]), targets)
            own.append(Pair(name, distance_of(found), distances))
            by_layer[place].append(found.style)
        rows = [row(name, own[-1:]) for own in pairs]
        others = ", ".join(f"{each.content:.3f} {each.style:.4f}" for each in distances)
        print(f"{photo.stem}: {'; '.join(rows)}; optimizer {others}", file=sys.stderr)
    columns = ["style", "content", "style, network"]
    print(" | ".join([*columns, *(["style, optimizer", "ratio"] if options.weights else [])]))
    for place, own in zip(options.networks, pairs, strict=True):
        print(f"{place}:")
        for name in dict.fromkeys(pair.name for pair in own):
            print(row(name, [pair for pair in own if pair.name == name]))
        print(row("all", own))
    print(" | ".join(["style distance", *by_layer[options.networks[0]][0]]))
    for who, layers in by_layer.items():
        means = np.mean([list(each.values()) for each in layers], 0)
        print(" | ".join([who, *(f"{mean:.3f}" for mean in means)]))
    if options.plot:
        plot(pairs[-1], options.plot)
    if options.curve:
        minutes = [float(network.about["seconds"]) / 60.0 for network in networks]
        means = [mean_of([pair.network for pair in own]) for own in pairs]
        draw_curve(minutes, means, options.curve)


if __name__ == "__main__":
    main()
