"""The pictures of a run: sizes, starts and what is too small."""

import numpy as np
import pytest
from PIL import Image

from tf_style.config import StyleConfig
from tf_style.inputs import prepare_inputs


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


def test_noise_is_white_and_normal_about_grey():
    noise = prepare(init="noise", size=256).start
    assert noise.mean() == pytest.approx(0.5, abs=0.002)
    assert noise.std() == pytest.approx(0.1, abs=0.002)
    centred = noise - noise.mean()
    for neighbour in (centred[:, 1:, :] * centred[:, :-1], centred[:, :, 1:] * centred[:, :, :-1]):
        assert abs(neighbour.mean()) < 0.02 * 0.1**2


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


def test_alpha_comes_along_at_the_results_size():
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
        ({"size": 20000, "content": (99, 99)}, "`size` must give at most 89,478,485 pixels"),
        ({"style_size": 20000}, "`style_size` must give at most"),
        ({"init": "contents"}, "`init` must be one of 'content', 'style', 'noise' or an existing"),
    ],
)
def test_what_is_too_small_or_missing_is_named(options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        prepare(**options)


def test_a_very_long_start_is_cut_before_it_is_enlarged(tmp_path):
    Image.new("RGB", (16, 60000)).save(tmp_path / "long.png")
    assert prepare(size=512, init=str(tmp_path / "long.png")).start.shape == (1, 384, 512, 3)


def test_shallow_layers_take_smaller_pictures():
    inputs = prepare(
        content=(4, 5), style=(4, 4), size=0, content_layers="conv1_1", style_layers="conv1_1"
    )
    assert inputs.content.shape == (1, 4, 5, 3)
