"""Makes a style network narrower, and so faster: it keeps the filters that matter most.

Run: python tools/speed/narrow_network.py NETWORK OUTPUT PHOTO... [--edge_filters=16]
         [--inner_filters=32]   (half a minute)

Filters are taken away between two convolutions: those at half of the sides, and those inside the
residual blocks. Those are kept whose part in the second convolution's result is largest, and its
kernel is fitted anew, by least squares, to give the same result without the others (He et al.,
2017, Channel pruning for accelerating very deep neural networks; differs: the filters are chosen
by their energy). Photographs and the network's styles meet in turn. The narrow network paints
roughly as before; go on from it with `tf_style train --init_network=OUTPUT`.
"""

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_style.cli import process
from tf_style.feedforward.architecture import Architecture
from tf_style.feedforward.bundled import named_network
from tf_style.feedforward.network_file import StyleNetwork, write_network

RIDGE = 1e-3
"""What is added to the fit's diagonal, as a share of its mean."""

LONG_EDGE = 512
"""Longer edge of the photographs, px."""

POSITIONS = 4096
"""Positions of each photograph that are fitted to."""


class Pair(NamedTuple):
    """Two convolutions, the second of which takes what the first one gives.

    Attributes:
        first: name of the first.
        second: name of the second.
        kept: filters that are kept between them.
    """

    first: str
    second: str
    kept: int


def pairs_of(architecture: Architecture, edge_filters: int, inner_filters: int) -> list[Pair]:
    """Returns the pairs of convolutions between which filters are taken away."""
    blocks = [
        Pair(f"block{block}_conv1", f"block{block}_conv2", inner_filters)
        for block in range(1, architecture.blocks + 1)
    ]
    return [
        Pair("shrink1", "shrink2", edge_filters),
        *blocks,
        Pair("enlarge1", "enlarge2", edge_filters),
    ]


def taken(
    network: StyleNetwork, photograph: np.ndarray, style: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    """Returns what each convolution takes, `[1, h, w, filters]`, by its name; and the picture.

    Features are enlarged before the convolutions that enlarge. The picture is that of
    `painting.paint_padded`, whose pass keeps no features.
    """
    import tensorflow as tf

    from tf_style.feedforward.painting import network_input, padded, split_styles

    scales, shifts = split_styles(network.architecture, tf.constant(style)[tf.newaxis])
    inputs: dict[str, Any] = {}

    def convolved(features: Any, name: str, stride: int = 1) -> Any:
        inputs[name] = features
        return tf.nn.conv2d(features, network.parameters[name], stride, "SAME")

    def normalized(features: Any, name: str, stride: int = 1) -> Any:
        features = convolved(features, name, stride)
        mean, variance = tf.nn.moments(features, [1, 2], keepdims=True)
        return (features - mean) * tf.math.rsqrt(variance + 1e-5) * scales[name] + shifts[name]

    def enlarged(features: Any, method: str) -> Any:
        return tf.image.resize(features, 2 * tf.shape(features)[1:3], method)

    features = padded(network_input(network.architecture, tf.constant(photograph))) - 0.5
    features = tf.nn.relu(normalized(features, "shrink1", 2))
    features = tf.nn.relu(normalized(features, "shrink2", 2))
    for block in range(1, network.architecture.blocks + 1):
        inner = tf.nn.relu(normalized(features, f"block{block}_conv1"))
        features += normalized(inner, f"block{block}_conv2")
    features = tf.nn.relu(normalized(enlarged(features, "nearest"), "enlarge1"))
    logits = convolved(enlarged(features, "bilinear"), "enlarge2")
    return inputs, tf.sigmoid(logits + network.parameters["bias"]).numpy()


def patches_of(features: Any, rng: np.random.Generator) -> np.ndarray:
    """Returns what a 3x3 kernel sees at random positions, float64 `[positions, 9, filters]`."""
    values = features.numpy()[0]
    tops = rng.integers(0, values.shape[0] - 2, POSITIONS)
    lefts = rng.integers(0, values.shape[1] - 2, POSITIONS)
    seen = [values[tops + down, lefts + right] for down in range(3) for right in range(3)]
    return np.stack(seen, 1).astype(np.float64)


def narrowed_kernel(
    kernel: np.ndarray, patches: np.ndarray, kept: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns the filters that are kept, the new kernel of the second convolution, and its error.

    Args:
        kernel: float `[3, 3, in, filters]`.
        patches: from `patches_of`, of all photographs.
        kept: how many of the filters that the kernel takes are kept.

    Returns:
        Indices `[kept]` in rising order, float32 `[3, 3, kept, filters]`, and the energy of the
        difference from the result before, relative to its variance.
    """
    patches = patches - patches.mean(0)  # A constant is normalized away, or part of the bias.
    taps = kernel.reshape(9, *kernel.shape[2:]).astype(np.float64)
    wanted = np.einsum("ntc,tcf->nf", patches, taps)
    energy = np.mean(patches**2, (0, 1)) * np.sum(taps**2, (0, 2))
    filters = np.sort(np.argsort(energy)[::-1][:kept])
    rows = patches[:, :, filters].reshape(len(patches), -1)
    square = rows.T @ rows
    square += RIDGE * np.trace(square) / len(square) * np.eye(len(square))
    found = np.linalg.solve(square, rows.T @ wanted)
    error = np.sum((rows @ found - wanted) ** 2) / np.sum(wanted**2)
    shape = 3, 3, kept, kernel.shape[-1]
    return filters, found.reshape(shape).astype(np.float32), float(error)


def places_in_style(architecture: Architecture, kept: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the indices of what stays of a style: scales and shifts of the filters kept."""
    places, start = [], 0
    for name, filters in architecture.normalized.items():
        own = kept.get(name, np.arange(filters))
        places += [start + own, start + filters + own]
        start += 2 * filters
    return np.concatenate(places)


def narrowed(
    network: StyleNetwork,
    photographs: list[np.ndarray],
    edge_filters: int,
    inner_filters: int,
    notify: Callable[[str], None] = print,
) -> StyleNetwork:
    """Returns the narrow network; calls `notify` with a line for each pair of convolutions.

    Raises:
        ValueError: if the network has no style, or fewer filters than are to be kept.
    """
    wide = network.architecture
    for name, kept_filters in (("edge_filters", edge_filters), ("inner_filters", inner_filters)):
        if not 1 <= kept_filters <= getattr(wide, name):
            raise ValueError(
                f"`{name}` must be within 1..{getattr(wide, name)}, which the network has. "
                f"Received: {name}={kept_filters}."
            )
    if not network.styles:
        raise ValueError("`network` must have at least one style. Received: none.")
    rng, styles = np.random.default_rng(0), list(network.styles.values())
    pairs = pairs_of(wide, edge_filters, inner_filters)
    patches: dict[str, list[np.ndarray]] = {pair.second: [] for pair in pairs}
    for number, photograph in enumerate(photographs):
        inputs, _ = taken(network, photograph, styles[number % len(styles)])
        for name, found in patches.items():
            found.append(patches_of(inputs[name], rng))
    parameters, kept = dict(network.parameters), {}
    for pair in pairs:
        seen = np.concatenate(patches[pair.second])
        filters, kernel, error = narrowed_kernel(parameters[pair.second], seen, pair.kept)
        kept[pair.first] = filters
        if pair.second == "enlarge2":  # No normalization takes away what the mean has lost.
            mean = seen.mean(0).reshape(3, 3, -1)
            parameters["bias"] = parameters["bias"] + np.float32(
                np.tensordot(mean, parameters[pair.second], 3)
                - np.tensordot(mean[..., filters], kernel, 3)
            )
        parameters[pair.first] = parameters[pair.first][..., filters]
        parameters[pair.second] = kernel
        notify(f"{pair.first}: {len(filters)} filters stay, {error:.1%} of {pair.second} is lost")
    places = places_in_style(wide, kept)
    for name in ("predictor2", "predictor2_bias"):
        parameters[name] = parameters[name][..., places]
    return StyleNetwork(
        dataclasses.replace(wide, edge_filters=edge_filters, inner_filters=inner_filters),
        parameters,
        {name: style[places] for name, style in network.styles.items()},
        {**network.about, "narrowed": {"edge": edge_filters, "inner": inner_filters}},
    )


def main() -> None:
    """Writes the narrow network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", help="a .tfstyle file, or 'default'")
    parser.add_argument("output", type=Path, help="a .tfstyle file")
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--edge_filters", type=int, default=16)
    parser.add_argument("--inner_filters", type=int, default=32)
    options = parser.parse_args()
    process.set_environment()
    from tf_style.images.reading import over_white, read_picture

    network = named_network(options.network)
    photographs = [
        over_white(read_picture(path, argument="photo", long_edge=LONG_EDGE))
        for path in options.photos
    ]
    try:
        narrow = narrowed(network, photographs, options.edge_filters, options.inner_filters)
    except ValueError as error:
        parser.error(str(error))
    write_network(options.output, narrow)
    print(f"Wrote {options.output}")


if __name__ == "__main__":
    main()
