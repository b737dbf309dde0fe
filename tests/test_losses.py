"""Losses against float64 loops, closed forms and properties."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style import losses


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


TABLE = {
    "content": lambda x, y: losses.content_loss(x, y),
    "mean content": lambda x, y: losses.mean_content_loss(x, y),
    "style": lambda x, y: losses.style_loss(losses.gram_matrix(x), losses.gram_matrix(y)),
    "variation": lambda x, y: losses.total_variation(x),
}


@pytest.mark.parametrize("name", TABLE)
def test_gradients_agree_with_central_differences(name, rng):
    x = tf.constant(rng.normal(size=(1, 4, 5, 3)))
    y = tf.constant(rng.normal(size=(1, 6, 3, 3) if name == "style" else x.shape))
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
