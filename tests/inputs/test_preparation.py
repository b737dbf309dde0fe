"""The inputs of a run: sizes, start images, colors, and pictures that are too small."""

import numpy as np
import pytest
from PIL import Image

from tf_style.config.style_config import StyleConfig
from tf_style.inputs.coloring import merged
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.preparation import prepare_inputs


def prepare(content=(300, 400), style=(200, 100), **options):
    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (*size, 3), np.uint8) for size in (content, style))
    return prepare_inputs(content, style, StyleConfig().replace(**options))


def test_the_result_has_exactly_the_size_asked_for():
    inputs = prepare(size=128)
    assert inputs.content.shape == inputs.start.shape == (1, 96, 128, 3)


def test_size_0_keeps_the_contents_own_size():
    assert prepare(content=(33, 57), size=0).content.shape == (1, 33, 57, 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": 128}, (128, 64)),
        ({"size": 128, "style_scale": 0.5}, (64, 32)),
        ({"size": 512}, (200, 100)),  # never enlarged on its own
        ({"size": 128, "style_size": 300}, (300, 150)),
    ],
)
def test_the_style_keeps_its_aspect(options, expected):
    assert prepare(**options).styles[0].shape[1:3] == expected


def test_noise_is_seeded():
    first, again, other = (prepare(init="noise", seed=seed, size=64).start for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_noise_is_white_and_normal_around_gray():
    noise = prepare(init="noise", size=256).start
    assert noise.mean() == pytest.approx(0.5, abs=0.002)
    assert noise.std() == pytest.approx(0.1, abs=0.002)
    centered = noise - noise.mean()
    for neighbor in (
        centered[:, 1:, :] * centered[:, :-1],
        centered[:, :, 1:] * centered[:, :, :-1],
    ):
        assert abs(neighbor.mean()) < 0.02 * 0.1**2


def test_content_style_and_a_file_can_be_the_start(tmp_path):
    np.testing.assert_array_equal(prepare(size=64).start, prepare(size=64).content)
    style = np.zeros((40, 40, 3), np.uint8)
    style[:, 20:] = 255
    start = prepare_inputs(
        np.full((30, 40, 3), 99, np.uint8), style, StyleConfig(size=64, init="style")
    ).start
    assert start.shape == (1, 48, 64, 3)
    assert (start[0, :, 5].max(), start[0, :, -5].min()) == (0.0, 1.0)
    Image.new("RGB", (90, 90), (51, 102, 153)).save(tmp_path / "start.png")
    start = prepare(size=64, init=str(tmp_path / "start.png")).start
    np.testing.assert_allclose(start[0, 5, 5], [0.2, 0.4, 0.6], atol=1e-6)


def test_alpha_is_resized_to_the_results_size():
    content = np.full((30, 40, 4), 255, np.uint8)
    content[:, 20:, 3] = 0
    inputs = prepare_inputs(content, np.zeros((40, 40, 3)), StyleConfig(size=80))
    assert inputs.alpha.shape == (1, 60, 80, 1)
    assert (inputs.alpha[0, 30, 5, 0], inputs.alpha[0, 30, 75, 0]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"content": (1, 1)}, "`content` must have at least 16 px .* 1x1 px"),
        ({"content": (4000, 10)}, "`content` .* 10x4000 px"),
        ({"content": (4000, 20)}, "20x4000 px, which becomes 3x512 px. Crop it"),
        ({"style": (3, 300)}, "`style` must have at least 16 px"),
        ({"style": (31, 300), "padding": "reflect_all"}, "`style` must have at least 32 px"),
        ({"style_scale": 0.02}, "`style` .* becomes 5x10 px"),
        ({"size": 20}, "`content` .* becomes 20x15 px"),
        ({"size": 20000, "content": (99, 99)}, "`size` must give at most 268,435,456 pixels"),
        ({"style_size": 30000}, "`style_size` must give at most"),
        (
            {"init": "contents"},
            "`init` must be one of 'content', 'style', 'noise', 'fast' or an existing",
        ),
    ],
)
def test_pictures_too_small_or_missing_are_named(options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        prepare(**options)


def test_a_very_long_start_is_cropped_before_it_is_enlarged(tmp_path):
    Image.new("RGB", (16, 60000)).save(tmp_path / "long.png")
    assert prepare(size=512, init=str(tmp_path / "long.png")).start.shape == (1, 384, 512, 3)


def colored(seed, size, low, high):
    """Blocks of random colors within low..high, so that matched colors stay within 0..1."""
    corners = np.random.default_rng(seed).uniform(low, high, (4, 4, 3)).astype(np.float32)
    return np.kron(corners, np.ones((size[0] // 4, size[1] // 4, 1), np.float32))


CONTENT, STYLE = colored(1, (32, 40), 0.3, 0.7), colored(2, (40, 32), 0.2, 0.9)


def prepared(content=CONTENT, style=STYLE, **options) -> Inputs:
    return prepare_inputs(content, style, StyleConfig(size=0, style_size=40).replace(**options))


def test_colors_are_unchanged_by_default():
    plain = prepared()
    np.testing.assert_array_equal(plain.content[0], CONTENT)
    np.testing.assert_array_equal(plain.styles[0][0], STYLE)
    assert plain.color is None


GRAY_CONTENT, GRAY_STYLE = (np.repeat(each[..., :1], 3, -1) for each in (CONTENT, STYLE))


def test_where_all_pictures_are_gray_so_is_the_result():
    painted = np.random.default_rng(0).uniform(size=(1, 32, 40, 3)).astype(np.float32)
    inputs = prepared(GRAY_CONTENT, GRAY_STYLE)
    result = merged(painted, inputs.color, inputs.color_share)
    assert np.ptp(result, -1).max() < 1e-6
    luma = painted @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(result[..., 0], luma, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "style"), [(CONTENT, GRAY_STYLE), (GRAY_CONTENT, STYLE), (CONTENT, STYLE)]
)
def test_one_colored_picture_lets_the_result_have_colors(content, style):
    assert prepared(content, style).color is None


@pytest.mark.parametrize("method", ["cholesky", "symmetric"])
def test_match_gives_the_style_the_contents_mean_and_covariance(method):
    inputs = prepared(color="match", color_match=method, init="style")
    np.testing.assert_array_equal(inputs.content[0], CONTENT)
    assert inputs.color is None
    ours, wanted = (
        image.reshape(-1, 3).astype(np.float64) for image in (inputs.styles[0], CONTENT)
    )
    assert 0 < ours.min() < ours.max() < 1  # Nothing was clipped.
    np.testing.assert_allclose(ours.mean(0), wanted.mean(0), atol=1e-5)
    np.testing.assert_allclose(np.cov(ours.T), np.cov(wanted.T), atol=1e-4)
    # The start is cut from the style, then matched on its own.
    start = inputs.start.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(start.mean(0), wanted.mean(0), atol=1e-3)


def test_match_by_histogram_stays_within_the_contents_values():
    inputs = prepared(color="match", color_match="histogram")
    assert not np.array_equal(inputs.styles[0][0], STYLE)
    for channel in range(3):
        values = CONTENT[..., channel]
        assert values.min() <= inputs.styles[0][..., channel].min()
        assert inputs.styles[0][..., channel].max() <= values.max()


def test_matched_colors_stay_within_0_and_1():
    content = np.zeros((40, 40, 3), np.uint8)
    content[:, 20:] = 255
    rare = np.zeros((40, 40, 3), np.uint8)
    rare[:5] = 255
    inputs = prepare_inputs(content, rare, StyleConfig(size=0, style_size=40, color="match"))
    # White is 2.6 deviations above the mean and black 0.4 below it. With the mean and deviation
    # of the content they would be 1.8 and 0.3.
    assert inputs.styles[0].min() == pytest.approx(0.311, abs=1e-3)
    assert inputs.styles[0].max() == 1.0


def test_transparent_parts_of_the_content_give_no_colors():
    content = np.concatenate([CONTENT, np.ones((32, 40, 1), np.float32)], axis=-1)
    content[:, 20:] = (0.0, 1.0, 0.0, 0.0)
    style = prepared(content, color="match").styles[0].reshape(-1, 3)
    seen = CONTENT[:, :20].reshape(-1, 3)
    np.testing.assert_allclose(style.mean(0), seen.mean(0), atol=1e-3)


def test_what_is_transparent_everywhere_is_read_as_opaque_and_told():
    clear = np.concatenate([CONTENT, np.zeros((32, 40, 1), np.float32)], axis=-1)
    inputs = prepared(clear)
    assert inputs.alpha is None
    np.testing.assert_array_equal(inputs.content, prepared().content)
    assert inputs.notes == ("`content` is transparent everywhere; it is read as opaque.",)


@pytest.mark.parametrize("init", ["content", "style", "noise"])
def test_luminance_makes_every_picture_gray_and_keeps_the_contents_colors(init):
    inputs = prepared(color="luminance", init=init)
    for image in (inputs.content, inputs.styles[0], inputs.start):
        assert np.ptp(image, axis=-1).max() == 0.0
    np.testing.assert_array_equal(inputs.color[0], CONTENT)
    luma = CONTENT.astype(np.float64) @ (0.299, 0.587, 0.114)
    np.testing.assert_allclose(inputs.content[0, ..., 0], luma, atol=1e-6)
    assert inputs.styles[0].mean() == pytest.approx(luma.mean(), abs=1e-5)
    assert inputs.styles[0][..., 0].std() == pytest.approx(luma.std(), abs=1e-5)


def test_color_content_changes_no_picture_and_keeps_the_contents_colors():
    plain, inputs = prepared(), prepared(color="content")
    for ours, theirs in zip(inputs[:3], plain[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(inputs.color, inputs.content)


@pytest.mark.parametrize("color", ["match", "luminance"])
@pytest.mark.parametrize("plain", ["content", "style"])
def test_a_picture_of_one_color_can_be_matched(color, plain):
    one = np.full((40, 40, 3), 0.4, np.float32)
    inputs = prepared(**{plain: one}, color=color)
    assert np.isfinite(inputs.styles[0]).all()
    wanted = np.mean(CONTENT, axis=(0, 1)) if plain == "style" else 0.4
    if color == "luminance":
        wanted = np.repeat(np.dot(np.broadcast_to(wanted, 3), (0.299, 0.587, 0.114)), 3)
    expected = np.broadcast_to(wanted, inputs.styles[0].shape)
    np.testing.assert_allclose(inputs.styles[0], expected, atol=1e-4)


def test_shallow_layers_allow_smaller_pictures():
    inputs = prepare(
        content=(4, 5), style=(4, 4), size=0, content_layers="conv1_1", style_layers="conv1_1"
    )
    assert inputs.content.shape == (1, 4, 5, 3)
