"""Limits of chroma inside a graph are those of NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style.images import color, graph_color


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 4.0])
def test_the_limit_is_that_of_numpy(rng, strength):
    image, content = (rng.uniform(size=(1, 30, 40, 3)).astype(np.float32) for _ in range(2))
    styles = [
        (scale * rng.uniform(size=(1, side, 44, 3))).astype(np.float32)
        for scale, side in ((0.3, 33), (0.2, 21))
    ]
    limited = tf.function(graph_color.limited_chroma, autograph=False)
    found = limited(*map(tf.constant, (image, content)), list(map(tf.constant, styles)), strength)
    most = max(map(color.most_chroma, styles)) + (1 - min(1, strength)) * color.chroma(content)
    np.testing.assert_allclose(found, color.within_chroma(image, most), atol=1e-6)


def test_a_gray_style_leaves_no_color(rng):
    image = tf.constant(rng.uniform(size=(1, 9, 8, 3)), tf.float32)
    gray = tf.repeat(image[..., :1], 3, -1)
    found = graph_color.limited_chroma(image, image, [gray], 1.0)
    assert np.ptp(found, -1).max() < 1e-6
    np.testing.assert_allclose(found @ color.LUMA[:, None], image @ color.LUMA[:, None], atol=1e-6)
