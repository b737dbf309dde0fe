"""Paints contact sheets after figures 4, 5 and 6 of Gatys et al. (2016) with this program.

Run: python tools/paper_figures.py CONTENT STYLE --output_dir=DIR [--size=256] [--steps=25]
(about 8 minutes at 256 px on two cores)

- `figure_4.png`: alpha / beta from 1e-4 to 1e-1 times a common factor, from much style to much
  content. The paper's alpha / beta belongs to its sums; here the content loss is a mean, and the
  middle of the row is this program's default balance.
- `figure_5.png`: content from conv2_2 and from conv4_2.
- `figure_6.png`: started from the content, from the style and from white noise with four seeds.

Each sheet has its captions and the command of each picture in `commands.txt`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tf_style import _runtime

_GAP, _CAPTION = 8, 22


def main() -> int:
    """Paints the three sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=25)
    options = parser.parse_args()
    _runtime.set_environment()
    _runtime.tune_tensorflow()
    options.output_dir.mkdir(parents=True, exist_ok=True)
    commands = []
    for name, cases in figures().items():
        pictures = []
        for caption, given in cases:
            flags = {"size": options.size, "steps": options.steps, **given}
            pictures.append((caption, painted(options.content, options.style, flags)))
            words = " ".join(f"--{key}={value}" for key, value in flags.items())
            commands.append(f"{name}, {caption}: tf_style {words}")
            print(commands[-1], flush=True)
        sheet(pictures).save(options.output_dir / f"{name}.png")
    (options.output_dir / "commands.txt").write_text("\n".join(commands) + "\n", encoding="utf-8")
    return 0


def figures() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Returns each sheet's pictures: captions and options."""
    noise = {"init": "noise"}
    return {
        "figure_4": [
            (f"alpha / beta: {ratio:g} of the default", {"style_strength": 1.0 / ratio})
            for ratio in (0.03, 0.3, 3.0, 30.0)
        ],
        "figure_5": [
            (f"content from {layer}", {"content_layers": layer}) for layer in ("conv2_2", "conv4_2")
        ],
        "figure_6": [
            ("from the content", {}),
            ("from the style", {"init": "style"}),
            *((f"from noise, seed {seed}", {**noise, "seed": seed}) for seed in range(4)),
        ],
    }


def painted(content: str, style: str, flags: dict[str, Any]) -> np.ndarray:
    """Returns the picture, uint8 `[H, W, 3]`."""
    import tf_style

    size = flags.pop("size")
    config = tf_style.StyleConfig(size=size).replace(**flags)
    flags["size"] = size
    return tf_style.stylize(content, style, config=config).pixels[..., :3]


def sheet(pictures: list[tuple[str, np.ndarray]], *, columns: int = 3) -> Image.Image:
    """Returns pictures of one size with their captions below, in rows."""
    height, width, _ = pictures[0][1].shape
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = columns * (width + _GAP) + _GAP, rows * (height + _CAPTION + _GAP) + _GAP
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for index, (caption, pixels) in enumerate(pictures):
        left = _GAP + index % columns * (width + _GAP)
        top = _GAP + index // columns * (height + _CAPTION + _GAP)
        page.paste(Image.fromarray(pixels), (left, top))
        draw.text((left, top + height + 3), caption, fill="black", font_size=14)
    return page


if __name__ == "__main__":
    sys.exit(main())
