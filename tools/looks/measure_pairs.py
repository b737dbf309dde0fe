"""Measures how the default treats many pairs of photograph and painting.

Run: python tools/looks/measure_pairs.py --photos PHOTO... --paintings PAINTING... --output=FOLDER
         [--pairs=48] [--sizes 512] [--strengths 1] [-- FLAGS]
(25 seconds for each pair at 512 px on two cores; pictures that are there are not painted again)

Four flat prints, drawn by `prints`, join the paintings. Each style meets the photographs in turn.
Flags of tf_style may follow after `--`. For each picture, in one line of FOLDER/pairs.jsonl:

- "content": the mean squared difference of block4_conv2's features from the photograph's, divided
  by the variance of the photograph's;
- "style": the mean over conv1_1 ... conv5_1 of |G - A|^2 / |A|^2, with Gram matrices divided by the
  number of positions;
- "weave": the share of energy near the Nyquist frequencies, in the flattest quarter of the
  photograph, relative to that share in the whole painting;
- "grain": the same share in the photograph itself, relative to the painting's;
- "frame" and "edge": how much more the border differs from what is inside it than in the
  photograph, as in measure_borders.py, in gray levels.

The network is normalized, with average pooling and zero padding, whatever the flags say. Energy is
that of the luma in windows of 32 px (Hann, half overlapping), without their means; "near the
Nyquist frequencies" means periods below 4 px. Prints the shares of pairs within the limits of
docs/notes/objective.md, the ten worst pairs, and the ratios between strengths and sizes. FOLDER/
sheet.png shows photograph, painting and results of each pair; --rows limits it.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contact_sheet import contact_sheet
from measure_borders import edge, frame
from PIL import Image
from prints import PRINTS

import tf_style
from tf_style.cli import flags as cli_flags
from tf_style.cli import process
from tf_style.cli.settings import settings_from

LUMA = np.array([0.299, 0.587, 0.114])
STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
CONTENT_LAYER = "block4_conv2"
WINDOW, HIGH = 32, 0.25  # px; cycles per px, the lower end of the band.
FLATTEST = 0.25  # Share of the photograph's windows.
LOWEST, HIGHEST, NEVER, STYLE_LIMIT, WEAVE_LIMIT = 0.35, 0.95, 1.2, 0.25, 1.3


def energies(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the energy of each window near the Nyquist frequencies, and in all but its mean.

    Args:
        image: float `[H, W, 3]`, RGB.
    """
    luma = image.astype(np.float64) @ LUMA
    windows = np.lib.stride_tricks.sliding_window_view(luma, (WINDOW, WINDOW))
    windows = windows[:: WINDOW // 2, :: WINDOW // 2]
    windows = windows - windows.mean((-2, -1), keepdims=True)
    hann = np.hanning(WINDOW)
    energy = np.abs(np.fft.fft2(windows * hann[:, None] * hann)) ** 2
    frequency = np.fft.fftfreq(WINDOW)
    is_high = np.hypot(frequency[:, None], frequency) >= HIGH
    return (energy * is_high).sum((-2, -1)), energy.sum((-2, -1))


def share(image: np.ndarray, where: np.ndarray | None = None) -> float:
    """Returns the share of energy near the Nyquist frequencies, in the chosen windows."""
    high, whole = energies(image)
    where = np.ones(whole.shape, bool) if where is None else where
    return float(high[where].sum() / max(whole[where].sum(), 1e-12))


def flattest(photograph: np.ndarray) -> np.ndarray:
    """Returns which windows of the photograph have the least energy."""
    whole = energies(photograph)[1]
    return whole <= np.quantile(whole, FLATTEST)


class Distances:
    """The measures "content" and "style"."""

    def __init__(self) -> None:
        from tf_style.network.extractor import load_extractor

        network = tf_style.NetworkConfig(pooling="avg", padding="zeros", normalized=True)
        self._extractor = load_extractor(network, layers=(*STYLE_LAYERS, CONTENT_LAYER))

    def features(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the features of an image, float `[H, W, 3]`, by layer."""
        found = self._extractor(image[np.newaxis].astype(np.float32))
        return {name: each.numpy()[0].astype(np.float64) for name, each in found.items()}

    def grams(self, features: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Returns the Gram matrix of each style layer, divided by the number of positions."""
        rows = [features[name].reshape(-1, features[name].shape[-1]) for name in STYLE_LAYERS]
        return [each.T @ each / len(each) for each in rows]

    def measure(
        self, result: np.ndarray, photograph: np.ndarray, painting: np.ndarray
    ) -> dict[str, Any]:
        """Returns both measures; images are float `[H, W, 3]`."""
        found, wanted = self.features(result), self.features(photograph)[CONTENT_LAYER]
        content = ((found[CONTENT_LAYER] - wanted) ** 2).mean() / wanted.var()
        targets = self.grams(self.features(painting))
        by_layer = [
            float(((gram - target) ** 2).sum() / (target**2).sum())
            for gram, target in zip(self.grams(found), targets, strict=True)
        ]
        return {"content": float(content), "style": float(np.mean(by_layer)), "layers": by_layer}


def measure(result: Any, inputs: Any, distances: Distances) -> dict[str, Any]:
    """Returns all measures of a result."""
    picture = np.asarray(result, np.float64) / 255.0
    photograph, painting = inputs.photograph[0], inputs.styles[0][0]
    found = distances.measure(picture, photograph, painting)
    flat, own = flattest(photograph), share(painting)
    found["weave"] = share(picture, flat) / own
    found["grain"] = share(photograph, flat) / own
    for name, border in (("frame", frame), ("edge", edge)):
        found[name] = 255.0 * (border(picture) - border(photograph))
    return found


def pairs_of(photos: Sequence[Path], paintings: Sequence[Path], count: int) -> list[tuple]:
    """Returns different pairs of a photograph and a painting, at most `count`."""
    turns = -(-count // len(paintings))
    found = [
        (photos[(turn * len(paintings) + index) % len(photos)], painting)
        for turn in range(turns)
        for index, painting in enumerate(paintings)
    ]
    return list(dict.fromkeys(found))[:count]


def summary(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Returns the lines about pictures of one size and strength."""
    values = {name: np.array([row[name] for row in rows]) for name in
              ("content", "style", "weave", "frame", "edge", "seconds")}  # fmt: skip
    content, style, weave = values["content"], values["style"], values["weave"]
    inside = np.mean((content >= LOWEST) & (content <= HIGHEST))
    worst = np.maximum.reduce([
        content / HIGHEST, LOWEST / content, style / STYLE_LIMIT, weave / WEAVE_LIMIT
    ])  # fmt: skip
    lines = [
        f"content {LOWEST}..{HIGHEST}: {inside:.0%}; median {np.median(content):.2f}, "
        f"{content.min():.2f} to {content.max():.2f}",
        f"style up to {STYLE_LIMIT}: {np.mean(style <= STYLE_LIMIT):.0%}; "
        f"median {np.median(style):.3f}, largest {style.max():.2f}",
        f"weave up to {WEAVE_LIMIT}: {np.mean(weave <= WEAVE_LIMIT):.0%}; "
        f"median {np.median(weave):.2f}, largest {weave.max():.2f}",
        f"frame {np.median(values['frame']):+.1f}, at most {values['frame'].max():+.1f}; "
        f"edge {np.median(values['edge']):+.1f}, at most {values['edge'].max():+.1f}; "
        f"seconds {np.nanmedian(values['seconds']):.1f}",
        "worst:",
    ]
    for index in np.argsort(-worst)[:10]:
        row = rows[index]
        numbers = ", ".join(f"{name} {row[name]:.2f}" for name in ("content", "style", "weave"))
        lines.append(f"  {row['photo']} x {row['painting']}: {numbers}")
    return lines


def ratios(
    rows: Sequence[dict[str, Any]], name: str, values: Sequence[float], chosen: Callable
) -> list[str]:
    """Returns the ratios of "content" between consecutive sizes or strengths."""
    lines = []
    for low, high in itertools.pairwise(values):
        content = [
            {(row["photo"], row["painting"]): row["content"] for row in rows if chosen(row, each)}
            for each in (low, high)
        ]
        found = np.array([content[1][pair] / content[0][pair] for pair in content[0]])
        lines.append(
            f"content, {name} {low:g} to {high:g}: x {np.median(found):.2f}, "
            f"{found.min():.2f} to {found.max():.2f}"
        )
    return lines


def main() -> int:
    """Paints and measures every pair, prints the table and writes the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512], help="px")
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0])
    parser.add_argument("--rows", type=int, default=24, help="of the sheet")
    arguments, flags = sys.argv[1:], []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, flags = arguments[:split], arguments[split + 1 :]
    options = parser.parse_args(arguments)
    process.set_environment()
    process.tune_tensorflow()
    from tf_style.inputs.preparation import prepare_inputs

    values = cli_flags.parse(cli_flags.make_flags(cli_flags.config_table()), flags)
    base = settings_from(values, "")
    options.output.mkdir(parents=True, exist_ok=True)
    prints = [options.output / f"{name}.png" for name in PRINTS]
    for path, draw in zip(prints, PRINTS.values(), strict=True):
        draw().save(path)
    distances, rows = Distances(), []
    sheet: list[tuple[str, Image.Image]] = []
    pairs = pairs_of(options.photos, [*options.paintings, *prints], options.pairs)
    variants = list(itertools.product(options.sizes, options.strengths))
    with (options.output / "pairs.jsonl").open("w", encoding="utf-8") as lines:
        for number, (photo, painting) in enumerate(pairs):
            columns = [_shown(photo), _shown(painting)]
            for size, strength in variants:
                config = base.replace(size=size, style_strength=strength)
                place = options.output / f"{photo.stem}_{painting.stem}_{size}_{strength:g}.png"
                row = {"photo": photo.stem, "painting": painting.stem}
                row |= {"size": size, "strength": strength, "seconds": math.nan}
                if not place.exists():
                    result = tf_style.stylize(photo, painting, config=config)
                    result.save(place)
                    row["seconds"] = result.seconds
                with Image.open(place) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                row |= measure(pixels, prepare_inputs(photo, painting, config), distances)
                rows.append(row)
                lines.write(json.dumps(row) + "\n")
                lines.flush()
                columns.append(_shown(place))
            if number < options.rows:
                captions = ["", painting.stem, *(f"{size} px, {each:g}" for size, each in variants)]
                sheet += zip(captions, columns, strict=True)
                contact_sheet(sheet, columns=len(columns)).save(options.output / "sheet.png")
    for size, strength in variants:
        print(f"{size} px, strength {strength:g}, {len(pairs)} pairs")
        chosen = [row for row in rows if (row["size"], row["strength"]) == (size, strength)]
        print("\n".join(summary(chosen)))
    for size in options.sizes:
        of_size = [row for row in rows if row["size"] == size]
        found = ratios(of_size, f"{size} px, strength", options.strengths,
                       lambda row, each: row["strength"] == each)  # fmt: skip
        print("\n".join(found), end="\n" if found else "")
    for strength in options.strengths:
        of_strength = [row for row in rows if row["strength"] == strength]
        found = ratios(of_strength, "size", options.sizes, lambda row, each: row["size"] == each)
        print("\n".join(found), end="\n" if found else "")
    return 0


def _shown(path: Path) -> Image.Image:
    """Returns a picture, small enough for the sheet."""
    with Image.open(path) as picture:
        shown = picture.convert("RGB")
    shown.thumbnail((340, 340), Image.Resampling.LANCZOS)
    return shown


if __name__ == "__main__":
    sys.exit(main())
