"""A Keras model from an image to VGG-19's features by layer name.

Takes float32 `[batch, height, width, 3]`, RGB, nominally 0..1; gives `dict[str, Tensor]`,
float32 `[batch, h, w, channels]`, keyed by Keras layer name. Convolution outputs are
post-ReLU (`block4_conv2` = `relu4_2`), convolutions pad with zeros unless `padding` says
otherwise, pooling halves each side and drops an odd last row or column. All layers take and
give float32 whatever Keras' global dtype policy.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style._checks import check_choice
from tf_style.config.network import NetworkConfig
from tf_style.network.keras_layers import (
    BFloat16ReLU,
    ConvolutionReLU,
    MaxPooling,
    MirrorPadding,
    StoredWinogradReLU,
    VGGInput,
    WinogradReLU,
)
from tf_style.network.weight_files import LayerArrays
from tf_style.network.weights import load_weights, mean_activations, normalize
from tf_style.network.winograd import winograd_pays


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

ARITHMETICS = ("direct", "winograd", "bfloat16")
"""How convolutions are computed: in float32 directly, in float32 by Winograd's algorithm where
that is faster on a CPU (exact but for rounding), or in bfloat16 but for the first one."""

STORED_WINOGRAD = "stored_winograd"
"""The arithmetic "winograd" for graphs that are saved: small until `prepare`."""

POOLINGS: dict[str, Callable[..., keras.layers.Layer]] = {
    "avg": functools.partial(keras.layers.AveragePooling2D, 2),
    "max": MaxPooling,
}
"""What makes pooling layers, by name; the paper's is "avg"."""

_DTYPE = "float32"  # Not Keras' global policy: a "mixed_float16" would overflow Gram matrices.


def build_extractor(
    layer_arrays: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    layers: Iterable[str],
    pooling: str = NetworkConfig.pooling,
    padding: str = "zeros",
    arithmetic: str = "direct",
) -> keras.Model:
    """Returns the model that gives the features of `layers`.

    The network is cut after the deepest of them. It takes images of any size of at least
    `vgg19.minimum_side(layers)` px on each side, twice as many for padding "reflect_all".

    Args:
        layer_arrays: dict of Keras layer name to (kernel float32 `[3, 3, in, filters]`, bias
            float32 `[filters]`): `Weights.layers`, normalized or not.
        layers: names or aliases of the layers asked for, at least one.
        pooling: "avg" or "max".
        padding: of `PADDINGS`; "zeros" is how the network was trained.
        arithmetic: of `ARITHMETICS`, or `STORED_WINOGRAD`.

    Raises:
        ValueError: on an unknown layer, pooling, padding or arithmetic, or if a layer's weights are
            missing.

    References:
        Simonyan & Zisserman (2015), configuration E; Gatys et al. (2016), section 2.
    """
    check_choice("pooling", pooling, POOLINGS)
    check_choice("padding", padding, PADDINGS)
    if arithmetic != STORED_WINOGRAD:
        check_choice("arithmetic", arithmetic, ARITHMETICS)
    asked = [vgg19.canonical_layer(layer, argument="layers") for layer in layers]
    if not asked:
        raise ValueError("`layers` must name at least one layer. Received: none.")
    image = keras.Input((None, None, 3), name="image", dtype=_DTYPE)
    features = VGGInput(name="vgg_input", dtype=_DTYPE)(image)
    outputs = {}
    for name in vgg19.up_to(asked):
        if name in vgg19.CONVOLUTIONS:
            if name not in layer_arrays:
                raise ValueError(f"The weights must hold layer '{name}'. Received: none for it.")
            kernel, bias = layer_arrays[name]
            kind = "same"
            if name in PADDINGS[padding].layers:
                kind = "valid"
                mirror = MirrorPadding(PADDINGS[padding].mode, name=f"{name}_padding", dtype=_DTYPE)
                features = mirror(features)
            features = _convolution(features, kernel, bias, kind, arithmetic, name)
        else:
            features = POOLINGS[pooling](name=name, dtype=_DTYPE)(features)
        if name in asked:
            outputs[name] = features
    model = keras.Model(image, outputs, name="vgg19")
    model.trainable = False
    return model


def prepare(extractor: keras.Model) -> list[tf.Tensor]:
    """Makes what the extractor's layers left out of files; returns what calls must wait for."""
    stored = [layer for layer in extractor.layers if isinstance(layer, StoredWinogradReLU)]
    return [layer.prepare() for layer in stored]


def stored_variables(extractor: keras.Model) -> list[tf.Variable]:
    """Returns every variable of the extractor's graph, for a `tf.Module` to hold."""
    stored = [layer for layer in extractor.layers if isinstance(layer, StoredWinogradReLU)]
    made = [variable for layer in stored for variable in layer.made]
    return [variable.value for variable in extractor.variables] + made


def _convolution(
    features: keras.KerasTensor,
    kernel: np.ndarray,
    bias: np.ndarray,
    padding: str,
    arithmetic: str,
    name: str,
) -> keras.KerasTensor:
    """Returns the features after a convolution in the arithmetic asked for, where it pays."""
    filters = kernel.shape[-1]
    if padding == "same" and arithmetic == "winograd" and winograd_pays(kernel.shape):
        winograd = WinogradReLU(filters, name=name, dtype=_DTYPE)
        features = winograd(features)
        winograd.set_kernel(kernel, bias)
        return features
    if padding == "same" and arithmetic == STORED_WINOGRAD and winograd_pays(kernel.shape):
        stored = StoredWinogradReLU(filters, name=name, dtype=_DTYPE)
        features = stored(features)
        stored.set_weights([kernel, bias])
        return features
    # The first convolution stays in float32: it costs little, and reads the picture itself.
    rounded = padding == "same" and arithmetic == "bfloat16" and name != vgg19.CONVOLUTIONS[0]
    kind = BFloat16ReLU if rounded else ConvolutionReLU
    layer = kind(filters, 3, padding=padding, name=name, dtype=_DTYPE)
    features = layer(features)
    layer.set_weights([kernel, bias])
    return features


def load_extractor(
    config: NetworkConfig | None = None,
    *,
    layers: Iterable[str],
    arithmetic: str = "direct",
    notify: Callable[[str], None] | None = None,
) -> keras.Model:
    """Returns the model that gives the features of `layers`, with its weights.

    Args:
        config: weights, pooling, padding, normalized or not; the defaults if left out.
        layers: names or aliases of the layers asked for, at least one.
        arithmetic: of `extractor.ARITHMETICS`; of these only "direct" computes gradients of
            gradients.
        notify: called with a line of text before weights are fetched.

    Raises:
        OSError: if the weights cannot be fetched or read.
        ValueError: if they cannot be used, or on an unknown layer or arithmetic.
    """
    config = NetworkConfig() if config is None else config
    check_choice("arithmetic", arithmetic, ARITHMETICS)
    weights = load_weights(config.weights, notify=notify)
    return make_extractor(weights.layers, config, layers=layers, arithmetic=arithmetic)


def make_extractor(
    layer_arrays: LayerArrays,
    config: NetworkConfig,
    *,
    layers: Iterable[str],
    arithmetic: str = "direct",
) -> keras.Model:
    """Returns the model of these weights, as `Weights.layers` has them, brought to the options."""
    if config.normalized:
        layer_arrays = normalize(layer_arrays, mean_activations())
    return build_extractor(
        layer_arrays,
        layers=layers,
        pooling=config.pooling,
        padding=config.padding,
        arithmetic=arithmetic,
    )
