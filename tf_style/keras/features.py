"""A Keras layer that computes VGG-19's features of images, for use in other models."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style._checks import check_choice
from tf_style._keras import keras
from tf_style.config.network import NetworkConfig
from tf_style.graphs.batches import rgb
from tf_style.keras.inputs import check_sides, options_of
from tf_style.keras.value_range import checked_range, checked_values, to_unit_range
from tf_style.network.extractor import ARITHMETICS, build_extractor, load_extractor
from tf_style.network.weights import is_at_hand

KERAS_VGG19 = NetworkConfig(weights="imagenet", pooling="max", padding="zeros", normalized=False)
"""The network of `keras.applications.VGG19`: max pooling, zeros at the border, weights as trained.

Images are RGB in `value_range`; the order of colors and the means of `preprocess_input` are
applied by the layer. The features are those after each ReLU, as Keras gives them.
"""


@keras.saving.register_keras_serializable("tf_style")
class VGG19Features(keras.layers.Layer):
    """Maps images to a dict of VGG-19's features by layer name; its weights never train.

    `network=KERAS_VGG19` gives the features of `keras.applications.VGG19`, number for number. The
    default differs: average pooling, the border repeated instead of zeros in the first layer, and
    filters scaled to a mean activation of 1, which changes features by a factor for each channel.

    Except with `arithmetic="bfloat16"`, whose features have only two digits, everything is
    computed in float32, whatever Keras' global dtype policy: Gram matrices of float16 features
    overflow. A `dtype` of the layer itself rounds its features, at the end, to that policy's
    compute dtype.

    A `.keras` file contains the weights, so loading it fetches none. A config alone
    (`from_config`, `clone_model`) only names them; they are loaded when the layer is built.
    (A config with Keras' build config, as from `to_json`, fetches none: if the weights are not
    stored locally, features are NaN until weights are loaded into the layer.)

    Args:
        layers: names or aliases of the layers, at least one. A single name, not in a list, makes
            the layer give that layer's features alone, not in a dict.
        network: `NetworkConfig` or its dict: weights, pooling, padding, normalized or not.
        arithmetic: one of `extractor.ARITHMETICS`; "winograd" is faster on CPUs.
        value_range: the values of black and white: (0, 1), (0, 255), (-1, 1), ...
        dtype: dtype policy; affects only the dtype of the features.
        **options: options of every Keras layer, such as `name`.

    Example:
        >>> features = VGG19Features(["block1_conv1", "block4_conv2"])
        >>> image = keras.Input((None, None, 3))
        >>> model = keras.Model(image, features(image)["block4_conv2"])

    References:
        Simonyan & Zisserman (2015), configuration E; Gatys et al. (2016), section 2.
    """

    def __init__(
        self,
        layers: str | Iterable[str],
        *,
        network: NetworkConfig | Mapping[str, Any] | None = None,
        arithmetic: str = "direct",
        value_range: tuple[float, float] = (0.0, 1.0),
        dtype: Any = "float32",
        **options: Any,
    ) -> None:
        super().__init__(dtype=dtype, autocast=False, **options)
        self.is_single = isinstance(layers, str)
        layers = [layers] if isinstance(layers, str) else layers
        self.layer_names = [vgg19.canonical_layer(name, argument="layers") for name in layers]
        if not self.layer_names:
            raise ValueError("`layers` must name at least one layer. Received: none.")
        check_choice("arithmetic", arithmetic, ARITHMETICS)
        self.network = options_of(NetworkConfig, network, argument="network")
        self.arithmetic = arithmetic
        self.value_range = checked_range(value_range)
        self._weights_follow = False

    @property
    def trainable(self) -> bool:
        """Always False, even if a model around the layer is made trainable."""
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        pass

    def build(self, input_shape: tuple) -> None:
        """Loads the network up to the deepest layer."""
        if self._weights_follow:
            self.extractor = build_extractor(
                _nan_weights(),
                layers=self.layer_names,
                pooling=self.network.pooling,
                padding=self.network.padding,
                arithmetic=self.arithmetic,
            )
        else:
            self.extractor = load_extractor(
                self.network, layers=self.layer_names, arithmetic=self.arithmetic
            )

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for weights from a file; fetches none."""
        self._weights_follow = not is_at_hand(self.network.weights)
        super().build_from_config(config)

    def call(self, images: tf.Tensor) -> tf.Tensor | dict[str, tf.Tensor]:
        """Returns the features `[batch, h, w, channels]` of images `[batch, height, width, 3]`."""
        images = rgb("images", images)
        smallest = vgg19.minimum_side(self.layer_names, self.network.padding)
        check_sides("images", images.shape[1:3], smallest=smallest)
        images = checked_values("images", images, self.value_range, is_computed=True)
        features = self.extractor(to_unit_range(images, self.value_range))
        return self._given(
            {name: tf.cast(features[name], self.compute_dtype) for name in self.layer_names}
        )

    def _given(self, by_name: dict[str, Any]) -> Any:
        """Returns the entries by layer name, or the only one if the layer was named alone."""
        return by_name[self.layer_names[0]] if self.is_single else by_name

    def compute_output_shape(self, input_shape: tuple) -> tuple | dict[str, tuple]:
        """Returns the features' shapes, as `call` returns the features."""
        batch, height, width, _ = input_shape
        shapes = {}
        for name in self.layer_names:
            block = int(name[5])
            poolings = block if name.endswith("pool") else block - 1
            channels = vgg19.KERNEL_SHAPES[f"block{block}_conv1"][-1]
            if self.built:
                channels = self.extractor.output[name].shape[-1]
            sides = (side if side is None else side >> poolings for side in (height, width))
            shapes[name] = (batch, *sides, channels)
        return self._given(shapes)

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's config."""
        return {
            **super().get_config(),
            "layers": self.layer_names[0] if self.is_single else list(self.layer_names),
            "network": dataclasses.asdict(self.network),
            "arithmetic": self.arithmetic,
            "value_range": self.value_range,
        }


def _nan_weights() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns placeholder weights by layer name: NaN, so that their use cannot go unnoticed."""
    return {
        name: (np.full(shape, np.nan, np.float32), np.full(shape[-1], np.nan, np.float32))
        for name, shape in vgg19.KERNEL_SHAPES.items()
    }
