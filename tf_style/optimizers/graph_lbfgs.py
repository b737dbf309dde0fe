"""L-BFGS from start to end as operations of one graph: no Python between the steps.

The same steps as `lbfgs.minimize_lbfgs` without a deadline, to the bit. Knows nothing of images.
"""

import tensorflow as tf

from tf_style.config.optimizer import OptimizerConfig
from tf_style.optimizers.lbfgs_steps import Function, LbfgsState, advance, forgotten, initial_state
from tf_style.optimizers.line_search import search
from tf_style.optimizers.scaling import scaled, unit_scale
from tf_style.optimizers.solution import MAX_RESTARTS_WITHOUT_GAIN, GraphSolution


def minimize_lbfgs_in_graph(
    function: Function,
    start: tf.Tensor,
    *,
    num_steps: int | tf.Tensor,
    history: int = OptimizerConfig.history,
    first_step: float = 0.01,
    in_place: bool = True,
) -> GraphSolution:
    """Returns where L-BFGS ends; what it does is told at `lbfgs.minimize_lbfgs`.

    Args:
        function: maps a position `[n]` to its value and gradient `[n]`.
        start: float `[n]`.
        num_steps: steps at most, int32.
        history: curvature pairs kept; each takes twice the start's size.
        first_step: root-mean-square length of the first step, in the position's units.
        in_place: change the memory in place. XLA, which does so of itself, needs False.
    """
    found = advance(
        function,
        initial_state(start, history),
        first_step=tf.constant(first_step),
        last_step=tf.constant(0),
        in_place=in_place,
    )
    scale = unit_scale(found.gradient)
    factor = tf.cast(scale, start.dtype)
    found = found._replace(value=found.value * factor, gradient=found.gradient * factor)
    lengths = tf.constant(
        [first_step * 0.1**times for times in range(MAX_RESTARTS_WITHOUT_GAIN + 1)]
    )
    function = scaled(function, scale)

    def goes_on(state: LbfgsState, restarts: tf.Tensor) -> tf.Tensor:
        level = tf.reduce_all(tf.equal(state.gradient, 0.0))
        return (state.num_steps < num_steps) & (restarts <= MAX_RESTARTS_WITHOUT_GAIN) & ~level

    def further(state: LbfgsState, restarts: tf.Tensor) -> tuple[LbfgsState, tf.Tensor]:
        length, begun = lengths[restarts], state.num_steps
        state = advance(function, state, first_step=length, last_step=num_steps, in_place=in_place)
        state = tf.cond(
            state.failed,
            lambda: search(function, state, first_step=length, in_place=in_place),
            lambda: state,
        )
        restarts = tf.where(state.num_steps > begun, 0, restarts) + tf.cast(state.failed, tf.int32)
        empty = forgotten(state)
        return (
            state._replace(
                num_pairs=tf.where(state.failed, empty.num_pairs, state.num_pairs),
                length=tf.where(state.failed, empty.length, state.length),
                failed=empty.failed,
            ),
            restarts,
        )

    state, _ = tf.while_loop(goes_on, further, (found, tf.constant(0)), parallel_iterations=1)
    value = tf.cast(tf.cast(state.value, tf.float64) / scale, start.dtype)
    # Before the first evaluation steps are -1, and stay so if it is not finite.
    return GraphSolution(
        state.position, value, tf.maximum(state.num_steps, 0), state.num_evaluations
    )
