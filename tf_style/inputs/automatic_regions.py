"""Regions of content and styles found together, by what the network sees. No TensorFlow here.

The positions of all pictures are clustered at once by their features, so that a cluster is a
kind of place, sky or foliage, in each picture that has it; and what is a kind of place in
the content takes its style from places of that kind.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tf_style import vgg19
from tf_style._checks import check_number
from tf_style.config.control import MAX_REGIONS
from tf_style.images import resizing
from tf_style.images.guided_filter import guided_filter
from tf_style.inputs.masks import Regions

LAYERS = ("block4_conv2",)
"""Layers whose features tell regions apart well; looked at: BUILD_NOTES.md."""

LONG_EDGE = 256
"""Larger pictures are made smaller for the network, px, which sees more of them then."""

SMALLEST_SIDE = vgg19.minimum_side(LAYERS, "reflect_all")
"""A picture must have so many px on each side."""

SMALLEST_SHARE = 0.05
"""Of a picture's positions: a region below it is not there."""

_RESTARTS, _ROUNDS = 8, 100
_ALIKE = 1e-3  # Features nearer to their mean than this share of it are no kind of their own.
_FILTERED = 1024  # Longer edge within which masks are brought to a picture's edges, px.
_EPSILON = 1e-3  # Of the guided filter: colors that differ by less than 0.03 are one.


def automatic_regions(
    extractor: Callable[[np.ndarray], Mapping[str, Any]],
    content: np.ndarray,
    styles: Sequence[np.ndarray],
    *,
    num_regions: int,
    seed: int,
    blend: Sequence[float],
) -> Regions:
    """Returns the regions that content and styles have in common.

    Args:
        extractor: gives features, float `[1, h, w, c]`, by layer name, as `load_extractor(layers=
            LAYERS)`; every layer that it gives counts alike.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        styles: likewise, at least one, each of its own size.
        num_regions: to look for, 1..16; where pictures have less in common, fewer are returned.
        seed: of where the search begins.
        blend: weights of the styles, at least 0, not all 0; their sum does not matter.

    Returns:
        Regions in the order of their share of the content, the largest first. In each picture the
        masks' sum is 1 everywhere. A region's blend leaves out the styles without it.

    Raises:
        ValueError: if `num_regions` is out of range, or `blend` has another length than `styles` or
            no weight above 0.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 4,
        for regions with styles of their own; Arthur & Vassilvitskii (2007), k-means++. Differs:
        masks come from clusters of features, where they are painted by hand in the paper; and
        features are taken relative to each picture's mean, so that a photograph and a painting
        have clusters in common. A picture of one kind of place only is therefore divided too.
    """
    check_number("num_regions", num_regions, minimum=1, maximum=MAX_REGIONS)
    if len(blend) != len(styles) or not sum(blend) > 0.0:
        raise ValueError(
            "`blend` must have one weight for each style, one above 0. Received: "
            f"blend={tuple(blend)} for {len(styles)} styles."
        )
    pictures = [content, *styles]
    found = [_positions(extractor, picture) for picture in pictures]
    sizes = [positions.shape[:2] for positions, _ in found]
    rows = [positions.reshape(-1, positions.shape[-1]) for positions, _ in found]
    labels, centers = clusters(np.concatenate(rows), num_regions, seed=seed)
    own = np.split(labels, np.cumsum([len(each) for each in rows])[:-1])

    shares = np.stack([np.bincount(each, minlength=len(centers)) / len(each) for each in own])
    counts = np.array([1.0, *(float(weight > 0.0) for weight in blend)])[:, np.newaxis]
    present = shares * counts >= SMALLEST_SHARE
    common = present[0] & present[1:].any(0)
    if not common.any():  # One region is always in common: the whole.
        common = np.arange(len(centers)) == np.argmax(shares[0])
    target = nearest_of(centers, common)
    merged = [target[each] for each in own]
    kept, size = np.unique(merged[0], return_counts=True)
    kept = kept[np.argsort(-size, kind="stable")]

    masks = []
    for picture, grid, each, (_, cell) in zip(pictures, sizes, merged, found, strict=True):
        hard = (each[:, np.newaxis] == kept).astype(np.float32)
        masks.append(_enlarged(hard.reshape(1, *grid, len(kept)), picture, cell))
    has = np.stack([np.isin(kept, each[_is_there(each)]) for each in merged[1:]], -1)
    weights = np.where(has, np.asarray(blend, np.float64), 0.0)
    weights /= weights.sum(1, keepdims=True)
    strengths = np.ones(len(kept), np.float32)
    return Regions(masks[0], tuple(masks[1:]), weights.astype(np.float32), strengths)


def _is_there(labels: np.ndarray) -> np.ndarray:
    """Returns for each position whether its cluster has a share worth the name."""
    shares = np.bincount(labels) / len(labels)
    return shares[labels] >= SMALLEST_SHARE


def nearest_of(centers: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Returns for each center the index of the nearest chosen one: a chosen one's is its own.

    Args:
        centers: float `[k, c]`.
        chosen: bool `[k]`, at least one true.
    """
    distances = np.square(centers[:, np.newaxis] - centers).sum(-1)
    return np.argmin(np.where(chosen, distances, np.inf), axis=1)


def clusters(rows: np.ndarray, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best of several runs of k-means, each begun by k-means++.

    Args:
        rows: float32 `[n, c]`.
        count: of clusters; fewer are returned if there are fewer different rows.
        seed: the same gives the same.

    Returns:
        Int `[n]`, the cluster of each row, and float32 `[k, c]`, the clusters' means.
    """
    rng = np.random.default_rng(seed)
    runs = [_lloyd(rows, _spread(rows, count, rng)) for _ in range(_RESTARTS)]
    _, labels, centers = min(runs, key=lambda run: run[0])
    return labels, centers


def _spread(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns rows to begin from, each drawn by its squared distance to those before it."""
    chosen = [int(rng.integers(len(rows)))]
    distances = np.full(len(rows), np.inf)
    while len(chosen) < count:
        latest = np.square(rows - rows[chosen[-1]]).sum(1, dtype=np.float64)
        distances = np.minimum(distances, latest)
        if not distances.sum() > 0.0:
            break
        chosen.append(int(rng.choice(len(rows), p=distances / distances.sum())))
    return rows[chosen]


def _lloyd(rows: np.ndarray, centers: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Returns the mean squared distance, the labels and the centers when nothing changes more."""
    lengths = np.square(rows).sum(1)
    labels = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        distances = np.square(centers).sum(1) - rows @ (2.0 * centers.T)
        before, labels = labels, np.argmin(distances, axis=1)
        if np.array_equal(before, labels):
            break
        members = np.eye(len(centers), dtype=np.float32)[labels]
        sizes = members.sum(0)[:, np.newaxis]
        # A center that has lost all its rows stays where it is.
        centers = np.where(sizes > 0, members.T @ rows / np.maximum(sizes, 1.0), centers)
    closest = np.take_along_axis(distances, labels[:, np.newaxis], 1)[:, 0]
    return float(np.mean(closest + lengths, dtype=np.float64)), labels, centers


def _positions(extractor: Callable, picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns what the network sees in each place, and how many of the picture's px a place is.

    Features of all layers, each of length 1, float32 `[h, w, c]` with the deepest layer's places.
    Their mean in the picture is taken off first: what tells all of a painting from all of
    a photograph says nothing of what is where, and is most of the distance between the two.
    """
    size = picture.shape[1:3]
    long_edge = max(LONG_EDGE, -(-SMALLEST_SIDE * max(size) // min(size)))
    if max(size) > long_edge:
        picture = resizing.resize(picture, resizing.fit(size, long_edge))
    features = {name: np.asarray(each)[0] for name, each in extractor(picture).items()}
    strides = {name: vgg19.minimum_side([name]) for name in features}
    coarsest = max(strides.values())
    height, width = (side // coarsest for side in picture.shape[1:3])
    found = []
    for name, each in features.items():
        side = coarsest // strides[name]
        blocks = each[: height * side, : width * side].reshape(height, side, width, side, -1)
        means = blocks.mean((1, 3))
        middle = means.mean((0, 1))
        means = means - middle
        length = np.linalg.norm(means, axis=-1, keepdims=True)
        differs = length > _ALIKE * np.linalg.norm(middle)
        found.append(np.where(differs, means / np.maximum(length, 1e-12), 0.0))
    return np.concatenate(found, -1), coarsest * max(size) / max(picture.shape[1:3])


def _enlarged(masks: np.ndarray, picture: np.ndarray, cell: float) -> np.ndarray:
    """Returns masks of a grid's places as masks of the picture, soft over a place, of sum 1.

    Args:
        masks: float32 `[1, h, w, regions]`, 0 or 1.
        picture: float32 `[1, H, W, 3]`, 0..1, whose edges the masks follow.
        cell: a place's side, px.
    """
    size = picture.shape[1:3]
    if max(size) > _FILTERED:  # The filter takes a kilobyte for each pixel.
        cell *= _FILTERED / max(size)
        picture = resizing.resize(picture, resizing.fit(size, _FILTERED))
    rows, columns = (
        _tents(length, places, cell)
        for length, places in zip(picture.shape[1:3], masks.shape[1:3], strict=True)
    )
    soft = np.einsum("yh,hwr,xw->yxr", rows, masks[0], columns, optimize=True)[np.newaxis]
    soft = guided_filter(soft, picture, radius=max(1, round(cell)), epsilon=_EPSILON)
    soft = resizing.resize(soft.astype(np.float32), size)
    soft = np.clip(soft, 0.0, 1.0)
    return (soft / soft.sum(-1, keepdims=True)).astype(np.float32)


def _tents(length: int, places: int, cell: float) -> np.ndarray:
    """Returns float32 `[length, places]`, linear interpolation from the places' centers.

    Places lie side by side from the first px; what is left over at the end is the last one's.
    """
    where = np.clip((np.arange(length) + 0.5) / cell - 0.5, 0.0, places - 1.0)
    distances = np.abs(where[:, np.newaxis] - np.arange(places))
    return np.maximum(0.0, 1.0 - distances).astype(np.float32)
