"""The inputs of a run: its pictures as arrays, resized and recolored, with their regions.

`preparation.prepare_inputs` makes them. No TensorFlow here.
"""

from typing import NamedTuple

import numpy as np

from tf_style.inputs.masks import Regions
from tf_style.inputs.notes import SAME
from tf_style.provenance.origin import Origin

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
        keep: float32 `[1, H, W, 1]`, 0..1; 1 keeps the content as it is. None keeps nothing.
        notes: lines about margins that are left out, and masks and maps that are stretched,
            constant or equal to others.
        fine_style: float32 `[1, h, w, 3]`, RGB 0..1, picture whose fine texture the styles take on
            first, or None.
        color: float32 `[1, H, W, 3]`, RGB 0..1; the finished picture takes its chroma. None if
            the result keeps its own chroma.
        color_share: float32 `[1, H, W, 1]`, 0..1, how much of that chroma each pixel takes; None
            for all of it.
        controls: names of the `ControlPictures` that were given.
        origin: what written pictures say of the pictures that were given, or None.
    """

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    start: np.ndarray
    alpha: np.ndarray | None
    blend: np.ndarray
    regions: Regions | None = None
    content_map: np.ndarray | None = None
    keep: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    fine_style: np.ndarray | None = None
    color: np.ndarray | None = None
    color_share: np.ndarray | None = None
    controls: tuple[str, ...] = ()
    origin: Origin | None = None

    @property
    def photograph(self) -> np.ndarray:
        """The content in its original colors, float32 `[1, H, W, 3]`, RGB 0..1."""
        return self.content if self.color is None else self.color

    @property
    def touched(self) -> np.ndarray | None:
        """Where to paint, float32 `[1, H, W, 1]`; 0 keeps the content, None means 1 everywhere."""
        unkept = None if self.keep is None else 1.0 - self.keep
        if self.regions is None:
            return unkept
        used = self.regions.content[..., self.regions.strengths > 0.0]
        covered = np.clip(used.sum(-1, keepdims=True), 0.0, 1.0)
        return covered if unkept is None else covered * unkept

    @property
    def painted_regions(self) -> Regions | None:
        """The regions to paint, without what `keep` keeps; None if the whole picture is painted.

        Without regions the rest of `keep` is one. If the kept part counted, which has no style, the
        painted part would have to make up for it.
        """
        regions = self.regions
        if regions is None:
            if self.keep is None:
                return None
            ones = tuple(np.ones([*style.shape[:3], 1], np.float32) for style in self.styles)
            blend = self.blend[np.newaxis]
            return Regions(1.0 - self.keep, ones, blend, np.ones(1, np.float32))
        masks = regions.content if self.keep is None else regions.content * (1.0 - self.keep)
        # Regions of strength 0 stay untouched and need no style; so do those that are kept.
        used = (regions.strengths > 0.0) & (masks.max((0, 1, 2)) > SAME)
        styles = tuple(style[..., used] for style in regions.styles)
        return Regions(masks[..., used], styles, regions.blend[used], regions.strengths[used])
