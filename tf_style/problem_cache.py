"""Problems by config, kept from call to call with their traced graphs."""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from tf_style.config import StyleConfig
from tf_style.options import LossConfig, NetworkConfig
from tf_style.precision import arithmetic
from tf_style.problem import Problem, make_problem
from tf_style.weight_files import LayerArrays
from tf_style.weights import load_weights


def load_problem(
    config: StyleConfig, *, notify: Callable[[str], None] | None = None
) -> tuple[Problem, str]:
    """Returns what a config minimises, and its weights' hash; those of two configs are kept.

    Args:
        config: everything but the pictures.
        notify: called with a line of text before weights are fetched.

    Raises:
        OSError: if the weights cannot be fetched.
        ValueError: if they cannot be used.
    """
    if config.compute.deterministic:
        tf.config.experimental.enable_op_determinism()
    weights = load_weights(config.network.weights, notify=notify)
    kind = arithmetic(
        config.compute.precision,
        deterministic=config.compute.deterministic,
        jit_compile=config.compute.jit_compile != "off",
    )
    recipe = _Recipe(
        weights.sha256,
        kind,
        config.compute.jit_compile == "objective",
        config.network,
        config.loss,
        config.optimizer.parametrization_in_use,
        config.optimizer.gamut,
        weights.layers,
        config,
    )
    return _problem(recipe), weights.sha256


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What decides a problem; equal recipes share one, and its traced graphs."""

    weights_sha256: str
    arithmetic: str
    jit_compile: bool
    network: NetworkConfig
    loss: LossConfig
    parametrization: str
    gamut: bool
    layer_arrays: LayerArrays = dataclasses.field(compare=False)
    config: StyleConfig = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=2)
def _problem(recipe: _Recipe) -> Problem:
    return make_problem(
        recipe.layer_arrays, recipe.config, recipe.arithmetic, jit_compile=recipe.jit_compile
    )
