"""Masks of what stays as it is: reading, resizing, errors, and what is left to be painted."""

import numpy as np
import pytest
from PIL import Image

import tf_style
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs

SIZE = (24, 32)
LEFT = np.zeros([*SIZE, 1], np.uint8)
LEFT[:, :16] = 255
TOP = np.zeros([*SIZE, 1], np.uint8)
TOP[:12] = 255


def inputs_of(rng, *, num_styles=1, masks=(), config=None, **controls):
    content = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    styles = [rng.integers(0, 256, (20, 28, 3), np.uint8) for _ in range(num_styles)]
    config = config or tf_style.StyleConfig(size=0)
    return prepare_inputs(content, styles, config, ControlPictures(masks, **controls))


def test_white_is_kept_black_is_painted_and_gray_lies_between(rng):
    mask = rng.integers(1, 255, [*SIZE, 1], np.uint8)
    mask[:, :8], mask[:, 8:16] = 255, 0
    inputs = inputs_of(rng, keep=mask)
    np.testing.assert_allclose(inputs.keep[0], mask / 255.0, atol=1e-6)
    np.testing.assert_array_equal(inputs.touched, np.float32(1.0) - inputs.keep)
    assert not inputs.touched[:, :, :8].any()
    assert (inputs.touched[:, :, 8:16] == 1.0).all()
    assert inputs.controls == ("keep",)
    assert inputs.notes == ()


@pytest.mark.parametrize("size", [(7, 11), (24, 32), (61, 83)])
def test_white_stays_exactly_white_at_every_size(rng, size):
    mask = np.zeros([*size, 1], np.uint8)
    mask[:, : size[1] // 2] = 255
    inputs = inputs_of(rng, keep=mask)
    inner = int(32 * (size[1] // 2 - 1) / size[1])
    assert (inputs.keep[:, :, :inner] == 1.0).all()
    assert not inputs.touched[:, :, :inner].any()
    assert bool(inputs.notes) == (size != SIZE)


def test_a_mask_may_be_a_file_and_is_stretched_with_a_note(rng, tmp_path):
    Image.fromarray(np.full([10, 90], 128, np.uint8)).save(tmp_path / "keep.png")
    inputs = inputs_of(rng, keep=tmp_path / "keep.png")
    np.testing.assert_allclose(inputs.keep, 128.0 / 255.0, atol=1e-6)
    assert inputs.notes == (
        "`keep` has 90x10 px, but its picture has 32x24; the mask is stretched.",
        "`keep` is the same everywhere: no part is kept more than another.",
    )


def test_what_is_kept_is_cut_out_of_every_region(rng):
    inputs = inputs_of(rng, masks=[TOP, 255 - TOP], keep=LEFT)
    painted = inputs.painted_regions
    whole = inputs.regions.content
    np.testing.assert_array_equal(painted.content[:, :, 16:], whole[:, :, 16:])
    assert not painted.content[:, :, :16].any()
    np.testing.assert_array_equal(inputs.touched[0], 1.0 - LEFT / np.float32(255.0))
    assert inputs.regions.content[:, :, :16].any()


def test_a_region_that_is_kept_whole_needs_no_style(rng):
    masks = [LEFT, 255 - LEFT]
    inputs = inputs_of(rng, num_styles=2, masks=masks, keep=LEFT)
    painted = inputs.painted_regions
    assert painted.content.shape == (1, *SIZE, 1)
    assert [style.shape[-1] for style in painted.styles] == [1, 1]
    np.testing.assert_array_equal(painted.blend, [[0.0, 1.0]])
    np.testing.assert_array_equal(painted.strengths, [1.0])


def test_without_masks_the_rest_is_one_region_of_all_styles(rng):
    config = tf_style.StyleConfig(size=0).replace(style_blend="1,3")
    inputs = inputs_of(rng, num_styles=2, config=config, keep=LEFT)
    painted = inputs.painted_regions
    assert inputs.regions is None
    np.testing.assert_array_equal(painted.content, inputs.touched)
    np.testing.assert_allclose(painted.blend, [[0.25, 0.75]])
    assert all((style == 1.0).all() and style.shape == (1, 20, 28, 1) for style in painted.styles)
    assert inputs_of(rng).painted_regions is inputs_of(rng).touched is None


@pytest.mark.parametrize(
    ("masks", "keep", "message"),
    [
        ((), np.full_like(LEFT, 255), "`keep` must be black somewhere.*white everywhere"),
        ([LEFT], LEFT, "`keep` must leave some part of `content_masks` to be painted"),
        ((), np.tile(np.uint8([255, 0, 0]), [*SIZE, 1]), "`keep` must be a gray picture"),
    ],
)
def test_masks_that_leave_nothing_and_colored_ones_are_errors(rng, masks, keep, message):
    with pytest.raises(ValueError, match=message) as caught:
        inputs_of(rng, masks=masks, keep=keep)
    assert "\n" not in str(caught.value)


def test_the_mode_of_masks_may_be_chosen_for_what_is_kept(rng):
    config = tf_style.StyleConfig(size=0).replace(mask_mode="inside")
    assert inputs_of(rng, config=config, keep=LEFT).keep is not None
