"""Options of the training of style networks. No TensorFlow here."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from tf_style._checks import check_choice, check_number
from tf_style.config.compute import PRECISIONS
from tf_style.config.fields import TypeChecked, option
from tf_style.config.flat_names import flat_values, replaced, with_flat_names
from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig

CROP_SHARES = (0.35, 0.85, 1.0)
"""Until which share of a training each size of `crops` is used, if there are three."""


def _loss() -> LossConfig:
    """Returns the losses of a training, found by looking at pictures (docs/notes/feedforward.md).

    The content's power is lower than the optimizer's, because its loss is far from its end for
    long.

    References:
        Johnson, Alahi & Fei-Fei (2016), section 3.2. Differs: Wasserstein distances in place of
        Gram matrices in the first layers, because they keep rare colors (in deep layers they would
        take long); a shallow and a deep content layer, because the first keeps edges and tones.
    """
    names = [name for name, _ in LossConfig().style_layers]
    return LossConfig(
        content_layers=(("block2_conv2", 0.5), ("block4_conv2", 0.5)),
        content_power=2.0,
        style_weight=8.0,
        style_layers=tuple(zip(names, (0.5, 0.5, 0.5, 0.3, 0.1), strict=True)),
        style_loss="gram,conv1_1:wasserstein,conv2_1:wasserstein,conv3_1:wasserstein",
    )


@with_flat_names
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig(TypeChecked):
    """Everything that determines a trained network, except the pictures."""

    minutes: float = option(
        10.0,
        "How long to train, in minutes, without the start. The network is usable at any moment; "
        "the last third is worth the most.",
    )
    steps: int = option(
        0, "Train for this many steps instead of --minutes: the same on every machine."
    )
    batch: int = option(2, "Photographs in a step.")
    crops: str = option(
        "256",
        "Sides of the square parts of photographs that are painted, in px, from the beginning of "
        "the training to its end.",
    )
    windows: int = option(
        1,
        "Each painted picture is cut into this many parts along each side, and each part is "
        "compared with the whole painting: 2 puts more strokes into flat skies, and halos around "
        "forms. `crops` must be multiples of it.",
    )
    style_contrast: float = option(
        1.3,
        "Contrast that is asked for, as a multiple of the painting's: a network reaches less than "
        "what is asked for, because it cannot know where a painting's rare colors belong.",
    )
    style_edge: int = option(
        640,
        "Longer edge of the painting in px: strokes get the size that they have in it. They are "
        "that large in pictures of every size.",
    )
    keep_margins: bool = option(
        False, "Keep uniform margins of paintings, such as paper around a print."
    )
    learning_rate: float = option(
        0.002,
        "Length of a step of Adam. Steps of kernels, by Muon, are twice as long, those of styles "
        "5 times, alone 15 times. It falls in the last third.",
    )
    stability_weight: float = option(
        200.0,
        "Weight of the mean squared difference between the answers to a photograph and to the same "
        "photograph moved by a few pixels, with noise: without it, films flicker.",
    )
    adversarial_weight: float = option(
        0.0,
        "Weight of a discriminator that tells painted parts from parts of the painting, beside the "
        "style loss; 0 is off.",
    )
    any_share: float = option(
        0.0,
        "Share of the photographs that are painted in the style of another picture, a part or a "
        "recoloring of one: teaches the network to paint in any style at once. It is rounded to "
        "whole photographs of the batch.",
    )
    seed: int = option(0, "Seed of the first weights and of all random choices.")
    precision: str = option(
        "auto",
        "Precision of the networks: 'float32', 'bfloat16' (features of 8 bits), or 'auto': "
        "bfloat16 where it is faster.",
    )
    deterministic: bool = option(
        False,
        "Give the same network, bit for bit, in every run on the same machine. In Python this "
        "stays on for the whole process, because TensorFlow cannot turn it off again.",
    )
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    loss: LossConfig = dataclasses.field(default_factory=_loss)

    if TYPE_CHECKING:  # What `with_flat_names` makes of it.

        def __init__(self, **options: Any) -> None: ...

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("minutes", self.minutes, minimum=0.01, maximum=100_000.0)
        check_number("steps", self.steps, minimum=0, maximum=100_000_000)
        check_number("batch", self.batch, minimum=1, maximum=1024)
        check_number("windows", self.windows, minimum=1, maximum=16)
        check_number("style_contrast", self.style_contrast, minimum=0.1, maximum=10.0)
        check_number("style_edge", self.style_edge, minimum=64, maximum=4096)
        check_number("learning_rate", self.learning_rate, minimum=1e-7, maximum=1.0)
        for name in ("stability_weight", "adversarial_weight"):
            check_number(name, getattr(self, name), minimum=0.0, maximum=1e6)
        check_number("any_share", self.any_share, minimum=0.0, maximum=1.0)
        check_number("seed", self.seed, minimum=0, maximum=2**31 - 1)
        check_choice("precision", self.precision, PRECISIONS)
        _ = self.crop_sides  # Raises if they are wrong.
        if self.any_share and self.num_named == self.batch:
            raise ValueError(
                "`any_share` must be at least half a photograph of the `batch`. Received: "
                f"any_share={self.any_share:g}, batch={self.batch}. Raise one of them."
            )
        if self.deterministic and not self.steps:
            raise ValueError(
                "Cannot use `deterministic` without `steps`. This is because the number of steps "
                f"that fit into a time varies from run to run. Received: minutes={self.minutes:g}. "
                "Use `steps`."
            )

    @property
    def num_named(self) -> int:
        """The photographs of a step that are painted in a named style."""
        return self.batch - math.floor(self.any_share * self.batch + 0.5)

    @property
    def crop_sides(self) -> tuple[int, ...]:
        """The sides of `crops`, px."""
        try:
            sides = tuple(int(side) for side in self.crops.split(","))
        except ValueError:
            sides = ()
        if not sides or not all(64 <= side <= 2048 for side in sides):
            raise ValueError(
                "`crops` must be whole numbers within 64..2048, separated by commas. Received: "
                f"crops={self.crops!r}."
            )
        if any(side % self.windows or side < 32 * self.windows for side in sides):
            raise ValueError(
                "`crops` must be multiples of `windows`, of at least 32 px for each of them. "
                f"Received: crops={self.crops!r}, windows={self.windows}. Use larger `crops`, or "
                "fewer `windows`."
            )
        return sides

    def crop_side(self, share: float) -> int:
        """Returns the side of crops in px, when `share` of the training has passed, 0..1."""
        sides = self.crop_sides
        if len(sides) == len(CROP_SHARES):
            return next(s for s, end in zip(sides, CROP_SHARES, strict=True) if share <= end)
        return sides[min(int(share * len(sides)), len(sides) - 1)]

    def replace(self, /, **options: Any) -> "TrainingConfig":
        """Returns a copy with some options changed, by flat name, e.g. `style_weight=5`.

        Raises:
            ValueError: on an unknown name (suggests the nearest) or a value out of range.
            TypeError: on a value of a wrong type.
        """
        return replaced(self, options)

    def to_dict(self) -> dict[str, Any]:
        """Returns every option by flat name, in plain JSON types."""
        return flat_values(self)
