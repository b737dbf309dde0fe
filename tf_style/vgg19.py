"""VGG-19 as data: layer names, their aliases, kernel shapes and smallest inputs.

Simonyan & Zisserman (2015), configuration E, without the dense layers. Layers have their Keras
names (`block4_conv2`). In Keras the output of a convolution layer includes its ReLU, so
`block4_conv2` is what other tools call `relu4_2` and what Gatys et al. call `conv4_2`. Both are
accepted as aliases of `block4_conv2`, and `pool4` as an alias of `block4_pool`. Pre-ReLU outputs
are not available. No TensorFlow here.
"""

from collections.abc import Iterable

from tf_style._checks import shown, suggestion

_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))  # (convolutions, channels)


def _layers() -> tuple[str, ...]:
    names: list[str] = []
    for block, (num_convs, _) in enumerate(_BLOCKS, start=1):
        names += [f"block{block}_conv{i}" for i in range(1, num_convs + 1)]
        names.append(f"block{block}_pool")
    return tuple(names)


LAYERS: tuple[str, ...] = _layers()
"""The 16 convolution and 5 pooling layers, from input to output."""

CONVOLUTIONS: tuple[str, ...] = tuple(name for name in LAYERS if "conv" in name)
"""The 16 convolution layers, from input to output."""

POOLINGS: tuple[str, ...] = tuple(name for name in LAYERS if "pool" in name)
"""The 5 pooling layers, from input to output."""


def _kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    shapes, channels = {}, 3
    for name in CONVOLUTIONS:
        filters = _BLOCKS[int(name[5]) - 1][1]
        shapes[name] = (3, 3, channels, filters)
        channels = filters
    return shapes


KERNEL_SHAPES: dict[str, tuple[int, int, int, int]] = _kernel_shapes()
"""The kernel shape (height, width, input channels, filters) of each convolution."""


def _aliases() -> dict[str, str]:
    aliases = {}
    for name in LAYERS:
        block, kind = name[5], name[7:]
        if kind == "pool":
            aliases[f"pool{block}"] = name
        else:
            aliases[f"conv{block}_{kind[4:]}"] = name
            aliases[f"relu{block}_{kind[4:]}"] = name
    return aliases


ALIASES: dict[str, str] = _aliases()
"""From other tools' names (`conv4_2`, `relu4_2`, `pool4`) to Keras names."""


def canonical_layer(name: str, *, argument: str = "layer") -> str:
    """Returns the Keras name of a layer, given its Keras name or an alias.

    Raises:
        ValueError: if there is no such layer; the message names `argument` and the nearest name.
    """
    if name in LAYERS:
        return name
    if name in ALIASES:
        return ALIASES[name]
    raise ValueError(
        f"`{argument}` must name layers of VGG-19, 'block1_conv1' to 'block5_pool' "
        f"(or 'conv4_2', 'relu4_2', 'pool4'). Received: {argument}={shown(name)}."
        + suggestion(name, [*LAYERS, *ALIASES])
    )


def minimum_side(layers: Iterable[str], padding: str = "zeros") -> int:
    """Returns the smallest side of an image, in px, for which every layer has an output."""

    def side(layer: str) -> int:
        poolings = int(layer[5]) - (0 if layer.endswith("pool") else 1)
        return 2**poolings

    # Reflection in every layer needs 2 px in the deepest one; all other paddings need 1 px.
    return max(side(layer) for layer in layers) * (2 if padding == "reflect_all" else 1)


def channels_of(layer: str) -> int:
    """Returns the number of channels of a layer's output."""
    return _BLOCKS[int(layer[5]) - 1][1]


def up_to(layers: Iterable[str]) -> tuple[str, ...]:
    """Returns all layers of the network up to the deepest of `layers`, from input to output."""
    deepest = max(LAYERS.index(layer) for layer in layers)
    return LAYERS[: deepest + 1]
