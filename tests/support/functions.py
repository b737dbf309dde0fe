"""Functions whose minimum is known, with their gradients, for the minimizers' tests."""

import numpy as np
import tensorflow as tf


def with_gradient(function):
    def value_and_gradient(x, *arguments):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x, *arguments)
        return value, tape.gradient(value, x)

    return value_and_gradient


MINIMUM = np.linspace(-1.0, 2.0, 12).reshape(3, 4)


@with_gradient
def bowl(x):
    return tf.reduce_sum(tf.constant(np.arange(1.0, 13.0).reshape(3, 4)) * (x - MINIMUM) ** 2)


def scaled_bowl(x, scale):
    value, gradient = bowl(x)
    return value * scale, gradient * scale


@with_gradient
def rosenbrock(x):
    return tf.reduce_sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


ROSENBROCK_START = tf.constant([-1.2, 1.0, -0.5, 0.8], tf.float64)
