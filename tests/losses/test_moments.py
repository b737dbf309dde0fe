"""Moments, and the losses of them, against float64 loops, closed forms and properties."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.losses import matrix_root, moments


def wasserstein(image, style):
    target = moments.wasserstein_target(moments.moments(style))
    return moments.wasserstein_loss(moments.moments(image), target)


def test_gram_matrix_is_the_papers_divided_by_positions(rng):
    features = rng.normal(size=(1, 3, 4, 2))
    expected = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            for y in range(3):
                for x in range(4):
                    expected[i, j] += features[0, y, x, i] * features[0, y, x, j] / 12
    np.testing.assert_allclose(moments.gram_matrix(features)[0], expected, rtol=1e-12)


def test_gram_matrix_does_not_depend_on_the_order_of_positions(rng):
    features = rng.normal(size=(1, 4, 5, 3)).astype("float32")
    shuffled = features.reshape(1, 20, 3)[:, rng.permutation(20)].reshape(1, 4, 5, 3)
    np.testing.assert_allclose(
        moments.gram_matrix(features),
        moments.gram_matrix(shuffled),
        rtol=1e-4,
        atol=1e-6,
    )


def test_style_loss_is_the_papers_equation_4_when_sizes_agree(rng):
    image, style = rng.normal(size=(2, 1, 3, 5, 4))
    num_filters, num_positions = 4, 15
    rows = [array.reshape(num_positions, num_filters) for array in (image, style)]
    gram, target = (array.T @ array for array in rows)  # F F^T, as the paper has it
    expected = ((gram - target) ** 2).sum() / (4 * num_filters**2 * num_positions**2)
    found = moments.style_loss(moments.gram_matrix(image), moments.gram_matrix(style))
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_style_loss_does_not_depend_on_the_size_of_a_repeated_picture(rng):
    features = rng.normal(size=(1, 3, 4, 5))
    tiled = np.tile(features, (1, 2, 3, 1))
    assert float(
        moments.style_loss(moments.gram_matrix(tiled), moments.gram_matrix(features))
    ) == pytest.approx(0.0, abs=1e-20)


def positive(rng, *values):
    """A symmetric matrix [1, n, n] with these eigenvalues."""
    turned, _ = np.linalg.qr(rng.normal(size=(len(values),) * 2))
    return (turned * values @ turned.T)[np.newaxis]


def trace_and_gradient(matrix):
    variable = tf.constant(matrix)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        trace = matrix_root.trace_of_root(variable)
    return trace.numpy(), tape.gradient(trace, variable).numpy()[0]


def test_the_trace_of_a_root_is_the_sum_of_the_eigenvalues_roots(rng):
    matrix = positive(rng, 9.0, 4.0, 1.0, 0.25)
    assert float(matrix_root.trace_of_root(matrix)[0]) == pytest.approx(6.5, rel=1e-9)
    root = matrix_root.symmetric_root(matrix)
    np.testing.assert_allclose(tf.matmul(root, root), matrix, atol=1e-12)
    np.testing.assert_allclose(root, tf.linalg.matrix_transpose(root), atol=1e-12)


@pytest.mark.parametrize(("smallest", "off"), [(1.0, 1e-6), (1e-4, 1e-4), (-1e-4, 0.05)])
def test_roots_by_products_are_those_by_eigenvalues(smallest, off, rng):
    values = np.array([3.0, 1.0, 0.1, smallest])
    turned, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    matrices = np.stack([(turned * values) @ turned.T, np.zeros([4, 4])]).astype(np.float32)
    with matrix_root.roots_by_products():
        found = matrix_root.symmetric_root(matrices)
    expected = (turned * np.sqrt(np.maximum(values, 0.0))) @ turned.T
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found[0], expected, atol=off)
    np.testing.assert_array_equal(found[1], 0.0)


def round_to_tf32(values):
    bits = np.asarray(values, np.float32).view(np.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(np.float32)


@pytest.mark.parametrize("has_gpu", [False, True])
def test_a_gpu_that_rounds_factors_leaves_the_wasserstein_gradient_as_it_is(
    has_gpu, rng, monkeypatch
):
    # 16 filters whose deviations fall from 1 to 1/300.
    scales = np.geomspace(1.0, 1 / 300, 16) @ np.eye(16)
    image, style = rng.normal(size=(2, 1, 40, 40, 16)) * scales
    image[..., 1:] += 0.5 * image[..., :-1]

    def gradient(dtype):
        target = moments.wasserstein_target(moments.moments(style))
        target = tf.nest.map_structure(lambda each: tf.cast(each, dtype), target)
        features = tf.constant(image, dtype)
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = moments.wasserstein_loss(moments.moments(features), target)
        return np.float64(tape.gradient(loss, features))

    exact, product = gradient(tf.float64), tf.matmul

    def rounded(a, b, **options):
        if a.dtype == tf.float32:
            a, b = (x + tf.stop_gradient(round_to_tf32(x) - x) for x in (a, b))
        return product(a, b, **options)

    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: ["a GPU"] if has_gpu else [])
    monkeypatch.setattr(tf, "matmul", rounded)
    off = np.linalg.norm(gradient(tf.float32) - exact) / np.linalg.norm(exact)
    assert off < 0.01 if has_gpu else off > 0.03


@pytest.mark.parametrize("smallest", [0.1, 1e-3, 1e-5, 1e-9, 0.0])
def test_the_trace_of_a_root_and_its_gradient_are_newton_schulzs_for_any_eigenvalues(smallest, rng):
    matrix = positive(rng, 3.0, 1.0, 0.1, smallest)
    trace, gradient = trace_and_gradient(matrix)
    steps = matrix_root.NUM_STEPS
    assert float(trace[0]) == pytest.approx(reference.root_trace(matrix[0], steps), rel=1e-9)
    for _ in range(3):
        direction = rng.normal(size=(4, 4))
        direction += direction.T
        ahead, behind = (
            reference.root_trace(matrix[0] + h * direction, steps) for h in (1e-7, -1e-7)
        )
        assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-7, rel=1e-5)


def test_the_converged_gradient_of_the_trace_is_half_the_inverse_root(rng):
    matrix = positive(rng, 4.0, 2.0, 1.0)
    values, vectors = np.linalg.eigh(matrix[0])
    expected = 0.5 * vectors / np.sqrt(values) @ vectors.T
    np.testing.assert_allclose(trace_and_gradient(matrix)[1], expected, rtol=1e-7, atol=1e-9)


def test_wasserstein_loss_agrees_with_roots_by_eigenvalues(rng):
    image, style = rng.normal(size=(1, 9, 8, 5)), 0.3 + rng.normal(size=(1, 7, 6, 5)) * 2.0
    expected = reference.wasserstein(image[0], style[0])
    assert float(wasserstein(image, style)) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_loss_of_scalars_is_the_distance_of_means_and_of_deviations(rng):
    image, style = rng.normal(size=(1, 9, 8, 1)), 3.0 + rng.normal(size=(1, 7, 6, 1)) * 2.0
    deviations = [np.sqrt(x.var() + 1e-4) for x in (image, style)]
    expected = (image.mean() - style.mean()) ** 2 + (deviations[0] - deviations[1]) ** 2
    assert float(wasserstein(image, style)) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_loss_is_0_at_its_target_for_any_order_of_positions(rng):
    style = rng.normal(size=(1, 9, 8, 5))
    shuffled = style.reshape(1, 72, 5)[:, rng.permutation(72)].reshape(1, 12, 6, 5)
    assert float(wasserstein(shuffled, style)) == pytest.approx(0.0, abs=1e-9)


def test_wasserstein_loss_grows_with_the_square_of_the_features(rng):
    image, style = 100.0 * rng.normal(size=(2, 1, 9, 8, 5))
    assert float(wasserstein(10 * image, 10 * style)) == pytest.approx(
        100 * float(wasserstein(image, style)), rel=1e-5
    )


def test_moments_of_two_pictures_side_by_side_are_the_means_of_theirs(rng):
    left, right = rng.normal(size=(2, 1, 4, 5, 3))
    both = moments.moments(np.concatenate([left, right], 2))
    for whole, *parts in zip(both, moments.moments(left), moments.moments(right), strict=True):
        np.testing.assert_allclose(whole, np.mean(parts, 0), atol=1e-12)


def test_wasserstein_losses_per_sample_against_one_style(rng):
    images, style = rng.normal(size=(3, 9, 8, 5)), rng.normal(size=(1, 7, 6, 5))
    target = moments.wasserstein_target(moments.moments(style))
    found = moments.wasserstein_loss(moments.moments(images), target, per_sample=True)
    expected = [reference.wasserstein(image, style[0], matrix_root.NUM_STEPS) for image in images]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("filters", [8, 200])  # Few and many take two ways.
def test_gram_matrices_of_bfloat16_features_are_added_up_in_float32(filters, rng):
    features = tf.constant(np.maximum(rng.normal(size=(2, 30, 25, filters)), 0.0), tf.bfloat16)
    upstream = tf.constant(rng.normal(size=(2, filters, filters)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(features)
        gram = moments.gram_matrix(features)
    gradient = tape.gradient(gram, features, upstream)
    assert (gram.dtype, gradient.dtype) == (tf.float32, tf.bfloat16)
    rows = np.float64(features).reshape(2, -1, filters)
    expected = np.einsum("bmi,bmj->bij", rows, rows) / 750
    # Sums of 30 products, each of which is off by up to 2**-8.
    error = np.linalg.norm(gram - expected) / np.linalg.norm(expected)
    assert error < 2.0**-8 / np.sqrt(30)
    symmetric = np.float64(upstream) + np.float64(upstream).swapaxes(1, 2)
    slope = (rows @ symmetric / 750).reshape(features.shape)
    assert np.linalg.norm(gradient - slope) < 2 * 2.0**-8 * np.linalg.norm(slope)


def test_guides_weight_bfloat16_features_in_float32(rng):
    features = tf.constant(rng.normal(size=(1, 6, 5, 3)), tf.bfloat16)
    guide = tf.constant(rng.uniform(0.0, 2.0, (1, 6, 5, 1)), tf.float32)
    found = moments.gram_matrix(features, guide=guide)
    expected = moments.gram_matrix(tf.cast(features, tf.float32), guide=guide)
    np.testing.assert_array_equal(found, expected)
