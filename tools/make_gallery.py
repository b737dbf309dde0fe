"""Paints one photograph in several styles and lays the results out side by side.

Run: python tools/make_gallery.py CONTENT STYLE... --output=sheet.jpg [-- any flag of tf_style]
(the time of one tf_style run for each style)

Beside the sheet, each result is kept as NAME_STYLE.png with its metadata; a result that is
there already is not made again. README's pictures are made so.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from PIL import Image

MARGIN = 8


def sheet(results: list[Path], *, columns: int) -> Image.Image:
    """Returns one picture: the results at their own size, row by row."""
    pictures = [Image.open(path).convert("RGB") for path in results]
    wide = max(picture.width for picture in pictures) + MARGIN
    high = max(picture.height for picture in pictures) + MARGIN
    rows = -(-len(pictures) // columns)
    size = (min(columns, len(pictures)) * wide + MARGIN, rows * high + MARGIN)
    page = Image.new("RGB", size, "white")
    for i, picture in enumerate(pictures):
        page.paste(picture, (MARGIN + i % columns * wide, MARGIN + i // columns * high))
    return page


def main() -> int:
    """Runs tf_style for each style and writes the sheet."""
    arguments, flags = sys.argv[1:], []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, flags = arguments[:split], arguments[split + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content", type=Path)
    parser.add_argument("styles", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--columns", type=int, default=2)
    options = parser.parse_args(arguments)
    results = []
    for style in options.styles:
        result = options.output.with_name(f"{options.output.stem}_{style.stem}.png")
        command = [sys.executable, "-m", "tf_style", f"--content={options.content}"]
        command += [f"--style={style}", f"--output={result}", *flags]
        if not result.exists():
            subprocess.run(command, check=True)
        results.append(result)
    sheet(results, columns=options.columns).save(options.output, quality=88)
    print(f"Wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
