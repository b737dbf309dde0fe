"""The forward and backward pass of one tile through a segment, as graphs for tiles of all sizes.

The backward pass computes only the first layers of a segment again: up to the last one whose large
feature map enters the losses, or whose padding is not zeros. For all layers after them it uses what
the forward pass stored: one bit for each unit, whether ReLU let it pass, which is all that the
gradient needs, and the units that enter the losses.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style._keras import keras
from tf_style.graphs.rounding import unrounded
from tf_style.graphs.tracing import for_all_sizes
from tf_style.network.keras_layers import MirrorPadding
from tf_style.tiling.tiles import Segment, Span

Features = dict[str, tf.Tensor]

_LARGE = vgg19.up_to(["block3_conv1"])
"""Layers computed again if they enter the losses, as storing their units would cost more."""

_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)
"""The 8 bits of each byte, float32 `[256, 8]`."""

Own = tuple[Span, Span]
"""Rows and columns of a tile's own units; in graphs their fields are int32 scalars."""

Extract = Callable[[Features, Any], Any]
"""A function `(features, extra)` to a nest; features of a tile's own units by layer name."""


class Forward(NamedTuple):
    """The results of the forward pass of a tile.

    Attributes:
        found: what `extract` returned for the tile's own units.
        outputs: float32 `[1, h, w, c]`, the tile's own units of the next stored map, or empty.
        gates: bool, by name of each layer that is not computed again: the units that passed ReLU,
            or, for max pooling, the inputs that are the maximum.
        stored: float32, by layer name: the tile's own units of such layers that enter the losses.
    """

    found: Any
    outputs: tuple[tf.Tensor, ...]
    gates: Features
    stored: Features


class SegmentGraphs:
    """The graphs of a segment.

    Attributes:
        forward: `(part, own, extra)` to `Forward`. `part` is float32 `[1, h, w, c]`, the tile with
            its margin, cut from the segment's first map. `own` are the tile's own rows and columns
            in the part. `extra` is passed to `extract`.
        backward: `(part, own, extra, slopes, gates, stored, upstream)` to the gradient at the part.
            `slopes` is the gradient at what was extracted, `gates` the `packed` gates of all units
            that the tile sees, `stored` as from `forward`, `upstream` the gradient at the tile's
            outputs, or empty.
    """

    def __init__(
        self,
        extractor: keras.Model,
        segment: Segment,
        extract: Extract,
        asked: frozenset[str],
        *,
        is_last: bool,
        has_backward: bool,
    ) -> None:
        """Creates the graphs; they are traced when called.

        Args:
            extractor: from `build_extractor`.
            segment: the layers to compute.
            extract: computes what is wanted from the features.
            asked: names of the layers whose features `extract` takes, in any segment.
            is_last: whether no map is stored after the segment.
            has_backward: whether `forward` gives what `backward` needs.
        """
        self._extract = extract
        self._asked = asked
        self._is_last = is_last
        self._has_backward = has_backward
        self._layers = [(name, _steps(extractor, name)) for name in segment.layers]
        self._channels = self._layers[0][1][0].input.shape[-1]
        # A convolution after a mirror padding needs the gradient of both.
        again = [
            index
            for index, (name, steps) in enumerate(self._layers)
            if (name in asked and name in _LARGE)
            or any(isinstance(step, MirrorPadding) for step in steps)
        ]
        self._num_head = max(again, default=-1) + 1
        self.forward = for_all_sizes(self._forward)
        self.backward = for_all_sizes(self._backward)

    def _forward(self, part: tf.Tensor, own: Own, extra: Any) -> Forward:
        part = tf.ensure_shape(part, [1, None, None, self._channels])
        found, features, stride = self._head(part)
        units = {name: _own(each, own, passed) for name, (each, passed) in found.items()}
        gates, stored = {}, {}
        for name, steps in self._layers[self._num_head :]:
            inputs, features = features, _through(steps, features)
            if name in vgg19.POOLINGS:
                stride *= 2
                if self._has_backward and _has_gate(steps[-1]):
                    gates[name] = _largest(steps[-1], inputs)
            elif self._has_backward:
                gates[name] = features > 0.0
            if name in self._asked:
                stored[name] = _own(features, own, stride)
        extracted = self._extract({**units, **stored}, extra)
        outputs = () if self._is_last else (_own(features, own, stride),)
        return Forward(extracted, outputs, gates, stored if self._has_backward else {})

    def _head(self, part: tf.Tensor) -> tuple[dict[str, tuple[tf.Tensor, int]], tf.Tensor, int]:
        """Computes the first layers, those that the backward pass computes again.

        Returns:
            Features and stride of each of them that enters the losses, by layer name; the features
            of the last one; and its stride. A stride is units of the segment's first map for each
            unit of the layer.
        """
        features, found, stride = part, {}, 1
        for name, steps in self._layers[: self._num_head]:
            features = _through(steps, features)
            stride *= 2 if name in vgg19.POOLINGS else 1
            if name in self._asked:
                found[name] = features, stride
        return found, features, stride

    def _backward(
        self,
        part: tf.Tensor,
        own: Own,
        extra: Any,
        slopes: Any,
        gates: Features,
        stored: Features,
        upstream: tuple[tf.Tensor, ...],
    ) -> tf.Tensor:
        part = tf.ensure_shape(part, [1, None, None, self._channels])
        stored = {
            name: tf.ensure_shape(stored[name], steps[-1].output.shape)
            for name, steps in self._layers
            if name in stored
        }
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(part)
            found, features, stride = self._head(part)
        units = {name: _own(each, own, passed) for name, (each, passed) in found.items()} | stored
        with tf.GradientTape(watch_accessed_variables=False) as extracting:
            extracting.watch(units)
            extracted = self._extract(units, extra)
        by_units = extracting.gradient(
            tf.nest.flatten(extracted),
            units,
            output_gradients=tf.nest.flatten(slopes),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        by_stored = {name: by_units[name] for name in stored}
        above = self._sent_back(by_stored, upstream, tf.shape(features), own, stride, gates)
        if not self._num_head:
            return above[0]
        by_found = [
            _padded(by_units[name], own, passed, tf.shape(each))
            for name, (each, passed) in found.items()
        ]
        heads = [*(each for each, _ in found.values()), *([features] if above else [])]
        slopes_of_heads = [
            tf.cast(slope, head.dtype)
            for head, slope in zip(heads, [*by_found, *above], strict=True)
        ]
        return tape.gradient(heads, part, output_gradients=slopes_of_heads)

    def _sent_back(
        self,
        by_stored: Features,
        upstream: tuple[tf.Tensor, ...],
        shape: tf.Tensor,
        own: Own,
        stride: int,
        gates: Features,
    ) -> list[tf.Tensor]:
        """Returns the gradient at the last features of `_head`, or no tensor if nothing follows.

        Args:
            by_stored: gradient at the tile's own stored units, by layer name.
            upstream: gradient at the tile's own outputs.
            shape: of the features, int32 `[4]`.
            own: the tile's own rows and columns in the segment's first map.
            stride: units of the segment's first map for each unit of the features.
            gates: as for `backward`.
        """
        tail, shapes = self._layers[self._num_head :], [shape]
        for name, _ in tail:
            if name in vgg19.POOLINGS:
                shape = tf.stack([1, shape[1] // 2, shape[2] // 2, shape[3]])
                stride *= 2
            shapes.append(shape)
        gradients = [_padded(each, own, stride, shape) for each in upstream]
        for name, steps in reversed(tail):
            shape = shapes.pop()
            if name in by_stored:
                gradients.append(_padded(by_stored[name], own, stride, shape))
            channels = steps[-1].output.shape[-1]
            gradient = tf.ensure_shape(tf.add_n(gradients), [1, None, None, channels])
            if name in vgg19.CONVOLUTIONS:
                gradient = steps[-1].sent_back(_masked(gradient, gates[name]))
            else:
                stride //= 2
                gradient = _unpooled(gradient, shapes[-1])
                if _has_gate(steps[-1]):
                    gradient = _masked(4.0 * gradient, gates[name])
            gradients = [gradient]
        return gradients


def _steps(extractor: keras.Model, name: str) -> list[keras.layers.Layer]:
    """Returns the Keras layers of a layer of the network, preprocessing and padding first."""
    first = ["vgg_input"] if name == vgg19.LAYERS[0] else []
    known = {layer.name: layer for layer in extractor.layers}
    return [known[each] for each in (*first, f"{name}_padding", name) if each in known]


def _through(steps: list[keras.layers.Layer], features: tf.Tensor) -> tf.Tensor:
    for layer in steps:
        features = layer(features)
    return features


def _own(features: tf.Tensor, own: Own, stride: int) -> tf.Tensor:
    """Returns a tile's own units, float32: tiles store and compare no others."""
    rows, columns = (span.at(stride).slice for span in own)
    return unrounded(features[:, rows, columns])


def _padded(gradient: tf.Tensor, own: Own, stride: int, shape: tf.Tensor) -> tf.Tensor:
    """Returns a gradient at a tile's own units, padded with zeros to all units that it sees."""
    rows, columns = (span.at(stride) for span in own)
    around = [[rows.begin, shape[1] - rows.end], [columns.begin, shape[2] - columns.end]]
    return tf.pad(gradient, [[0, 0], *around, [0, 0]])


def packed(gate: np.ndarray) -> np.ndarray:
    """Returns a gate bool `[1, h, w, c]` as uint8 `[1, h, w, ceil(c / 8)]`, a bit for each unit."""
    return np.packbits(gate, axis=-1)


def _masked(gradient: tf.Tensor, gate: tf.Tensor) -> tf.Tensor:
    """Returns the gradient where the `packed` gate is true, and 0 elsewhere."""
    channels = gradient.shape[-1]
    with tf.control_dependencies([gradient]):  # Not earlier: the mask is as large.
        mask = tf.gather(_BITS, tf.cast(gate, tf.int32))
    mask = tf.reshape(mask, tf.concat([tf.shape(gate)[:3], [-(-channels // 8) * 8]], 0))
    return gradient * mask[..., :channels]


def _has_gate(pooling: keras.layers.Layer) -> bool:
    return not isinstance(pooling, keras.layers.AveragePooling2D)


def _largest(pooling: keras.layers.Layer, inputs: tf.Tensor) -> tf.Tensor:
    """Returns a bool tensor: which inputs are the maximum of their window."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        outputs = pooling(inputs)
    return tape.gradient(outputs, inputs) > 0.0


def _unpooled(upstream: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns the gradient of average pooling; `shape` is that of its inputs."""
    side = [1, 2, 2, 1]
    shape = tf.concat([shape[:3], tf.shape(upstream)[3:]], 0)
    return tf.raw_ops.AvgPoolGrad(
        orig_input_shape=shape, grad=upstream, ksize=side, strides=side, padding="VALID"
    )
