"""The minimizers as operations of one graph, for graphs that run without Python.

Each takes (function, start `[n]`, num_steps, options, in_place) and knows nothing of images.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_style.config.optimizer import OptimizerConfig
from tf_style.optimizers.adam import AdamState, advance_adam
from tf_style.optimizers.graph_lbfgs import minimize_lbfgs_in_graph
from tf_style.optimizers.lbfgs_steps import Function
from tf_style.optimizers.solution import MAX_RESTARTS_WITHOUT_GAIN, GraphSolution
from tf_style.optimizers.tfp_state import tfp_state


def minimize_tfp_lbfgs_in_graph(
    function: Function,
    start: tf.Tensor,
    *,
    num_steps: int | tf.Tensor,
    history: int = OptimizerConfig.history,
    first_step: float = 0.01,
) -> GraphSolution:
    """Returns where TFP's L-BFGS ends; what it does is told at `tfp_lbfgs.minimize_tfp_lbfgs`.

    Args:
        function: maps a position `[n]` to its value and gradient `[n]`.
        start: float `[n]`.
        num_steps: iterations at most, int32.
        history: curvature pairs kept.
        first_step: root-mean-square length of the first trial step, in the position's units.
    """
    import tensorflow_probability as tfp

    def attempt(best: GraphSolution, restarts: tf.Tensor) -> tuple[GraphSolution, tf.Tensor]:
        value, gradient = function(best.position)
        length = tf.norm(tf.cast(gradient, tf.float64))
        length /= tf.sqrt(tf.cast(tf.size(gradient), tf.float64))
        wanted = first_step * 0.1 ** tf.cast(restarts, tf.float64)
        scale = tf.cast(wanted / length, start.dtype)

        def scaled(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            value, gradient = function(position)
            return value * scale, gradient * scale

        found = tfp.optimizer.lbfgs_minimize(
            scaled,
            initial_position=None,
            previous_optimizer_results=tfp_state(
                best.position, value * scale, gradient * scale, history
            ),
            num_correction_pairs=history,
            tolerance=0.0,
            x_tolerance=0.0,
            f_relative_tolerance=0.0,
            max_iterations=num_steps - best.num_steps,
        )
        # TFP counts a failed search as an iteration, but it made no step.
        steps = found.num_iterations - tf.cast(found.failed, tf.int32)
        gained = (found.objective_value / scale < value) & (steps > 0)
        evaluations = best.num_evaluations + 1 + found.num_objective_evaluations
        after = GraphSolution(
            tf.where(gained, found.position, best.position),
            tf.where(gained, found.objective_value / scale, value),
            best.num_steps + tf.where(gained, steps, 0),
            evaluations,
        )
        again = tf.where(gained, 0, restarts + 1)
        return after, tf.where(found.failed & (length > 0.0), again, _NO_MORE)

    def goes_on(best: GraphSolution, restarts: tf.Tensor) -> tf.Tensor:
        return (restarts <= MAX_RESTARTS_WITHOUT_GAIN) & (best.num_steps < num_steps)

    nothing = GraphSolution(start, tf.zeros([], start.dtype), tf.constant(0), tf.constant(0))
    return tf.while_loop(goes_on, attempt, (nothing, tf.constant(0)), parallel_iterations=1)[0]


_NO_MORE = MAX_RESTARTS_WITHOUT_GAIN + 1


def minimize_adam_in_graph(
    function: Function,
    start: tf.Tensor,
    *,
    num_steps: int | tf.Tensor,
    learning_rate: float = OptimizerConfig.learning_rate,
) -> GraphSolution:
    """Returns where Adam ends; what it does is told at `adam.minimize_adam`.

    Args:
        function: maps a position `[n]` to its value and gradient `[n]`.
        start: float `[n]`.
        num_steps: steps, int32.
        learning_rate: step size, in the position's units.
    """
    value, gradient = function(start)
    zeros = tf.zeros_like(start)
    state = AdamState(start, zeros, zeros, gradient, value)
    steps = tf.convert_to_tensor(num_steps)
    state = advance_adam(function, state, rate=learning_rate, done=tf.constant(0), steps=steps)
    return GraphSolution(state.position, state.loss, steps, steps + 1)


def graph_minimizer(config: OptimizerConfig, *, in_place: bool = True) -> Callable[..., Any]:
    """Returns the minimizer that the options name: `(function, start, num_steps=...)`.

    Args:
        config: optimizer, history, learning rate.
        in_place: as for `lbfgs_graph.minimize_lbfgs_in_graph`.
    """
    return {
        "lbfgs": lambda function, start, num_steps: minimize_lbfgs_in_graph(
            function, start, num_steps=num_steps, history=config.history, in_place=in_place
        ),
        "tfp_lbfgs": lambda function, start, num_steps: minimize_tfp_lbfgs_in_graph(
            function, start, num_steps=num_steps, history=config.history
        ),
        "adam": lambda function, start, num_steps: minimize_adam_in_graph(
            function, start, num_steps=num_steps, learning_rate=config.learning_rate
        ),
    }[config.optimizer]
