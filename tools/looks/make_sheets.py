"""Renders contact sheets: a gallery of styles, the sheets of docs/control.md, the paper's figures.

Run: python tools/looks/make_sheets.py --sheet=gallery --output=gallery.jpg CONTENT STYLE...
     python tools/looks/make_sheets.py --sheet=control --output='docs/images/control_{sheet}.jpg'
         --content_sky=MASK --style_sky=MASK CONTENT STYLE OTHER PHOTOGRAPH
     python tools/looks/make_sheets.py --sheet=paper --output='figures/{sheet}.png' CONTENT STYLE
(one tf_style run for each picture: 15 minutes for "control" and 8 for "paper", on two cores)

`--sheet` is one sheet or a group of sheets:

- "gallery": CONTENT in every STYLE, without captions;
- "control": styles, regions, content, automatic, photographs, scale. STYLE is a painting with sky,
  OTHER any painting, PHOTOGRAPH another photograph. The masks are white in the sky;
- "paper": figure_4, figure_5 and figure_6 of Gatys et al. (2016): alpha / beta from 1e-4 to 1e-1;
  content from conv2_2 and from conv4_2; started from the content, from the style and from noise.

Flags of tf_style may follow after `--`; they apply to every picture. The command of each picture
is printed, and written to `--commands`. With `--pictures`, the pictures are stored in that folder
with their metadata, and a picture that is already there is not rendered again.

The figures use the preset `gatys2016_mean`: the paper's objective, except that the content loss is
the mean of squares, as in the authors' code (with the paper's sum, these ratios return the
photograph). It is weighted ten times, so that figure 4 ranges from texture to photograph as in the
paper, and a little total variation suppresses the grain that noise leaves. As in the paper,
pictures start from white noise, except in figure 6, and alpha / beta is 1e-3, except in figure 4.
Differs from the paper: optimized from coarse to fine within 0..1, not in 300 steps at one size.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from contact_sheet import contact_sheet
from PIL import Image, ImageOps

from tf_style.cli import main as cli

CONTROL = ("styles", "regions", "content", "automatic", "photographs", "scale")
PAPER = ("figure_4", "figure_5", "figure_6")
GROUPS = {"control": CONTROL, "paper": PAPER}
PAPER_FLAGS = {
    "preset": "gatys2016_mean",
    "size": 256,
    "steps": 25,
    "scales": "auto",
    "parametrization": "spectrum",
    "gamut": "true",
    "content_weight": 10.0,
    "tv_weight": 20.0,
}


class Case(NamedTuple):
    """A picture of a sheet.

    Attributes:
        caption: what stands below it; may be empty.
        flags: of the command line, without content and output.
    """

    caption: str
    flags: dict[str, Any]


def main() -> int:
    """Renders the sheets; returns the exit code."""
    options, flags = parse(sys.argv[1:])
    commands: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sheet, cases in sheets(options, folder).items():
            pictures = []
            for index, case in enumerate(cases):
                styles = Path(str(case.flags["style"]).split(",")[0]).stem
                place = (options.pictures or folder) / f"{sheet}_{index}_{styles}.png"
                words = [f"--{key}={value}" for key, value in case.flags.items()] + flags
                commands.append(f"{sheet}, {case.caption or styles}: tf_style {' '.join(words)}")
                print(commands[-1], flush=True)
                if not place.exists():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    content = f"--content={options.content}"
                    code = cli.main([content, f"--output={place}", "--quiet", *words])
                    if code:
                        return code
                with Image.open(place) as picture:
                    pictures.append((case.caption, picture.convert("RGB")))
            output = Path(str(options.output).replace("{sheet}", sheet))
            output.parent.mkdir(parents=True, exist_ok=True)
            columns = options.columns or {"figure_4": 4, "figure_6": 3}.get(sheet, 2)
            contact_sheet(pictures, columns=columns).save(output, quality=90)
            print(f"Wrote {output}")
    if options.commands:
        options.commands.write_text("\n".join(commands) + "\n", encoding="utf-8")
    return 0


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Returns the options, and the flags of tf_style after `--`."""
    flags: list[str] = []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, flags = arguments[:split], arguments[split + 1 :]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("content")
    add("styles", nargs="+", help="one or more paintings; see the top of this file")
    sheets = ("gallery", *GROUPS, *CONTROL, *PAPER)
    add("--sheet", choices=sheets, required=True, help="a sheet or a group of sheets")
    add("--output", type=Path, required=True, help="may hold {sheet}, the name of the sheet")
    add("--content_sky", help="mask of CONTENT's sky, for the sheets of docs/control.md")
    add("--style_sky", help="mask of STYLE's sky, likewise")
    add("--columns", type=int, default=0, help="pictures in a row")
    add("--pictures", type=Path, help="store the pictures in this folder")
    add("--commands", type=Path, help="write the command of each picture to this file")
    options = parser.parse_args(arguments)
    if options.sheet in ("control", *CONTROL):
        if len(options.styles) != 3:
            parser.error("the sheets of docs/control.md take CONTENT STYLE OTHER PHOTOGRAPH")
        if not (options.content_sky and options.style_sky):
            parser.error("the sheets of docs/control.md need --content_sky and --style_sky")
    if options.sheet in ("paper", *PAPER) and len(options.styles) != 1:
        parser.error("the paper's figures take CONTENT STYLE")
    if options.sheet in GROUPS and "{sheet}" not in str(options.output):
        parser.error("--output must hold {sheet} for a group of sheets")
    return options, flags


def sheets(options: argparse.Namespace, folder: Path) -> dict[str, list[Case]]:
    """Returns the chosen sheets by name; writes masks that they need to the folder."""
    if options.sheet == "gallery":
        return {"gallery": [Case("", {"style": style}) for style in options.styles]}
    if options.sheet in ("paper", *PAPER):
        found = figures(options.styles[0])
    else:
        masks = {
            "sky": options.content_sky,
            "ground": inverted(options.content_sky, folder / "ground.png"),
            "style_sky": options.style_sky,
            "style_ground": inverted(options.style_sky, folder / "style_ground.png"),
        }
        style, other, photograph = options.styles
        found = control_sheets(style, other, photograph, masks)
    return {name: found[name] for name in GROUPS.get(options.sheet, (options.sheet,))}


def control_sheets(
    style: str, other: str, photograph: str, masks: dict[str, str]
) -> dict[str, list[Case]]:
    """Returns the sheets of docs/control.md by name."""
    both = {
        "content_masks": f"{masks['sky']},{masks['ground']}",
        "style_masks": f"{masks['style_sky']},{masks['style_ground']}",
    }
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "styles": [
            ("one style", {}),
            ("the other", {"style": other}),
            ("both, 0.5 and 0.5", {"style": f"{style},{other}", "style_blend": "0.5,0.5"}),
            ("at three scales at once", {"style_scales": "1,0.5,0.25"}),
        ],
        "regions": [
            ("no masks", {}),
            ("sky from sky, ground from ground", both),
            ("the sky alone", {"content_masks": masks["sky"], "style_masks": masks["style_sky"]}),
            (
                "a style for each region",
                {"style": f"{other},{style}", "content_masks": both["content_masks"]},
            ),
        ],
        "content": [
            ("default", {"style": other}),
            ("ground kept by --content_map", {"style": other, "content_map": masks["ground"]}),
            ("edges kept by --edge_weight=0.3", {"style": other, "edge_weight": 0.3}),
            ("self-similarity", {"style": other, "content_reduction": "self_similarity"}),
        ],
        "automatic": [
            ("a painting", {"style": other}),
            ("--regions=auto", {"style": other, "regions": "auto"}),
            ("another painting", {}),
            ("--regions=auto", {"regions": "auto"}),
        ],
        "photographs": [
            ("a photograph as style", {"style": photograph}),
            ("--regions=auto", {"style": photograph, "regions": "auto"}),
            (
                "--photorealistic --regions=none",
                {"style": photograph, "photorealistic": "true", "regions": "none"},
            ),
            ("--photorealistic", {"style": photograph, "photorealistic": "true"}),
        ],
        "scale": [
            ("--style_scale=0.5", {"style_scale": 0.5}),
            ("--style_scale=1.5", {"style_scale": 1.5}),
            ("fine texture of the other", {"fine_style": other}),
            ("the other's structure, this fine texture", {"style": other, "fine_style": style}),
        ],
    }
    return {
        name: [Case(caption, {"style": style, "size": 256, **flags}) for caption, flags in cases]
        for name, cases in found.items()
    }


def figures(style: str) -> dict[str, list[Case]]:
    """Returns the paper's figures by name."""
    ratios = (1e-4, 1e-3, 1e-2, 1e-1)
    layers = ("conv2_2", "conv4_2")
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "figure_4": [
            (f"alpha / beta = {each:.0e}", {"style_weight": 1.0 / each}) for each in ratios
        ],
        "figure_5": [(f"content from {layer}", {"content_layers": layer}) for layer in layers],
        "figure_6": [
            ("from the content", {"init": "content"}),
            ("from the style", {"init": "style"}),
            *((f"from noise, seed {seed}", {"seed": seed}) for seed in range(4)),
        ],
    }
    return {
        name: [Case(caption, {"style": style, **PAPER_FLAGS, **flags}) for caption, flags in cases]
        for name, cases in found.items()
    }


def inverted(path: str, output: Path) -> str:
    """Writes a mask that is white where another is black; returns its path."""
    with Image.open(path) as mask:
        ImageOps.invert(mask.convert("L")).save(output)
    return str(output)


if __name__ == "__main__":
    sys.exit(main())
