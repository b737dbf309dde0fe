"""The programs in tools/ that others rely on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
from PIL import Image

from tf_style import vgg19, weights

TOOLS = Path(__file__).resolve().parent.parent / "tools"
STYLE_LAYERS = [f"block{block}_conv1" for block in range(1, 6)]


def run(tool, *arguments):
    command = [sys.executable, str(TOOLS / tool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.weights
@pytest.mark.slow
def test_check_golden_accepts_the_truth_and_refuses_what_is_off(tmp_path, rng):
    image, content = rng.uniform(size=(2, 1, 33, 40, 3)).astype("float32")
    style = rng.uniform(size=(1, 36, 32, 3)).astype("float32")
    content_loss, style_losses, total, gradient = reference.objective(
        image,
        content,
        style,
        weights.load_weights("vgg19-8bit").layers,
        content_layer="block4_conv2",
        style_layers=STYLE_LAYERS,
        alpha=1.0,
        beta=10.0,
        pooling="avg",
    )
    golden = {
        "content": content,
        "style": style,
        "image": image,
        "content_loss": content_loss,
        "style_losses": style_losses,
        "style_layers": STYLE_LAYERS,
        "total": total,
        "gradient": gradient,
        "alpha": 1.0,
        "beta": 10.0,
        "pooling": "avg",
        "normalized": False,
    }
    np.savez(tmp_path / "good.npz", **golden)
    done = run("check_golden.py", tmp_path / "good.npz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok") == 9
    np.savez(tmp_path / "off.npz", **{**golden, "gradient": gradient * 1.01})
    done = run("check_golden.py", tmp_path / "good.npz", tmp_path / "off.npz")
    assert done.returncode == 1
    assert "ABOVE 0.001" in done.stdout
    (tmp_path / "text.npz").write_text("no archive")
    assert run("check_golden.py", tmp_path / "text.npz").returncode == 2


@pytest.mark.weights
@pytest.mark.slow
def test_mean_activations_are_measured_from_a_folder(tmp_path, rng):
    folder = tmp_path / "photographs"
    folder.mkdir()
    pixels = rng.integers(0, 256, (224, 224, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    (folder / "notes.txt").write_text("no picture")
    done = run("measure_mean_activations.py", folder, f"--output={tmp_path / 'means.npz'}")
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stderr
    means = np.load(tmp_path / "means.npz")
    layers = weights.load_weights("vgg19-8bit").layers
    features, _ = reference.forward(pixels[None] / 255.0, layers, "block2_conv1", "max")
    for name, expected in features.items():
        np.testing.assert_allclose(means[name], expected.mean((0, 1)), rtol=1e-3, atol=1e-3)
    assert set(means.files) == set(vgg19.CONVOLUTIONS)
