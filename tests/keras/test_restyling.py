"""Restyling in a few steps, against float64 NumPy, closed forms and properties."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.keras import restyling
from tf_style.network.extractor import build_extractor

LAYERS = ["block1_conv1", "block2_conv1", "block3_conv1"]


@pytest.fixture(scope="module")
def extractor(mini_layers):
    return build_extractor(mini_layers, layers=LAYERS)


@pytest.fixture
def images(rng):
    """Three images, and three styles with other colors and a coarser texture."""
    images = rng.uniform(size=(3, 24, 28, 3))
    styles = rng.uniform(size=(3, 6, 5, 3)).repeat(4, 1).repeat(4, 2)
    styles *= np.array([1.0, 0.9, 0.8])
    return images.astype("float32"), styles.astype("float32")


def moments(image):
    """Mean and covariance of an image's colors."""
    colors = image.reshape(-1, 3).astype(np.float64)
    return colors.mean(0), np.cov(colors.T, bias=True)


def style_error(image, style, layers):
    """The mean over the layers of |G - A|^2 / |A|^2, in float64."""
    errors = []
    features, _ = reference.forward(image[None], layers, LAYERS[-1], "avg")
    target, _ = reference.forward(style[None], layers, LAYERS[-1], "avg")
    for name in LAYERS:
        gram, wanted = reference.gram(features[name]), reference.gram(target[name])
        errors.append(((gram - wanted) ** 2).sum() / (wanted**2).sum())
    return np.mean(errors)


def run(extractor, images, styles, **options):
    options = {"num_steps": 3, "long_edge": 96, "smallest": 4, **options}
    style = restyling.style_of(extractor, tf.constant(styles))
    return restyling.restyled(extractor, tf.constant(images), style, **options).numpy()


def test_the_loss_is_the_relative_distance_of_gram_matrices(extractor, images, mini_layers):
    images, styles = images
    style = restyling.style_of(extractor, tf.constant(styles))
    found = restyling.relative_style_loss(extractor(images), style.grams)
    expected = [
        style_error(image, style, mini_layers) for image, style in zip(images, styles, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_colors_get_the_styles_mean_and_covariance(images, extractor):
    images, styles = images
    style = restyling.style_of(extractor, tf.constant(styles))
    for image, wanted in zip(restyling.recolored(images, style).numpy(), styles, strict=True):
        mean, covariance = moments(wanted)
        np.testing.assert_allclose(moments(image)[0], mean, atol=1e-5)
        # Covariances are about 1e-2, and 1e-4 is added to both.
        np.testing.assert_allclose(moments(image)[1], covariance, atol=1e-4)


def test_colors_that_already_have_the_style_do_not_change(images, extractor):
    images, _ = images
    same = restyling.style_of(extractor, tf.constant(images))
    np.testing.assert_allclose(restyling.recolored(images, same), images, atol=1e-5)


def test_the_color_map_is_symmetric_so_that_hues_are_not_rotated(images, extractor):
    images, styles = images
    style = restyling.style_of(extractor, tf.constant(styles))
    for image, new in zip(images, restyling.recolored(images, style).numpy(), strict=True):
        before, after = (x.reshape(-1, 3) - x.mean((0, 1)) for x in (image, new))
        color_map = np.linalg.lstsq(before, after, rcond=None)[0]
        np.testing.assert_allclose(color_map, color_map.T, atol=1e-3)
        assert np.linalg.eigvalsh(color_map).min() > 0.0


def test_a_flat_image_gets_the_styles_mean_color(images, extractor):
    _, styles = images
    style = restyling.style_of(extractor, tf.constant(styles))
    flat = restyling.recolored(np.full((3, 8, 8, 3), 0.5, np.float32), style).numpy()
    for image, wanted in zip(flat, styles, strict=True):
        np.testing.assert_allclose(
            image, np.broadcast_to(wanted.mean((0, 1)), image.shape), atol=1e-5
        )


def test_shares_mix_styles_as_pictures_side_by_side(extractor, rng):
    left, right = rng.uniform(size=(2, 1, 16, 16, 3)).astype("float32")
    styles = restyling.style_of(extractor, tf.constant(np.concatenate([left, right])))
    mean, second, _ = restyling.mixed(styles, tf.constant([[0.25, 0.75]]))
    whole = np.concatenate([left, right, right, right], 2)[0]
    expected_mean, covariance = moments(whole)
    np.testing.assert_allclose(mean[0], expected_mean, atol=1e-5)
    expected = covariance + np.outer(expected_mean, expected_mean)
    np.testing.assert_allclose(second[0], expected, atol=1e-5)
    shares = tf.constant([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    grams = restyling.mixed(styles, shares).grams
    for name in LAYERS:
        alone = styles.grams[name].numpy()
        expected = [alone[0], alone[1], alone.mean(0)]
        np.testing.assert_allclose(grams[name], expected, rtol=1e-5, atol=1e-5)


def test_steps_bring_each_image_nearer_to_its_style(extractor, images, mini_layers):
    images, styles = images

    def errors(num_steps):
        new = run(extractor, images, styles, num_steps=num_steps)
        return np.array([style_error(x, y, mini_layers) for x, y in zip(new, styles, strict=True)])

    before = np.array([style_error(x, y, mini_layers) for x, y in zip(images, styles, strict=True)])
    colors, three = errors(0), errors(3)
    assert (three < 0.8 * before).all()
    assert (three < 0.5 * colors).all()


def test_a_step_has_polyaks_length(extractor, images):
    images, styles = images
    image = tf.constant(np.clip(images[:1], 0.3, 0.7))
    grams = restyling.style_of(extractor, tf.constant(styles[:1])).grams
    # Steps are clipped to 0..1; this one is small.
    grams = {
        name: 0.95 * own + 0.05 * gram
        for (name, own), gram in zip(
            restyling.style_of(extractor, image).grams.items(), grams.values(), strict=True
        )
    }
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = restyling.relative_style_loss(extractor(image), grams)
    gradient = tape.gradient(loss, image)
    new = restyling._descended(extractor, image, grams, 1)
    assert new.numpy().min() > 0.0 and new.numpy().max() < 1.0
    # The step ends where the tangent of the loss is 0.
    along = float(tf.reduce_sum(gradient * (new - image)))
    assert along == pytest.approx(-float(loss[0]), rel=1e-3)


def test_no_step_changes_an_image_by_more_than_its_limit(extractor, images):
    images, styles = images
    colors = run(extractor, images, styles, num_steps=0)
    for count in (1, 4):
        change = run(extractor, images, styles, num_steps=count) - colors
        size = np.sqrt((change**2).mean((1, 2, 3)))
        assert (size <= count * restyling._LONGEST * 1.0001).all()
        assert (size > 0.5 * restyling._LONGEST).any()


def test_an_image_is_restyled_the_same_alone_and_in_a_batch(extractor, images):
    images, styles = images
    together = run(extractor, images, styles)
    for i in range(3):
        alone = run(extractor, images[i : i + 1], styles[i : i + 1])
        np.testing.assert_allclose(together[i : i + 1], alone, atol=1e-3)


def test_larger_images_keep_their_detail_and_get_the_change_enlarged(extractor, images):
    images, styles = images
    large = images.repeat(2, 1).repeat(2, 2)
    found = run(extractor, large, styles, long_edge=28)
    assert found.shape == large.shape
    # It differs from the recolored image only by a smooth change.
    colors = run(extractor, large, styles, num_steps=0)
    change = (found - colors).reshape(3, 24, 2, 28, 2, 3)
    rough = np.abs(change - change.mean((2, 4), keepdims=True)).mean()
    assert rough < 0.5 * np.abs(change).mean()


def test_narrow_images_keep_the_pixels_that_the_layers_need(extractor, images):
    _, styles = images
    narrow = np.full((3, 64, 5, 3), 0.4, np.float32)
    assert np.isfinite(run(extractor, narrow, styles, long_edge=16)).all()


def test_black_styles_and_black_images_stay_black(images, mini_layers):
    images, styles = images
    dead = {name: (kernel, 0 * bias) for name, (kernel, bias) in mini_layers.items()}
    dead["block1_conv1"] = (0 * dead["block1_conv1"][0], dead["block1_conv1"][1])
    found = run(build_extractor(dead, layers=LAYERS), np.zeros_like(images), 0 * styles)
    np.testing.assert_allclose(found, 0.0, atol=1e-6)
