"""A Keras model from an image to VGG-19's features by layer name.

Takes float32 `[batch, height, width, 3]`, RGB, nominally 0..1; gives `dict[str, Tensor]`,
float32 `[batch, h, w, channels]`, keyed by Keras layer name. Convolution outputs are
post-ReLU (`block4_conv2` = `relu4_2`), convolutions pad with zeros unless `padding` says
otherwise, pooling halves each side and drops an odd last row or column.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style._checks import check_choice
from tf_style.config import NetworkConfig
from tf_style.preprocessing import to_vgg_input


@tf.custom_gradient
def _convolution_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns relu(conv(inputs, kernel) + bias) for an odd kernel and zero padding.

    The gradient with respect to the inputs is itself a convolution, with the kernel turned
    by 180 degrees and its channels swapped. Written so, it runs at the speed of the forward
    pass: TensorFlow's own Conv2DBackpropInput is up to 2.5 times slower on CPUs without
    AVX-512 (BUILD_NOTES.md).
    """
    outputs = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, "SAME"), bias))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)
        turned = _turn(kernel)
        by_kernel = tf.raw_ops.Conv2DBackpropFilter(  # Pruned from the graph where not asked for.
            input=inputs,
            filter_sizes=tf.shape(kernel),
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        by_bias = tf.reduce_sum(upstream, [0, 1, 2])
        return tf.nn.conv2d(upstream, turned, 1, "SAME"), by_kernel, by_bias

    return outputs, gradient


@tf.custom_gradient
def _inner_convolution_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns relu(conv(inputs, kernel) + bias), for 3x3 kernels and inputs padded before.

    The gradient is written as in `_convolution_relu`, over the 2 px that each side lost.
    """
    outputs = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, "VALID"), bias))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)
        wider = tf.pad(upstream, [[0, 0], [2, 2], [2, 2], [0, 0]])
        by_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=inputs,
            filter_sizes=tf.shape(kernel),
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="VALID",
        )
        by_inputs = tf.nn.conv2d(wider, _turn(kernel), 1, "VALID")
        return by_inputs, by_kernel, tf.reduce_sum(upstream, [0, 1, 2])

    return outputs, gradient


def _turn(kernel: tf.Tensor) -> tf.Tensor:
    """Returns the kernel `[h, w, in, out]` turned by 180 degrees, `[h, w, out, in]`.

    As matrices in reverse order: faster than reversing two axes and permuting four.
    """
    height, width, channels, filters = kernel.shape
    matrices = tf.transpose(tf.reshape(kernel, [height * width, channels, filters]), [0, 2, 1])
    return tf.reshape(tf.reverse(matrices, [0]), [height, width, filters, channels])


@keras.saving.register_keras_serializable("tf_style")
class ConvolutionReLU(keras.layers.Conv2D):
    """`Conv2D` and ReLU in one operation with a fast gradient; padding "same" or "valid"."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns relu(conv(inputs) + bias)."""
        operation = _convolution_relu if self.padding == "same" else _inner_convolution_relu
        return operation(inputs, tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias))


@keras.saving.register_keras_serializable("tf_style")
class VGGInput(keras.layers.Layer):
    """RGB 0..1 to BGR 0..255 minus the ImageNet mean."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `to_vgg_input(inputs)`."""
        return to_vgg_input(inputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape."""
        return input_shape


@keras.saving.register_keras_serializable("tf_style")
class MirrorPadding(keras.layers.Layer):
    """Pads each side by 1 px of the border itself."""

    def __init__(self, mode: str, **options: Any) -> None:
        """Makes the layer; `mode` is `tf.pad`'s "SYMMETRIC" or "REFLECT"."""
        super().__init__(**options)
        self.mode = mode

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the padded inputs."""
        return tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], self.mode)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape, 2 px longer on both sides."""
        batch, height, width, channels = input_shape
        return batch, height and height + 2, width and width + 2, channels

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the layer again."""
        return {**super().get_config(), "mode": self.mode}


class Padding(NamedTuple):
    """What a convolution sees beyond the border.

    Attributes:
        mode: of `tf.pad`; "SYMMETRIC" by 1 px repeats the border.
        layers: which convolutions; the rest see zeros.
    """

    mode: str
    layers: tuple[str, ...]


PADDINGS: dict[str, Padding] = {
    "zeros": Padding("CONSTANT", ()),
    "replicate": Padding("SYMMETRIC", vgg19.CONVOLUTIONS[:1]),
    "reflect": Padding("REFLECT", vgg19.CONVOLUTIONS[:1]),
    "reflect_all": Padding("REFLECT", vgg19.CONVOLUTIONS),
}
"""Paddings by name."""

POOLINGS: dict[str, type[keras.layers.Layer]] = {
    "avg": keras.layers.AveragePooling2D,
    "max": keras.layers.MaxPooling2D,
}
"""Pooling layers by name; the paper's is "avg"."""


def build_extractor(
    layer_arrays: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    layers: Iterable[str],
    pooling: str = NetworkConfig.pooling,
    padding: str = NetworkConfig.padding,
) -> keras.Model:
    """Returns the model that gives the features of `layers`.

    The network is cut after the deepest of them. It takes images of any size of at least
    `vgg19.minimum_side(layers)` px on each side, twice as many for padding "reflect_all".

    Args:
        layer_arrays: dict of Keras layer name to (kernel float32 `[3, 3, in, filters]`, bias
            float32 `[filters]`): `Weights.layers`, normalised or not.
        layers: names or aliases of the layers asked for, at least one.
        pooling: "avg" or "max".
        padding: of `PADDINGS`.

    Raises:
        ValueError: on an unknown layer, pooling or padding, or if a layer's weights are missing.

    References:
        Simonyan & Zisserman (2015), configuration E; Gatys et al. (2016), section 2.
    """
    check_choice("pooling", pooling, POOLINGS)
    check_choice("padding", padding, PADDINGS)
    asked = [vgg19.canonical_layer(layer, argument="layers") for layer in layers]
    if not asked:
        raise ValueError("`layers` must name at least one layer. Received: none.")
    image = keras.Input((None, None, 3), name="image")
    features = VGGInput(name="vgg_input")(image)
    outputs = {}
    for name in vgg19.up_to(asked):
        if name in vgg19.CONVOLUTIONS:
            if name not in layer_arrays:
                raise ValueError(f"The weights must hold layer '{name}'. Received: none for it.")
            kernel, bias = layer_arrays[name]
            kind = "same"
            if name in PADDINGS[padding].layers:
                kind = "valid"
                features = MirrorPadding(PADDINGS[padding].mode, name=f"{name}_padding")(features)
            convolution = ConvolutionReLU(kernel.shape[-1], 3, padding=kind, name=name)
            features = convolution(features)
            convolution.set_weights([kernel, bias])
        else:
            features = POOLINGS[pooling](2, name=name)(features)
        if name in asked:
            outputs[name] = features
    model = keras.Model(image, outputs, name="vgg19")
    model.trainable = False
    return model
