"""Notes on what was done to pictures without being asked."""

import numpy as np

from tf_style.inputs.sizes import Sizes

SAME = 0.5 / 255.0


class Notes:
    """Lines that tell what was done without being asked."""

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ()

    def compare(self, argument: str, mask: np.ndarray, sizes: Sizes) -> None:
        """Tells of a mask, float `[h, w, 3]`, whose size is not its picture's."""
        (height, width), (wanted, across) = mask.shape[:2], sizes.read
        if mask.shape[:2] not in sizes:
            self.lines += (
                f"`{argument}` has {width}x{height} px where its picture has {across}x{wanted}; it "
                "is stretched.",
            )

    def look(self, argument: str, mask: np.ndarray, meaning: str) -> None:
        """Tells of a mask, float `[H, W]`, that says nothing of where."""
        if np.ptp(mask) < SAME:
            self.lines += (f"`{argument}` is the same everywhere: {meaning}.",)

    def look_at_all(self, masks: np.ndarray) -> None:
        """Tells of masks of the content, `[H, W, regions]`, that make no regions."""
        for index in range(masks.shape[-1]):
            mask, name = masks[..., index], f"content_masks[{index}]"
            self.look(name, mask, "its region is the whole picture")
            for before in range(index):
                if np.array_equal(masks[..., before], mask):
                    self.lines += (
                        f"`{name}` is the same as `content_masks[{before}]`: both regions count "
                        "there.",
                    )
