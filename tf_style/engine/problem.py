"""The problem that an optimizer sees: the objective of the saved picture, over positions."""

import functools
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.engine.parametrization import Parametrization
from tf_style.engine.pictures import Pictures
from tf_style.images.graph_resizing import size_of
from tf_style.losses.per_sample import sample_axes
from tf_style.objective.loss import LossWeights
from tf_style.objective.objective import Objective
from tf_style.objective.region_targets import controlled_targets
from tf_style.objective.targets import Targets
from tf_style.optimizers.lbfgs_steps import Function
from tf_style.tiling.tiled_objective import TiledObjective
from tf_style.tiling.tiles import Tiling

_MARGIN = 1e-4


class UntouchedParts(NamedTuple):
    """The parts of the picture that stay as the content is.

    Attributes:
        content: float32 `[1, h, w, 3]`, RGB 0..1.
        touched: float32 `[1, h, w, 1]`, 0..1. Where it is 0 the picture is the content, bit for
            bit.
    """

    content: tf.Tensor
    touched: tf.Tensor


class ProblemData(NamedTuple):
    """Everything besides the position that the value of a problem depends on.

    Attributes:
        targets: what the image must match.
        basis: of the parametrization, at the image's size.
        weights: one `LossWeights` that replaces the config's, or nothing. It is a tuple, because a
            nest of tensors cannot hold None.
        untouched: one `UntouchedParts`, or nothing.
    """

    targets: Targets
    basis: Any
    weights: tuple[LossWeights, ...] = ()
    untouched: tuple[UntouchedParts, ...] = ()


class StageProblem(NamedTuple):
    """A problem at the size of one stage.

    Attributes:
        data: what its value depends on.
        start: float32, the position to start from.
    """

    data: ProblemData
    start: tf.Tensor


class Problem:
    """A minimization over the positions of a parametrization.

    With `gamut` the loss is that of the image clipped to 0..1, as it will be saved, times 1 + the
    mean squared excess. The factor pulls values back from outside, where the loss has no slope of
    its own. Clipping only at the end can cost more than all late steps gain
    (docs/notes/engine.md).
    """

    def __init__(
        self,
        objective: Objective,
        parametrization: Parametrization,
        *,
        gamut: bool,
        arithmetic: str = "direct",
        jit_compile: bool = False,
    ) -> None:
        """Makes the problem.

        Args:
            objective: the loss of an image.
            parametrization: from positions to images.
            gamut: whether the loss is that of the clipped image.
            arithmetic: how the objective's convolutions are computed; for the record.
            jit_compile: compile each evaluation with XLA.
        """
        self.objective = objective
        self._tiled: dict[Tiling, Problem] = {}
        self.parametrization = parametrization
        self.gamut = gamut
        self.arithmetic = arithmetic
        # A line search calls these in many places. As one function, TensorFlow's graph rewriting
        # goes through the network once, not once for each call.
        function = functools.partial(
            tf.function,
            autograph=False,
            jit_compile=jit_compile,
            experimental_attributes={"_noinline": True},
        )
        self.value_and_gradient = function(
            functools.partial(self._value_and_gradient, per_sample=False)
        )
        """Maps (position, `ProblemData`) to the value and its gradient, of the position's shape."""
        self.values_and_gradients = function(
            functools.partial(self._value_and_gradient, per_sample=True)
        )
        """The same for a batch of b pictures, whose data has a batch of b: values are `[b]`."""

    def tiled(self, tiling: Tiling) -> "Problem":
        """Returns the same problem, evaluated in tiles; it is cached."""
        if tiling not in self._tiled:
            objective = TiledObjective(self.objective, tiling)
            self._tiled[tiling] = Problem(objective, self.parametrization, gamut=self.gamut)
        return self._tiled[tiling]

    def at(
        self,
        pictures: Pictures,
        *,
        exponent: float | tf.Tensor = 0.0,
        weights: LossWeights | None = None,
    ) -> StageProblem:
        """Returns the problem at the size of its pictures.

        Args:
            pictures: of the stage's size; the styles have sizes of their own.
            exponent: of the parametrization.
            weights: replace the config's.
        """
        height, width = size_of(pictures.content)
        basis = self.parametrization.basis(height, width, exponent)
        controls = pictures.controls
        targets = controlled_targets(self.objective, pictures.content, pictures.styles, controls)
        untouched: tuple[UntouchedParts, ...] = ()
        if controls.touched is not None:
            untouched = (UntouchedParts(pictures.content, controls.touched),)
        data = ProblemData(targets, basis, () if weights is None else (weights,), untouched)
        return StageProblem(data, self.position(pictures.start, data))

    def position(self, image: tf.Tensor, data: ProblemData) -> tf.Tensor:
        """Returns the position of an image to start from, float32."""
        return self.parametrization.to_position(self.start(image), data.basis)

    def _value_and_gradient(
        self, position: tf.Tensor, data: ProblemData, *, per_sample: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image = self.parametrization.to_image(position, data.basis)
        image = tf.ensure_shape(image, [None if per_sample else 1, None, None, 3])
        shown = self.shown(image)
        value, gradient = self.objective.value_and_gradient(
            composed(shown, data),
            data.targets,
            weights=data.weights[0] if data.weights else None,
            per_sample=per_sample,
        )
        for parts in data.untouched:
            gradient *= parts.touched
        if self.gamut:
            excess = image - shown
            share = 1.0 / tf.cast(tf.size(image[0]), image.dtype)
            squares = tf.square(excess)
            factor = 1.0 + share * tf.reduce_sum(squares, sample_axes(squares, per_sample))
            inside = tf.cast(tf.equal(excess, 0.0), image.dtype)
            each = (..., tf.newaxis, tf.newaxis, tf.newaxis)  # Of the batch, if there is one.
            gradient = factor[each] * inside * gradient + 2.0 * share * value[each] * excess
            value = factor * value
        return value, self.parametrization.to_position_gradient(gradient, data.basis)

    def start(self, image: tf.Tensor) -> tf.Tensor:
        """Returns the image to start from, kept 0.03 of 255 away from black and white.

        Exactly there, rounding may put a value outside, where the loss has no slope.
        """
        return tf.clip_by_value(image, _MARGIN, 1.0 - _MARGIN) if self.gamut else image

    def shown(self, image: tf.Tensor) -> tf.Tensor:
        """Returns the image as it is saved, except for untouched parts."""
        return tf.clip_by_value(image, 0.0, 1.0) if self.gamut else image

    def picture(self, position: tf.Tensor, data: ProblemData) -> tf.Tensor:
        """Returns the image whose loss is minimized, float32 `[1, h, w, 3]`."""
        return composed(self.shown(self.parametrization.to_image(position, data.basis)), data)


def composed(image: tf.Tensor, data: ProblemData) -> tf.Tensor:
    """Returns the image with the content in its untouched parts."""
    for parts in data.untouched:
        image = parts.content + parts.touched * (image - parts.content)
    return image


def flat_function(problem: Problem, like: tf.Tensor, data: ProblemData) -> Function:
    """Returns the value and gradient of a problem as a function of flat positions.

    Args:
        problem: what is minimized.
        like: a position; only its shape matters.
        data: what the value depends on besides the position.
    """
    shape = tf.shape(like)

    def function(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        value, gradient = problem.value_and_gradient(tf.reshape(position, shape), data)
        return value, tf.reshape(gradient, [-1])

    return function
