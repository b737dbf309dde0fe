"""The Keras layers that VGG-19's extractor is made of."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_style.network import convolution, winograd
from tf_style.network.pooling import max_pooling
from tf_style.network.preprocessing import to_vgg_input


@keras.saving.register_keras_serializable("tf_style")
class ConvolutionReLU(keras.layers.Conv2D):
    """`Conv2D` and ReLU in one operation with a fast gradient; padding "same" or "valid"."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns relu(conv(inputs) + bias)."""
        same = self.padding == "same"
        operation = convolution.convolution_relu if same else convolution.inner_convolution_relu
        return operation(inputs, tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias))

    def sent_back(self, upstream: tf.Tensor) -> tf.Tensor:
        """Returns the gradient by the inputs, given that of what ReLU takes; padding "same"."""
        return convolution.turned_convolution(upstream, tf.convert_to_tensor(self.kernel))


@keras.saving.register_keras_serializable("tf_style")
class BFloat16ReLU(keras.layers.Conv2D):
    """`ConvolutionReLU` in bfloat16, for inference: its weights get no gradient."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns relu(conv(inputs) + bias), float32."""
        weights = (self.kernel, self.bias)
        return convolution.bfloat16_relu(inputs, *map(tf.convert_to_tensor, weights))

    def sent_back(self, upstream: tf.Tensor) -> tf.Tensor:
        """Returns the gradient by the inputs, given that of what ReLU takes."""
        turned = convolution.turned_in_graph(tf.convert_to_tensor(self.kernel))
        return convolution.bfloat16_convolution(upstream, turned)


@keras.saving.register_keras_serializable("tf_style")
class WinogradReLU(keras.layers.Layer):
    """`ConvolutionReLU` by Winograd's algorithm, for inference: its kernels do not train."""

    def __init__(self, filters: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: tuple) -> None:
        """Makes the kernel at Winograd's points, that of the gradient, and the bias."""
        channels = input_shape[-1]

        def weight(name: str, *shape: int) -> keras.Variable:
            return self.add_weight(shape=shape, initializer="zeros", name=name, trainable=False)

        self.kernel = weight("kernel", winograd.POINTS, channels, self.filters)
        self.turned_kernel = weight("turned_kernel", winograd.POINTS, self.filters, channels)
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
        """Returns the gradient by the inputs, given that of what ReLU takes."""
        turned = tf.convert_to_tensor(self.turned_kernel)
        return winograd.winograd_convolution(upstream, turned)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the layer anew."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("tf_style")
class StoredWinogradReLU(keras.layers.Layer):
    """`WinogradReLU` for files: it holds the kernel as it is, and `prepare` makes the others.

    These are eight times as large, and are left out of what is saved.
    """

    def __init__(self, filters: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: tuple) -> None:
        """Makes the kernel, the bias, and empty variables for the kernels at Winograd's points."""
        shape = (3, 3, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, name="kernel", trainable=False)
        self.bias = self.add_weight(shape=(self.filters,), name="bias", trainable=False)
        empty = tf.TensorShape(None)
        self.points, self.turned_points = (
            tf.Variable(tf.zeros([0]), trainable=False, shape=empty, name=name)
            for name in ("points", "turned_points")
        )
        # Not told by the size of `points`: TensorFlow's graph rewriting takes that to be known.
        self.prepared = tf.Variable(False, trainable=False, name="prepared")

    @property
    def made(self) -> list[tf.Variable]:
        """The variables that `prepare` fills; no weights of the layer."""
        return [self.points, self.turned_points, self.prepared]

    def prepare(self) -> tf.Tensor:
        """Makes the kernels at Winograd's points, if that has not been done yet.

        Returns:
            What `call` must wait for.
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
        points = tf.ensure_shape(self.points, [winograd.POINTS, channels, filters])
        turned = tf.ensure_shape(self.turned_points, [winograd.POINTS, filters, channels])
        return winograd.winograd_relu(inputs, points, turned, tf.convert_to_tensor(self.bias))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the layer anew."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("tf_style")
class MaxPooling(keras.layers.Layer):
    """`MaxPooling2D` over 2x2 positions with a fast gradient."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `max_pooling(inputs)`."""
        return max_pooling(inputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input's shape, half as long on both sides."""
        batch, height, width, channels = input_shape
        return batch, height and height // 2, width and width // 2, channels


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
