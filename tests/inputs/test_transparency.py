"""What is transparent in masks is no region; of a style, only what is visible counts."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tf_style
from tf_style.engine.pictures import pictures_of
from tf_style.images.color import most_chroma
from tf_style.images.filling import filled
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs
from tf_style.objective.objective import Objective
from tf_style.objective.region_targets import controlled_targets
from tf_style.transfer.finishing import finished

SIZE = (32, 40)


def texture(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def with_alpha(colors, alpha):
    return np.concatenate(
        [np.broadcast_to(colors, (*alpha.shape, 3)), alpha[..., None]], -1
    ).astype(np.uint8)


@pytest.fixture
def alpha():
    alpha = np.zeros(SIZE, np.uint8)
    alpha[8:24, 4:30] = 255
    return alpha


def prepared(style=None, controls=None, **options):
    config = tf_style.StyleConfig().replace(size=40, style_layers="conv1_1", **options)
    style = texture(1) if style is None else style
    return prepare_inputs(texture(0), style, config, ControlPictures(**(controls or {})))


# Masks.


@pytest.mark.parametrize("color", [255, 0], ids=["white", "black"])
def test_what_is_painted_on_nothing_is_the_region(alpha, color):
    # In white or in black ink; the colors under what is transparent do not matter.
    mask = with_alpha(np.full(3, color), alpha)
    found = prepared(controls={"content_masks": [mask]}).regions.content[0, ..., 0]
    np.testing.assert_array_equal(found, alpha / np.float32(255))
    mask[alpha == 0, :3] = color
    again = prepared(controls={"content_masks": [mask]}).regions.content[0, ..., 0]
    np.testing.assert_array_equal(again, found)


def test_hidden_white_is_no_region(alpha):
    gray = texture(3)[..., :1].repeat(3, -1)
    gray[alpha == 0] = 255
    found = prepared(controls={"content_masks": [with_alpha(gray, alpha)]}).regions.content[0]
    expected = gray[..., 0] / np.float32(255) * (alpha > 0)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)


def test_transparent_parts_of_a_label_picture_belong_to_no_region(alpha):
    labels = np.zeros((*SIZE, 3), np.uint8)
    labels[:, :20], labels[:, 20:] = (255, 0, 0), (0, 0, 255)
    full = np.full(SIZE, 255, np.uint8)
    found = prepared(
        controls={
            "content_masks": [with_alpha(labels, alpha)],
            "style_masks": [with_alpha(labels, full)],
        }
    ).regions.content[0]
    left = (np.arange(40) < 20)[None, :] & (alpha > 0)
    right = (np.arange(40) >= 20)[None, :] & (alpha > 0)
    np.testing.assert_array_equal(found, np.stack([right, left], -1).astype(np.float32))


def test_what_is_transparent_is_not_kept(alpha):
    mask = with_alpha(np.full(3, 255), alpha)
    found = prepared(controls={"keep": mask}).keep[0, ..., 0]
    np.testing.assert_array_equal(found, alpha / np.float32(255))


def test_labels_that_are_hardly_visible_are_refused(alpha):
    labels = np.zeros((*SIZE, 3), np.uint8)
    labels[:, 20:] = (255, 0, 0)
    masks = [with_alpha(labels, np.full(SIZE, 100, np.uint8))]
    with pytest.raises(ValueError, match="`content_masks` must be opaque somewhere"):
        prepared(controls={"content_masks": masks, "style_masks": masks})


# Styles.


def test_a_style_that_is_hardly_visible_is_read_as_opaque():
    colors = texture(5).astype(np.float32) / 255
    faint = np.concatenate([colors, np.full((*SIZE, 1), 0.001, np.float32)], -1)
    inputs = prepared(faint)
    np.testing.assert_allclose(inputs.styles[0][0], colors, atol=1e-6)
    assert "`style` is transparent everywhere; it is read as opaque." in inputs.notes


def test_hidden_colors_of_a_style_do_not_matter(alpha):
    colors = texture(5)
    cut = with_alpha(colors, alpha)
    plain = prepared(cut, color="match")
    colors[alpha == 0] = (0, 255, 0)
    other = prepared(with_alpha(colors, alpha), color="match")
    np.testing.assert_array_equal(plain.styles[0], other.styles[0])
    # Rows and columns that are transparent all along are left out.
    np.testing.assert_array_equal(plain.styles[0].shape, (1, 16, 26, 3))
    assert "`style` is transparent in part; only what is visible counts." in plain.notes


def test_places_of_a_style_count_by_their_alpha(mini_layers):
    # The target is the Gram matrix of the visible positions alone, in float64.
    alpha = np.zeros(SIZE, np.uint8)
    alpha[:, :16], alpha[8:16, :] = 255, 255
    inputs = prepared(with_alpha(texture(5), alpha), keep_margins=True)
    visible = alpha > 0
    np.testing.assert_array_equal(inputs.style_weights[0][0, ..., 0], visible)
    regions = inputs.painted_regions
    np.testing.assert_array_equal(regions.styles[0][0, ..., 0], visible)
    assert regions.content.min() == 1.0 and regions.blend.tolist() == [[1.0]]
    assert inputs.touched is None

    config = tf_style.LossConfig(style_layers="conv1_1", content_layers="conv1_1")
    extractor = tf_style.build_extractor(mini_layers, layers=config.layers)
    objective = Objective(extractor, config)
    pictures = pictures_of(inputs)
    (target,) = controlled_targets(
        objective, pictures.content, pictures.styles, pictures.controls
    ).regions
    features = np.asarray(
        objective.extractor(tf.constant(inputs.styles[0]))["block1_conv1"], np.float64
    )[0][visible]
    expected = features.T @ features / len(features)
    found = tf.nest.flatten(target.style["block1_conv1"])[0].numpy()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_masks_and_alpha_of_a_style_count_together(alpha):
    mask = np.zeros(SIZE, np.uint8)
    mask[:, :20] = 255
    whole = np.full(SIZE, 255, np.uint8)
    controls = {"content_masks": [whole], "style_masks": [mask]}
    found = prepared(with_alpha(texture(5), alpha), controls).painted_regions.styles[0][0, ..., 0]
    np.testing.assert_array_equal(found, (mask > 0) & (alpha > 0))
    controls["style_masks"] = [255 - np.maximum(alpha, mask)]
    with pytest.raises(ValueError, match="`style_masks` must leave something visible"):
        prepared(with_alpha(texture(5), alpha), controls)


def test_filling_keeps_what_is_visible_and_continues_it():
    ramp = np.linspace(0.2, 0.8, 64, dtype=np.float32)[None, None, :, None]
    image = np.broadcast_to(ramp, (1, 48, 64, 3)).copy()
    alpha = np.ones((1, 48, 64, 1), np.float32)
    alpha[:, 16:32, 24:40] = 0.0
    hidden = np.where(alpha > 0, image, np.float32(1.0))
    found = filled(hidden, alpha)
    np.testing.assert_array_equal(np.where(alpha > 0, found, 0), np.where(alpha > 0, image, 0))
    assert np.abs(found - image).max() < 0.1  # Of 0.5 before.
    assert np.abs(found - image).mean() < 0.005
    np.testing.assert_array_equal(filled(image, np.zeros_like(alpha)), image)
    single = np.zeros_like(alpha)
    single[0, 3, 5] = 1.0
    np.testing.assert_allclose(filled(image, single), image[0, 3, 5, 0], atol=1e-5)


# Pictures that will disappoint.


def test_dark_photographs_and_pale_or_blurred_paintings_are_told():
    config = tf_style.StyleConfig().replace(size=40, style_layers="conv1_1")
    normal, other = texture(0), texture(1)
    assert prepare_inputs(normal, other, config).notes == ()
    (note,) = prepare_inputs((normal * 0.1).astype(np.uint8), other, config).notes
    assert note.startswith("`content` is very dark") and "brightened" in note
    pale = (other * 0.03 + 240).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(texture(2, (3, 4))).resize((160, 128), Image.BICUBIC))
    for style in (pale, blurred):
        (note,) = prepare_inputs(normal, style, config).notes
        assert note.startswith("`style` is pale or blurred") and "`style_strength`" in note


# Colors.


def test_the_result_has_no_more_chroma_than_the_styles_allow(rng):
    ink = np.where(rng.uniform(size=(*SIZE, 1)) < 0.2, 0, 255).astype(np.uint8).repeat(3, -1)
    config = tf_style.StyleConfig().replace(size=40, style_layers="conv1_1")
    image = rng.uniform(size=(1, *SIZE, 3)).astype(np.float32)
    inputs = prepare_inputs(texture(0), ink, config)
    assert np.ptp(finished(image, inputs, config), -1).max() < 1e-6
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(finished(image, inputs, config) @ luma, image @ luma, atol=1e-6)
    half = config.replace(style_strength=0.5)
    found = finished(image, prepare_inputs(texture(0), ink, half), half)
    content = np.ptp(inputs.content, -1)
    np.testing.assert_allclose(
        np.ptp(found, -1), np.minimum(np.ptp(image, -1), 0.5 * content), atol=1e-5
    )
    colorful = prepare_inputs(texture(0), texture(1), config)
    np.testing.assert_array_equal(finished(0.5 * image, colorful, config), 0.5 * image)
    blend = config.replace(style_blend="1,0")  # A style that does not count sets no limit.
    blended = prepare_inputs(texture(0), [ink, texture(1)], blend)
    assert np.ptp(finished(image, blended, blend), -1).max() < 1e-6
    off = config.replace(limit_chroma=False)
    np.testing.assert_array_equal(finished(image, prepare_inputs(texture(0), ink, off), off), image)


def test_rules_of_regions_keep_the_limit(rng):
    ink = np.where(rng.uniform(size=(*SIZE, 1)) < 0.2, 0, 255).astype(np.uint8).repeat(3, -1)
    left = np.zeros(SIZE, np.uint8)
    left[:, :20] = 255
    config = tf_style.StyleConfig().replace(size=40, style_layers="conv1_1", color="style,content")
    masks = ControlPictures(content_masks=[left, 255 - left])
    inputs = prepare_inputs(texture(0), ink, config, masks)
    image = rng.uniform(0.3, 0.7, (1, *SIZE, 3)).astype(np.float32)
    found = finished(image, inputs, config)
    assert np.ptp(found[:, :, :20], -1).max() < 1e-6
    assert np.ptp(found[:, :, 20:], -1).mean() > 0.2  # The photograph's own colors.


def test_rare_accents_do_not_set_the_limit():
    image = np.full((1, 100, 100, 3), 0.5, np.float32)
    image[0, 0, :5] = (1.0, 0.0, 0.0)  # Five of 10,000 pixels.
    assert most_chroma(image) == 0.0
    image[0, 1, :20] = (0.7, 0.5, 0.5)
    assert most_chroma(image) == pytest.approx(0.2, abs=1e-6)
    weights = np.zeros((1, 100, 100, 1), np.float32)
    weights[0, 0, :5] = 1.0
    assert most_chroma(image, weights) == 1.0
