"""The parts of targets and measures that belong to a tile, as nests of NumPy arrays.

Also sums the measures of tiles, and lists the devices that compute them.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.objective.targets import EDGES, RegionTargets, Targets
from tf_style.tiling.maps import Maps
from tf_style.tiling.passes import Place


def check_tileable(config: LossConfig) -> None:
    """Raises ValueError if a loss is not a sum over positions."""
    if config.untileable:
        raise ValueError(
            "`objective` must have losses that are sums over positions. Received: "
            f"{', '.join(config.untileable)}. Use other losses for large images."
        )


def devices() -> list[str]:
    """Returns the names of all GPUs; of all CPUs if there is no GPU.

    Raises:
        RuntimeError: if TensorFlow has only one thread for operations, as on a single core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (tf.config.threading.get_inter_op_parallelism_threads() or cores or 1) < 2:
        raise RuntimeError(
            "Tiles need two threads of TensorFlow: one waits for what the other computes. "
            "Received: one. Call tf.config.threading.set_inter_op_parallelism_threads(2) before "
            "TensorFlow starts."
        )
    kinds = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
    return [device.name for device in next(filter(None, kinds))]


def by_share(means: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Returns a tile's contributions to means over the whole maps, float64.

    Args:
        means: means over the units that the tile owns: nests of numbers or arrays of any shape, by
            layer name.
        place: of the tile.
    """

    def shared(name: str, mean: Any) -> Any:
        share = place.share(name)
        return tf.nest.map_structure(lambda value: share * np.asarray(value, np.float64), mean)

    return {name: shared(name, mean) for name, mean in means.items()}


def add(total: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Adds nests of arrays to `total`, in float64; both are by layer name."""
    for name, values in part.items():
        values = tf.nest.map_structure(np.float64, values)
        total[name] = (
            tf.nest.map_structure(np.add, total[name], values) if name in total else values
        )


def own_targets(targets: Targets, maps: Maps) -> Callable[[Place], Targets]:
    """Returns a function from the place of a tile to the targets of the units that it owns.

    Args:
        targets: of the whole image, as arrays: features `[1, h, w, c]`, guides `[1, h, w, 1]`, with
            the h and w of the layer.
        maps: the maps that hold the targets; their memory is released before each tile.
    """

    def targets_at(place: Place) -> Targets:
        maps.rest()
        regions = tuple(
            RegionTargets(in_segment(region.style, place), own(region.guides, place), ())
            for region in targets.regions
        )
        return Targets(
            own(targets.content, place),
            in_segment(targets.style, place),
            regions,
            own(targets.content_guides, place),
            targets.scales,
        )

    return targets_at


def in_segment(of_layers: Mapping[str, Any] | tuple[()], place: Place) -> dict[str, Any]:
    """Returns the entries for layers of the tile's segment."""
    layers = dict(of_layers)
    return {name: layers[name] for name in place.segment.layers if name in layers}


def own(maps: Mapping[str, np.ndarray] | tuple[()], place: Place) -> dict[str, np.ndarray]:
    """Returns the parts of maps `[1, h, w, c]` that a tile owns, by layer name, as views."""
    return {name: each[place.at(name)] for name, each in in_segment(maps, place).items()}


def complete(targets: Targets) -> Targets:
    """Returns the targets with 1 for each missing factor: nests of tensors cannot hold None."""
    regions = tuple(
        region if region.factor is not None else region._replace(factor=1.0)
        for region in targets.regions
    )
    return targets._replace(regions=regions)


def scale_by_rows(config: LossConfig, name: str, target: np.ndarray) -> float:
    """Returns `scales.content_scales` of one map, from sums over its rows in float64.

    Args:
        config: losses that tiles can add up.
        name: of the map.
        target: float32 `[1, h, w, c]`, in memory or on disk.
    """
    total = squares = 0.0
    for row in target[0]:
        row = row.astype(np.float64)
        total += row.sum()
        squares += np.square(row).sum()
    mean = 0.0 if name == EDGES else total / target.size
    variance = squares / target.size - mean**2
    is_sum = name != EDGES and config.content_reduction == "sum"
    return 0.5 * target.size * variance if is_sum else variance


def without_positions(targets: Targets) -> Targets:
    """Returns the targets without features and guides: only those without positions."""
    regions = tuple(region._replace(guides=()) for region in targets.regions)
    return Targets({}, targets.style, regions, scales=targets.scales)


def arrays(nest: Any) -> Any:
    """Returns a nest of tensors as NumPy arrays; tensors in the host's memory are not copied."""
    return tf.nest.map_structure(np.asarray, nest)


def floats(nest: Any) -> Any:
    """Returns a nest of arrays as float32."""
    return tf.nest.map_structure(np.float32, nest)
