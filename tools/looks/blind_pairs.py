"""Lays pairs of pictures side by side for a reader who must not know which is which.

Run: python tools/looks/blind_pairs.py --output=FOLDER [--seed=0]
         --pair PAINTING OURS THEIRS [--pair PAINTING OURS THEIRS]...   (seconds)

Each pair becomes FOLDER/1.png, 2.png, ...: the painting, then the two pictures, "A" and "B", both
a little smaller than the smaller one, so that neither is the sharper for having its own pixels;
the seed decides the sides. FOLDER_key.txt, beside it, tells them.
"""

import argparse
import random
from pathlib import Path

from contact_sheet import contact_sheet
from PIL import Image, ImageOps

SHARE = 0.9
"""Size of the pictures, as a share of the smaller one's."""


def opened(path: Path) -> Image.Image:
    """Returns a picture in RGB."""
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def sheet_of(painting: Path, pair: list[tuple[str, Path]]) -> Image.Image:
    """Returns a page with a painting and the two pictures of a pair, each a caption and a file."""
    pictures = [opened(path) for _, path in pair]
    width, height = min(picture.size for picture in pictures)
    size = round(SHARE * width), round(SHARE * height)
    pictures = [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]
    style = opened(painting)
    style.thumbnail(size)
    captions = [caption for caption, _ in pair]
    columns = [("the painting", style), *zip(captions, pictures, strict=True)]
    return contact_sheet(columns, columns=3)


def main() -> None:
    """Writes the pages and the key."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--pair", type=Path, nargs=3, action="append", required=True,
        metavar=("PAINTING", "OURS", "THEIRS"),
    )  # fmt: skip
    options = parser.parse_args()
    folder = options.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sides, key = random.Random(options.seed), []
    for number, (painting, *files) in enumerate(options.pair, start=1):
        if sides.random() < 0.5:
            files.reverse()
        sheet_of(painting, list(zip("AB", files, strict=True))).save(folder / f"{number}.png")
        key.append(f"{number}: A is {files[0]}, B is {files[1]}\n")
    place = folder.with_name(f"{folder.name}_key.txt")
    place.write_text("".join(key), encoding="utf-8")
    print(f"Wrote {len(key)} pages to {folder}, and {place}")


if __name__ == "__main__":
    main()
