"""The shape of a style network: its layers, and the numbers that make it up.

A network shrinks the photograph to a quarter of its sides, passes it through residual blocks and
enlarges it again. Every convolution but the last is followed by conditional instance normalization:
a style is nothing but the scales and shifts of these normalizations, so that one network paints
many styles. No TensorFlow here.

References:
    Johnson, Alahi & Fei-Fei (2016), Perceptual losses for real-time style transfer. Differs: half
    of their filters, and a quarter at half of the sides and inside the blocks; no convolution at
    the picture's full size; a sigmoid instead of a scaled tanh. So a frame of 640x480 px takes
    26 ms on two cores (docs/notes/feedforward.md);
    Dumoulin, Shlens & Kudlur (2017), A learned representation for artistic style. Differs: the
    picture is mirrored at its borders before the first convolution, not before each one.
"""

import dataclasses

import numpy as np

from tf_style import vgg19
from tf_style._checks import check_number, checked_integer
from tf_style.config.fast import LOCAL_CONTRAST, MOST_LOCAL_CONTRAST

STRIDE = 4
"""Sides are divided by this before the residual blocks; padded pictures are multiples of it."""

TRAINING_MARGIN = 16
"""Pixels that are mirrored beyond each border before the first convolution, in a training."""

MARGINS = (24, 16)
"""In painting, as many are mirrored one after the other, so that small photographs have enough.
What a network has learned to do at borders lies in them; they are cut off."""

MARGIN = sum(MARGINS)
"""Pixels beyond each border in painting, a multiple of `STRIDE`."""

LEAST_SIDE = MARGINS[0] + STRIDE
"""The smallest side of a photograph, px: fewer cannot be mirrored."""

PAINTING_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
"""The layers of VGG-19 whose means and deviations describe a painting to the predictor."""

_NUM_STATISTICS = 2 * sum(vgg19.KERNEL_SHAPES[layer][-1] for layer in PAINTING_LAYERS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a network is, besides its numbers.

    Attributes:
        edge_filters: filters at half of the picture's sides.
        filters: filters at a quarter of them.
        inner_filters: filters between the two convolutions of a residual block.
        blocks: residual blocks.
        hidden: units of the predictor between a painting's statistics and its style.
        statistics: numbers that describe a painting, two for each filter of `PAINTING_LAYERS`.
        local_contrast: what weak contrasts of photographs are raised towards before they are
            painted, see `local_contrast.with_local_contrast`; 0 leaves them. Not in trainings.
    """

    edge_filters: int = 16
    filters: int = 64
    inner_filters: int = 32
    blocks: int = 5
    hidden: int = 128
    statistics: int = _NUM_STATISTICS
    local_contrast: float = LOCAL_CONTRAST

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name != "local_contrast":
                checked_integer(field.name, getattr(self, field.name), minimum=1, maximum=65536)
        check_number(
            "local_contrast", self.local_contrast, minimum=0.0, maximum=MOST_LOCAL_CONTRAST
        )

    @property
    def kernels(self) -> dict[str, tuple[int, int, int, int]]:
        """The kernels' shapes `[height, width, in, filters]` by name, in the order of use."""
        edge, outer, inner = self.edge_filters, self.filters, self.inner_filters
        blocks = {}
        for block in range(1, self.blocks + 1):
            blocks[f"block{block}_conv1"] = (3, 3, outer, inner)
            blocks[f"block{block}_conv2"] = (3, 3, inner, outer)
        return {
            "shrink1": (5, 5, 3, edge),
            "shrink2": (3, 3, edge, outer),
            **blocks,
            "enlarge1": (3, 3, outer, edge),
            "enlarge2": (3, 3, edge, 3),
        }

    @property
    def normalized(self) -> dict[str, int]:
        """The filters of each convolution that is followed by a normalization, by its name."""
        return {name: shape[-1] for name, shape in self.kernels.items() if name != "enlarge2"}

    @property
    def style_size(self) -> int:
        """The numbers that make up a style: a scale and a shift for each normalized filter."""
        return 2 * sum(self.normalized.values())


def parameter_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all that a network learns, by name, without its styles.

    They are the kernels, "bias" of the last convolution, and the predictor's two layers.
    """
    return {
        **architecture.kernels,
        "bias": (3,),
        "predictor1": (architecture.statistics, architecture.hidden),
        "predictor1_bias": (architecture.hidden,),
        "predictor2": (architecture.hidden, architecture.style_size),
        "predictor2_bias": (architecture.style_size,),
    }


def initial_parameters(architecture: Architecture, seed: int) -> dict[str, np.ndarray]:
    """Returns random numbers to start from, float32, by the names of `parameter_shapes`.

    Kernels have the deviations of He et al. (2015), smaller in the last layers of network and
    predictor, so that first pictures are gray and first styles neutral. Biases are 0.
    """
    rng = np.random.default_rng(seed)
    calm = {"enlarge2": 0.3, "predictor1": 0.5**0.5, "predictor2": 0.1 * 0.5**0.5}
    parameters = {}
    for name, shape in parameter_shapes(architecture).items():
        deviation = 0.0 if len(shape) == 1 else np.sqrt(2.0 / np.prod(shape[:-1]))
        values = rng.normal(scale=calm.get(name, 1.0) * deviation, size=shape)
        parameters[name] = values.astype(np.float32)
    return parameters
