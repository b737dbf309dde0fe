"""Convolutions in bfloat16 and their gradients against float64 ones in NumPy."""

import concurrent.futures

import ml_dtypes
import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.network import bfloat16, onednn, winograd

EIGHT_BITS = 2.0**-8  # Largest relative error of a value rounded to 8 significant bits.
NEEDED = "This processor or TensorFlow lacks oneDNN's convolutions in bfloat16."
CONVOLVES = {"any device": bfloat16.convolve, "oneDNN": onednn.convolve}


@pytest.fixture(params=CONVOLVES)
def convolve(request):
    if request.param == "oneDNN" and not onednn.is_available():
        pytest.skip(NEEDED)
    return CONVOLVES[request.param]


def rounded(values):
    return np.asarray(values).astype(ml_dtypes.bfloat16).astype(np.float64)


def convolved(inputs, kernel, margin=0):
    """Returns the float64 convolution of a batch; `margin` px of zeros more, or fewer, around."""
    padded = np.pad(inputs, [(0, 0), (max(margin, 0),) * 2, (max(margin, 0),) * 2, (0, 0)])
    found = np.stack([reference.convolve(image, kernel) for image in padded])
    return found[:, 1:-1, 1:-1] if margin < 0 else found


def value_and_gradient(inputs, kernel, bias, upstream, *, padding="SAME", convolve):
    """Returns outputs and the gradient at the inputs, computed in a graph."""
    is_split = inputs.dtype == np.float32
    weights = (
        bfloat16.split_kernel(kernel) if is_split else kernel, winograd.turned(kernel), bias
    )  # fmt: skip
    weights = [tf.Variable(tf.cast(each, tf.bfloat16)) for each in weights]

    @tf.function(autograph=False)
    def both(inputs, upstream):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = bfloat16.bfloat16_relu(
                inputs, *map(tf.convert_to_tensor, weights), padding=padding, convolve=convolve
            )
        return outputs, tape.gradient(outputs, inputs, upstream)

    outputs, gradient = both(tf.constant(inputs), tf.constant(upstream))
    assert outputs.dtype == tf.bfloat16
    assert gradient.dtype == inputs.dtype
    return tf.cast(outputs, tf.float64).numpy(), tf.cast(gradient, tf.float64).numpy()


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("shape", [(1, 7, 6, 5, 4), (2, 9, 12, 16, 32), (3, 3, 3, 3, 1)])
def test_each_value_is_the_exact_sum_rounded_once(rng, shape, padding, convolve):
    batch, height, width, channels, filters = shape
    margin = 0 if padding == "SAME" else -1
    sides = (height + 2 * margin, width + 2 * margin)
    inputs = rng.normal(size=(batch, height, width, channels)).astype(ml_dtypes.bfloat16)
    kernel = rng.normal(size=(3, 3, channels, filters)).astype(ml_dtypes.bfloat16)
    bias = rng.normal(size=filters).astype(ml_dtypes.bfloat16)
    upstream = rng.normal(size=(batch, *sides, filters)).astype(ml_dtypes.bfloat16)
    outputs, gradient = value_and_gradient(
        inputs, kernel, bias, upstream, padding=padding, convolve=convolve
    )
    exact, weights = inputs.astype(np.float64), kernel.astype(np.float64)
    expected = np.maximum(convolved(exact, weights, margin) + bias.astype(np.float64), 0.0)
    noise = 1e-6 * convolved(np.abs(exact), np.abs(weights), margin).max()
    assert np.all(np.abs(outputs - expected) <= EIGHT_BITS * np.abs(expected) + noise)
    masked = upstream.astype(np.float64) * (outputs > 0.0)
    turned = winograd.turned(weights)
    expected = convolved(masked, turned, -margin)
    noise = 1e-6 * convolved(np.abs(masked), np.abs(turned), -margin).max()
    assert np.all(np.abs(gradient - expected) <= EIGHT_BITS * np.abs(expected) + noise)


def test_a_picture_is_read_with_sixteen_bits(rng, convolve):
    inputs = rng.uniform(-128.0, 128.0, (1, 8, 9, 3)).astype("float32")
    kernel = rng.normal(size=(3, 3, 3, 8)).astype("float32")
    upstream = rng.normal(size=(1, 8, 9, 8)).astype(ml_dtypes.bfloat16)
    outputs, _ = value_and_gradient(inputs, kernel, np.zeros(8), upstream, convolve=convolve)
    exact = convolved(inputs.astype(np.float64), kernel.astype(np.float64))
    size = convolved(np.abs(inputs.astype(np.float64)), np.abs(kernel.astype(np.float64)))
    # The parts leave 2**-17 of each factor out, twice; low times low is left out, too.
    bound = EIGHT_BITS * np.maximum(exact, 0.0) + 3 * 2.0**-16 * size
    assert np.all(np.abs(outputs - np.maximum(exact, 0.0)) <= bound)
    # Rounding the picture itself would be far worse.
    assert np.abs(convolved(rounded(inputs), kernel) - exact).max() > 10 * 2.0**-16 * size.max()


def test_small_integers_are_exact(rng, convolve):
    inputs = rng.integers(-3, 4, (1, 5, 6, 2)).astype(ml_dtypes.bfloat16)
    kernel = rng.integers(-2, 3, (3, 3, 2, 3)).astype(ml_dtypes.bfloat16)
    upstream = np.ones((1, 5, 6, 3), ml_dtypes.bfloat16)
    outputs, _ = value_and_gradient(inputs, kernel, np.ones(3), upstream, convolve=convolve)
    expected = convolved(inputs.astype(np.float64), kernel.astype(np.float64)) + 1.0
    np.testing.assert_array_equal(outputs, np.maximum(expected, 0.0))  # Up to 109: 7 bits.


@pytest.mark.skipif(not onednn.is_available(), reason=NEEDED)
def test_one_graph_of_laid_out_kernels_serves_all_sizes(rng):
    kernel = tf.Variable(rng.normal(size=(3, 3, 64, 48)), dtype=tf.bfloat16)
    bias = tf.Variable(rng.normal(size=48), dtype=tf.bfloat16)

    def with_(convolve):
        @tf.function(
            input_signature=[tf.TensorSpec([None, None, None, 64], tf.bfloat16)], autograph=False
        )
        def graph(inputs):
            weights = tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias)
            return convolve(inputs, weights[0], "SAME", weights[1])

        return graph

    known, laid_out = (with_(convolve) for convolve in CONVOLVES.values())
    for sides in ((1, 3, 5), (2, 40, 33), (1, 200, 120), (1, 3, 5)):
        inputs = tf.constant(rng.normal(size=(*sides, 64)), tf.bfloat16)
        expected = tf.cast(known(inputs), tf.float32)
        found = tf.cast(laid_out(inputs), tf.float32)
        np.testing.assert_allclose(found, expected, rtol=2 * EIGHT_BITS, atol=1e-3)


def test_outside_graphs_each_kernel_is_used(rng):
    inputs = tf.constant(rng.integers(-2, 3, (1, 4, 4, 2)), tf.bfloat16)
    for _ in range(2):
        kernel = tf.constant(rng.integers(-2, 3, (3, 3, 2, 2)), tf.bfloat16)
        expected = convolved(np.float64(inputs), np.float64(kernel))
        np.testing.assert_array_equal(onednn.convolve(inputs, kernel, "SAME"), expected)


@pytest.mark.parametrize("error", [AttributeError, ValueError, tf.errors.NotFoundError])
def test_without_the_operation_it_is_not_used(monkeypatch, error):
    def fail(*arguments, **options):
        raise error(None, None, "No operation.") if error is tf.errors.NotFoundError else error()

    monkeypatch.setattr(onednn, "convolve", fail)
    assert not onednn.is_available.__wrapped__()


def test_an_operation_that_computes_something_else_is_not_used(monkeypatch):
    twice = lambda inputs, *rest: bfloat16.convolve(inputs + inputs, *rest)  # noqa: E731
    monkeypatch.setattr(onednn, "convolve", twice)
    assert not onednn.is_available.__wrapped__()


@pytest.mark.skipif(not onednn.is_available(), reason=NEEDED)
def test_each_graph_keeps_its_own_kernels_in_loops_and_threads(rng):
    inputs = tf.constant(rng.integers(-1, 2, (1, 9, 8, 16)), tf.bfloat16)

    def graph_with(kernel):
        @tf.function(autograph=False)
        def graph():
            # Sums of small integers are exact in bfloat16; the loop computes the same again.
            def again(step, _):
                return step + 1, onednn.convolve(inputs, tf.convert_to_tensor(kernel), "SAME")

            first = onednn.convolve(inputs, tf.convert_to_tensor(kernel), "SAME")
            return tf.while_loop(lambda step, _: step < 3, again, (0, first))[1]

        return graph

    kernels = [rng.integers(-1, 2, (3, 3, 16, 16)) for _ in range(2)]
    graphs = [graph_with(tf.Variable(kernel, dtype=tf.bfloat16)) for kernel in kernels]
    expected = [convolved(np.float64(inputs), np.float64(kernel)) for kernel in kernels]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: graphs[number % 2](), range(12)))
    for number, outputs in enumerate(found):
        np.testing.assert_array_equal(tf.cast(outputs, tf.float64), expected[number % 2])
