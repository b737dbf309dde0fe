"""Chooses the frame of an animation, or the page of a TIFF file, and says which one it is.

Takes a picture that Pillow has opened; gives a note. No TensorFlow here.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from tf_style.images.decoding import is_deep_gray

_MOST_FRAMES = 100
"""How many frames are looked at for one that shows something."""
_ONE_COLOR = 8
"""Levels by which a frame of one color may vary, because of compression."""


def select_frame(
    opened: Image.Image, argument: str, *, numbers: Sequence[int] | None = None
) -> str | None:
    """Moves to the first frame that shows more than one color; returns a note, or None.

    If there is no such frame, moves to the first one. Frames beside the photograph in a JPEG file
    (MPO), such as previews and gain maps, do not count as frames.

    Args:
        opened: an opened picture; of several frames, one is selected.
        argument: the name of the argument in the note.
        numbers: the frames to choose from; all of them by default. Pages of a TIFF file.

    Raises:
        EOFError, OSError, ValueError: if a frame is damaged.
    """
    is_page = numbers is not None
    if numbers is None:
        count = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
        first = opened.tell()  # The primary picture of a HEIF file may be any.
        numbers = [first, *(number for number in range(count) if number != first)]
    chosen = numbers[0]
    for number in numbers[:_MOST_FRAMES]:
        _move(opened, number)
        if len(numbers) < 2 or not _has_one_color(opened):
            chosen = number
            break
    _move(opened, chosen)
    return frame_note(argument, numbers, chosen, word="page" if is_page else "frame")


def frame_note(argument: str, numbers: Sequence[int], chosen: int, *, word: str) -> str | None:
    """Returns a note that names the chosen one of several frames or pages, or None for one."""
    if len(numbers) < 2:
        return None
    reason = "the first one of more than one color"
    if chosen == numbers[0]:
        reason = "the first one" if chosen == min(numbers) else "the primary one"
    return (
        f"`{argument}` has {len(numbers)} {word}s; {word} {chosen + 1} is used, {reason}. To use "
        "another, save it as a picture of its own."
    )


def _move(opened: Image.Image, number: int) -> None:
    if opened.tell() != number:
        opened.seek(number)


def _has_one_color(frame: Image.Image) -> bool:
    if is_deep_gray(frame):
        return int(np.ptp(np.asarray(frame))) == 0
    pixels = np.asarray(frame.convert("RGBA"))
    is_faint = pixels[..., 3].max() < 128
    return is_faint or int(np.ptp(pixels[..., :3], (0, 1)).max()) <= _ONE_COLOR
