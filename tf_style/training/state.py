"""The state of a training, and one step of Muon and Adam, as pure functions of dicts of tensors."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

Named = Mapping[str, tf.Tensor]

_BETA1, _BETA2, _EPSILON = 0.9, 0.99, 1e-8
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_LARGEST_NORM = 2.0
_AVERAGED = 0.995


class TrainingState(NamedTuple):
    """All that changes from step to step, dicts of float32 tensors by name.

    Attributes:
        step: float32 scalar, the number of steps made.
        parameters: what is trained.
        first: averages of the gradients.
        second: Adam's averages of the squared gradients; 0 for what Muon moves.
        averages: running averages of the parameters: the network that is saved, calmer than the
            parameters of any one step (Polyak & Juditsky, 1992).
    """

    step: tf.Tensor
    parameters: Named
    first: Named
    second: Named
    averages: Named


def initial_state(parameters: Mapping[str, np.ndarray]) -> TrainingState:
    """Returns the state before the first step."""
    tensors = {name: tf.constant(value, tf.float32) for name, value in parameters.items()}
    zeros = {name: tf.zeros_like(value) for name, value in tensors.items()}
    return TrainingState(tf.zeros([]), tensors, zeros, zeros, tensors)


def after_step(
    state: TrainingState,
    gradients: Named,
    rate: tf.Tensor,
    *,
    kernels: Collection[str] = (),
    faster: Mapping[str, float] | None = None,
) -> TrainingState:
    """Returns the state after one step: of Muon for kernels, of Adam for all else.

    A network learns in some 60 % of the steps of Adam this way (docs/notes/feedforward.md).

    Args:
        state: before the step.
        gradients: of the loss, by name; parameters without one stay as they are.
        rate: float32 scalar, the learning rate: about the root mean square of a kernel's change,
            and the most of Adam's, where gradients stay the same.
        kernels: names of the parameters `[height, width, in, filters]` that Muon moves.
        faster: factors of the learning rate, by name; 1 for all others.

    References:
        Kingma & Ba (2015), Adam, algorithm 1. Differs: beta2 is 0.99, not 0.999, because trainings
        have few steps;
        Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks. Differs: the
        first and the last kernel, too; the average of gradients is Adam's, with beta 0.9; the
        change has the root mean square of the rate, whatever the kernel's shape. Liu et al. (2025),
        Muon is scalable for LLM training, take a fifth of it.
    """
    count = state.step + 1.0
    corrected = rate * tf.sqrt(1.0 - _BETA2**count) / (1.0 - _BETA1**count)
    kept = tf.minimum(_AVERAGED, (1.0 + count) / (10.0 + count))
    parameters, first, second = dict(state.parameters), dict(state.first), dict(state.second)
    averages = dict(state.averages)
    for name, gradient in gradients.items():
        factor = (faster or {}).get(name, 1.0)
        first[name] = _BETA1 * first[name] + (1.0 - _BETA1) * gradient
        if name in kernels:
            ahead = _BETA1 * first[name] + (1.0 - _BETA1) * gradient  # Nesterov's momentum.
            parameters[name] -= factor * rate * orthogonal(ahead)
        else:
            second[name] = _BETA2 * second[name] + (1.0 - _BETA2) * tf.square(gradient)
            change = first[name] / (tf.sqrt(second[name]) + _EPSILON)
            parameters[name] -= factor * corrected * change
        averages[name] = kept * averages[name] + (1.0 - kept) * parameters[name]
    return TrainingState(count, parameters, first, second, averages)


def orthogonal(change: tf.Tensor) -> tf.Tensor:
    """Returns the nearest change of a kernel that moves all directions about equally far.

    As a matrix of inputs by filters, it has the singular vectors of the one given, and singular
    values that differ by less than a factor of 2, by five iterations of Newton and Schulz (Jordan
    et al., 2024). Those below 0.3 % of the matrix's norm stay smaller.

    Args:
        change: float32 `[height, width, in, filters]`.

    Returns:
        Float32 of its shape, with a root mean square of about 1; 0 for 0.
    """
    matrix = tf.reshape(change, [-1, change.shape[-1]])
    longer = max(matrix.shape)
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if is_tall else matrix
    x /= tf.norm(x) + 1e-12
    a, b, c = _NEWTON_SCHULZ
    for _ in range(_ITERATIONS):
        square = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * square + c * tf.matmul(square, square), x)
    x = tf.transpose(x) if is_tall else x
    return longer**0.5 * tf.reshape(x, change.shape)


def shortened(gradients: Named) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Returns gradients with a common length of at most 2, and the length that they had.

    The first ones are ten times as long.
    """
    length = tf.linalg.global_norm(list(gradients.values()))
    shorter = tf.minimum(1.0, _LARGEST_NORM / tf.maximum(length, 1e-12))
    return {name: shorter * gradient for name, gradient in gradients.items()}, length


def named_state(state: TrainingState) -> dict[str, tf.Tensor]:
    """Returns all tensors of a state by one name each: "step", "parameters/NAME", "first/NAME"."""
    named = {"step": state.step}
    for field, values in state._asdict().items():
        if field != "step":
            named.update({f"{field}/{name}": value for name, value in values.items()})
    return named


def state_of(named: Named) -> TrainingState:
    """Returns the state whose tensors have these names: the inverse of `named_state`."""
    fields: dict[str, dict[str, tf.Tensor]] = {
        field: {} for field in TrainingState._fields if field != "step"
    }
    for key, value in named.items():
        field, _, name = key.partition("/")
        if field in fields:
            fields[field][name] = value
    return TrainingState(named["step"], **fields)
