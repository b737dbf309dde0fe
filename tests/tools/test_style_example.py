"""The domains of examples/style_augmentation.py are as its docstring describes them."""

import sys

import numpy as np
import pytest
from places import EXAMPLES


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import style_augmentation

    return style_augmentation


def test_digits_and_photographs_are_combined_by_difference(example, rng):
    side = example.SIDE
    flat = [np.full((side + 3, side + 5, 3), 51, np.uint8)]
    digits = rng.uniform(size=(4, side, side, 3)).astype("float32")
    found = example.over_photographs(digits, flat, rng)
    np.testing.assert_allclose(found, np.abs(0.2 - digits), atol=1e-6)


def test_scanned_digits_are_lighter_than_their_surroundings(example, rng):
    side = example.SIDE
    digits = np.zeros((50, side, side, 3), np.float32)
    digits[:, 8:24, 12:20] = 1.0
    found = example.scanned(digits, rng)
    assert found.dtype == np.float32 and found.min() >= 0.0 and found.max() <= 1.0
    inside, outside = (
        found[:, 10:22, 14:18],
        np.concatenate([found[:, 10:22, 6:10], found[:, 10:22, 22:26]], 2),
    )
    assert (inside.mean((1, 2, 3)) > outside.mean((1, 2, 3))).all()
    assert np.std([image.mean() for image in found]) > 0.05


def test_styles_are_half_size_crops_of_all_pictures(example):
    pictures = [np.full((40, 30, 3), value, np.uint8) for value in (1, 2)]
    found = example.crops(pictures)
    assert [crop.shape for crop in found] == [(20, 15, 3)] * (2 * example.CROPS)
    assert sorted({int(crop[0, 0, 0]) for crop in found}) == [1, 2]


def test_no_test_background_is_a_style(example):
    assert not set(example.BACKGROUNDS) & set(example.STYLES)


def test_missing_packages_are_reported_with_the_pip_command(example, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setattr(sys, "argv", ["style_augmentation.py"])
    with pytest.raises(SystemExit, match=r"pip install 'tf-style\[examples\]'"):
        example.main()
