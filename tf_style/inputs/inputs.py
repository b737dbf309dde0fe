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
        notes: lines about what is left out of files, pictures that will disappoint, and masks and
            maps that are stretched, constant or equal to others.
        fine_style: float32 `[1, h, w, 3]`, RGB 0..1, picture whose fine texture the styles take on
            first, or None.
        style_weights: for each style float32 `[1, h, w, 1]`, 0..1, how much each place counts:
            the alpha of a style with transparent parts, None for 1 everywhere. Empty if no style
            has such parts.
        style_chroma: how colorful the styles are (`color.most_chroma`), if the finished picture may
            not have more; None if it may have any colors.
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
    style_weights: tuple[np.ndarray | None, ...] = ()
    style_chroma: float | None = None
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
        """The regions to paint, without what `keep` keeps; None if nothing has a mask.

        Without regions the rest of `keep` is one. If the kept part counted, which has no style, the
        painted part would have to make up for it. Places of a style count by `style_weights`.
        """
        regions, content = self.regions, self.content
        if regions is None:
            if self.keep is None and not self.style_weights:
                return None
            ones = [
                np.ones([*picture.shape[:3], 1], np.float32) for picture in (content, *self.styles)
            ]
            blend = self.blend[np.newaxis]
            regions = Regions(ones[0], tuple(ones[1:]), blend, np.ones(1, np.float32))
        masks = regions.content if self.keep is None else regions.content * (1.0 - self.keep)
        weights = self.style_weights or (None,) * len(regions.styles)
        styles = tuple(
            style if each is None else style * each
            for style, each in zip(regions.styles, weights, strict=True)
        )
        # Regions of strength 0 stay untouched and need no style; so do those that are kept.
        used = (regions.strengths > 0.0) & (masks.max((0, 1, 2)) > SAME)
        styles = tuple(style[..., used] for style in styles)
        return Regions(masks[..., used], styles, regions.blend[used], regions.strengths[used])
