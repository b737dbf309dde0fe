"""What minimisers of a function of one tensor have in common: their words and their pace.

They run in slices of steps; progress, cancelling and restarts happen between slices.
"""

import enum
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number

MAX_RESTARTS_WITHOUT_GAIN = 3

ValueAndGradient = Callable[..., tuple[tf.Tensor, tf.Tensor]]
"""`(position, *arguments) -> (value, gradient)`, for a position of any shape."""

State: TypeAlias = Mapping[str, Any]
"""All that a minimisation goes on from, by name: arrays, tensors and numbers."""

Kind: TypeAlias = tuple[Sequence[int], Any]
"""Shape and type of a tensor."""


class Status(enum.Enum):
    """Why a minimisation ended; the value says it in a sentence."""

    CONVERGED = "The loss no longer changes."
    STEPS_USED = "All steps were made; more may refine it."
    LINE_SEARCH_FAILED = (
        "No step lowered the loss any more, after restarts; the best position is kept. "
        "Try Adam to go on."
    )
    TIME_USED = "The time was used; more may refine it."
    CANCELLED = "Stopped on request; the last position is kept."


class Step(NamedTuple):
    """Where a minimisation stands, given to `on_slice` between slices.

    Attributes:
        position: the present position, of the start's shape.
        loss: the value there.
        num_steps: steps done.
        num_evaluations: evaluations of value and gradient done.
        state: gives what the minimiser takes as `resume_from`; its tensors are changed in place
            once `on_slice` has returned, and copied only if they are still held then.
    """

    position: tf.Tensor
    loss: float
    num_steps: int
    num_evaluations: int
    state: Callable[[], State] = dict


class Solution(NamedTuple):
    """The result of a minimisation.

    Attributes:
        position: the last accepted position, of the start's shape.
        loss: the value there.
        num_steps: steps done.
        num_evaluations: evaluations of value and gradient done.
        status: why it ended.
    """

    position: tf.Tensor
    loss: float
    num_steps: int
    num_evaluations: int
    status: Status


class GraphSolution(NamedTuple):
    """The result of a minimisation inside a graph.

    Attributes:
        position: float `[n]`, the last accepted position.
        value: float scalar, the value there.
        num_steps: int32 scalar, steps done.
        num_evaluations: int32 scalar, evaluations of value and gradient done.
    """

    position: tf.Tensor
    value: tf.Tensor
    num_steps: tf.Tensor
    num_evaluations: tf.Tensor


def ended(step: Step, status: Status) -> Solution:
    """Returns the solution of a minimisation that ends at a step."""
    return Solution(step.position, step.loss, step.num_steps, step.num_evaluations, status)


OnSlice = Callable[[Step], bool | None]
"""Called between slices; a true result stops the minimisation with `Status.CANCELLED`."""


class NotFiniteError(ArithmeticError):
    """The value or the gradient became NaN or infinite.

    Attributes:
        position: where it did, of the start's shape.
        num_steps: steps done before.
    """

    def __init__(self, position: tf.Tensor, num_steps: int) -> None:
        super().__init__(f"The loss or its gradient is not finite after {num_steps} steps.")
        self.position = position
        self.num_steps = num_steps


class Pace:
    """Chooses how many steps fit into a slice, from the time the last ones took."""

    def __init__(
        self, slice_seconds: float, pause_every: int | None, deadline: float | None = None
    ) -> None:
        self._seconds = slice_seconds
        self._pause_every = pause_every
        self._deadline = deadline
        self._seconds_a_step: float | None = None
        # The first slice may trace the graph. Within a deadline, rather too slow than unknown.
        self._measures = deadline is not None

    @property
    def over(self) -> bool:
        """Whether another step would end after the deadline."""
        if self._deadline is None:
            return False
        return time.perf_counter() + (self._seconds_a_step or 0.0) > self._deadline

    def start(self, done: int) -> int:
        """Begins a slice after so many steps; returns how many it may have."""
        self._start = time.perf_counter()
        if self._seconds_a_step is None:
            return 1
        seconds = self._seconds
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - self._start)
        fitting = min(max(int(seconds / max(self._seconds_a_step, 1e-9)), 1), 1_000_000)
        if self._pause_every:
            return min(fitting, self._pause_every - done % self._pause_every)
        return fitting

    def stop(self, steps: int) -> None:
        """Ends a slice of so many steps."""
        if self._measures:
            self._seconds_a_step = (time.perf_counter() - self._start) / max(steps, 1)
        self._measures = True


def checked_start(start: tf.Tensor, num_steps: int) -> tf.Tensor:
    """Returns the start as a tensor, if a minimiser can use it.

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


def taken_up(resume_from: State, kinds: Mapping[str, Kind]) -> dict[str, tf.Tensor]:
    """Returns tensors of a state by name; reads one after the other.

    Raises:
        ValueError: if one is missing, or is not of its shape and type.
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
