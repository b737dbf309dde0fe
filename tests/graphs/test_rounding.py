"""Conversion of rounded values."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style.graphs.rounding import unrounded


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_others_stay_as_they_are(dtype):
    values = tf.constant([0.1, -2.0], dtype)
    assert unrounded(values) is values


def test_bfloat16_becomes_float32_with_the_same_values():
    found = unrounded(tf.constant([0.1, -2.0], tf.bfloat16))
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, [0.10009765625, -2.0])
