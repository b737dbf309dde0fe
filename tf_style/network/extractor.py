"""The Keras model from an image to VGG-19's features: `load_extractor` and what it is built from.

Takes the options of the network (`NetworkConfig`) or weights, gives a `keras.Model`. The model
takes float32 `[batch, height, width, 3]`, RGB, nominally 0..1; it gives `dict[str, Tensor]`,
float32 `[batch, h, w, channels]`, by Keras layer name (bfloat16 only if `features_dtype` asks for
it). Convolution outputs are post-ReLU (`block4_conv2` = `relu4_2`). Convolutions pad with zeros
unless `padding` says otherwise. Pooling halves each side and drops an odd last row or column.
Keras' global dtype policy changes nothing.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style._checks import check_choice
from tf_style._keras import keras
from tf_style.config.compute import FEATURE_PRECISIONS
from tf_style.config.network import NetworkConfig
from tf_style.network.keras_layers import (
    BFloat16ReLU,
    ConvolutionReLU,
    InFloat32,
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
    """What convolutions see beyond the border.

    Attributes:
        mode: of `tf.pad`; "SYMMETRIC" by 1 px repeats the border.
        layers: the convolutions that are padded so; all others see zeros.
    """

    mode: str
    layers: tuple[str, ...]


PADDING_RULES: dict[str, Padding] = {
    "zeros": Padding("CONSTANT", ()),
    "replicate": Padding("SYMMETRIC", vgg19.CONVOLUTIONS[:1]),
    "reflect": Padding("REFLECT", vgg19.CONVOLUTIONS[:1]),
    "reflect_all": Padding("REFLECT", vgg19.CONVOLUTIONS),
}
"""What each `padding` means."""

POOLING_LAYERS: dict[str, Callable[..., keras.layers.Layer]] = {
    "avg": functools.partial(keras.layers.AveragePooling2D, 2, data_format="channels_last"),
    "max": MaxPooling,
}
"""What creates the layers of each `pooling`; the paper's is "avg"."""

ARITHMETICS = ("direct", "winograd", "bfloat16")
"""How convolutions are computed.

- "direct": in float32, by the algorithm that TensorFlow chooses;
- "winograd": in float32, by Winograd's algorithm where that is faster on a CPU; equal to "direct"
  except for rounding;
- "bfloat16": in bfloat16 from layer to layer; the first convolution reads the picture with 16 bits.
"""

STORED_WINOGRAD = "stored_winograd"
"""The arithmetic "winograd" for graphs that are saved: small until `prepare` is called."""

LAID_OUT_BFLOAT16 = "laid_out_bfloat16"
"""The arithmetic "bfloat16" for graphs on this processor that are not saved.

`arithmetic.laid_out` gives it where it can be used. Each graph lays the kernels out at its first
call and keeps them so, whatever weights are set later.
"""

_IN_BFLOAT16 = ("bfloat16", LAID_OUT_BFLOAT16)

_DTYPE = "float32"  # Not Keras' global policy: Gram matrices overflow under "mixed_float16".


def load_extractor(
    config: NetworkConfig | None = None,
    *,
    layers: Iterable[str],
    arithmetic: str = "direct",
    notify: Callable[[str], None] | None = None,
) -> keras.Model:
    """Returns the model that gives the features of `layers`, with its weights.

    Args:
        config: weights, pooling, padding, normalized or not. The defaults if left out.
        layers: names or aliases of the layers whose features are wanted, at least one.
        arithmetic: one of `ARITHMETICS`. Only "direct" supports second derivatives.
        notify: called with a line of text before weights are fetched.

    Raises:
        OSError: if the weights cannot be fetched or read.
        ValueError: if the weights are wrong, or on an unknown layer or arithmetic.
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
    features_dtype: str = "float32",
) -> keras.Model:
    """Returns the model with weights as in `Weights.layers`, set up as `config` says."""
    if config.normalized:
        layer_arrays = normalize(layer_arrays, mean_activations())
    return build_extractor(
        layer_arrays,
        layers=layers,
        pooling=config.pooling,
        padding=config.padding,
        arithmetic=arithmetic,
        features_dtype=features_dtype,
    )


def build_extractor(
    layer_arrays: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    layers: Iterable[str],
    pooling: str = NetworkConfig.pooling,
    padding: str = "zeros",
    arithmetic: str = "direct",
    features_dtype: str = "float32",
) -> keras.Model:
    """Returns the model that gives the features of `layers`.

    The network ends after the deepest of them. It takes images of any size, at least
    `vgg19.minimum_side(layers, padding)` px on each side.

    Args:
        layer_arrays: dict of Keras layer name to (kernel float32 `[3, 3, in, filters]`, bias
            float32 `[filters]`): `Weights.layers`, normalized or not.
        layers: names or aliases of the layers whose features are wanted, at least one.
        pooling: "avg" or "max".
        padding: a key of `PADDING_RULES`; "zeros" is how the network was trained.
        arithmetic: one of `ARITHMETICS`.
        features_dtype: "float32", or "bfloat16": leave the features of arithmetic "bfloat16" as
            they are. Others are float32.

    Raises:
        ValueError: on an unknown layer, pooling, padding or arithmetic, or if a layer has no
            weights.

    References:
        Simonyan & Zisserman (2015), configuration E; Gatys et al. (2016), section 2.
    """
    check_choice("pooling", pooling, POOLING_LAYERS)
    check_choice("padding", padding, PADDING_RULES)
    check_choice("features_dtype", features_dtype, FEATURE_PRECISIONS)
    if arithmetic not in (STORED_WINOGRAD, LAID_OUT_BFLOAT16):  # Of the package itself.
        check_choice("arithmetic", arithmetic, ARITHMETICS)
    asked = [vgg19.canonical_layer(layer, argument="layers") for layer in layers]
    if not asked:
        raise ValueError("`layers` must name at least one layer. Received: none.")
    image = keras.Input((None, None, 3), name="image", dtype=_DTYPE)
    features = VGGInput(name="vgg_input", dtype=_DTYPE)(image)
    outputs, rule = {}, PADDING_RULES[padding]
    rounds = arithmetic in _IN_BFLOAT16
    for name in vgg19.up_to(asked):
        if name in vgg19.CONVOLUTIONS:
            if name not in layer_arrays:
                raise ValueError(
                    f"The weights must hold layer '{name}'. Received: no weights for it."
                )
            kernel, bias = layer_arrays[name]
            kind = "same"
            if name in rule.layers:
                kind = "valid"
                mirror = MirrorPadding(rule.mode, name=f"{name}_padding", dtype=features.dtype)
                features = mirror(features)
            features = _convolution(features, kernel, bias, kind, arithmetic, name)
        else:
            features = POOLING_LAYERS[pooling](name=name, dtype=features.dtype)(features)
        if name in asked:
            converts = rounds and features_dtype == _DTYPE
            as_float32 = InFloat32(name=f"{name}_float32", dtype=_DTYPE)
            outputs[name] = as_float32(features) if converts else features
    model = keras.Model(image, outputs, name="vgg19")
    model.trainable = False
    return model


def _convolution(
    features: keras.KerasTensor,
    kernel: np.ndarray,
    bias: np.ndarray,
    padding: str,
    arithmetic: str,
    name: str,
) -> keras.KerasTensor:
    """Returns the features after a convolution, in the given arithmetic where that is faster."""
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
    if arithmetic in _IN_BFLOAT16:
        rounded = BFloat16ReLU(
            filters,
            padding=padding,
            splits=name == vgg19.CONVOLUTIONS[0],  # It reads the picture itself.
            laid_out=arithmetic == LAID_OUT_BFLOAT16,
            name=name,
        )
        features = rounded(features)
        rounded.set_kernel(kernel, bias)
        return features
    layer = ConvolutionReLU(
        filters, 3, padding=padding, data_format="channels_last", name=name, dtype=_DTYPE
    )
    features = layer(features)
    layer.set_weights([kernel, bias])
    return features


def prepare(extractor: keras.Model) -> list[tf.Tensor]:
    """Computes the kernels that the extractor's layers left out of a file.

    Returns:
        Tensors on which calls of the extractor must have control dependencies.
    """
    stored = [layer for layer in extractor.layers if isinstance(layer, StoredWinogradReLU)]
    return [layer.prepare() for layer in stored]


def stored_variables(extractor: keras.Model) -> list[tf.Variable]:
    """Returns every variable of the extractor's graph, for a `tf.Module` to track."""
    stored = [layer for layer in extractor.layers if isinstance(layer, StoredWinogradReLU)]
    made = [variable for layer in stored for variable in layer.made]
    return [variable.value for variable in extractor.variables] + made
