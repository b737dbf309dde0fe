"""Margins of scanned pictures: found exactly where they are, and nowhere else."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tf_style.config.style_config import StyleConfig
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.margins import NO_MARGINS, Margins, find_margins
from tf_style.inputs.preparation import prepare_inputs

WHITE, BLACK, YELLOW, RED = (250, 248, 240), (5, 5, 8), (240, 200, 40), (200, 30, 30)
WIDTHS = Margins(20, 14, 23, 9)


def as_image(picture):
    return np.asarray(picture, np.float32)[np.newaxis] / np.float32(255)


def texture(seed=0, size=(150, 200)):
    """Strokes of random colors, uint8."""
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(0, 256, (size[0] // 5, size[1] // 5, 3), np.uint8))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def framed(picture, widths=WIDTHS, color=WHITE):
    height, width = picture.shape[:2]
    size = (height + widths.top + widths.bottom, width + widths.left + widths.right, 3)
    framed = np.full(size, color, np.uint8)
    framed[widths.top : widths.top + height, widths.left : widths.left + width] = picture
    return framed


def drawn(size, background, *shapes):
    """A picture with shapes (kind, corners, color) on a background, drawn with soft edges."""
    picture = Image.new("RGB", (4 * size[0], 4 * size[1]), background)
    draw = ImageDraw.Draw(picture)
    for kind, corners, color in shapes:
        getattr(draw, kind)([4 * place for place in corners], fill=color)
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


def drawing_that_fades_out():
    """Lines on white paper that become lighter toward the border."""
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    ink = np.clip(1.3 - np.maximum(abs(x), abs(y)) * 1.4, 0.0, 1.0) * (np.sin(40 * (x + y)) > 0.3)
    return np.uint8(255 - 230 * ink)[..., np.newaxis].repeat(3, -1)


def night():
    """Lights on black, which touch no side."""
    picture = np.zeros((160, 240, 3), np.uint8)
    picture[60:130, 30:210] = np.where(texture(3, (70, 180)) > 190, texture(4, (70, 180)), 0)
    return picture


WITHOUT = {
    "texture": texture(),
    "one color": np.full((90, 80, 3), 200, np.uint8),
    "one pixel": np.full((1, 1, 3), 200, np.uint8),
    "poster with a circle": drawn((200, 250), YELLOW, ("ellipse", (15, 40, 185, 210), RED)),
    "poster with a large circle": drawn((200, 200), YELLOW, ("ellipse", (5, 5, 195, 195), RED)),
    "yellow sky and a field": drawn(
        (240, 200),
        YELLOW,
        ("rectangle", (0, 120, 240, 200), RED),
        ("ellipse", (80, 30, 130, 80), RED),
    ),
    "sky above a straight sea": np.concatenate(
        [np.full((70, 200, 3), (150, 180, 230), np.uint8), texture(1, (130, 200))]
    ),
    "flag with stripes": drawn((240, 160), RED, ("rectangle", (0, 40, 240, 120), WHITE)),
    "flag with a cross": drawn(
        (240, 160),
        RED,
        ("rectangle", (70, 0, 100, 160), WHITE),
        ("rectangle", (0, 65, 240, 95), WHITE),
    ),
    "square in a square": drawn(
        (200, 200),
        YELLOW,
        ("rectangle", (15, 15, 185, 185), RED),
        ("rectangle", (25, 25, 175, 175), WHITE),
    ),
    "poster with a panel of text": drawn(
        (200, 300),
        YELLOW,
        ("rectangle", (15, 15, 185, 285), RED),
        *(("rectangle", (40, y, 160 - y % 7 * 9, y + 8), WHITE) for y in range(60, 250, 20)),
    ),
    "house on white": drawn(
        (200, 200),
        WHITE,
        ("rectangle", (30, 60, 170, 190), RED),
        ("polygon", (20, 60, 100, 10, 180, 60), BLACK),
    ),
    "columns on white": drawn(
        (200, 200),
        WHITE,
        *(("rectangle", (x, 20, x + 15, 180), BLACK) for x in range(20, 180, 40)),
    ),
    "drawing that fades out": drawing_that_fades_out(),
    "night": night(),
    "one side only": framed(texture(), Margins(0, 0, 0, 30)),
    "two sides that meet": framed(texture(), Margins(30, 20, 0, 0)),
    "margins of two colors": np.concatenate(
        [np.full((20, 200, 3), WHITE), texture(), np.full((20, 200, 3), BLACK)]
    ).astype(np.uint8),
    "little is left": framed(texture(), Margins(100, 80, 100, 80)),
    "a sky like the paper": framed(
        np.concatenate([np.full((60, 200, 3), WHITE, np.uint8), texture(1, (90, 200))])
    ),
}


@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_pictures_without_a_margin_keep_every_pixel(name, noise, rng):
    image = as_image(WITHOUT[name])
    image = np.clip(image + rng.normal(0.0, noise / 255.0, image.shape), 0.0, 1.0)
    assert find_margins(image.astype(np.float32)) == NO_MARGINS


@given(
    seed=st.integers(0, 99),
    size=st.tuples(st.integers(80, 120), st.integers(80, 120)),
    widths=st.tuples(*[st.integers(0, 15)] * 4),
    color=st.tuples(*[st.integers(0, 255)] * 3),
    along=st.sampled_from([(0, 2), (1, 3)]),
)
@settings(max_examples=60, deadline=None)
def test_any_uniform_margin_around_any_texture_is_found_exactly(seed, size, widths, color, along):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (*size, 3), np.uint8)
    # Two opposite sides have a margin; without any margin there is nothing to be found.
    widths = [max(width, 1) if side in along else width for side, width in enumerate(widths)]
    widths = Margins(*widths)
    image = as_image(framed(picture, widths, color))
    assert find_margins(image) == widths
    inside = widths.without(image)
    np.testing.assert_array_equal(inside, as_image(picture))
    assert find_margins(inside) == NO_MARGINS


@pytest.mark.parametrize("color", [WHITE, BLACK, (128, 128, 128), (205, 190, 160)])
def test_a_margin_is_found_in_spite_of_noise_and_of_the_losses_of_a_jpeg(color, rng):
    painting = texture()  # With colors as muted as those of paintings are.
    painting = 0.3 * painting + 0.7 * painting.mean(-1, keepdims=True)
    picture = framed(painting.astype(np.uint8), color=color)
    noisy = np.clip(picture + rng.normal(0.0, 2.0, picture.shape), 0, 255).astype(np.uint8)
    np.testing.assert_allclose(find_margins(as_image(noisy)), WIDTHS, atol=1)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "jpeg", quality=85)
    np.testing.assert_allclose(find_margins(as_image(Image.open(file))), WIDTHS, atol=1)


def test_a_slightly_oblique_margin_is_found():
    large = framed(texture(0, (600, 800)), Margins(60, 60, 60, 60))
    oblique = Image.fromarray(large).rotate(0.4, Image.Resampling.BICUBIC, fillcolor=WHITE)
    np.testing.assert_allclose(find_margins(as_image(oblique)), 60, atol=4)


def test_dust_on_a_margin_does_not_hide_it():
    picture = framed(texture())
    picture[4, 50:52] = 90
    assert find_margins(as_image(picture)) == WIDTHS


def test_margins_around_margins_are_all_found():
    inner, outer = Margins(9, 9, 9, 12), Margins(7, 8, 5, 6)
    picture = framed(framed(texture(), inner, WHITE), outer, (130, 130, 130))
    assert find_margins(as_image(picture)) == (16, 17, 14, 18)


def test_a_picture_with_a_flat_sky_loses_only_its_margin():
    sky = np.concatenate([np.full((50, 200, 3), (130, 170, 230)), texture(1, (100, 200))])
    assert find_margins(as_image(framed(sky.astype(np.uint8)))) == WIDTHS


def prepared(style, controls=None, **options):
    config = StyleConfig(size=64, style_size=80).replace(**options)
    return prepare_inputs(texture(9), style, config, ControlPictures(**(controls or {})))


def test_style_pictures_are_used_without_their_margins():
    plain, scan = prepared(texture()), prepared(framed(texture()))
    np.testing.assert_array_equal(scan.styles[0], plain.styles[0])
    assert plain.notes == ()
    assert scan.notes == (
        "`style` has a uniform margin, which is left out: 20 px left, 23 right, 14 top, 9 bottom. "
        "`keep_margins` keeps it.",
    )
    two = prepared([texture(), framed(texture())], {"fine_style": framed(texture(2), color=BLACK)})
    np.testing.assert_array_equal(two.styles[1], plain.styles[0])
    np.testing.assert_array_equal(two.fine_style, prepared(texture(2)).styles[0])
    assert [note.split("`")[1] for note in two.notes] == ["style[1]", "fine_style"]
    start = prepared(framed(texture()), init="style").start
    np.testing.assert_array_equal(start, prepared(texture(), init="style").start)


def test_margins_can_be_kept_and_are_kept_with_masks():
    scan = framed(texture())
    kept = prepared(scan, keep_margins=True)
    assert kept.styles[0].shape[1:3] == (57, 80)  # Of 173 by 243 px; without margins, 60 by 80.
    assert kept.notes == ()
    mask = np.full(scan.shape[:2], 255, np.uint8)
    masked = prepared(scan, {"content_masks": [texture()[..., 0] * 0 + 255], "style_masks": [mask]})
    np.testing.assert_array_equal(masked.styles[0], kept.styles[0])
    alpha = np.concatenate([scan, mask[..., np.newaxis]], -1)
    alpha[: WIDTHS.top, :, 3] = 0
    assert prepared(alpha, keep_margins=True).styles[0].shape == kept.styles[0].shape
    assert prepared(alpha).styles[0].shape[1:3] == (52, 80)  # Without the transparent rows.


def test_the_content_keeps_its_margins():
    scan = framed(texture())
    config = StyleConfig(size=0)
    assert prepare_inputs(scan, texture(), config).content.shape == (1, *scan.shape)


def test_a_picture_that_would_become_too_small_keeps_its_margins():
    small = framed(texture(0, (15, 15)), Margins(3, 3, 3, 3))
    assert find_margins(as_image(small)) == (3, 3, 3, 3)
    assert prepare_inputs(texture(), small, StyleConfig(size=64)).styles[0].shape == (1, 21, 21, 3)
