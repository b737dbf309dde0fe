"""The words that all optimizers share: function, state, step, solution and status.

An optimizer minimizes a function of one tensor in slices of steps (`slices`).
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number

MAX_RESTARTS_WITHOUT_GAIN = 3

ValueAndGradient = Callable[..., tuple[tf.Tensor, tf.Tensor]]
"""`(position, *arguments) -> (value, gradient)`, for a position of any shape."""

State: TypeAlias = Mapping[str, Any]
"""Everything that a minimization needs to resume, by name: arrays, tensors and numbers."""

Kind: TypeAlias = tuple[Sequence[int], Any]
"""Shape and type of a tensor."""


class Status(enum.Enum):
    """Why a minimization ended; the value is a sentence for the user."""

    CONVERGED = "The loss no longer changes."
    STEPS_USED = "All steps done; more may improve it."
    LINE_SEARCH_FAILED = (
        "No step lowered the loss, even after restarts; the best position is kept. "
        "Try Adam to continue."
    )
    TIME_USED = "The time is used up; more time may improve it."
    CANCELLED = "Stopped on request."


class Step(NamedTuple):
    """How far a minimization has come; passed to `on_slice` between slices.

    Attributes:
        position: the current position, of the start's shape.
        loss: the value there.
        num_steps: steps made.
        num_evaluations: evaluations of value and gradient made.
        state: returns what the optimizer takes as `resume_from`. Its tensors are changed in place
            after `on_slice` returns, and copied only if they are still referenced then.
    """

    position: tf.Tensor
    loss: float
    num_steps: int
    num_evaluations: int
    state: Callable[[], State] = dict


class Solution(NamedTuple):
    """The result of a minimization.

    Attributes:
        position: the last accepted position, of the start's shape.
        loss: the value there.
        num_steps: steps made.
        num_evaluations: evaluations of value and gradient made.
        status: why it ended.
    """

    position: tf.Tensor
    loss: float
    num_steps: int
    num_evaluations: int
    status: Status


class GraphSolution(NamedTuple):
    """The result of a minimization inside a graph.

    Attributes:
        position: float `[n]`, the last accepted position.
        value: float scalar, the value there.
        num_steps: int32 scalar, steps made.
        num_evaluations: int32 scalar, evaluations of value and gradient made.
    """

    position: tf.Tensor
    value: tf.Tensor
    num_steps: tf.Tensor
    num_evaluations: tf.Tensor


OnSlice = Callable[[Step], bool | None]
"""Called between slices; a true result stops the minimization with `Status.CANCELLED`."""


class NotFiniteError(ArithmeticError):
    """The value or the gradient became NaN or infinite.

    Attributes:
        position: where that happened, of the start's shape.
        num_steps: steps made before.
    """

    def __init__(self, position: tf.Tensor, num_steps: int) -> None:
        super().__init__(f"The loss or its gradient is not finite after {num_steps} steps.")
        self.position = position
        self.num_steps = num_steps

    def __reduce__(self) -> tuple[type, tuple[tf.Tensor, int]]:  # Pickled with its arguments.
        return type(self), (self.position, self.num_steps)


def checked_start(start: tf.Tensor, num_steps: int) -> tf.Tensor:
    """Returns the start as a tensor after checking it.

    Raises:
        TypeError: unless the start is of floats.
        ValueError: if `num_steps` is negative.
    """
    check_number("num_steps", num_steps, minimum=0)
    start = tf.convert_to_tensor(start)
    if not start.dtype.is_floating:
        raise TypeError(
            f"`start` must be of floats. Received: dtype={start.dtype.name}. Use "
            "`tf.cast(start, tf.float32)`."
        )
    return start


def restored(resume_from: State, kinds: Mapping[str, Kind]) -> dict[str, tf.Tensor]:
    """Returns the tensors of a saved state by name, read one after the other.

    Args:
        resume_from: the saved state; other names in it are ignored.
        kinds: shape and type of each tensor, by name.

    Raises:
        ValueError: if a tensor is missing, or has another shape or type.
    """
    tensors = {}
    for name, (shape, kind) in kinds.items():
        dtype = np.dtype(tf.as_dtype(kind).as_numpy_dtype)
        array = np.asarray(resume_from[name]) if name in resume_from else None
        if array is None or (array.shape, array.dtype) != (tuple(shape), dtype):
            found = "none" if array is None else f"{array.dtype.name} {list(array.shape)}"
            raise ValueError(
                f"`resume_from` must hold '{name}', {dtype.name} {list(shape)}. Received: {found}. "
                "Use the state of a run of the same pictures and settings."
            )
        tensors[name] = tf.constant(array)
    return tensors


def norm(gradient: tf.Tensor) -> float:
    """Returns the Euclidean norm, in float64: float32 squares overflow above 1e19."""
    return float(tf.norm(tf.cast(gradient, tf.float64)))


def check_finite(value: float, step: Step) -> None:
    """Raises NotFiniteError if the value is NaN or infinite."""
    if not np.isfinite(value):
        raise NotFiniteError(step.position, step.num_steps)
