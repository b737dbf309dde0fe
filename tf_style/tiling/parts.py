"""Targets and measures of a picture, and what of them is a tile's: arrays in nests."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style.objective.targets import RegionTargets, Targets
from tf_style.tiling.maps import Maps
from tf_style.tiling.passes import Place


def devices() -> list[str]:
    """Returns the names of all GPUs, or of all CPUs.

    Raises:
        RuntimeError: if TensorFlow has one thread only for operations, as on a single core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (tf.config.threading.get_inter_op_parallelism_threads() or cores or 1) < 2:
        raise RuntimeError(
            "Tiles need two threads of TensorFlow: one waits for what the other computes. "
            "Received: one. Call tf.config.threading.set_inter_op_parallelism_threads(2) before it "
            "starts."
        )
    kinds = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
    return [device.name for device in next(filter(None, kinds))]


def by_share(means: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Returns means over a tile's own units of layers as their shares in the whole's, float64.

    Args:
        means: nests of numbers or arrays of any shape, by layer name.
        place: the tile's.
    """

    def shared(name: str, mean: Any) -> Any:
        share = place.share(name)
        return tf.nest.map_structure(lambda value: share * np.asarray(value, np.float64), mean)

    return {name: shared(name, mean) for name, mean in means.items()}


def add(total: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Adds nests by layer, of arrays of any shapes, to others of the same; in float64."""
    for name, values in part.items():
        values = tf.nest.map_structure(np.float64, values)
        total[name] = (
            tf.nest.map_structure(np.add, total[name], values) if name in total else values
        )


def own_targets(targets: Targets, kept: Maps) -> Callable[[Place], Targets]:
    """Returns a function from a tile's place to what its own units are to match.

    Args:
        targets: the whole image's, as arrays; what has positions is `[1, h, w, c]`, guides
            `[1, h, w, 1]`, h and w of the layer.
        kept: where they are: what is not a tile's may rest.
    """

    def of(place: Place) -> Targets:
        kept.rest()
        regions = tuple(
            RegionTargets(in_segment(region.style, place), own(region.guides, place), ())
            for region in targets.regions
        )
        return Targets(
            own(targets.content, place),
            in_segment(targets.style, place),
            regions,
            own(targets.content_guides, place),
        )

    return of


def in_segment(of_layers: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Returns what is of the layers of a tile's segment."""
    return {name: of_layers[name] for name in place.segment.layers if name in of_layers}


def own(maps: Mapping[str, np.ndarray], place: Place) -> dict[str, np.ndarray]:
    """Returns the parts that a tile owns of maps `[1, h, w, c]` by layer, without a copy."""
    return {name: each[place.at(name)] for name, each in in_segment(maps, place).items()}


def complete(targets: Targets) -> Targets:
    """Returns the targets without a None, which no nest of tensors holds."""
    regions = tuple(
        region if region.factor is not None else region._replace(factor=1.0)
        for region in targets.regions
    )
    return targets._replace(regions=regions)


def without_positions(targets: Targets) -> Targets:
    """Returns the targets without what has positions."""
    regions = tuple(region._replace(guides={}) for region in targets.regions)
    return Targets({}, targets.style, regions)


def arrays(nest: Any) -> Any:
    """Returns tensors as NumPy arrays; those in the host's memory are not copied."""
    return tf.nest.map_structure(np.asarray, nest)


def floats(nest: Any) -> Any:
    """Returns the arrays as float32."""
    return tf.nest.map_structure(np.float32, nest)
