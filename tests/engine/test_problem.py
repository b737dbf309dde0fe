"""The minimized function, compared with a float64 program and its finite differences."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from reference import cosine_transform

from tf_style.config.style_config import StyleConfig
from tf_style.engine.parametrization import PARAMETRIZATIONS
from tf_style.engine.problem import Problem, ProblemData
from tf_style.network.extractor import build_extractor
from tf_style.objective.objective import Objective

SIZE = (18, 22)
CONFIG = StyleConfig().replace(
    padding="zeros",
    content_layers="conv2_1",
    style_layers="conv1_1,conv3_1",
    style_weight=3.0,
    tv_weight=500.0,
)


class Case:
    """A problem and its float64 reference."""

    def __init__(self, mini_layers, rng, parametrization, gamut):
        self.layers, self.gamut = mini_layers, gamut
        extractor = build_extractor(mini_layers, layers=CONFIG.loss.layers)
        self.objective = Objective(extractor, CONFIG.loss)
        self.kind = PARAMETRIZATIONS[parametrization]
        self.problem = Problem(self.objective, self.kind, gamut=gamut)
        self.content = rng.uniform(size=(1, *SIZE, 3)).astype("float32")
        self.style = rng.uniform(size=(1, 20, 17, 3)).astype("float32")
        self.targets = self.objective.targets(self.content, self.style)
        self.data = ProblemData(self.targets, self.kind.basis(*SIZE))
        self.spectral = parametrization == "spectrum"

    def image(self, position):
        """The float64 image of a position."""
        if not self.spectral:
            return position
        rows, columns = map(cosine_transform, SIZE)
        scaled = position * self.data.basis.scale.numpy().astype(np.float64)
        return np.stack([rows.T @ channel @ columns for channel in scaled], -1)[None]

    def value(self, position):
        """The float64 truth: the loss of the clipped image, times 1 + the mean square excess."""
        image = self.image(position.astype(np.float64))
        shown = np.clip(image, 0.0, 1.0) if self.gamut else image
        loss = reference.total_loss(shown, self.content, self.style, self.layers, CONFIG.to_dict())
        return (1.0 + np.mean((image - shown) ** 2)) * loss


CASES = [
    ("spectrum", True, "inside"),
    ("spectrum", True, "outside"),
    ("pixels", True, "outside"),
    ("spectrum", False, "outside"),
]


@pytest.mark.parametrize(("parametrization", "gamut", "where"), CASES)
def test_value_and_gradient_are_those_of_the_float64_program(
    parametrization, gamut, where, mini_layers, rng
):
    case = Case(mini_layers, rng, parametrization, gamut)
    span = (0.1, 0.9) if where == "inside" else (-2.0, 3.0)
    image = tf.constant(rng.uniform(*span, (1, *SIZE, 3)), tf.float32)
    position = case.kind.to_position(image, case.data.basis)
    value, gradient = case.problem.value_and_gradient(position, case.data)
    position, gradient = position.numpy().astype(np.float64), gradient.numpy()
    assert gradient.shape == position.shape
    assert float(value) == pytest.approx(case.value(position), rel=1e-4)
    length = float(np.linalg.norm(gradient))
    # Along the gradient itself, and along random directions.
    directions = [gradient / length]
    directions += [direction / np.linalg.norm(direction)
                   for direction in rng.normal(size=(3, *position.shape))]  # fmt: skip
    step = 1e-5
    for direction in directions:
        difference = case.value(position + step * direction)
        difference -= case.value(position - step * direction)
        expected = np.sum(gradient * direction)
        assert difference / (2 * step) == pytest.approx(expected, abs=1e-3 * length)


def test_inside_the_gamut_the_value_is_the_total_of_the_objective(mini_layers, rng):
    case = Case(mini_layers, rng, "pixels", True)
    image = tf.constant(rng.uniform(size=(1, *SIZE, 3)), tf.float32)
    value, gradient = case.problem.value_and_gradient(image, case.data)
    total, slope = case.objective.value_and_gradient(image, case.targets)
    assert float(value) == pytest.approx(float(total), rel=1e-6)
    assert float(value) == pytest.approx(float(case.objective.terms(image, case.targets).total))
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-6 * np.abs(slope).max())
    np.testing.assert_array_equal(case.problem.shown(image), image)


def test_values_outside_the_gamut_cost_more_and_are_pulled_back(mini_layers, rng):
    case = Case(mini_layers, rng, "pixels", True)
    image = rng.uniform(0.2, 0.8, (1, *SIZE, 3)).astype("float32")
    image[0, 3, 4], image[0, 8, 9] = 1.5, -0.5
    value, gradient = case.problem.value_and_gradient(tf.constant(image), case.data)
    assert np.all(gradient[0, 3, 4] > 0.0)
    assert np.all(gradient[0, 8, 9] < 0.0)
    clipped = np.clip(image, 0.0, 1.0)
    below, _ = case.problem.value_and_gradient(tf.constant(clipped), case.data)
    assert float(value) > float(below)
    np.testing.assert_array_equal(case.problem.shown(image), clipped)


@pytest.mark.parametrize("parametrization", ["spectrum", "pixels"])
def test_black_and_white_pixels_start_where_the_loss_has_a_slope(parametrization, mini_layers, rng):
    case = Case(mini_layers, rng, parametrization, gamut=True)
    image = rng.integers(0, 2, (1, *SIZE, 3)).astype("float32")
    position = case.kind.to_position(case.problem.start(image), case.data.basis)
    found = case.kind.to_image(position, case.data.basis).numpy()
    assert 0.0 < found.min() < found.max() < 1.0
    np.testing.assert_allclose(found, image, atol=0.05 / 255.0)
    free = Case(mini_layers, rng, parametrization, gamut=False).problem
    np.testing.assert_array_equal(free.start(image), image)
