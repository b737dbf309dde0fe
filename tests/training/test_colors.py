"""Colors of painted pictures: their mean and deviation become the painting's."""

import numpy as np
import tensorflow as tf
from tiny_style_network import TINY, make_tiny_network

from tf_style.feedforward.architecture import TRAINING_MARGIN
from tf_style.feedforward.painting import paint
from tf_style.training.colors import ColorMatch, color_deviation


def test_the_deviation_is_within_pictures_not_between_them():
    pictures = np.zeros([2, 4, 4, 3], np.float32)
    pictures[1] = 1.0
    assert float(color_deviation(tf.constant(pictures))) == 0.0
    pictures[0, :2, :, 0] = 0.8  # A variance of 0.16 in one channel of one of two pictures.
    np.testing.assert_allclose(color_deviation(tf.constant(pictures)), 0.08**0.5, rtol=1e-6)


def test_painted_photographs_get_the_mean_and_nine_tenths_of_the_deviation(rng):
    network = make_tiny_network("wave")
    parameters = {name: tf.constant(value) for name, value in network.parameters.items()}
    photographs = rng.uniform(size=[3, 48, 48, 3]).astype(np.float32)
    style = tf.constant(network.styles["wave"])

    def painted(style):
        return paint(TINY, parameters, photographs, style[tf.newaxis], margin=TRAINING_MARGIN)

    before = painted(style).numpy()
    # A painting of which the network is a little too pale and too dark.
    center = before.mean((0, 1, 2))
    painting = tf.constant(center + 0.02 + 1.3 * (before[:1] - before[:1].mean((1, 2))))
    found = ColorMatch(TINY, photographs).matched(parameters, style, painting)
    after = painted(tf.constant(found))
    np.testing.assert_allclose(np.mean(after, (0, 1, 2)), np.mean(painting, (0, 1, 2)), atol=3e-3)
    expected = 0.9 * float(color_deviation(painting))
    np.testing.assert_allclose(color_deviation(after), expected, rtol=0.03)
    filters = TINY.normalized["enlarge1"]
    np.testing.assert_array_equal(found[: -2 * filters], network.styles["wave"][: -2 * filters])
    gains = (1.0 + found[-2 * filters : -filters]) / (
        1.0 + network.styles["wave"][-2 * filters : -filters]
    )
    np.testing.assert_allclose(gains, gains[0], rtol=1e-3)  # One gain for all filters.
