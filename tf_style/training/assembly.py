"""Builds what a training minimizes: the objective of a config, with all layers that it reads."""

from collections.abc import Callable

import tensorflow as tf

from tf_style import vgg19
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import PAINTING_LAYERS
from tf_style.network.arithmetic import arithmetic, laid_out
from tf_style.network.extractor import make_extractor
from tf_style.network.weights import load_weights
from tf_style.objective.objective import Objective


def load_objective(
    config: TrainingConfig, *, notify: Callable[[str], None] | None = None, is_local: bool = True
) -> Objective:
    """Returns the objective of a training.

    Args:
        config: weights, losses and precision.
        notify: called with a line of text before weights are downloaded.
        is_local: let graphs hold operations that only this machine may have. Otherwise XLA can
            compile them for others.

    Raises:
        OSError: if the weights cannot be downloaded or read.
        ValueError: if the weights are invalid.
    """
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    weights = load_weights(config.network.weights, notify=notify)
    kind = arithmetic(
        config.precision, deterministic=config.deterministic, jit_compile=not is_local
    )
    extractor = make_extractor(
        weights.layers,
        config.network,
        layers=[name for name in vgg19.LAYERS if name in {*config.loss.layers, *PAINTING_LAYERS}],
        arithmetic=laid_out(kind) if is_local else kind,
        features_dtype="bfloat16",
    )
    return Objective(extractor, config.loss)
