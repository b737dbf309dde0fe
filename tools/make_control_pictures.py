"""Paints the contact sheets of docs/control.md.

Run: python tools/make_control_pictures.py CONTENT STYLE OTHER PHOTOGRAPH --content_sky=MASK
--style_sky=MASK [--size=256] [--only=regions] (about 15 minutes on two cores)

STYLE is a painting with sky, OTHER any painting, PHOTOGRAPH another photograph; the masks are white
in the sky of CONTENT and STYLE. Writes docs/control_NAME.jpg and prints the flags of each picture.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from contact_sheet import contact_sheet
from PIL import Image, ImageOps

from tf_style.cli import main as cli

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Paints every sheet, or one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("content", "style", "other", "photograph"):
        parser.add_argument(name)
    parser.add_argument("--content_sky", required=True)
    parser.add_argument("--style_sky", required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--only", help="the name of one sheet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        masks = {
            "sky": options.content_sky,
            "ground": inverted(options.content_sky, folder / "ground.png"),
            "style_sky": options.style_sky,
            "style_ground": inverted(options.style_sky, folder / "style_ground.png"),
        }
        for sheet, cases in sheets(options, masks).items():
            if options.only not in (None, sheet):
                continue
            pictures = []
            for caption, flags in cases:
                output = folder / "picture.png"
                words = [f"--{key}={value}" for key, value in flags.items()]
                fixed = [f"--content={options.content}", f"--size={options.size}", "--quiet"]
                if "style" not in flags:
                    fixed.append(f"--style={options.style}")
                code = cli.main([*fixed, f"--output={output}", *words])
                if code:
                    return code
                pictures.append((caption, Image.open(output).convert("RGB")))
                print(f"{sheet}: {caption}: {' '.join(words)}", flush=True)
            page = contact_sheet(pictures, columns=2)
            page.save(ROOT / f"docs/control_{sheet}.jpg", quality=90)
    return 0


def sheets(options: argparse.Namespace, masks: dict[str, str]) -> dict[str, list]:
    """Returns each sheet's pictures: captions and flags."""
    style, other, photograph = options.style, options.other, options.photograph
    both = {
        "content_masks": f"{masks['sky']},{masks['ground']}",
        "style_masks": f"{masks['style_sky']},{masks['style_ground']}",
    }
    return {
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
            ("edges kept by --edge_weight=1000", {"style": other, "edge_weight": 1000}),
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


def inverted(path: str, output: Path) -> str:
    """Writes a mask that is white where another is black; returns its path."""
    with Image.open(path) as mask:
        ImageOps.invert(mask.convert("L")).save(output)
    return str(output)


if __name__ == "__main__":
    sys.exit(main())
