"""The objective as the optimizer sees it: over positions, and of the picture that is saved."""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.engine.parametrization import COARSEST, Parametrization
from tf_style.engine.pictures import Pictures
from tf_style.images.graph_resizing import size_of
from tf_style.objective.objective import Objective
from tf_style.objective.region_targets import controlled_targets
from tf_style.objective.targets import Targets
from tf_style.objective.terms import LossWeights
from tf_style.tiling.tiled_objective import TiledObjective
from tf_style.tiling.tiles import Tiling

_MARGIN = 1e-4


class Kept(NamedTuple):
    """Which parts of the picture stay as they are.

    Attributes:
        content: float32 `[1, h, w, 3]`, RGB 0..1.
        touched: float32 `[1, h, w, 1]`, 0..1: 0 where the picture is the content's, to the bit.
    """

    content: tf.Tensor
    touched: tf.Tensor


class Given(NamedTuple):
    """What a problem is about, besides the position.

    Attributes:
        targets: what the image must match.
        basis: of the parametrization, at the image's size.
        kept: what parts of the picture stay, one `Kept` or nothing.
        weights: of the loss terms, one `LossWeights` in the place of the config's, or nothing;
            a tuple, as a nest of tensors holds no None.
    """

    targets: Targets
    basis: Any
    weights: tuple[LossWeights, ...] = ()
    kept: tuple[Kept, ...] = ()


class Problem:
    """A minimization over the positions of a parametrization.

    With `gamut`, the loss is that of the image clipped to 0..1, as it will be saved, times
    1 + the mean squared excess: that pulls back what lies outside, where the loss has no slope
    of its own. Clipping only at the end can cost more than all the later steps have gained
    (BUILD_NOTES.md).
    """

    def __init__(
        self,
        objective: Objective,
        parametrization: Parametrization,
        *,
        gamut: bool,
        jit_compile: bool = False,
    ) -> None:
        self.objective = objective
        self._tiled: dict[Tiling, Problem] = {}
        self.parametrization = parametrization
        self.gamut = gamut
        # A line search calls it in many places: one function, so that TensorFlow's graph
        # rewriting goes through the network once, not once for each.
        self.value_and_gradient = tf.function(
            self._value_and_gradient,
            autograph=False,
            jit_compile=jit_compile,
            experimental_attributes={"_noinline": True},
        )
        """Maps (position, `Given`) to the value there and its gradient, of the position's shape."""

    def tiled(self, tiling: Tiling) -> "Problem":
        """Returns the same problem, evaluated in tiles; kept for the next call."""
        if tiling not in self._tiled:
            objective = TiledObjective(self.objective, tiling)
            self._tiled[tiling] = Problem(objective, self.parametrization, gamut=self.gamut)
        return self._tiled[tiling]

    def _value_and_gradient(self, position: tf.Tensor, given: Given) -> tuple[tf.Tensor, tf.Tensor]:
        image = self.parametrization.to_image(position, given.basis)
        image = tf.ensure_shape(image, [1, None, None, 3])
        shown = self.shown(image)
        value, gradient = self.objective.value_and_gradient(
            composed(shown, given),
            given.targets,
            weights=given.weights[0] if given.weights else None,
        )
        for kept in given.kept:
            gradient *= kept.touched
        if self.gamut:
            excess = image - shown
            share = 1.0 / tf.cast(tf.size(image), image.dtype)
            factor = 1.0 + share * tf.reduce_sum(tf.square(excess))
            inside = tf.cast(tf.equal(excess, 0.0), image.dtype)
            gradient = factor * inside * gradient + 2.0 * share * value * excess
            value = factor * value
        return value, self.parametrization.to_position_gradient(gradient, given.basis)

    def start(self, image: tf.Tensor) -> tf.Tensor:
        """Returns the image to start from, a little (0.03 of 255) off black and white.

        There rounding may put a value outside, where the loss has no slope.
        """
        return tf.clip_by_value(image, _MARGIN, 1.0 - _MARGIN) if self.gamut else image

    def shown(self, image: tf.Tensor) -> tf.Tensor:
        """Returns the image as it is saved, but for parts that stay as they are."""
        return tf.clip_by_value(image, 0.0, 1.0) if self.gamut else image

    def picture(self, position: tf.Tensor, given: Given) -> tf.Tensor:
        """Returns the image whose loss counts, float32 `[1, h, w, 3]`."""
        return composed(self.shown(self.parametrization.to_image(position, given.basis)), given)


def composed(image: tf.Tensor, given: Given) -> tf.Tensor:
    """Returns the image with the content's in the parts that stay as they are."""
    for kept in given.kept:
        image = kept.content + kept.touched * (image - kept.content)
    return image


class Scene(NamedTuple):
    """A problem at one size.

    Attributes:
        given: what the problem is about.
        start: float32, the position to start from.
    """

    given: Given
    start: tf.Tensor


def scene(
    problem: Problem,
    pictures: Pictures,
    *,
    exponent: float | tf.Tensor = COARSEST,
    weights: LossWeights | None = None,
) -> Scene:
    """Returns a problem at the size of its pictures.

    Args:
        problem: what is minimized.
        pictures: all of the stage's size, the styles' but for their own.
        exponent: of the parametrization, `COARSEST` or `FINER`.
        weights: of the loss terms, in the place of the config's.
    """
    height, width = size_of(pictures.content)
    basis = problem.parametrization.basis(height, width, exponent)
    targets = controlled_targets(
        problem.objective, pictures.content, pictures.styles, pictures.controls
    )
    start = problem.parametrization.to_position(problem.start(pictures.start), basis)
    kept: tuple[Kept, ...] = ()
    if pictures.controls.touched is not None:
        kept = (Kept(pictures.content, pictures.controls.touched),)
    return Scene(Given(targets, basis, () if weights is None else (weights,), kept), start)
