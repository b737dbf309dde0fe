"""The optimizers as operations of one graph, for graphs that run without Python.

Each maps (function, start `[n]`, num_steps, options) to a `GraphSolution`. They make the same steps
as the sliced optimizers without a deadline, and know nothing about images.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import tensorflow as tf

from tf_style.config.optimizer import OptimizerConfig
from tf_style.optimizers.adam import AdamState, advance_adam
from tf_style.optimizers.lbfgs_state import LbfgsState, initial_state, without_history
from tf_style.optimizers.lbfgs_steps import SHORTEST, Function, advance
from tf_style.optimizers.line_search import search
from tf_style.optimizers.scaling import scaled_function, unit_scale
from tf_style.optimizers.solution import MAX_RESTARTS_WITHOUT_GAIN, GraphSolution
from tf_style.optimizers.tfp_state import advance_tfp, num_steps_of, tfp_state

T = TypeVar("T")

_ENOUGH = MAX_RESTARTS_WITHOUT_GAIN + 1  # Restarts that end the loop.
_SHORTEST_WITHOUT_SEARCH = 1e-4  # As `SHORTEST`, where no line search takes over.


def minimize_lbfgs_in_graph(
    function: Function,
    start: tf.Tensor,
    *,
    num_steps: int | tf.Tensor,
    history: int = OptimizerConfig.history,
    first_step: float = 0.01,
    in_place: bool = True,
) -> GraphSolution:
    """Returns where L-BFGS ends; `lbfgs.minimize_lbfgs` describes the method.

    Differs from it without `in_place`: where a unit step and shorter ones fail, still shorter ones
    are tried instead of a line search. So an XLA program contains the function once.

    Args:
        function: maps a position `[n]` to its value and gradient `[n]`.
        start: float `[n]`.
        num_steps: maximum number of steps, int32.
        history: number of curvature pairs; each takes twice the start's memory.
        first_step: root-mean-square length of the first step, in the position's units.
        in_place: change the history in place. XLA does so by itself and needs False.
    """
    begun = initial_state(start, history), tf.ones([], tf.float64)
    state, scale = minimize_scaled_lbfgs_in_graph(
        function, *begun, num_steps=num_steps, first_step=first_step, in_place=in_place
    )
    value = tf.cast(tf.cast(state.value, tf.float64) / scale, start.dtype)
    # Before the first evaluation the number of steps is -1. It stays so if the value is not finite.
    return GraphSolution(
        state.position, value, tf.maximum(state.num_steps, 0), state.num_evaluations
    )


def minimize_scaled_lbfgs_in_graph(
    function: Function,
    state: LbfgsState,
    scale: tf.Tensor,
    *,
    num_steps: int | tf.Tensor,
    first_step: float = 0.01,
    in_place: bool = True,
) -> tuple[LbfgsState, tf.Tensor]:
    """Returns the state of L-BFGS where it ends, and the factor of its value and gradient.

    Args:
        function: maps a position `[n]` to its value and gradient `[n]`.
        state: as from `initial_state`, before the evaluation at the start. It may have a history.
        scale: float64 scalar, the factor that its gradient deltas have.
        num_steps: as for `minimize_lbfgs_in_graph`.
        first_step: as for `minimize_lbfgs_in_graph`.
        in_place: as for `minimize_lbfgs_in_graph`.
    """
    shortest = SHORTEST if in_place else _SHORTEST_WITHOUT_SEARCH
    lengths = tf.constant([first_step * 0.1**restarts for restarts in range(_ENOUGH)])

    def attempt(run: _Scaled, restarts: tf.Tensor) -> tuple[_Scaled, tf.Tensor]:
        before, scale = run
        is_begin = before.num_steps < 0  # The first attempt only evaluates at the start.
        scaled = scaled_function(function, scale)
        state = advance(
            scaled,
            before,
            first_step=lengths[restarts],
            last_step=tf.where(is_begin, 0, num_steps),
            in_place=in_place,
            shortest=shortest,
        )
        if in_place:
            state = tf.cond(
                state.failed,
                lambda: search(scaled, state, first_step=lengths[restarts]),
                lambda: state,
            )
        is_new = is_begin & tf.equal(state.num_pairs, 0)
        more = tf.where(is_new, unit_scale(state.gradient), tf.ones_like(scale))
        factor = tf.cast(more, state.value.dtype)
        cleared = without_history(state)
        after = state._replace(
            value=state.value * factor,
            gradient=state.gradient * factor,
            num_pairs=tf.where(state.failed, cleared.num_pairs, state.num_pairs),
            length=tf.where(state.failed, cleared.length, state.length),
            failed=cleared.failed,
        )
        restarts = tf.where(state.num_steps > before.num_steps, 0, restarts)
        return _Scaled(after, scale * more), restarts + tf.cast(state.failed, tf.int32)

    def is_unfinished(run: _Scaled) -> tf.Tensor:
        is_flat = tf.reduce_all(tf.equal(run.state.gradient, 0.0))
        return (run.state.num_steps < 0) | ((run.state.num_steps < num_steps) & ~is_flat)

    return _with_restarts(attempt, _Scaled(state, scale), is_unfinished)


class _Scaled(NamedTuple):
    """A state of L-BFGS, and the factor of its value and gradient, float64."""

    state: LbfgsState
    scale: tf.Tensor


def minimize_tfp_lbfgs_in_graph(
    function: Function,
    start: tf.Tensor,
    *,
    num_steps: int | tf.Tensor,
    history: int = OptimizerConfig.history,
    first_step: float = 0.01,
) -> GraphSolution:
    """Returns where TFP's L-BFGS ends; `tfp_lbfgs.TfpLbfgs` describes the method.

    Args:
        function: maps a position `[n]` to its value and gradient `[n]`.
        start: float `[n]`.
        num_steps: maximum number of iterations, int32.
        history: number of curvature pairs.
        first_step: root-mean-square length of the first trial step, in the position's units.
    """

    def attempt(best: GraphSolution, restarts: tf.Tensor) -> tuple[GraphSolution, tf.Tensor]:
        value, gradient = function(best.position)
        length = tf.norm(tf.cast(gradient, tf.float64))
        length /= tf.sqrt(tf.cast(tf.size(gradient), tf.float64))
        wanted = first_step * 0.1 ** tf.cast(restarts, tf.float64)
        scale = tf.cast(wanted / length, start.dtype)
        tfp = advance_tfp(
            function,
            tfp_state(best.position, value * scale, gradient * scale, history),
            scale=scale,
            history=history,
            max_iterations=num_steps - best.num_steps,
        )
        steps = num_steps_of(tfp)
        gained = (tfp.objective_value / scale < value) & (steps > 0)
        evaluations = best.num_evaluations + 1 + tfp.num_objective_evaluations
        after = GraphSolution(
            tf.where(gained, tfp.position, best.position),
            tf.where(gained, tfp.objective_value / scale, value),
            best.num_steps + tf.where(gained, steps, 0),
            evaluations,
        )
        restarts = tf.where(gained, 0, restarts + 1)
        return after, tf.where(tfp.failed & (length > 0.0), restarts, _ENOUGH)

    def is_unfinished(best: GraphSolution) -> tf.Tensor:
        return best.num_steps < num_steps

    unevaluated = GraphSolution(start, tf.zeros([], start.dtype), tf.constant(0), tf.constant(0))
    return _with_restarts(attempt, unevaluated, is_unfinished)


def _with_restarts(
    attempt: Callable[[T, tf.Tensor], tuple[T, tf.Tensor]],
    begun: T,
    is_unfinished: Callable[[T], tf.Tensor],
) -> T:
    """Returns the state after attempts: until it is finished or too many restarts gained nothing.

    Args:
        attempt: maps a state and the int32 number of restarts without gain to both afterwards.
        begun: the first state.
        is_unfinished: whether another attempt is worthwhile.
    """
    return tf.while_loop(
        lambda state, restarts: (restarts <= MAX_RESTARTS_WITHOUT_GAIN) & is_unfinished(state),
        attempt,
        (begun, tf.constant(0)),
        parallel_iterations=1,
    )[0]


def minimize_adam_in_graph(
    function: Function,
    start: tf.Tensor,
    *,
    num_steps: int | tf.Tensor,
    learning_rate: float = OptimizerConfig.learning_rate,
) -> GraphSolution:
    """Returns where Adam ends; `adam.minimize_adam` describes the method.

    Args:
        function: maps a position `[n]` to its value and gradient `[n]`.
        start: float `[n]`.
        num_steps: number of steps, int32.
        learning_rate: step size, in the position's units.
    """
    value, gradient = function(start)
    zeros = tf.zeros_like(start)
    state = AdamState(start, zeros, zeros, gradient, value)
    last_step = tf.convert_to_tensor(num_steps)
    state, _ = advance_adam(
        function, state, rate=learning_rate, num_done=tf.constant(0), last_step=last_step
    )
    return GraphSolution(state.position, state.loss, last_step, last_step + 1)
