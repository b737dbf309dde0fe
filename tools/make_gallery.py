"""Paints one photograph in several styles and lays the results out on one sheet.

Run: python tools/make_gallery.py CONTENT STYLE... --output=sheet.jpg [-- any flag of tf_style]
(the time of one tf_style run for each style)

Beside the sheet, each result is kept as NAME_STYLE.png with its metadata. Each column shows
the style above and the result below. README's pictures are made so.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from PIL import Image

COLUMN = 320
MARGIN = 8


def sheet(pairs: list[tuple[Path, Path]]) -> Image.Image:
    """Returns one picture: for each (style, result) a column with a small style on top."""
    columns = []
    for style_path, result_path in pairs:
        style = Image.open(style_path).convert("RGB")
        style.thumbnail((COLUMN, 130), Image.Resampling.LANCZOS)
        result = Image.open(result_path).convert("RGB")
        height = round(result.height * COLUMN / result.width)
        columns.append((style, result.resize((COLUMN, height), Image.Resampling.LANCZOS)))
    top = max(style.height for style, _ in columns)
    bottom = max(result.height for _, result in columns)
    size = (len(columns) * (COLUMN + MARGIN) + MARGIN, top + bottom + 3 * MARGIN)
    page = Image.new("RGB", size, "white")
    for i, (style, result) in enumerate(columns):
        left = MARGIN + i * (COLUMN + MARGIN)
        page.paste(style, (left + (COLUMN - style.width) // 2, MARGIN + top - style.height))
        page.paste(result, (left, top + 2 * MARGIN))
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
    options = parser.parse_args(arguments)
    pairs = []
    for style in options.styles:
        result = options.output.with_name(f"{options.output.stem}_{style.stem}.png")
        command = [sys.executable, "-m", "tf_style", f"--content={options.content}"]
        command += [f"--style={style}", f"--output={result}", *flags]
        subprocess.run(command, check=True)
        pairs.append((style, result))
    sheet(pairs).save(options.output, quality=88)
    print(f"Wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
