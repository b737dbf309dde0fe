"""Measures each filter's mean activation over photographs, for the normalized network.

Run: python tools/numbers/measure_mean_activations.py FOLDER --output=means.npz (a second for each
picture)

Takes a 224 px center crop of every photograph below FOLDER, with max pooling, and writes float32
[filters] by Keras layer name: the mean post-ReLU activation over positions and photographs. The
means in the package come from 1,000 photographs, one of each ImageNet class; a hundred varied
photographs come close. Prints how the new means differ from the package's. Unreadable pictures are
reported and skipped.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import tf_style
from tf_style import vgg19
from tf_style.cli import process
from tf_style.images import reading, resizing

SIDE = 224


def photographs(folder: Path) -> list[Path]:
    """Returns the files below `folder`, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Measures and writes the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="an .npz file")
    parser.add_argument("--weights", default="vgg19-8bit", help="name or file")
    arguments = parser.parse_args()
    process.set_environment()
    weights = tf_style.load_weights(arguments.weights, notify=print)
    extractor = tf_style.build_extractor(weights.layers, layers=vgg19.CONVOLUTIONS, pooling="max")
    sums = {name: np.zeros(vgg19.KERNEL_SHAPES[name][3]) for name in vgg19.CONVOLUTIONS}
    count = 0
    for path in photographs(arguments.folder):
        try:
            picture = reading.read_picture(path)
        except (OSError, ValueError) as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        crop = resizing.cover(reading.over_white(picture), (SIDE, SIDE))
        for name, features in extractor(crop).items():
            sums[name] += features.numpy().astype(np.float64).mean((0, 1, 2))
        count += 1
    if count == 0:
        print(f"No photograph below {arguments.folder} could be read.", file=sys.stderr)
        return 2
    means = {name: (total / count).astype(np.float32) for name, total in sums.items()}
    for name, mean in means.items():
        if dead := int((mean <= 0).sum()):
            print(f"{dead} filters of {name} never fired: use more photographs.", file=sys.stderr)
    np.savez(arguments.output, **means)  # type: ignore[arg-type]
    print(f"{count} photographs; relative to the means in the package:")
    print("layer          median ratio   correlation of logarithms")
    for name, known in tf_style.mean_activations().items():
        found = np.maximum(means[name], 1e-6)
        correlation = np.corrcoef(np.log(found), np.log(known))[0, 1]
        print(f"{name:14s} {np.median(found / known):12.3f} {correlation:14.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
