"""Paints contact sheets after figures 4, 5 and 6 of Gatys et al. (2016) with this program.

Run: python tools/paper_figures.py CONTENT STYLE --output_dir=DIR [--size=256] [--steps=25]
(about 8 minutes at 256 px on two cores)

- `figure_4.png`: alpha / beta from 1e-4 to 1e-1, from much style to much content.
- `figure_5.png`: content from conv2_2 and from conv4_2.
- `figure_6.png`: started from the content, from the style and from white noise with four seeds.

The objective is that of the preset `gatys2016_mean`: the paper's, but for the content loss, which
is the mean of squares as in its authors' code (with the paper's sum these ratios give the
photograph back), times ten, so that the row of figure 4 goes from texture to photograph as the
paper's does, and a little total variation against the grain that noise leaves. As in the paper
pictures start from white noise, but in figure 6, and alpha / beta is 1e-3, but in figure 4.
Differs: it is minimized by this program's schedule from coarse to fine, within 0..1, not in 300
steps at one size. `commands.txt` has the command of each picture.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from contact_sheet import contact_sheet
from PIL import Image

from tf_style.cli import process

PRESET = "gatys2016_mean"
SCHEDULE = {
    "scales": "auto",
    "parametrization": "spectrum",
    "gamut": True,
    "content_weight": 10.0,
    "tv_weight": 20.0,
}


def main() -> int:
    """Paints the three sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=25)
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    options.output_dir.mkdir(parents=True, exist_ok=True)
    commands = []
    for name, cases in figures().items():
        pictures = []
        for caption, given in cases:
            flags = {"size": options.size, "steps": options.steps, **SCHEDULE, **given}
            pictures.append((caption, painted(options.content, options.style, flags)))
            words = " ".join(f"--{key}={value}" for key, value in flags.items())
            commands.append(f"{name}, {caption}: tf_style --preset={PRESET} {words}")
            print(commands[-1], flush=True)
        columns = 2 if name == "figure_5" else 3 if name == "figure_6" else 4
        contact_sheet(pictures, columns=columns).save(options.output_dir / f"{name}.png")
    (options.output_dir / "commands.txt").write_text("\n".join(commands) + "\n", encoding="utf-8")
    return 0


def figures() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Returns each sheet's pictures: captions and options."""
    return {
        "figure_4": [
            (f"alpha / beta = {ratio:.0e}", {"style_weight": 1.0 / ratio})
            for ratio in (1e-4, 1e-3, 1e-2, 1e-1)
        ],
        "figure_5": [
            (f"content from {layer}", {"content_layers": layer}) for layer in ("conv2_2", "conv4_2")
        ],
        "figure_6": [
            ("from the content", {"init": "content"}),
            ("from the style", {"init": "style"}),
            *((f"from noise, seed {seed}", {"seed": seed}) for seed in range(4)),
        ],
    }


def painted(content: str, style: str, flags: dict[str, Any]) -> Image.Image:
    """Returns the picture."""
    import tf_style

    config = tf_style.preset(PRESET).replace(**flags)
    return Image.fromarray(tf_style.stylize(content, style, config=config).pixels[..., :3])


if __name__ == "__main__":
    sys.exit(main())
