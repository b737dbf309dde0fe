"""Several pictures of one size as one problem: the data of a batch, and the functions over it."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_style.engine.problem import Problem, ProblemData, StageProblem

MOST_PIXELS = 2**18
"""The most pixels of an evaluation: more make it no faster (docs/notes/engine.md)."""


def stacked(problems: Sequence[StageProblem]) -> StageProblem:
    """Returns several problems of one size and kind as one; all share the first one's basis."""

    def together(*parts: Any) -> tf.Tensor:
        tensors = [tf.convert_to_tensor(part) for part in parts]
        return tf.concat(tensors, 0) if tensors[0].shape.rank else tf.stack(tensors)

    data = [problem.data._replace(basis=()) for problem in problems]
    stack = tf.nest.map_structure(together, *data)
    return StageProblem(
        stack._replace(basis=problems[0].data.basis),
        tf.concat([problem.start for problem in problems], 0),
    )


def kind_of(problem: StageProblem) -> Any:
    """Returns what problems must have in common to be stacked: structure, shapes and types."""
    data = tf.nest.map_structure(_signature, problem.data)
    return repr((data, _signature(problem.start)))


def num_pixels(problem: StageProblem) -> int:
    """Returns the number of pixels of a problem of one picture."""
    return problem.start.shape.num_elements() // 3


def _signature(part: Any) -> tuple[Any, ...]:
    tensor = tf.convert_to_tensor(part)
    return tuple(tensor.shape), tensor.dtype.name


def batch_function(
    problem: Problem, data: ProblemData, like: tf.Tensor
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the functions of a batch, as a `batch_lbfgs.BatchFunction`.

    Args:
        problem: what is minimized.
        data: of a batch of b pictures.
        like: a position of the batch.
    """
    count = tf.shape(tf.nest.flatten(data.targets)[0])[0]

    def function(positions: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        num_rows = tf.shape(positions)[0]
        chosen = tf.cond(tf.equal(num_rows, count), lambda: data, lambda: _rows_of(data, rows))
        shape = tf.concat([[-1], tf.shape(like)[1:]], 0)
        value, gradient = problem.values_and_gradients(tf.reshape(positions, shape), chosen)
        return value, tf.reshape(gradient, [num_rows, -1])

    return function


def _rows_of(data: ProblemData, rows: tf.Tensor) -> ProblemData:
    """Returns the data of some pictures of a batch."""
    chosen = tf.nest.map_structure(lambda part: tf.gather(part, rows), data._replace(basis=()))
    return chosen._replace(basis=data.basis)
