"""Writes tests/goldens: losses and gradients of the real network in float64.

Run: python tools/numbers/make_goldens.py (some seconds; overwrites both files)

`vgg19_8bit.json` holds losses and gradients of the paper's objective; `presets.json` holds the
total loss of every preset. Both are computed by tests/support/reference.py, which shares no code
with tf_style's objective, on the pictures of tests/support/golden_numbers.py. A gradient is stored
as its norm and 40 of its entries.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import tf_style
from tf_style.config.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import reference  # noqa: E402
from golden_numbers import preset_pictures, synthetic_picture  # noqa: E402
from places import GOLDENS  # noqa: E402

STYLE_LAYERS = [f"block{block}_conv1" for block in range(1, 6)]
CASES = {
    "average pooling, normalized": ("avg", True, (37, 45), (40, 33)),
    "max pooling, raw": ("max", False, (32, 48), (50, 35)),
    "average pooling, raw": ("avg", False, (33, 32), (33, 32)),
}


def write(name: str, goldens: dict) -> None:
    """Writes one file of tests/goldens."""
    path = GOLDENS / name
    path.write_text(json.dumps(goldens, indent=1) + "\n")
    print(f"Wrote {path}")


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    raw = tf_style.load_weights("vgg19-8bit").layers
    normal = tf_style.normalize(raw, tf_style.mean_activations())
    totals = {}
    for name in PRESETS:
        options = tf_style.preset(name).to_dict()
        layers = normal if options["normalized"] else raw
        totals[name] = float(reference.total_loss(*preset_pictures(), layers, options))
    write("presets.json", totals)
    goldens = {}
    for seed, (name, (pooling, normalized, size, style_size)) in enumerate(CASES.items()):
        content_loss, style_losses, total, gradient = reference.objective(
            synthetic_picture(3 * seed, *size),
            synthetic_picture(3 * seed + 1, *size),
            synthetic_picture(3 * seed + 2, *style_size),
            normal if normalized else raw,
            content_layer="block4_conv2",
            style_layers=STYLE_LAYERS,
            alpha=1.0,
            beta=1000.0,
            pooling=pooling,
        )
        flat = gradient.ravel()
        entries = np.random.default_rng(seed).choice(flat.size, 40, replace=False)
        goldens[name] = {
            "pooling": pooling,
            "normalized": normalized,
            "size": size,
            "style_size": style_size,
            "seeds": [3 * seed, 3 * seed + 1, 3 * seed + 2],
            "content_loss": content_loss,
            "style_losses": list(map(float, style_losses)),
            "total": float(total),
            "gradient_norm": float(np.linalg.norm(gradient)),
            "gradient": {int(entry): float(flat[entry]) for entry in entries},
        }
    write("vgg19_8bit.json", goldens)


if __name__ == "__main__":
    main()
