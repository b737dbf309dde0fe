"""The stability term: known moves, and pictures that move with them."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style.training.choices import REACH
from tf_style.training.stability import stability_loss, still_and_moved


@pytest.mark.parametrize("move", [(0, 0), (4, -4), (-3, 1), (0, 2)])
def test_a_painter_that_moves_with_the_photograph_has_no_loss_but_the_noise(move, rng):
    photographs = tf.constant(rng.uniform(0.2, 0.8, size=[2, 40, 36, 3]), tf.float32)
    noise = tf.constant(rng.normal(size=[2, 32, 28, 3]), tf.float32)
    still, moved = still_and_moved(photographs, tf.constant(move), noise)
    assert still.shape == moved.shape == (2, 40 - 2 * REACH, 36 - 2 * REACH, 3)
    np.testing.assert_array_equal(still, photographs[:, 4:-4, 4:-4])
    expected = photographs[:, 4 + move[0] : 36 + move[0], 4 + move[1] : 32 + move[1]]
    difference = (moved - expected).numpy()
    assert 0.015 < difference.std() < 0.025
    np.testing.assert_allclose(difference, 0.02 * noise, atol=1e-6)
    loss = float(stability_loss(still, moved, tf.constant(move)))
    assert loss == pytest.approx(0.02**2, rel=0.15)


@pytest.mark.parametrize("move", [(2, -1), (-4, 4)])
def test_the_loss_is_that_of_a_loop(move, rng):
    still, moved = (rng.uniform(size=[1, 9, 8, 3]).astype(np.float32) for _ in range(2))
    squares = []
    for y in range(9):
        for x in range(8):
            other_y, other_x = y + move[0], x + move[1]
            if 0 <= other_y < 9 and 0 <= other_x < 8:
                squares.append(np.square(np.float64(still[0, other_y, other_x]) - moved[0, y, x]))
    found = stability_loss(tf.constant(still), tf.constant(moved), tf.constant(move))
    np.testing.assert_allclose(found, np.mean(squares), rtol=1e-5)
