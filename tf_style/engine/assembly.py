"""Problems by config, kept from call to call with their traced graphs."""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.config.style_config import StyleConfig
from tf_style.engine.parametrization import PARAMETRIZATIONS
from tf_style.engine.problem import Problem
from tf_style.network.arithmetic import arithmetic
from tf_style.network.extractor import make_extractor
from tf_style.network.weight_files import LayerArrays
from tf_style.network.weights import load_weights
from tf_style.objective.objective import Objective


def make_problem(
    layer_arrays: LayerArrays, config: StyleConfig, arithmetic: str, *, jit_compile: bool = False
) -> Problem:
    """Returns the problem that a config means.

    Args:
        layer_arrays: weights, as `Weights.layers` has them.
        config: network, loss, parametrization and gamut.
        arithmetic: of `extractor.ARITHMETICS`.
        jit_compile: whether XLA compiles each evaluation.
    """
    extractor = make_extractor(
        layer_arrays, config.network, layers=config.loss.layers, arithmetic=arithmetic
    )
    return Problem(
        Objective(extractor, config.loss),
        PARAMETRIZATIONS[config.optimizer.parametrization_in_use],
        gamut=config.optimizer.gamut,
        jit_compile=jit_compile,
    )


def load_problem(
    config: StyleConfig, *, notify: Callable[[str], None] | None = None
) -> tuple[Problem, str]:
    """Returns what a config minimizes, and its weights' hash; those of two configs are kept.

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
