"""One name of a table for each layer, as people write it. No TensorFlow here."""

from collections.abc import Iterable

from tf_style import vgg19
from tf_style._checks import check_choice, shown


def layer_choices(
    text: str, layers: Iterable[str], choices: Iterable[str], *, argument: str
) -> dict[str, str]:
    """Returns the name that each layer has.

    Args:
        text: one name for all layers, as in "gram"; or "layer:name,...", as in
            "conv1_1:gram,conv4_1:sliced", in which one plain name stands for all other layers.
        layers: Keras names of those in use.
        choices: the names there are.
        argument: how errors call it.

    Raises:
        ValueError: on an unknown name or layer, a layer that is not in use or comes twice,
            a second plain name, or a layer left without a name.
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
            f"`{argument}` must name something for every layer in use. Received: "
            f"{argument}={shown(text)}, nothing for {_listed(missing)}. "
            f"Add a name without a layer for all others, as in '{choices[0]},{text}'."
        )
    return {layer: named[layer] if layer in named else plain[0] for layer in layers}


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
