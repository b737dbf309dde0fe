"""Finds faces with the library MTCNN, an optional dependency; the only module that imports it.

Takes an image, gives boxes. TensorFlow is imported with the library, only when faces are searched.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_style.images import resizing

INSTALL = "`pip install 'tf-style[faces]'`"

LONGEST = 1024
"""px: a picture whose longer edge is above this is searched at this size."""

CONFIDENCE = 0.9
"""The least confidence of a face, 0..1. Chosen by looking: docs/notes/images.md."""


class Box(NamedTuple):
    """A rectangle around a face, from the eyebrows to the chin, px.

    Attributes:
        left: of the left edge.
        top: of the upper edge.
        width: of the rectangle.
        height: of the rectangle.
    """

    left: float
    top: float
    width: float
    height: float

    def scaled(self, down: float, across: float) -> "Box":
        """Returns the box in a picture that is so many times as high and wide."""
        return Box(self.left * across, self.top * down, self.width * across, self.height * down)


def check_installed() -> None:
    """Raises ImportError, naming the pip command, unless the library is installed."""
    if importlib.util.find_spec("mtcnn") is None:
        raise _missing()


def find_faces(image: np.ndarray) -> tuple[Box, ...]:
    """Returns a box around each face, the largest first, in px of the image.

    Args:
        image: float32 `[1, H, W, 3]`, RGB 0..1.

    Raises:
        ImportError: if the library is not installed; names the pip command.

    References:
        Zhang et al. (2016), Joint face detection and alignment using multitask cascaded
        convolutional networks.
    """
    try:
        from mtcnn import MTCNN
    except ImportError as error:
        raise _missing() from error
    size = image.shape[1:3]
    searched = resizing.fit(size, LONGEST) if max(size) > LONGEST else size
    picture = np.clip(resizing.resize(image, searched)[0], 0.0, 1.0)
    found: Sequence[Mapping[str, Any]] = MTCNN().detect_faces(
        np.round(picture * 255.0).astype(np.uint8)
    )
    boxes = [
        Box(*map(float, face["box"])).scaled(size[0] / searched[0], size[1] / searched[1])
        for face in found
        if face["confidence"] >= CONFIDENCE and min(face["box"][2:]) > 0
    ]
    return tuple(sorted(boxes, key=lambda box: -box.width * box.height))


def _missing() -> ImportError:
    return ImportError(
        "`protect` needs the library mtcnn, which finds faces. Received: protect='faces' without "
        f"mtcnn. Please run {INSTALL}, or mark the faces by `content_map`."
    )
