"""The Keras layers of VGG-19's extractor: input, padding, convolutions with ReLU, max pooling.

All take and give float32 `[batch, h, w, channels]`, `BFloat16ReLU` bfloat16. Convolutions pad with
zeros unless their padding is "valid"; `sent_back` gives their gradient to code that applies ReLU's
gradient itself.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._keras import keras
from tf_style.graphs.batches import dense
from tf_style.network import bfloat16, convolution, onednn, winograd
from tf_style.network.pooling import max_pooling
from tf_style.network.preprocessing import to_vgg_input
from tf_style.network.winograd_matrices import POINTS


@keras.saving.register_keras_serializable("tf_style")
class ConvolutionReLU(keras.layers.Conv2D):
    """`Conv2D` and ReLU in one operation with a fast gradient; padding "same" or "valid"."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns relu(conv(inputs) + bias)."""
        same = self.padding == "same"
        operation = convolution.convolution_relu if same else convolution.inner_convolution_relu
        return operation(inputs, tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias))

    def sent_back(self, upstream: tf.Tensor) -> tf.Tensor:
        """Returns the gradient at the inputs from that at ReLU's input; only for padding "same"."""
        return convolution.turned_convolution(upstream, tf.convert_to_tensor(self.kernel))


@keras.saving.register_keras_serializable("tf_style")
class BFloat16ReLU(keras.layers.Layer):
    """`ConvolutionReLU` in bfloat16, for inference: its weights get no gradient.

    Takes bfloat16, or, with `splits`, float32 in two parts of bfloat16; gives bfloat16.
    """

    def __init__(
        self,
        filters: int,
        *,
        padding: str = "same",
        splits: bool = False,
        laid_out: bool = False,
        **options: Any,
    ) -> None:
        """Creates the layer; `laid_out` is for graphs on this processor (`onednn.convolve`)."""
        super().__init__(**{**options, "autocast": False})
        self.filters, self.padding, self.splits = filters, padding, splits
        self._convolve = onednn.convolve if laid_out else bfloat16.convolve

    def build(self, input_shape: tuple) -> None:
        """Creates the kernel, that of the gradient, and the bias, all in bfloat16."""
        channels, filters = input_shape[-1], self.filters

        def weight(name: str, *shape: int) -> keras.Variable:
            return self.add_weight(
                shape=shape,
                initializer="zeros",
                dtype="bfloat16",
                autocast=False,  # Whatever policy a layer around this one has.
                name=name,
                trainable=False,
            )

        self.kernel = weight("kernel", 3, 3, 3 * channels if self.splits else channels, filters)
        self.turned_kernel = weight("turned_kernel", 3, 3, filters, channels)
        self.bias = weight("bias", filters)

    def set_kernel(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Sets the weights from a kernel float32 `[3, 3, c, filters]` and its bias.

        A graph that was traced with `laid_out` keeps the kernels that it first ran with.
        """
        self.kernel.assign(bfloat16.split_kernel(kernel) if self.splits else kernel)
        self.turned_kernel.assign(winograd.turned(kernel))
        self.bias.assign(bias)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns relu(conv(inputs) + bias), bfloat16."""
        inputs = tf.cast(inputs, tf.float32 if self.splits else tf.bfloat16)
        weights = (self.kernel, self.turned_kernel, self.bias)
        return bfloat16.bfloat16_relu(
            inputs,
            *map(tf.convert_to_tensor, weights),
            padding=self.padding.upper(),
            convolve=self._convolve,
        )

    def sent_back(self, upstream: tf.Tensor) -> tf.Tensor:
        """Returns the gradient at the inputs from that at ReLU's input; only for padding "same"."""
        turned = tf.convert_to_tensor(self.turned_kernel)
        by_inputs = self._convolve(tf.cast(upstream, tf.bfloat16), turned, "SAME")
        return tf.cast(by_inputs, upstream.dtype)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns shape and type of the outputs."""
        batch, *sides, _ = inputs.shape
        if self.padding == "valid":
            sides = [side and side - 2 for side in sides]
        return keras.KerasTensor((batch, *sides, self.filters), "bfloat16")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that recreate the layer; a saved one is not `laid_out`."""
        own = {"filters": self.filters, "padding": self.padding, "splits": self.splits}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("tf_style")
class InFloat32(keras.layers.Layer):
    """Converts features to float32."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "autocast": False})

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the inputs as float32."""
        return tf.cast(inputs, tf.float32)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape."""
        return input_shape


@keras.saving.register_keras_serializable("tf_style")
class WinogradReLU(keras.layers.Layer):
    """`ConvolutionReLU` by Winograd's algorithm, for inference: its weights get no gradient."""

    def __init__(self, filters: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: tuple) -> None:
        """Creates the kernel at Winograd's points, that of the gradient, and the bias."""
        channels = input_shape[-1]

        def weight(name: str, *shape: int) -> keras.Variable:
            return self.add_weight(shape=shape, initializer="zeros", name=name, trainable=False)

        self.kernel = weight("kernel", POINTS, channels, self.filters)
        self.turned_kernel = weight("turned_kernel", POINTS, self.filters, channels)
        self.bias = weight("bias", self.filters)

    def set_kernel(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Sets the weights from a kernel float32 `[3, 3, c, filters]` and its bias."""
        self.kernel.assign(winograd.winograd_kernel(kernel))
        self.turned_kernel.assign(winograd.winograd_kernel(winograd.turned(kernel)))
        self.bias.assign(bias)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns relu(conv(inputs) + bias)."""
        weights = (self.kernel, self.turned_kernel, self.bias)
        return winograd.winograd_relu(inputs, *map(tf.convert_to_tensor, weights))

    def sent_back(self, upstream: tf.Tensor) -> tf.Tensor:
        """Returns the gradient at the inputs from that at ReLU's input."""
        turned = tf.convert_to_tensor(self.turned_kernel)
        return winograd.winograd_convolution(upstream, turned)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that recreate the layer."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("tf_style")
class StoredWinogradReLU(keras.layers.Layer):
    """`WinogradReLU` for files: it saves the plain kernel, and `prepare` computes the others.

    The kernels at Winograd's points are eight times as large, so they are not saved.
    """

    def __init__(self, filters: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: tuple) -> None:
        """Creates kernel, bias, and empty variables for the kernels at Winograd's points."""
        shape = (3, 3, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, name="kernel", trainable=False)
        self.bias = self.add_weight(shape=(self.filters,), name="bias", trainable=False)
        empty = tf.TensorShape(None)
        self.points, self.turned_points = (
            tf.Variable(tf.zeros([0]), trainable=False, shape=empty, name=name)
            for name in ("points", "turned_points")
        )
        # A flag, as TensorFlow's graph rewriting assumes that the size of `points` never changes.
        self.prepared = tf.Variable(False, trainable=False, name="prepared")

    @property
    def made(self) -> list[tf.Variable]:
        """The variables that `prepare` fills; they are not weights of the layer."""
        return [self.points, self.turned_points, self.prepared]

    def prepare(self) -> tf.Tensor:
        """Computes the kernels at Winograd's points, unless that has been done.

        Returns:
            A scalar tensor on which calls of the layer must have a control dependency.
        """

        def fill() -> tf.Tensor:
            kernel = tf.convert_to_tensor(self.kernel)
            turned = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
            made = [
                self.turned_points.assign(winograd.winograd_kernel(turned), read_value=False),
                self.points.assign(winograd.winograd_kernel(kernel), read_value=False),
            ]
            with tf.control_dependencies(made):
                done = self.prepared.assign(True, read_value=False)
            with tf.control_dependencies([done]):
                return tf.constant(True)

        return tf.cond(self.prepared, lambda: tf.constant(True), fill)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns relu(conv(inputs) + bias)."""
        channels, filters = self.kernel.shape[2:]
        points = tf.ensure_shape(self.points, [POINTS, channels, filters])
        turned = tf.ensure_shape(self.turned_points, [POINTS, filters, channels])
        return winograd.winograd_relu(inputs, points, turned, tf.convert_to_tensor(self.bias))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that recreate the layer."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("tf_style")
class MaxPooling(keras.layers.Layer):
    """`MaxPooling2D` over 2x2 windows with a fast gradient."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `max_pooling(inputs)`."""
        return max_pooling(inputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape with height and width halved, rounded down."""
        batch, height, width, channels = input_shape
        return batch, height and height // 2, width and width // 2, channels


@keras.saving.register_keras_serializable("tf_style")
class VGGInput(keras.layers.Layer):
    """Converts RGB 0..1 to BGR 0..255 minus the ImageNet mean."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `to_vgg_input(inputs)`; ragged inputs are refused."""
        return to_vgg_input(dense("inputs", inputs))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape."""
        return input_shape


@keras.saving.register_keras_serializable("tf_style")
class MirrorPadding(keras.layers.Layer):
    """Pads each side by 1 px, mirrored from the border."""

    def __init__(self, mode: str, **options: Any) -> None:
        """Creates the layer; `mode` is `tf.pad`'s "SYMMETRIC" or "REFLECT"."""
        super().__init__(**options)
        self.mode = mode

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the padded inputs."""
        return tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], self.mode)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape with height and width larger by 2."""
        batch, height, width, channels = input_shape
        return batch, height and height + 2, width and width + 2, channels

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that recreate the layer."""
        return {**super().get_config(), "mode": self.mode}
