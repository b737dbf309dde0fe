"""A few steps of L-BFGS from a picture, at one size, in a form that XLA can compile.

For films: a frame starts from the picture of the frame before, with what the optimizer has learned
of the loss there. The targets may be new ones.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_style.config.style_config import StyleConfig
from tf_style.engine.problem import Problem, ProblemData, flat_function
from tf_style.images.graph_resizing import size_of
from tf_style.objective.loss import LossWeights
from tf_style.objective.targets import Targets
from tf_style.optimizers.graph_minimizers import minimize_scaled_lbfgs_in_graph
from tf_style.optimizers.lbfgs_state import LbfgsState, initial_state


class History(NamedTuple):
    """What L-BFGS carries from call to call; zeros before the first one.

    Attributes:
        pairs: float32 `[m, 2, n]`, changes of the position, and of the gradient times `scale`: see
            `LbfgsState`.
        num_pairs: int32 scalar, pairs stored since the history was last empty.
        scale: float32 scalar, a power of two.
    """

    pairs: tf.Tensor
    num_pairs: tf.Tensor
    scale: tf.Tensor


class Steps(NamedTuple):
    """The result of a call.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1. Not clipped, so that the next call goes
            on where this one has ended.
        loss: float32 scalar, of the image as it is shown: clipped, with the config's `gamut`.
        history: for the next call.
    """

    image: tf.Tensor
    loss: tf.Tensor
    history: History


def no_history(image: tf.Tensor, config: StyleConfig) -> History:
    """Returns the history before the first call, of zeros.

    Args:
        image: float32 `[1, H, W, 3]`; only its shape matters.
        config: the number of pairs.
    """
    pairs = tf.zeros([config.optimizer.history, 2, tf.size(image)])
    return History(pairs, tf.constant(0), tf.constant(0.0))


def steps_at_size(
    problem: Problem,
    image: tf.Tensor,
    history: History,
    wanted: tuple[LossWeights, Targets],
    config: StyleConfig,
    *,
    num_steps: int,
) -> Steps:
    """Returns the image after more steps: `num_steps + 1` evaluations, rarely more.

    Args:
        problem: what is minimized.
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, of a known size.
        history: of the call before, with any targets; or `no_history`.
        wanted: the weights of the loss, and the targets for a content of the image's size.
        config: the optimizer. Its exponent is that of a size that follows a coarser one.
        num_steps: number of steps.
    """
    height, width = size_of(image)
    parametrization, exponent = problem.parametrization, config.optimizer.exponent_at(1)
    weights, targets = wanted
    data = ProblemData(targets, parametrization.basis(height, width, exponent), (weights,))
    is_new = tf.equal(history.num_pairs, 0)
    image = tf.where(is_new, problem.start(image), image)
    start = parametrization.to_position(image, data.basis)
    state, scale = minimize_scaled_lbfgs_in_graph(
        flat_function(problem, start, data),
        _begun(tf.reshape(start, [-1]), history),
        tf.cast(tf.where(is_new, 1.0, history.scale), tf.float64),
        num_steps=num_steps,
        in_place=False,
    )
    history = History(state.pairs, state.num_pairs, tf.cast(scale, tf.float32))
    position = tf.reshape(state.position, tf.shape(start))
    return Steps(
        tf.ensure_shape(parametrization.to_image(position, data.basis), image.shape),
        tf.cast(tf.cast(state.value, tf.float64) / scale, tf.float32),
        history,
    )


def _begun(position: tf.Tensor, history: History) -> LbfgsState:
    """Returns the state of L-BFGS with a history, before the evaluation at the position."""
    positions, gradients = tf.unstack(history.pairs, axis=1)

    def products(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.matmul(left, right, transpose_b=True), tf.float64)

    return initial_state(position, positions.shape[0])._replace(
        pairs=history.pairs,
        inner=products(positions, gradients),
        square=products(gradients, gradients),
        num_pairs=history.num_pairs,
    )
