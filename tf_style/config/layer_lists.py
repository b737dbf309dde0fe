"""Options that say something for each layer, parsed from text. No TensorFlow here.

`layer_weights` gives each layer a weight, from "conv1_1:0.5,conv2_1"; `layer_choices` gives each
layer a name, from "gram,conv4_1:sliced". Layers may be written by any alias that
`vgg19.canonical_layer` knows; results have Keras names.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from tf_style import vgg19
from tf_style._checks import check_choice, check_number, shown

LayerWeights: TypeAlias = tuple[tuple[str, float], ...]
"""((layer name, weight >= 0), ...), with Keras names, in the order of the network."""

AnyLayers: TypeAlias = str | Mapping[str, float] | Sequence[str] | Sequence[tuple[str, float]]
"""What `layer_weights` takes."""


def layer_weights(layers: Any, *, argument: str) -> LayerWeights:
    """Returns the layers with their weights in canonical form.

    Args:
        layers: "name,name:weight,...", a mapping of name to weight, or a sequence of names or
            of (name, weight) pairs. A name without a weight gets 1 / (number of layers): the
            paper's w_l = 1/5 for its five style layers.
        argument: the option's name in error messages.

    Raises:
        ValueError: on an unknown or repeated layer, a weight that is negative or not a
            number, or no layer at all.
        TypeError: if `layers` has another form.
    """
    if isinstance(layers, str):
        layers = [part for part in layers.split(",") if part.strip()]
    if not isinstance(layers, (Mapping, list, tuple)):
        raise TypeError(
            f"`{argument}` must be text, a list or a mapping. Received: {argument}={shown(layers)}."
        )
    entries = list(layers.items()) if isinstance(layers, Mapping) else list(layers)
    weights: dict[str, float] = {}
    for entry in entries:
        if isinstance(entry, str):
            name, _, text = entry.strip().partition(":")
            weight: Any = text if text else 1.0 / len(entries)
        elif isinstance(entry, (list, tuple)) and len(entry) == 2 and isinstance(entry[0], str):
            name, weight = entry
        else:
            raise TypeError(
                f"`{argument}` must hold names or (name, weight) pairs. Received: {shown(entry)}."
            )
        layer = vgg19.canonical_layer(name, argument=argument)
        try:
            weight = float(weight)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(
                f"`{argument}` must give each weight as a number, as in 'conv4_2:0.5'. "
                f"Received: {argument}={shown(entry)}."
            ) from None
        check_number(argument, weight, minimum=0.0, maximum=1e30)
        if layer in weights:
            raise ValueError(f"`{argument}` must name each layer once. Received: {layer!r} twice.")
        weights[layer] = weight
    if not weights:
        raise ValueError(f"`{argument}` must name at least one layer. Received: none.")
    return tuple(sorted(weights.items(), key=lambda item: vgg19.LAYERS.index(item[0])))


def layer_choices(
    text: str, layers: Iterable[str], choices: Iterable[str], *, argument: str
) -> dict[str, str]:
    """Returns the name chosen for each layer, by layer, in the order of `layers`.

    Args:
        text: one name for all layers, as in "gram"; or "layer:name,...", as in
            "conv1_1:gram,conv4_1:sliced", where one name without a layer covers all other layers.
        layers: Keras names of the layers in use.
        choices: the allowed names.
        argument: the option's name in error messages.

    Raises:
        ValueError: on an unknown name or layer, a layer that is not in use or comes twice,
            a second name without a layer, or a layer left without a name.
    """
    layers, choices = list(layers), list(choices)
    plain: list[str] = []
    named: dict[str, str] = {}
    for part in text.split(","):
        before, colon, after = (word.strip() for word in part.partition(":"))
        check_choice(argument, after if colon else before, choices)
        if not colon:
            plain.append(before)
            continue
        layer = vgg19.canonical_layer(before, argument=argument)
        if layer not in layers:
            raise ValueError(
                f"`{argument}` must name layers in use, {_listed(layers)}. "
                f"Received: {argument}={shown(text)}. Leave {before!r} out, or use that layer too."
            )
        if layer in named:
            raise ValueError(f"`{argument}` must name each layer once. Received: {layer!r} twice.")
        named[layer] = after
    if len(plain) > 1:
        raise ValueError(
            f"`{argument}` must have at most one name without a layer. "
            f"Received: {argument}={shown(text)}. Write 'layer:name', as in 'conv1_1:{plain[0]}'."
        )
    missing = [layer for layer in layers if layer not in named]
    if missing and not plain:
        raise ValueError(
            f"`{argument}` must have a name for every layer in use. Received: "
            f"{argument}={shown(text)}, nothing for {_listed(missing)}. "
            f"Add a name without a layer, which covers the rest, as in '{choices[0]},{text}'."
        )
    return {layer: named[layer] if layer in named else plain[0] for layer in layers}


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
