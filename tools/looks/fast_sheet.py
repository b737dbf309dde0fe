"""Renders a contact sheet of photographs in every style of one network or several.

Run: python tools/looks/fast_sheet.py --output=docs/images/fast.jpg [--networks default]
         [--size=384] [--columns=5] [--styles great_wave udnie] --photos PHOTO...   (seconds)

With several networks, captions begin with the names of their files.
"""

import argparse
from pathlib import Path

from contact_sheet import contact_sheet
from PIL import Image

from tf_style.cli import process
from tf_style.feedforward.bundled import DEFAULT, named_network
from tf_style.images.writing import to_pixels


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", nargs="+", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="a picture")
    parser.add_argument(
        "--networks", nargs="+", default=[DEFAULT], help="'default' or .tfstyle files"
    )
    parser.add_argument("--styles", nargs="+", help="names; all if left out")
    parser.add_argument("--size", type=int, default=384, help="longer edge of a picture, px")
    parser.add_argument("--columns", type=int, default=5, help="pictures in a row")
    options = parser.parse_args()
    process.set_environment(quiet=True)
    from relative_distances import picture_of

    from tf_style.feedforward.pictures import paint_picture

    networks = [(Path(name).stem, named_network(name)) for name in options.networks]
    pictures = []
    for photo in options.photos:
        photograph = picture_of(photo, options.size)
        for place, network in networks:
            for name in options.styles or network.styles:
                painted = paint_picture(network, photograph, network.styles[name])
                caption = f"{place}: {name}" if len(networks) > 1 else name
                pictures.append((caption.replace("_", " "), Image.fromarray(to_pixels(painted))))
    contact_sheet(pictures, columns=options.columns).save(options.output, quality=88)
    print(f"Wrote {options.output}")


if __name__ == "__main__":
    main()
