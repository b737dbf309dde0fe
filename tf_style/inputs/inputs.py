"""The inputs of a run: its pictures as arrays, resized and recolored, with their regions.

`preparation.prepare_inputs` makes them. No TensorFlow here.
"""

from typing import NamedTuple

import numpy as np

from tf_style.inputs.masks import Regions

NOISE_MEAN, NOISE_DEVIATION = 0.5, 0.1
"""Mean and standard deviation of the noise of init='noise', for values of 0..1."""


class Inputs(NamedTuple):
    """Everything that a run starts from, as arrays.

    Attributes:
        content: float32 `[1, H, W, 3]`, RGB 0..1, at the result's size.
        styles: float32 `[1, H', W', 3]`, RGB 0..1, each of its own size.
        start: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1, of the content, or None.
        blend: float32 `[styles]`, weights of the styles with sum 1; with regions, `regions.blend`
            is used instead.
        regions: where each style counts, or None.
        content_map: float32 `[1, H, W, 1]`, at least 0, weights of the content, or None.
        notes: lines about margins that are left out, and masks and maps that are stretched,
            constant or equal to others.
        fine_style: float32 `[1, h, w, 3]`, RGB 0..1, picture whose fine texture the styles take on
            first, or None.
        color: float32 `[1, H, W, 3]`, RGB 0..1; the finished picture takes its chroma. None if
            the result keeps its own chroma.
        color_share: float32 `[1, H, W, 1]`, 0..1, how much of that chroma each pixel takes; None
            for all of it.
        controls: names of the `ControlPictures` that were given.
    """

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    start: np.ndarray
    alpha: np.ndarray | None
    blend: np.ndarray
    regions: Regions | None = None
    content_map: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    fine_style: np.ndarray | None = None
    color: np.ndarray | None = None
    color_share: np.ndarray | None = None
    controls: tuple[str, ...] = ()

    @property
    def photograph(self) -> np.ndarray:
        """The content in its original colors, float32 `[1, H, W, 3]`, RGB 0..1."""
        return self.content if self.color is None else self.color

    @property
    def touched(self) -> np.ndarray | None:
        """Where to paint, float32 `[1, H, W, 1]`; 0 keeps the content, None means 1 everywhere."""
        if self.regions is None:
            return None
        used = self.regions.content[..., self.regions.strengths > 0.0]
        return np.clip(used.sum(-1, keepdims=True), 0.0, 1.0)
