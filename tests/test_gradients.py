"""What hand-written gradients have in common."""

import numpy as np
import tensorflow as tf

from tf_style.gradients import masked


def test_what_is_not_kept_is_zero_and_the_rest_is_untouched(rng):
    values = rng.normal(size=(3, 5)).astype("float32")
    kept = rng.uniform(size=(3, 5)) < 0.5
    found = masked(tf.constant(values), tf.constant(kept))
    np.testing.assert_array_equal(found, np.where(kept, values, 0.0))


def test_infinities_are_not_hidden():
    found = masked(tf.constant([np.inf, np.inf, np.nan]), tf.constant([True, False, False]))
    np.testing.assert_array_equal(np.isfinite(found), [False, False, False])
