"""Losses against float64 loops, closed forms and properties."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style import losses, matrix_root


def wasserstein(image, style):
    target = losses.wasserstein_target(losses.moments(style))
    return losses.wasserstein_loss(losses.moments(image), target)


def test_content_loss_is_half_the_sum_of_squares(rng):
    a, b = rng.normal(size=(2, 1, 3, 4, 5))
    expected = 0.0
    for x, y in zip(a.ravel(), b.ravel(), strict=True):
        expected += 0.5 * (x - y) ** 2
    assert float(losses.content_loss(a, b)) == pytest.approx(expected, rel=1e-12)
    assert float(losses.mean_content_loss(a, b)) == pytest.approx(expected * 2 / 60, rel=1e-12)


def test_gram_matrix_is_the_papers_divided_by_positions(rng):
    features = rng.normal(size=(1, 3, 4, 2))
    expected = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            for y in range(3):
                for x in range(4):
                    expected[i, j] += features[0, y, x, i] * features[0, y, x, j] / 12
    np.testing.assert_allclose(losses.gram_matrix(features)[0], expected, rtol=1e-12)


def test_gram_matrix_does_not_care_where_things_are(rng):
    features = rng.normal(size=(1, 4, 5, 3)).astype("float32")
    shuffled = features.reshape(1, 20, 3)[:, rng.permutation(20)].reshape(1, 4, 5, 3)
    np.testing.assert_allclose(
        losses.gram_matrix(features), losses.gram_matrix(shuffled), rtol=1e-4, atol=1e-6
    )


def test_style_loss_is_the_papers_equation_4_when_sizes_agree(rng):
    image, style = rng.normal(size=(2, 1, 3, 5, 4))
    num_filters, num_positions = 4, 15
    rows = [array.reshape(num_positions, num_filters) for array in (image, style)]
    gram, target = (array.T @ array for array in rows)  # F F^T, as the paper has it
    expected = ((gram - target) ** 2).sum() / (4 * num_filters**2 * num_positions**2)
    found = losses.style_loss(losses.gram_matrix(image), losses.gram_matrix(style))
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_style_loss_does_not_depend_on_the_size_of_a_repeated_picture(rng):
    features = rng.normal(size=(1, 3, 4, 5))
    tiled = np.tile(features, (1, 2, 3, 1))
    assert float(
        losses.style_loss(losses.gram_matrix(tiled), losses.gram_matrix(features))
    ) == pytest.approx(0.0, abs=1e-20)


def test_total_variation_of_a_checkerboard_is_2_and_of_a_flat_picture_0():
    board = np.indices((6, 8)).sum(0) % 2
    board = np.repeat(board[None, :, :, None], 3, -1).astype("float32")
    assert float(losses.total_variation(board)) == pytest.approx(2.0)
    assert float(losses.total_variation(np.full((1, 6, 8, 3), 0.3, "float32"))) == 0.0


def test_total_variation_of_a_ramp(rng):
    ramp = np.tile(np.arange(5.0)[None, None, :, None] * 0.1, (1, 4, 1, 3))
    assert float(losses.total_variation(ramp)) == pytest.approx(0.01)


def checkerboard(height, width, channels=3):
    board = np.indices((height, width)).sum(0) % 2
    return np.repeat(board[None, :, :, None], channels, -1).astype("float64")


def test_the_summed_total_variation_of_a_checkerboard_counts_the_pixels_with_both_neighbours():
    assert float(losses.total_variation_sum(checkerboard(6, 8))) == pytest.approx(5 * 7 * 3)


def test_the_nine_point_total_variation_of_a_checkerboard():
    # Along the diagonals only the repeated border differs: 2 (h - 1) + 2 (w - 1) of the
    # (h + 1) (w + 1) pairs of each.
    straight = 5 / 6 + 7 / 8
    diagonal = 2 * (2 * 5 + 2 * 7) / (7 * 9)
    found = float(losses.total_variation_nine_point(checkerboard(6, 8)))
    assert found == pytest.approx(2 * (straight / 3 + diagonal / 12))


@pytest.mark.parametrize("form", losses.TOTAL_VARIATIONS)
def test_total_variations_agree_with_loops_and_are_0_for_a_flat_picture(form, rng):
    image = rng.uniform(size=(1, 5, 7, 3))
    found = float(losses.TOTAL_VARIATIONS[form](image))
    assert found == pytest.approx(reference.variation(image, form), rel=1e-12)
    assert float(losses.TOTAL_VARIATIONS[form](np.full((1, 5, 7, 3), 0.3))) == 0.0


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


@pytest.mark.parametrize("smallest", [0.1, 1e-3, 1e-5, 1e-9, 0.0])
def test_the_trace_of_a_root_and_its_gradient_are_newton_schulzs_at_any_condition(smallest, rng):
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


def test_once_converged_the_gradient_of_the_trace_is_half_the_inverse_root(rng):
    matrix = positive(rng, 4.0, 2.0, 1.0)
    values, vectors = np.linalg.eigh(matrix[0])
    expected = 0.5 * vectors / np.sqrt(values) @ vectors.T
    np.testing.assert_allclose(trace_and_gradient(matrix)[1], expected, rtol=1e-7, atol=1e-9)


def test_wasserstein_loss_is_that_of_the_eigenvalues_roots(rng):
    image, style = rng.normal(size=(1, 9, 8, 5)), 0.3 + rng.normal(size=(1, 7, 6, 5)) * 2.0
    expected = reference.wasserstein(image[0], style[0])
    assert float(wasserstein(image, style)) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_loss_of_scalars_is_the_distance_of_means_and_of_deviations(rng):
    image, style = rng.normal(size=(1, 9, 8, 1)), 3.0 + rng.normal(size=(1, 7, 6, 1)) * 2.0
    deviations = [np.sqrt(x.var() + 1e-4) for x in (image, style)]
    expected = (image.mean() - style.mean()) ** 2 + (deviations[0] - deviations[1]) ** 2
    assert float(wasserstein(image, style)) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_loss_is_0_at_its_target_wherever_things_are(rng):
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
    both = losses.moments(np.concatenate([left, right], 2))
    for whole, *parts in zip(both, losses.moments(left), losses.moments(right), strict=True):
        np.testing.assert_allclose(whole, np.mean(parts, 0), atol=1e-12)


TABLE = {
    "content": lambda x, y: losses.content_loss(x, y),
    "mean content": lambda x, y: losses.mean_content_loss(x, y),
    "style": lambda x, y: losses.style_loss(losses.gram_matrix(x), losses.gram_matrix(y)),
    "wasserstein": wasserstein,
    "variation": lambda x, y: losses.total_variation(x),
    "variation as a sum": lambda x, y: losses.total_variation_sum(x),
    "variation of nine points": lambda x, y: losses.total_variation_nine_point(x),
}


@pytest.mark.parametrize("name", TABLE)
def test_gradients_agree_with_central_differences(name, rng):
    x = tf.constant(rng.normal(size=(1, 4, 5, 3)))
    y = tf.constant(rng.normal(size=(1, 6, 3, 3) if name in ("style", "wasserstein") else x.shape))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = TABLE[name](x, y)
    gradient = tape.gradient(loss, x).numpy()
    for _ in range(5):
        direction = rng.normal(size=x.shape)
        ahead, behind = (float(TABLE[name](x + h * direction, y)) for h in (1e-5, -1e-5))
        expected = (ahead - behind) / 2e-5
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", TABLE)
def test_losses_are_the_same_eager_and_as_graphs_of_unknown_size(name, rng):
    x, y = (tf.constant(rng.normal(size=(1, 4, 5, 3)).astype("float32")) for _ in range(2))
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    graph = tf.function(TABLE[name], input_signature=[spec, spec])
    assert float(graph(x, y)) == pytest.approx(float(TABLE[name](x, y)), rel=1e-5)
    assert graph(x[:, 1:], y[:, 1:]) is not None
    assert graph.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("name", ["content", "mean content", "style"])
def test_a_picture_loses_nothing_against_itself(name, rng):
    x = tf.constant(rng.normal(size=(1, 4, 5, 3)))
    assert float(TABLE[name](x, x)) == 0.0


PER_SAMPLE = {
    "content": (losses.content_loss, False, True),
    "mean content": (losses.mean_content_loss, True, True),
    "style": (losses.style_loss, False, True),
    "variation": (losses.total_variation, True, False),
    "variation as a sum": (losses.total_variation_sum, False, False),
    "variation of nine points": (losses.total_variation_nine_point, True, False),
}


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_samples_have_losses_of_their_own_which_make_up_the_batchs(name, rng):
    loss, is_mean, has_target = PER_SAMPLE[name]
    shape = (3, 5, 5) if name == "style" else (3, 4, 5, 6)
    arguments = rng.normal(size=(1 + has_target, *shape))
    found = loss(*arguments, per_sample=True)
    alone = [float(loss(*(part[i : i + 1] for part in arguments))) for i in range(3)]
    np.testing.assert_allclose(found, alone, rtol=1e-12)
    whole = np.mean(alone) if is_mean else np.sum(alone)
    assert float(loss(*arguments)) == pytest.approx(whole, rel=1e-12)


def test_samples_have_wasserstein_losses_of_their_own_against_one_style(rng):
    images, style = rng.normal(size=(3, 9, 8, 5)), rng.normal(size=(1, 7, 6, 5))
    target = losses.wasserstein_target(losses.moments(style))
    found = losses.wasserstein_loss(losses.moments(images), target, per_sample=True)
    expected = [reference.wasserstein(image, style[0], matrix_root.NUM_STEPS) for image in images]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
