"""Notes on photographs and paintings that will disappoint: too dark, or without contrast.

No TensorFlow here.
"""

import numpy as np

from tf_style.images.color import luminance
from tf_style.images.resizing import fit, resize

_EDGE = 256  # px; detail is measured at this size.
# Measured: docs/notes/images.md.
_DARK = 0.25  # The least `light` of a photograph that is not dark.
_FLAT = 0.03  # The least `detail` of a painting that is not flat.


def notes_on_content(image: np.ndarray, alpha: np.ndarray | None = None) -> tuple[str, ...]:
    """Returns a note if a photograph is underexposed.

    Args:
        image: float32 `[1, H, W, 3]`, RGB 0..1.
        alpha: float32 `[1, H, W, 1]`; pixels of less than one half do not count. None for 1.
    """
    if light(image, alpha) >= _DARK:
        return ()
    return (
        "`content` is very dark, so the result will follow its noise. Try a brightened copy, or "
        "a higher `tv_weight`.",
    )


def notes_on_style(image: np.ndarray, argument: str) -> tuple[str, ...]:
    """Returns a note if a style picture, float32 `[1, H, W, 3]`, RGB 0..1, has little contrast."""
    if detail(image) >= _FLAT:
        return ()
    return (
        f"`{argument}` is pale or blurred, so the result will have little style. Try a sharper "
        "copy, one with more contrast, or a higher `style_strength`.",
    )


def light(image: np.ndarray, alpha: np.ndarray | None = None) -> float:
    """Returns the luma, 0..1, that 95 % of what is visible of a picture stay below."""
    luma = luminance(image)
    visible = luma if alpha is None or alpha.max() < 0.5 else luma[alpha >= 0.5]
    return float(np.quantile(visible, 0.95))


def detail(image: np.ndarray) -> float:
    """Returns the root mean square difference of neighboring pixels, at a longer edge of 256 px."""
    small = _small(image)[0]
    return float(np.sqrt(sum(np.mean(np.square(np.diff(small, axis=axis))) for axis in (0, 1))))


def _small(image: np.ndarray) -> np.ndarray:
    size = image.shape[1:3]
    return resize(image, fit(size, _EDGE)) if max(size) > _EDGE else image
