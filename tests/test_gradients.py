"""What hand-written gradients have in common."""

import numpy as np
import tensorflow as tf

from tf_style.gradients import where


def test_what_is_not_kept_is_zero_and_the_rest_is_untouched(rng):
    values = rng.normal(size=(3, 5)).astype("float32")
    kept = rng.uniform(size=(3, 5)) < 0.5
    found = where(tf.constant(kept), tf.constant(values))
    np.testing.assert_array_equal(found, np.where(kept, values, 0.0))
