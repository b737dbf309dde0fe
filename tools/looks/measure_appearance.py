"""Measures how light pictures are and how much detail they have: which of them get a note.

Run: python tools/looks/measure_appearance.py FOLDER (0.02 s for each picture)
"""

import argparse
from pathlib import Path

import numpy as np

from tf_style.images.reading import read_picture
from tf_style.inputs import appearance


def main() -> None:
    """Prints quantiles of both measures, and the pictures that would get a note."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    values = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            continue
        image = read_picture(path).image
        values.append((appearance.light(image), appearance.detail(image)))
        notes = appearance.notes_on_content(image) + appearance.notes_on_style(image, "style")
        if notes:
            print(f"{path.name}: light {values[-1][0]:.3f}, detail {values[-1][1]:.3f}")
    print(f"{len(values)} pictures; light and detail:")
    for share in (0.0, 0.001, 0.01, 0.05, 0.5):
        light, detail = np.quantile(np.array(values), share, axis=0)
        print(f"  {share:5.1%} below {light:.3f}, {detail:.3f}")


if __name__ == "__main__":
    main()
