"""Writes animations: takes pixels, gives GIF and WebP files that play forward and back.

`check_animation` checks a path before the long work. No TensorFlow here.
"""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from tf_style._checks import user_path
from tf_style.files.atomic import check_writable, write_atomically
from tf_style.images.metadata import NO_METADATA, Metadata, exif_of
from tf_style.images.writing import srgb_profile

_MAX_SIDES = {".gif": 65535, ".webp": 16383}
_MAX_SECONDS = {".gif": 655.35, ".webp": 16777.215}  # Of a frame.
SUFFIXES = tuple(_MAX_SIDES)


def check_animation(
    path: str | os.PathLike,
    *,
    size: tuple[int, int],
    num_pictures: int,
    seconds: float,
    inputs: Iterable[str | os.PathLike] = (),
) -> None:
    """Raises unless an animation can be written to `path`; meant to be called before the work.

    Args:
        path: the file to write, ending in one of `SUFFIXES`.
        size: (height, width) of the pictures, px.
        num_pictures: of the way forward.
        seconds: of the way forward and back.
        inputs: files that must not be overwritten.

    Raises:
        ValueError: if the format does not support the size or the length, or `path` is one of
            `inputs`.
        OSError: if the folder is missing, not writable, or has too little space.
    """
    path, (height, width) = user_path(path), size
    most = _MAX_SIDES[path.suffix.lower()]
    if max(size) > most:
        raise ValueError(
            f"`output` must be a strip (.png, .tif) for pictures of {width}x{height} px. Received: "
            f"output='{path}', a format that holds at most {most} px per side."
        )
    each, longest = seconds / (2 * num_pictures - 2), _MAX_SECONDS[path.suffix.lower()]
    if each > longest:
        raise ValueError(
            f"`seconds` must be at most {longest * (2 * num_pictures - 2):.1f} for {num_pictures} "
            f"pictures in {path.suffix}. Received: seconds={seconds:g}. Give more `frames`."
        )
    # An upper bound for noise: 1.4 bytes per pixel in GIF's LZW, less in WebP.
    num_bytes = 2 * height * width * (2 * num_pictures - 2) + 65536
    check_writable(path, argument="output", inputs=inputs, num_bytes=num_bytes)


def save_animation(
    path: str | os.PathLike,
    pictures: Sequence[np.ndarray],
    description: dict[str, Any] | None,
    *,
    seconds: float,
    photograph: Metadata = NO_METADATA,
) -> None:
    """Writes an animation atomically, which plays forward and back for ever.

    Args:
        path: the file, ending in one of `SUFFIXES`.
        pictures: uint8 `[H, W, 3 | 4]` each, sRGB.
        description: stored as JSON: in WebP in EXIF ImageDescription, in GIF as the comment. None
            leaves out all metadata but the color profile.
        seconds: of the way forward and back.
        photograph: what the photograph's file says; stored in EXIF tags or in the JSON.

    Raises:
        OSError: if the file cannot be written; no partial file is left.
    """
    path = user_path(path)
    first, *others = (Image.fromarray(pixels) for pixels in [*pictures, *pictures[-2:0:-1]])
    options: dict[str, Any] = {"save_all": True, "append_images": others, "loop": 0}
    options["duration"] = round(1000.0 * seconds / (1 + len(others)))
    kind = path.suffix[1:].upper()
    if kind == "WEBP":
        options["icc_profile"] = srgb_profile()
        if description is not None:
            options["exif"] = exif_of(description, photograph, is_tiff=False).tobytes()
    elif description is not None:
        about = {**description, "photograph": photograph._asdict()}
        options["comment"] = json.dumps(about if any(photograph) else description)
    write_atomically(path, lambda file: first.save(file, kind, **options))
