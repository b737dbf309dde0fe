"""The programs in tools/numbers that others rely on."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import reference
from PIL import Image
from places import TOOLS

from tf_style import vgg19

STYLE_LAYERS = [f"block{block}_conv1" for block in range(1, 6)]
FOLDER = TOOLS / "numbers"


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Returns a function that runs a tool in this process, which has imported TensorFlow."""

    def run_here(tool, *arguments):
        monkeypatch.setattr(sys, "argv", [tool, *map(str, arguments)])
        code = importlib.import_module(tool.removesuffix(".py")).main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, code, printed.out, printed.err)

    monkeypatch.syspath_prepend(str(FOLDER))
    return run_here


@pytest.mark.weights
@pytest.mark.slow
def test_check_golden_accepts_correct_files_and_rejects_wrong_ones(
    tmp_path, rng, real_layers, run_here
):
    image, content = rng.uniform(size=(2, 1, 33, 40, 3)).astype("float32")
    style = rng.uniform(size=(1, 36, 32, 3)).astype("float32")
    content_loss, style_losses, total, gradient = reference.objective(
        image,
        content,
        style,
        real_layers,
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
    command = [sys.executable, FOLDER / "check_golden.py", tmp_path / "good.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok") == 9
    np.savez(tmp_path / "off.npz", **{**golden, "gradient": gradient * 1.01})
    done = run_here("check_golden.py", tmp_path / "good.npz", tmp_path / "off.npz")
    assert done.returncode == 1
    assert "ABOVE 0.001" in done.stdout
    (tmp_path / "text.npz").write_text("not an archive")
    assert run_here("check_golden.py", tmp_path / "text.npz").returncode == 2


@pytest.mark.weights
@pytest.mark.slow
def test_mean_activations_are_measured_from_a_folder(tmp_path, rng, real_layers, run_here):
    folder = tmp_path / "photographs"
    folder.mkdir()
    pixels = rng.integers(0, 256, (224, 224, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    (folder / "notes.txt").write_text("not a picture")
    done = run_here("measure_mean_activations.py", folder, f"--output={tmp_path / 'means.npz'}")
    assert done.returncode == 0, done.stderr
    assert "skipped" in done.stderr
    means = np.load(tmp_path / "means.npz")
    features, _ = reference.forward(pixels[None] / 255.0, real_layers, "block2_conv1", "max")
    for name, expected in features.items():
        np.testing.assert_allclose(means[name], expected.mean((0, 1)), rtol=1e-3, atol=1e-3)
    assert set(means.files) == set(vgg19.CONVOLUTIONS)
