"""Builds the problem that a config describes: weights, network, objective, parametrization."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.config.style_config import StyleConfig
from tf_style.engine.compilation import compiled_part
from tf_style.engine.parametrization import PARAMETRIZATIONS
from tf_style.engine.problem import Problem
from tf_style.network.arithmetic import arithmetic, laid_out
from tf_style.network.extractor import LAID_OUT_BFLOAT16, make_extractor
from tf_style.network.reading_ahead import WeightsAhead
from tf_style.network.weight_files import LayerArrays
from tf_style.network.weights import load_weights
from tf_style.objective.objective import Objective


class LoadedProblem(NamedTuple):
    """A problem, and what it was made of.

    Attributes:
        problem: what a config minimizes.
        weights_sha256: hash of the network's weights.
    """

    problem: Problem
    weights_sha256: str


def load_problem(
    config: StyleConfig,
    *,
    kind: str | None = None,
    is_local: bool = True,
    is_shared: bool = True,
    notify: Callable[[str], None] | None = None,
    ahead: WeightsAhead | None = None,
) -> LoadedProblem:
    """Returns the problem that a config describes.

    Args:
        config: everything but the pictures.
        kind: arithmetic of the convolutions, as for `extractor.build_extractor`; if omitted, what
            the config's `precision` means on this machine.
        is_local: let graphs hold operations that only this machine may have, if `kind` is omitted:
            they must not be saved.
        is_shared: return the same problem, with its traced graphs, for the same config; the
            problems of the last two configs stay in memory.
        notify: called with a line of text before weights are downloaded.
        ahead: the weights of this config, from `read_ahead`; read here if omitted.

    Raises:
        OSError: if the weights cannot be downloaded or read.
        ValueError: if the weights are invalid.
    """
    if config.compute.deterministic:
        tf.config.experimental.enable_op_determinism()
    weights = None if ahead is None else ahead.result()
    is_normalized = weights is not None and config.network.normalized
    if weights is None:
        weights = load_weights(config.network.weights, notify=notify)
    compiled = compiled_part(config.compute)
    if kind is None:
        is_compiled = compiled != "off"
        kind = arithmetic(
            config.compute.precision,
            deterministic=config.compute.deterministic,
            jit_compile=is_compiled,
        )
        if is_local:
            kind = laid_out(kind, jit_compile=is_compiled)
    recipe = _Recipe(
        weights.sha256,
        kind,
        compiled == "objective",
        config.network,
        config.loss,
        config.optimizer.parametrization_in_use,
        config.optimizer.gamut,
        weights.layers,
        config.replace(normalized=False) if is_normalized else config,
    )
    return LoadedProblem(_shared(recipe) if is_shared else _made(recipe), weights.sha256)


def make_problem(
    layer_arrays: LayerArrays, config: StyleConfig, kind: str, *, jit_compile: bool = False
) -> Problem:
    """Returns the problem that a config describes, with the given weights.

    Args:
        layer_arrays: weights, as in `Weights.layers`.
        config: network, loss, parametrization and gamut.
        kind: arithmetic of the convolutions, as for `extractor.build_extractor`.
        jit_compile: compile each evaluation with XLA.
    """
    extractor = make_extractor(
        layer_arrays,
        config.network,
        layers=config.loss.layers,
        arithmetic=kind,
        features_dtype="bfloat16",
    )
    return Problem(
        Objective(extractor, config.loss),
        PARAMETRIZATIONS[config.optimizer.parametrization_in_use],
        gamut=config.optimizer.gamut,
        arithmetic="bfloat16" if kind == LAID_OUT_BFLOAT16 else kind,
        jit_compile=jit_compile,
    )


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """Everything that decides a problem; equal recipes share one problem and its graphs."""

    weights_sha256: str
    arithmetic: str
    jit_compile: bool
    network: NetworkConfig
    loss: LossConfig
    parametrization: str
    gamut: bool
    layer_arrays: LayerArrays = dataclasses.field(compare=False)
    config: StyleConfig = dataclasses.field(compare=False)


def _made(recipe: _Recipe) -> Problem:
    return make_problem(
        recipe.layer_arrays, recipe.config, recipe.arithmetic, jit_compile=recipe.jit_compile
    )


@functools.lru_cache(maxsize=2)
def _shared(recipe: _Recipe) -> Problem:
    return _made(recipe)
