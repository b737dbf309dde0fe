"""The functions that are exported as StableHLO programs, with sample arguments.

Takes a problem, its config and a picture size; gives functions of tensors. The weights of the
network are arguments, too: XLA copies variables into every loop and branch that reads them.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from tf_style._keras import keras
from tf_style.config.style_config import StyleConfig
from tf_style.engine.graph_stages import start_image, stylize_at_size
from tf_style.engine.graph_step import no_history, steps_at_size
from tf_style.engine.pictures import Pictures
from tf_style.engine.problem import Problem
from tf_style.export.signatures import measured
from tf_style.export.tensor_names import named_targets, named_terms
from tf_style.graphs.tracing import unfolded
from tf_style.objective.loss import LossWeights
from tf_style.objective.objective import Objective

Named: TypeAlias = dict[str, tf.Tensor]

_SEED = 2016
_WEIGHTS = ("content_weight", "style_weight", "tv_weight")  # As in a SavedModel.


class Program(NamedTuple):
    """A function to export.

    Attributes:
        function: maps the inputs, followed by the variables of the network, to results by name.
        inputs: sample inputs by name, in order.
    """

    function: Callable[..., Named]
    inputs: Named


def check_program(name: str, config: StyleConfig) -> None:
    """Raises ValueError if a config has no such program."""
    if name == "step" and config.optimizer.optimizer != "lbfgs":
        raise ValueError(
            "Cannot export `step` with this optimizer. This is because its history is that of "
            f"L-BFGS. Received: optimizer={config.optimizer.optimizer!r}. Use optimizer='lbfgs', "
            "or leave `step` out of `signatures`."
        )


def make_programs(
    problem: Problem, config: StyleConfig, height: int, width: int, *, steps_per_call: int
) -> dict[str, Program]:
    """Returns all of `PROGRAMS` by name, for pictures of one size.

    Args:
        problem: what the config describes.
        config: everything but the pictures.
        height: height of content, style and result, px.
        width: width of content, style and result, px.
        steps_per_call: steps that a call of `step` makes.
    """
    content, style = _pictures(height, width)
    every = measured(config)  # Callers of `step` may weight each term.
    targets = all_targets = problem.objective.targets(content, style)
    if every != config:
        all_targets = _fresh(problem, every).objective.targets(content, style)

    def make_targets(problem: Problem, content: tf.Tensor, style: tf.Tensor) -> Named:
        return named_targets(problem.objective.targets(content, style))

    def loss_and_gradient(problem: Problem, image: tf.Tensor, *flat: tf.Tensor) -> Named:
        packed = tf.nest.pack_sequence_as(targets, flat)
        terms, gradient = problem.objective.terms_and_gradient(image, packed)
        return {**named_terms(terms), "gradient": gradient}

    def stylize(problem: Problem, content: tf.Tensor, style: tf.Tensor) -> Named:
        start = start_image(config, content, style)
        return stylize_at_size(problem, Pictures(content, (style,), start), config)._asdict()

    def step(problem: Problem, image: tf.Tensor, *flat: tf.Tensor) -> Named:
        like = (history, weights, all_targets)
        before, weights_now, targets_now = tf.nest.pack_sequence_as(like, flat)
        strong = weights_now._replace(style=weights_now.style * loss.style_factor)
        found = steps_at_size(
            problem, image, before, (strong, targets_now), config, num_steps=steps_per_call
        )
        return {"image": found.image, "loss": found.loss, **found.history._asdict()}

    history = no_history(content, config)
    loss = config.loss
    weights = LossWeights(
        *map(tf.constant, (loss.content_weight, loss.style_weight, loss.tv_weight))
    )
    pair = {"content": content, "style": style}
    # Not the content itself: its content loss would be rounding error only.
    point = {"image": 0.5 * content + 0.25}
    state = {**history._asdict(), **dict(zip(_WEIGHTS, weights, strict=True))}
    made: dict[str, tuple[Callable[..., Named], StyleConfig, Named]] = {
        "targets": (make_targets, every, pair),
        "loss_and_gradient_from_targets": (
            loss_and_gradient,
            config,
            {**point, **named_targets(targets)},
        ),
        "stylize": (stylize, config, pair),
        "step": (step, every, {**point, **state, **named_targets(all_targets)}),
    }
    return {
        name: Program(
            with_weights(
                functools.partial(function, _fresh(problem, settings)), problem.objective.extractor
            ),
            inputs,
        )
        for name, (function, settings, inputs) in made.items()
    }


def _fresh(problem: Problem, config: StyleConfig) -> Problem:
    """Returns the problem for a config's losses, without graphs: they hold a program's weights."""
    basis = problem.parametrization.basis

    def computed_basis(height: int, width: int, exponent: float) -> Any:
        return basis(*map(unfolded, (height, width)), exponent)

    return Problem(
        Objective(problem.objective.extractor, config.loss),
        problem.parametrization._replace(basis=computed_basis),
        gamut=problem.gamut,
        arithmetic=problem.arithmetic,
    )


def with_weights(function: Callable[..., Named], extractor: keras.Model) -> Callable[..., Named]:
    """Returns a function of an extractor with the extractor's variables as last arguments."""
    variables = extractor.variables

    def call(*arguments: tf.Tensor) -> Named:
        count = len(arguments) - len(variables)
        values = zip(variables, arguments[count:], strict=True)
        with keras.StatelessScope(state_mapping=list(values)):
            return function(*arguments[:count])

    return call


def _pictures(height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a sample content and style, float32 `[1, H, W, 3]`, RGB 0..1: waves with noise."""
    rng = np.random.default_rng(_SEED)
    rows, columns = np.mgrid[:height, :width].astype(np.float32) / 40.0
    drawn = []
    for _ in range(2):
        turns, phases = rng.uniform(0.2, 3.0, (2, 3)), rng.uniform(0.0, 6.0, 3)
        waves = [np.sin(turns[0, i] * rows + turns[1, i] * columns + phases[i]) for i in range(3)]
        noise = rng.normal(0.0, 0.05, (height, width, 3))
        drawn.append(np.clip(0.5 + 0.35 * np.stack(waves, -1) + noise, 0.0, 1.0))
    content, style = (tf.constant(picture[np.newaxis], tf.float32) for picture in drawn)
    return content, style
