"""The start of a run: what a trained network paints for its photograph and styles, at once."""

from collections.abc import Callable

import tensorflow as tf

from tf_style.config.fast import FastConfig
from tf_style.config.style_config import StyleConfig
from tf_style.feedforward.architecture import LEAST_SIDE
from tf_style.feedforward.bundled import named_network
from tf_style.feedforward.pictures import fast_dtype, paint_inputs
from tf_style.feedforward.predictor import styles_of
from tf_style.feedforward.preparation import reduced, smallest_painting, training_of
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.sizes import check_sides


def with_fast_start(
    inputs: Inputs, config: StyleConfig, *, notify: Callable[[str], None] | None = None
) -> Inputs:
    """Returns the inputs with the start that init='fast' asks for; unchanged otherwise.

    The bundled network predicts a style for each painting, and paints each region in its style.

    Args:
        inputs: the pictures of the run, with regions.
        config: `init`, and `deterministic`, with which the start is the same on every processor
            but for rounding.
        notify: called with a line of text before the weights of VGG-19 are downloaded.

    Raises:
        OSError: if those weights cannot be downloaded or read.
        ValueError: if a picture is too small for the networks.
    """
    if config.init != "fast":
        return inputs
    height, width = inputs.content.shape[1:3]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"`init` must not be 'fast' for a result with less than {LEAST_SIDE} px on a side. "
            f"Received: {width}x{height} px. Use init='content'."
        )
    network = named_network(FastConfig.network)
    training = training_of(network)
    paintings = [reduced(style, training.style_edge) for style in inputs.styles]
    for painting in paintings:
        check_sides("style", painting.shape[1:3], smallest_painting(training))
    dtype = tf.float32 if config.compute.deterministic else fast_dtype()
    styles = styles_of(network, paintings, notify=notify)
    return inputs._replace(start=paint_inputs(network, inputs, styles, FastConfig(), dtype=dtype))
