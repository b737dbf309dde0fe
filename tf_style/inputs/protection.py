"""Protects what is found in the content, by `protect`: the content counts more there.

Takes the content and its weights (`Inputs.content_map`), gives new weights. TensorFlow is imported
only while faces are searched.
"""

from collections.abc import Sequence

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.images import reading
from tf_style.images.reading import Picture
from tf_style.inputs import face_finder
from tf_style.inputs.face_finder import Box

FACE_GAIN = 10.0
"""How many times as much the content counts in the middle of a face.

Chosen by looking: 10 bends eyes and mouths, 100 hardly paints (docs/notes/images.md).
"""

OUTER = 1.6
"""Where the ellipse of a face ends, relative to its box; from the box inwards it is whole."""


def check_protect(config: StyleConfig) -> None:
    """Raises ImportError if `protect` needs a library that is not installed."""
    if config.control.protect:
        face_finder.check_installed()


def protected(
    content_map: np.ndarray | None,
    content: Picture,
    size: tuple[int, int],
    config: StyleConfig,
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Returns weights of the content that are larger on faces, and a note on what was found.

    In the middle of a face the weight is `FACE_GAIN`, or that of the map if it is larger. Outside
    of faces the map is unchanged.

    Args:
        content_map: float32 `[1, H, W, 1]`, at least 0, at the result's size; None for 1.
        content: of any size.
        size: height and width of the result, px.
        config: `protect`; without it the map is returned as it is.

    Raises:
        ImportError: if the library that finds faces is not installed; names the pip command.
    """
    if not config.control.protect:
        return content_map, ()
    image = reading.over_white(content)
    scale = size[0] / image.shape[1], size[1] / image.shape[2]
    boxes = [box.scaled(*scale) for box in face_finder.find_faces(image)]
    if not boxes:
        return content_map, (
            "protect: no face found. Mark what matters by `content_map`, or by `keep`.",
        )
    faces = face_map(boxes, size)[np.newaxis, ..., np.newaxis]
    before = np.ones_like(faces) if content_map is None else content_map
    listed = ", ".join("({:.0f}, {:.0f}, {:.0f}, {:.0f})".format(*box) for box in boxes)
    things = "1 face" if len(boxes) == 1 else f"{len(boxes)} faces"
    note = f"protect: {things} found, at (x, y, width, height) px of the result: {listed}."
    gained = np.maximum(before, np.float32(FACE_GAIN)) - before
    return before + faces * gained, (note,)


def face_map(boxes: Sequence[Box], size: tuple[int, int]) -> np.ndarray:
    """Returns a soft ellipse for each box, float32 `[H, W]`, 0..1; the largest value counts.

    It is 1 in the ellipse that touches the box from inside, and falls smoothly to 0 at the
    concentric ellipse that is `OUTER` times as large.

    Args:
        boxes: in px.
        size: height and width, px.
    """
    whole = np.zeros(size, np.float32)
    rows, columns = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    for left, top, width, height in boxes:
        down = (rows - top - height / 2.0) / (height / 2.0)
        across = (columns - left - width / 2.0) / (width / 2.0)
        distance = np.hypot(down[:, np.newaxis], across)
        share = np.clip((OUTER - distance) / (OUTER - 1.0), 0.0, 1.0)
        whole = np.maximum(whole, (share * share * (3.0 - 2.0 * share)).astype(np.float32))
    return whole
