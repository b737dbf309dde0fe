"""Finds regions that content and styles have in common, from features. No TensorFlow here.

The positions of all pictures are clustered together by their features. A cluster is one kind of
place, such as sky or foliage, in every picture that has it. Each kind of place in the content then
takes its style from places of the same kind.
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
"""Layers whose features separate regions well, judged by eye: docs/notes/images.md."""

LONG_EDGE = 256
"""Larger pictures are reduced to this longer edge, px, so that a feature sees more of them."""

SMALLEST_SIDE = vgg19.minimum_side(LAYERS, "reflect_all")
"""Fewest px that a picture may have on each side."""

SMALLEST_SHARE = 0.05
"""Share of a picture's positions below which a region counts as absent."""

_RESTARTS, _ROUNDS = 8, 100
_ALIKE = 1e-3  # Features closer to their mean than this share of its length count as the mean.
_FILTERED = 1024  # Longest edge at which the guided filter refines masks, px.
_EPSILON = 1e-3  # Of the guided filter: it smooths over color differences below 0.03.


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
        extractor: maps an image to features, float `[1, h, w, c]`, by layer name, as
            `load_extractor(layers=LAYERS)` does; all its layers count equally.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        styles: float32 `[1, h, w, 3]`, RGB 0..1, at least one, each of its own size.
        num_regions: number of regions to look for, 1..16; fewer are returned if the pictures
            have fewer in common.
        seed: seed of the random starts of k-means.
        blend: weights of the styles, at least 0, not all 0; their sum does not matter.

    Returns:
        Regions by their share of the content, the largest first. In each picture the masks add
        up to 1 everywhere. The blend of a region is 0 for styles that do not have it.

    Raises:
        ValueError: if `num_regions` is out of range, or if `blend` does not have one weight for
            each style or has no weight above 0.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 4,
        for regions with their own styles; Arthur & Vassilvitskii (2007), k-means++. Differs:
        masks come from clusters of features, while the paper paints them by hand; and features
        are taken relative to each picture's mean, so that a photograph and a painting share
        clusters. Therefore even a picture with only one kind of place is divided.
    """
    check_number("num_regions", num_regions, minimum=1, maximum=MAX_REGIONS)
    if len(blend) != len(styles) or not sum(blend) > 0.0:
        raise ValueError(
            "`blend` must have one weight for each style, and one above 0. Received: "
            f"blend={tuple(blend)} for {len(styles)} styles."
        )
    pictures = [content, *styles]
    grids = [_positions(extractor, picture) for picture in pictures]
    sizes = [positions.shape[:2] for positions, _ in grids]
    rows = [positions.reshape(-1, positions.shape[-1]) for positions, _ in grids]
    labels, centers = clusters(np.concatenate(rows), num_regions, seed=seed)
    own = np.split(labels, np.cumsum([len(each) for each in rows])[:-1])

    shares = np.stack([np.bincount(each, minlength=len(centers)) / len(each) for each in own])
    counts = np.array([1.0, *(float(weight > 0.0) for weight in blend)])[:, np.newaxis]
    present = shares * counts >= SMALLEST_SHARE
    common = present[0] & present[1:].any(0)
    if not common.any():  # Then the whole picture is the one common region.
        common = np.arange(len(centers)) == np.argmax(shares[0])
    target = nearest_of(centers, common)
    merged = [target[each] for each in own]
    kept, size = np.unique(merged[0], return_counts=True)
    kept = kept[np.argsort(-size, kind="stable")]

    masks = []
    for picture, grid, each, (_, cell) in zip(pictures, sizes, merged, grids, strict=True):
        hard = (each[:, np.newaxis] == kept).astype(np.float32)
        masks.append(_enlarged(hard.reshape(1, *grid, len(kept)), picture, cell))
    has = np.stack([np.isin(kept, each[_is_present(each)]) for each in merged[1:]], -1)
    weights = np.where(has, np.asarray(blend, np.float64), 0.0)
    weights /= weights.sum(1, keepdims=True)
    strengths = np.ones(len(kept), np.float32)
    return Regions(masks[0], tuple(masks[1:]), weights.astype(np.float32), strengths)


def _is_present(labels: np.ndarray) -> np.ndarray:
    """Returns for each position whether its cluster has at least `SMALLEST_SHARE` of them."""
    shares = np.bincount(labels) / len(labels)
    return shares[labels] >= SMALLEST_SHARE


def nearest_of(centers: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Returns for each center the index of the nearest chosen center, which may be itself.

    Args:
        centers: float `[k, c]`.
        chosen: bool `[k]`, at least one True.
    """
    distances = np.square(centers[:, np.newaxis] - centers).sum(-1)
    return np.argmin(np.where(chosen, distances, np.inf), axis=1)


def clusters(rows: np.ndarray, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best of several runs of k-means, each initialized by k-means++.

    Args:
        rows: float32 `[n, c]`.
        count: number of clusters; fewer are returned if there are fewer distinct rows.
        seed: seed of the initializations; the same seed gives the same clusters.

    Returns:
        The cluster of each row, int `[n]`, and the means of the clusters, float32 `[k, c]`.
    """
    rng = np.random.default_rng(seed)
    runs = [_lloyd(rows, _spread(rows, count, rng)) for _ in range(_RESTARTS)]
    _, labels, centers = min(runs, key=lambda run: run[0])
    return labels, centers


def _spread(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns initial centers: rows drawn by their squared distance to those already drawn."""
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
    """Returns the mean squared distance, the labels and the centers after convergence."""
    lengths = np.square(rows).sum(1)
    labels = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        distances = np.square(centers).sum(1) - rows @ (2.0 * centers.T)
        before, labels = labels, np.argmin(distances, axis=1)
        if np.array_equal(before, labels):
            break
        members = np.eye(len(centers), dtype=np.float32)[labels]
        sizes = members.sum(0)[:, np.newaxis]
        # A center without rows stays where it is.
        centers = np.where(sizes > 0, members.T @ rows / np.maximum(sizes, 1.0), centers)
    closest = np.take_along_axis(distances, labels[:, np.newaxis], 1)[:, 0]
    return float(np.mean(closest + lengths, dtype=np.float64)), labels, centers


def _positions(extractor: Callable, picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns features at each position of a grid, and the side of a grid cell in px.

    The features of all layers, each normalized to length 1, float32 `[h, w, c]`, on the grid of the
    deepest layer. The mean over the picture is subtracted first: it separates paintings from
    photographs, not places from each other, and dominates the distance between the two.
    """
    size = picture.shape[1:3]
    long_edge = max(LONG_EDGE, -(-SMALLEST_SIDE * max(size) // min(size)))
    if max(size) > long_edge:
        picture = resizing.resize(picture, resizing.fit(size, long_edge))
    features = {name: np.asarray(each)[0] for name, each in extractor(picture).items()}
    strides = {name: vgg19.minimum_side([name]) for name in features}
    coarsest = max(strides.values())
    height, width = (side // coarsest for side in picture.shape[1:3])
    normalized = []
    for name, each in features.items():
        side = coarsest // strides[name]
        blocks = each[: height * side, : width * side].reshape(height, side, width, side, -1)
        means = blocks.mean((1, 3))
        middle = means.mean((0, 1))
        means = means - middle
        length = np.linalg.norm(means, axis=-1, keepdims=True)
        differs = length > _ALIKE * np.linalg.norm(middle)
        normalized.append(np.where(differs, means / np.maximum(length, 1e-12), 0.0))
    return np.concatenate(normalized, -1), coarsest * max(size) / max(picture.shape[1:3])


def _enlarged(masks: np.ndarray, picture: np.ndarray, cell: float) -> np.ndarray:
    """Returns the masks of a grid at the picture's size, soft over one cell, with sum 1.

    Args:
        masks: float32 `[1, h, w, regions]`, 0 or 1.
        picture: float32 `[1, H, W, 3]`, RGB 0..1; the masks follow its edges.
        cell: side of a grid cell, px.
    """
    size = picture.shape[1:3]
    if max(size) > _FILTERED:  # The filter needs a kilobyte per pixel.
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
    """Returns weights of linear interpolation from cell centers, float32 `[length, places]`.

    Cells lie side by side from the first px; px left over at the end belong to the last cell.
    """
    where = np.clip((np.arange(length) + 0.5) / cell - 0.5, 0.0, places - 1.0)
    distances = np.abs(where[:, np.newaxis] - np.arange(places))
    return np.maximum(0.0, 1.0 - distances).astype(np.float32)
