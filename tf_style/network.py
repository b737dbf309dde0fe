"""From the options of a network, or named weights, to its extractor."""

from collections.abc import Callable, Iterable

import keras

from tf_style._checks import check_choice
from tf_style.extractor import ARITHMETICS, build_extractor
from tf_style.options import NetworkConfig
from tf_style.weight_files import LayerArrays
from tf_style.weights import load_weights, mean_activations, normalize


def load_extractor(
    config: NetworkConfig | None = None,
    *,
    layers: Iterable[str],
    arithmetic: str = "direct",
    notify: Callable[[str], None] | None = None,
) -> keras.Model:
    """Returns the model that gives the features of `layers`, with its weights.

    Args:
        config: weights, pooling, padding, normalised or not; the defaults if left out.
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
