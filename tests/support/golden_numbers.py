"""The golden numbers of `tests/goldens`, and the synthetic pictures that they belong to.

`tools/numbers/make_goldens.py` writes the numbers.
"""

import json

import numpy as np
import pytest
from places import GOLDENS

_PRESET_SIZE, _PRESET_STYLE_SIZE = (40, 48), (51, 36)


def golden_numbers(name):
    """Returns the content of a file of `tests/goldens`."""
    return json.loads((GOLDENS / name).read_text())


def synthetic_picture(seed, height, width):
    """Returns float32 [1, height, width, 3], 0..1: smooth waves with a little noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 8.0
    phases = rng.uniform(0, 6.28, size=(3, 3))
    waves = [
        np.sin(rows * rng.uniform(0.3, 2) + phase[0])
        * np.cos(columns * rng.uniform(0.3, 2) + phase[1])
        for phase in phases
    ]
    noise = rng.normal(0, 0.05, size=(height, width, 3))
    picture = 0.5 + 0.35 * np.stack(waves, axis=-1) + noise
    return np.clip(picture, 0, 1).astype(np.float32)[np.newaxis]


def pictures_of(golden):
    """Returns image, content and style of an entry of `vgg19_8bit.json`."""
    sizes = golden["size"], golden["size"], golden["style_size"]
    return [
        synthetic_picture(seed, *size) for seed, size in zip(golden["seeds"], sizes, strict=True)
    ]


def preset_pictures():
    """Returns image, content and style of `presets.json`."""
    content, other = (synthetic_picture(seed, *_PRESET_SIZE) for seed in (20, 21))
    return [(content + other) / 2, content, synthetic_picture(22, *_PRESET_STYLE_SIZE)]


def check_total_and_gradient(golden, total, gradient):
    """Compares total loss and gradient with an entry of `vgg19_8bit.json`."""
    assert float(total) == pytest.approx(golden["total"], rel=1e-4)
    norm = golden["gradient_norm"]
    flat = np.ravel(gradient)
    assert float(np.linalg.norm(flat)) == pytest.approx(norm, rel=1e-4)
    typical = norm / np.sqrt(flat.size)
    for entry, expected in golden["gradient"].items():
        assert flat[int(entry)] == pytest.approx(expected, abs=1e-3 * typical)
