"""The signatures of an exported style network: pictures, or files of pictures, in its styles.

Takes a `StyleNetwork`; gives functions with named inputs and outputs, for pictures of any size. The
style is an input with a default, of rank 1: one name for all pictures of a batch, or one for each.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_style.export.named_graphs import (
    NamedTensors,
    at,
    batches,
    checked_images,
    named_graph,
    size_check,
)
from tf_style.export.options import DEFAULT_SIGNATURE
from tf_style.export.warm_up import Request
from tf_style.feedforward.architecture import LEAST_SIDE
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.painting import paint
from tf_style.feedforward.styles import shares_of
from tf_style.images import graph_pictures

NETWORK_SIGNATURES = ("paint", "paint_png")
"""The functions of `NetworkSignatures`."""

_DATA = tf.TensorSpec([None], tf.string)


def style_of(network: StyleNetwork, style: str) -> np.ndarray:
    """Returns a style of a network, or a blend of several, float32 `[1, style_size]`.

    Raises:
        ValueError: on an unknown name; the known ones are listed.
    """
    shares = shares_of(style, list(network.styles))
    return (shares @ np.stack(list(network.styles.values())))[np.newaxis]


class NetworkSignatures(tf.Module):
    """The functions of a style network, as `tf.function`s of tensors with fixed names and types."""

    def __init__(
        self, network: StyleNetwork, style: str, *, max_pixels: int, precision: str = "float32"
    ) -> None:
        """Creates the functions. They are traced on export or on the first call.

        Args:
            network: what to paint with.
            style: the style of callers who name none: a name, or a blend "name:weight,...".
            max_pixels: the most pixels of all pictures of a call.
            precision: "float32" or "bfloat16".
        """
        super().__init__(name="tf_style_network")
        self._architecture = network.architecture
        self._parameters = pass_variables(network)
        # A blend is one more style, by the text that it is written as.
        styles = {**network.styles, style: style_of(network, style)[0]}
        self._names = list(styles)
        self._styles = tf.Variable(np.stack(list(styles.values())), trainable=False)
        self._max_pixels = max_pixels
        self._dtype = tf.as_dtype(precision)
        default = {"style": np.array([style.encode()], object)}
        images = tf.TensorSpec([None, None, None, 3], tf.float32)
        self.paint = named_graph(self._paint, {"content": images}, default)
        self.paint_png = named_graph(self._paint_png, {"content_bytes": _DATA}, default)

    def _paint(self, content: tf.Tensor, style: tf.Tensor) -> NamedTensors:
        """Returns the pictures, of the contents' size."""
        content = checked_images(
            "content", content, smallest=LEAST_SIDE, max_pixels=self._max_pixels
        )
        return {"image": self._painted(content, self._vectors(style, tf.shape(content)[0]))}

    def _paint_png(self, content_bytes: tf.Tensor, style: tf.Tensor) -> NamedTensors:
        """Returns PNG files, which keep the alpha channel of their contents."""
        count = tf.size(content_bytes)
        vectors = self._vectors(style, count)

        def file_at(row: tf.Tensor) -> tf.Tensor:
            content = graph_pictures.decode(
                content_bytes[row], argument="content_bytes", max_pixels=self._max_pixels, row=row
            )
            place = size_check(
                "content_bytes",
                tf.shape(content.image)[1:3],
                smallest=LEAST_SIDE,
                max_pixels=self._max_pixels,
            )
            with tf.control_dependencies([place]):
                picture = self._painted(content.image, at(vectors, row)[tf.newaxis])
            return graph_pictures.encode_png(picture, content.alpha, content.has_alpha)

        return {
            "png_bytes": tf.map_fn(
                file_at,
                tf.range(count),
                fn_output_signature=tf.TensorSpec([], tf.string),
                parallel_iterations=1,
            )
        }

    def _painted(self, images: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
        parameters = {name: value.read_value() for name, value in self._parameters.items()}
        return paint(self._architecture, parameters, images, vectors, dtype=self._dtype)

    def _vectors(self, names: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Returns the styles of these names, float32 `[1 or count, style_size]`."""
        matches = tf.equal(names[:, tf.newaxis], tf.constant(self._names))
        is_known = tf.reduce_any(matches, -1)
        known = tf.debugging.Assert(
            tf.reduce_all(is_known),
            [f"`style` must be one of {', '.join(self._names)}. Received: another name in row",
             tf.argmin(tf.cast(is_known, tf.int32))],
        )  # fmt: skip
        with tf.control_dependencies([known, *batches({"style": names}, count)]):
            return tf.gather(self._styles, tf.argmax(matches, -1))


def pass_variables(network: StyleNetwork) -> dict[str, tf.Variable]:
    """Returns what a pass through a network reads, as variables by name."""
    names: Sequence[str] = (*network.architecture.kernels, "bias")
    return {
        name: tf.Variable(network.parameters[name], trainable=False, name=name) for name in names
    }


def tiny_network_requests() -> list[Request]:
    """Returns a request with a small picture for each signature, so that servers can warm up."""
    pixels = np.random.default_rng(0).integers(0, 256, [32, 32, 3], np.uint8)
    file = {"content_bytes": np.array([tf.io.encode_png(pixels).numpy()], object)}
    images = pixels[np.newaxis] / np.float32(255.0)
    two = {"content": np.repeat(images, 2, 0)}
    return [("paint", two), ("paint_png", file), (DEFAULT_SIGNATURE, file)]
