"""Content losses and total variations against float64 loops, closed forms and properties."""

import math

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.losses import content, variation


@pytest.fixture(params=content.CONTENT_LOSSES)
def content_loss(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["all", "guided"])
def guided(request):
    return request.param


def guide_of(rng, height, width):
    """Weights with mean 1, some of them 0."""
    weights = np.maximum(rng.normal(0.5, 0.6, size=(1, height, width, 1)), 0.0)
    return weights / weights.mean()


def test_content_loss_is_half_the_sum_of_squares(rng):
    a, b = rng.normal(size=(2, 1, 3, 4, 5))
    expected = 0.0
    for x, y in zip(a.ravel(), b.ravel(), strict=True):
        expected += 0.5 * (x - y) ** 2
    assert float(content.content_loss(a, b)) == pytest.approx(expected, rel=1e-12)
    assert float(content.mean_content_loss(a, b)) == pytest.approx(expected * 2 / 60, rel=1e-12)


def test_total_variation_of_a_checkerboard_is_2_and_of_a_flat_picture_0():
    board = np.indices((6, 8)).sum(0) % 2
    board = np.repeat(board[None, :, :, None], 3, -1).astype("float32")
    assert float(variation.total_variation(board)) == pytest.approx(2.0)
    assert float(variation.total_variation(np.full((1, 6, 8, 3), 0.3, "float32"))) == 0.0


def test_total_variation_of_a_ramp(rng):
    ramp = np.tile(np.arange(5.0)[None, None, :, None] * 0.1, (1, 4, 1, 3))
    assert float(variation.total_variation(ramp)) == pytest.approx(0.01)


def checkerboard(height, width, channels=3):
    board = np.indices((height, width)).sum(0) % 2
    return np.repeat(board[None, :, :, None], channels, -1).astype("float64")


def test_the_summed_total_variation_of_a_checkerboard_counts_the_pixels_with_both_neighbors():
    assert float(variation.total_variation_sum(checkerboard(6, 8))) == pytest.approx(5 * 7 * 3)


def test_the_nine_point_total_variation_of_a_checkerboard():
    # Along diagonals only the repeated border differs: for each of them, 2 (h - 1) + 2 (w - 1) of
    # the (h + 1) (w + 1) pairs.
    straight = 5 / 6 + 7 / 8
    diagonal = 2 * (2 * 5 + 2 * 7) / (7 * 9)
    found = float(variation.total_variation_nine_point(checkerboard(6, 8)))
    assert found == pytest.approx(2 * (straight / 3 + diagonal / 12))


@pytest.mark.parametrize("form", variation.TOTAL_VARIATIONS)
def test_total_variations_agree_with_loops_and_are_0_for_a_flat_picture(form, rng):
    image = rng.uniform(size=(1, 5, 7, 3))
    found = float(variation.TOTAL_VARIATIONS[form](image))
    assert found == pytest.approx(reference.variation(image, form), rel=1e-12)
    assert float(variation.TOTAL_VARIATIONS[form](np.full((1, 5, 7, 3), 0.3))) == 0.0


TABLE = content.CONTENT_LOSSES | {
    name: lambda x, y, loss=loss: loss(x) for name, loss in variation.TOTAL_VARIATIONS.items()
}


@pytest.mark.parametrize("name", TABLE)
def test_gradients_agree_with_central_differences(name, rng):
    x = tf.constant(rng.normal(size=(1, 4, 5, 3)))
    y = tf.constant(rng.normal(size=x.shape))
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
def test_losses_are_the_same_eager_and_in_graphs_of_unknown_size(name, rng):
    x, y = (tf.constant(rng.normal(size=(1, 4, 5, 3)).astype("float32")) for _ in range(2))
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    graph = tf.function(TABLE[name], input_signature=[spec, spec])
    assert float(graph(x, y)) == pytest.approx(float(TABLE[name](x, y)), rel=1e-5)
    assert graph(x[:, 1:], y[:, 1:]) is not None
    assert graph.experimental_get_tracing_count() == 1


def test_the_laplacian_agrees_with_a_loop(rng):
    image = rng.normal(size=(14, 19, 3))
    found = content.laplacian(image[np.newaxis]).numpy()
    assert found.shape == (1, 14, 19, 3)
    mirrored = np.pad(image, [(5, 5), (5, 5), (0, 0)], "symmetric")
    weights = np.array([math.comb(10, k) for k in range(11)]) / 2.0**10
    for top, left in np.ndindex(14, 19):
        window = mirrored[top : top + 11, left : left + 11]
        mean = np.einsum("i,j,ijc->c", weights, weights, window)
        np.testing.assert_allclose(found[0, top, left], image[top, left] - mean, atol=1e-12)


def test_the_laplacian_ignores_ramps_and_is_the_laplacian_of_smooth_images():
    rows, columns = np.mgrid[:40, :40].astype(np.float64)
    ramp = (0.1 + 0.01 * rows - 0.02 * columns)[np.newaxis, ..., np.newaxis]
    inside = content.laplacian(ramp)[:, 5:-5, 5:-5]
    np.testing.assert_allclose(inside, 0.0, atol=1e-12)
    bowl = (0.01 * rows**2 + 0.03 * columns**2)[np.newaxis, ..., np.newaxis]
    inside = content.laplacian(bowl)[:, 5:-5, 5:-5]
    np.testing.assert_allclose(inside, -1.25 * (0.02 + 0.06), rtol=1e-9)


def test_the_laplacian_sees_every_wave_and_finer_ones_more():
    rows, columns = np.mgrid[:48, :48]
    gains = []
    for period in (24, 12, 8, 6, 4, 3, 2):
        for down, across in ((1, 0), (1, 1), (0, 1)):
            wave = np.cos(2 * np.pi * (down * rows + across * columns) / period)
            found = content.laplacian(wave[np.newaxis, ..., np.newaxis]).numpy()[0, 5:-5, 5:-5, 0]
            both = np.cos(np.pi * down / period) * np.cos(np.pi * across / period)
            gain = 1.0 - both**10
            np.testing.assert_allclose(found, gain * wave[5:-5, 5:-5], atol=1e-12)
            gains.append(gain)
    along = gains[::3]
    assert (np.diff(along) > 0.0).all()
    assert along[4] > 0.95  # Waves of 4 px, which blocks of 4 px do not see.


@pytest.mark.parametrize("name", content.CONTENT_LOSSES)
def test_the_loss_of_a_picture_against_itself_is_0(name, rng):
    x = tf.constant(rng.normal(size=(1, 4, 5, 3)))
    assert float(TABLE[name](x, x)) == 0.0


@pytest.mark.parametrize("name", TABLE)
def test_losses_per_sample_make_up_the_loss_of_the_batch(name, rng):
    loss = {**content.CONTENT_LOSSES, **variation.TOTAL_VARIATIONS}[name]
    arguments = rng.normal(size=(1 + (name in content.CONTENT_LOSSES), 3, 4, 5, 6))
    found = loss(*arguments, per_sample=True)
    alone = [float(loss(*(part[i : i + 1] for part in arguments))) for i in range(3)]
    np.testing.assert_allclose(found, alone, rtol=1e-12)
    whole = np.sum(alone) if name in ("sum", "sum_square") else np.mean(alone)
    assert float(loss(*arguments)) == pytest.approx(whole, rel=1e-12)


def test_content_losses_agree_with_loops(content_loss, guided, rng):
    x, y = rng.normal(size=(2, 1, 4, 5, 3))
    guide = guide_of(rng, 4, 5) if guided else None
    found = float(content.CONTENT_LOSSES[content_loss](x, y, guide=guide))
    weights = np.ones(20) if guide is None else guide.ravel()
    expected = reference.content_loss(content_loss, x[0], y[0], weights)
    assert found == pytest.approx(expected, rel=1e-10)


def test_guided_content_losses_have_the_gradient_of_central_differences(content_loss, rng):
    x, y = (tf.constant(part) for part in rng.normal(size=(2, 1, 4, 5, 3)))
    guide = guide_of(rng, 4, 5)

    def value(x):
        return content.CONTENT_LOSSES[content_loss](x, y, guide=guide)

    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = value(x)
    gradient = tape.gradient(loss, x).numpy()
    direction = rng.normal(size=x.shape)
    ahead, behind = (float(value(x + h * direction)) for h in (1e-6, -1e-6))
    assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-6, rel=1e-5)


def test_a_guide_of_ones_changes_no_content_loss(content_loss, rng):
    x, y = rng.normal(size=(2, 2, 4, 5, 3))
    loss = content.CONTENT_LOSSES[content_loss]
    for per_sample in (True, False):
        guided = loss(x, y, guide=np.ones((1, 4, 5, 1)), per_sample=per_sample)
        np.testing.assert_allclose(guided, loss(x, y, per_sample=per_sample), rtol=1e-12)


def test_a_guide_of_one_half_gives_the_content_loss_of_that_half(content_loss, rng):
    x, y = rng.normal(size=(2, 1, 4, 6, 3))
    guide = np.zeros((1, 4, 6, 1))
    guide[:, :, :3] = 2.0
    loss = content.CONTENT_LOSSES[content_loss]
    alone = float(loss(x[:, :, :3], y[:, :, :3]))
    # A sum keeps the weight of all positions.
    expected = 2.0 * alone if content_loss == "sum" else alone
    assert float(loss(x, y, guide=guide)) == pytest.approx(expected, rel=1e-12)


def test_only_the_summed_content_loss_grows_with_a_repeated_picture(content_loss, rng):
    x, y = rng.normal(size=(2, 1, 4, 5, 3))
    loss = content.CONTENT_LOSSES[content_loss]
    repeated = float(loss(*(np.tile(part, (1, 2, 3, 1)) for part in (x, y))))
    growth = 6.0 if content_loss == "sum" else 1.0
    assert repeated == pytest.approx(growth * float(loss(x, y)), rel=1e-12)


def test_self_similarity_does_not_depend_on_basis_or_scale(rng):
    x = rng.normal(size=(1, 4, 5, 3))
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    assert float(content.self_similarity_loss(x, 7.0 * x @ turned)) == pytest.approx(0.0, abs=1e-12)


def test_self_similarity_of_flat_pictures_is_finite_and_so_is_its_gradient():
    x = tf.zeros((1, 4, 5, 3))
    for flat in (x, x + 0.3):
        with tf.GradientTape() as tape:
            tape.watch(flat)
            loss = content.self_similarity_loss(flat, x + 0.5)
        assert np.isfinite(float(loss))
        assert np.isfinite(tape.gradient(loss, flat)).all()


@pytest.mark.parametrize("size", [(32, 32), (33, 31), (64, 48), (1, 5000), (5000, 1), (7, 900)])
def test_self_similarity_uses_an_even_grid_of_at_most_num_compared_positions(size):
    height, width = size
    places = np.stack(np.meshgrid(range(height), range(width), indexing="ij"), -1)[np.newaxis]
    found = content._on_grid(tf.constant(places.astype("float32"))).numpy()[0]
    assert 0.75 * min(height * width, 1024) < len(found) <= content.NUM_COMPARED
    assert len(np.unique(found, axis=0)) == len(found)
    for axis, side in enumerate(size):
        lines = np.unique(found[:, axis])
        assert np.ptp(np.diff(lines)) <= 1 if len(lines) > 1 else True
        assert lines[0] + lines[-1] == pytest.approx(side - 1, abs=1)
