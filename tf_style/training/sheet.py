"""The preview of a training: a sheet of photographs, painted in each style by the network as it is.

Takes photographs, paintings and a network; gives pixels.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.painting import paint
from tf_style.images.resizing import cover
from tf_style.images.writing import to_pixels
from tf_style.training.photographs import Photographs, to_unit

_SIDE = 256  # Px, of a picture of the sheet.
_GAP = 4  # Px, white, around each.
_PHOTOGRAPHS, _STYLES = 3, 6  # At most.


def photographs_of_sheet(photographs: Photographs) -> list[np.ndarray]:
    """Returns the photographs that a sheet shows, square, float32 `[1, 256, 256, 3]`, RGB 0..1."""
    count = min(_PHOTOGRAPHS, len(photographs))
    chosen = np.linspace(0, len(photographs) - 1, count).round().astype(int)
    return [_square(to_unit(photographs.number(int(index)))[np.newaxis]) for index in chosen]


def sheet(
    photographs: list[np.ndarray], paintings: Mapping[str, np.ndarray], network: StyleNetwork
) -> np.ndarray:
    """Returns a sheet: the paintings above, each photograph on the left of its answers.

    Args:
        photographs: from `photographs_of_sheet`.
        paintings: float32 `[1, h, w, 3]`, RGB 0..1, by the name of the style; six are shown.
        network: has these styles.

    Returns:
        Uint8 `[H, W, 3]`.
    """
    names = list(paintings)[:_STYLES]
    blank = np.ones([1, _SIDE, _SIDE, 3], np.float32)
    rows = [[blank, *(_square(paintings[name]) for name in names)]]
    parameters = {name: tf.constant(value) for name, value in network.parameters.items()}
    styles = [tf.constant(network.styles[name][np.newaxis]) for name in names]
    for photograph in photographs:
        given = tf.constant(photograph)
        painted = [
            paint(network.architecture, parameters, given, style).numpy() for style in styles
        ]
        rows.append([photograph, *painted])
    margins = [[0, 0], [_GAP, _GAP], [_GAP, _GAP], [0, 0]]
    framed = [[np.pad(each, margins, constant_values=1.0) for each in row] for row in rows]
    return to_pixels(np.concatenate([np.concatenate(row, 2) for row in framed], 1))


def _square(image: np.ndarray) -> np.ndarray:
    return cover(image, (_SIDE, _SIDE))
