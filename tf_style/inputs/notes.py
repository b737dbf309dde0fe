"""Notes: messages about masks and maps that are stretched, constant or equal to others."""

import numpy as np

from tf_style.inputs.sizes import Sizes

SAME = 0.5 / 255.0
"""Mask values that differ by less than this count as equal."""


class Notes:
    """Collects lines about masks and maps; each line is kept once.

    Attributes:
        lines: the notes, in the order of their first appearance.
    """

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ()

    def add(self, *lines: str) -> None:
        """Records notes."""
        for line in lines:
            if line not in self.lines:
                self.lines += (line,)

    def compare(self, argument: str, mask: np.ndarray, sizes: Sizes) -> None:
        """Records a note if the size of a mask, float `[h, w, 3]`, differs from its picture's."""
        (height, width), (wanted, across) = mask.shape[:2], sizes.read
        if mask.shape[:2] not in sizes:
            self.add(
                f"`{argument}` has {width}x{height} px, but its picture has {across}x{wanted}; the "
                "mask is stretched."
            )

    def look(self, argument: str, mask: np.ndarray, meaning: str) -> None:
        """Records a note if a mask, float `[H, W]`, has the same value everywhere."""
        if np.ptp(mask) < SAME:
            self.add(f"`{argument}` is the same everywhere: {meaning}.")

    def look_at_all(self, masks: np.ndarray) -> None:
        """Records notes on masks of the content, `[H, W, regions]`, that are constant or equal."""
        for index in range(masks.shape[-1]):
            mask, name = masks[..., index], f"content_masks[{index}]"
            self.look(name, mask, "its region is the whole picture")
            for before in range(index):
                if np.array_equal(masks[..., before], mask):
                    self.add(
                        f"`{name}` is the same as `content_masks[{before}]`: both regions count "
                        "there."
                    )
