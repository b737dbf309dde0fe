"""Scaling a function so that the root mean square of its gradient is near 1."""

import tensorflow as tf

from tf_style.optimizers.lbfgs_steps import Function


def unit_scale(gradient: tf.Tensor) -> tf.Tensor:
    """Returns the power of two that brings the gradient's root mean square near 1.

    Float32 squares overflow above 1e19 and underflow below 1e-19. Powers of two cause no rounding.

    Args:
        gradient: float, of any shape.

    Returns:
        Float64 scalar, 2**-100 to 2**100; 1 for a gradient of zeros.
    """
    square = tf.reduce_mean(tf.square(tf.cast(gradient, tf.float64)))
    exponent = -tf.round(0.5 * tf.math.log(square) / tf.math.log(tf.constant(2.0, tf.float64)))
    exponent = tf.where(square > 0.0, exponent, tf.zeros_like(exponent))
    return 2.0 ** tf.clip_by_value(exponent, -100.0, 100.0)


def scaled_function(function: Function, scale: tf.Tensor) -> Function:
    """Returns the function with its value and gradient multiplied by `scale`."""

    def times(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        value, gradient = function(position)
        factor = tf.cast(scale, value.dtype)
        return factor * value, factor * gradient

    return times
