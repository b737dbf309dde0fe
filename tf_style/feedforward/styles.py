"""Which style to paint in: one, or a blend of several.

Takes texts such as "great_wave:0.7", or weights by name; gives names or paintings with their
weights, and the share of each style that a network knows. A blend of styles is the weighted mean of
their scales and shifts, because normalized features depend on these linearly (Dumoulin et al.,
2017, section 3.2). No TensorFlow here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tf_style._checks import check_choice, check_number, exists, shown, suggestion
from tf_style.feedforward.network_file import StyleNetwork

AnyStyle: TypeAlias = str | Mapping[str, float]
"""A name, or "name:weight,name:weight", or weights by name. Weights need not sum to 1."""

_MOST_WEIGHT = 1e6


class Part(NamedTuple):
    """A part of a blend.

    Attributes:
        source: what is blended: a style's name, or the path of a painting.
        weight: its weight, if one was given.
    """

    source: str
    weight: float | None


def part_of(text: str, is_source: Callable[[str], bool], *, argument: str = "style") -> Part:
    """Returns the source in a text, and its weight if there is one behind a colon.

    Args:
        text: such as "great_wave", "great_wave:0.7" or "s3://bucket/painting.jpg".
        is_source: tells whether a text with a colon is a source as a whole, or one without is one.
        argument: name of the argument in error messages.

    Raises:
        ValueError: if there is something else than a number behind a source's colon.
    """
    source, colon, number = text.rpartition(":")
    if not colon or is_source(text):
        return Part(text, None)
    try:
        return Part(source, float(number))
    except ValueError:
        if not is_source(source):
            return Part(text, None)  # A colon in the name of a file.
    raise ValueError(
        f"`{argument}` must give each weight as a number, as in 'great_wave:0.7'. Received: "
        f"{argument}={shown(text)}."
    )


def weights_of(
    parts: Sequence[Part], *, argument: str = "style", is_blend: bool = True
) -> tuple[float, ...] | None:
    """Returns the weights of a blend, one for each part, or None if none has one.

    Args:
        parts: of the blend.
        argument: name of the argument in error messages.
        is_blend: whether parts without weights are a blend, too, and not separate styles.

    Raises:
        ValueError: if some parts have a weight and others have none, a source is there twice, a
            weight is below 0 or not finite, or none is above 0.
    """
    weights = [part.weight for part in parts if part.weight is not None]
    for weight in weights:
        check_number(argument, weight, minimum=0.0, maximum=_MOST_WEIGHT)
    sources = [part.source for part in parts]
    received = f"Received: {argument}={shown(','.join(map(_text, parts)))}."
    if weights and len(weights) < len(parts):
        raise ValueError(
            f"`{argument}` must give each style a weight, or none a weight. {received}"
        )
    if weights and not any(weights):
        raise ValueError(f"`{argument}` must have a weight above 0. {received}")
    if (weights or is_blend) and len({*sources}) < len(sources):
        twice = next(source for source in sources if sources.count(source) > 1)
        raise ValueError(
            f"`{argument}` must name each style once. Received: {twice!r} twice. Leave one out."
        )
    return tuple(weights) or None


def shares_of(style: Any, names: Sequence[str], *, argument: str = "style") -> np.ndarray:
    """Returns the share of each style in a blend, float32 `[len(names)]`; they sum to 1.

    Args:
        style: `AnyStyle`.
        names: of all styles that there are.
        argument: name of the argument in error messages.

    Raises:
        TypeError: if `style` is something else.
        ValueError: on an unknown name, or weights that `weights_of` refuses.
    """
    if isinstance(style, str):
        texts = [text.strip() for text in style.split(",") if text.strip()]
        parts = [part_of(text, names.__contains__, argument=argument) for text in texts]
    elif isinstance(style, Mapping):
        parts = [_weighted(name, weight, argument) for name, weight in style.items()]
    else:
        raise TypeError(
            f"`{argument}` must be a style's name, or weights by name. Received: {argument}="
            f"{shown(style)}."
        )
    if not parts:
        raise ValueError(f"`{argument}` must name a style. Received: {argument}={shown(style)}.")
    for part in parts:
        check_choice(argument, part.source, names)
    shares = np.zeros(len(names))
    rows = [list(names).index(part.source) for part in parts]
    shares[rows] = weights_of(parts, argument=argument) or 1.0
    return (shares / shares.sum()).astype(np.float32)


def _weighted(name: Any, weight: Any, argument: str) -> Part:
    try:
        return Part(name, float(weight))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"`{argument}` must give each weight as a number, as in {{'great_wave': 0.7}}. "
            f"Received: {argument}={shown({name: weight})}."
        ) from None


def _text(part: Part) -> str:
    return part.source if part.weight is None else f"{part.source}:{part.weight:g}"


class Chosen(NamedTuple):
    """The styles that were asked for.

    Attributes:
        sources: names of the network's styles, and paths of paintings.
        weights: of the styles in a blend, one each; None if none was given.
    """

    sources: tuple[str, ...]
    weights: tuple[float, ...] | None

    def paintings(self, network: StyleNetwork) -> list[str]:
        """Returns those that the network does not know by name: paths of paintings."""
        return [source for source in self.sources if source not in network.styles]

    def is_blend(self, num_masks: int) -> bool:
        """Returns whether all styles are one, rather than one for each of so many masks."""
        return self.weights is not None or num_masks < 2

    @property
    def texts(self) -> tuple[str, ...]:
        """The styles with their weights, and paintings without their folders."""
        names = [PurePath(source).name for source in self.sources]
        if self.weights is None:
            return tuple(names)
        return tuple(f"{name}:{weight:g}" for name, weight in zip(names, self.weights, strict=True))


def chosen_styles(
    texts: Sequence[str], network: StyleNetwork, *, num_masks: int = 0, argument: str = "style"
) -> Chosen:
    """Returns the styles that texts ask for.

    Args:
        texts: each a name of the network's styles or the path of a painting, as it is or with a
            weight behind a colon, as in "great_wave:0.7". None asks for the style of a network that
            has one.
        network: whose names are known.
        num_masks: of the photograph; styles for several may be the same.
        argument: name of the argument in error messages.

    Raises:
        ValueError: if there is none to choose, a name is unknown, or `weights_of` refuses them.
    """
    if not texts and len(network.styles) == 1:
        texts = list(network.styles)
    if not texts:
        raise ValueError(
            f"`{argument}` must be {_known(network)}, or the file of a painting. Received: none."
        )

    def is_source(text: str) -> bool:
        return text in network.styles or exists(text)

    parts = [part_of(text, is_source, argument=argument) for text in texts]
    for source, _ in parts:
        looks_like_file = exists(source) or PurePath(source).suffix or len(source.split("/")) > 1
        if source not in network.styles and not looks_like_file:
            raise ValueError(
                f"`{argument}` must be {_known(network)}, or the file of a painting. Received: "
                f"{argument}={shown(source)}.{suggestion(source, network.styles)}"
            )
    weights = weights_of(parts, argument=argument, is_blend=num_masks < 2)
    return Chosen(tuple(source for source, _ in parts), weights)


def _known(network: StyleNetwork) -> str:
    return "one of " + ", ".join(repr(name) for name in network.styles)


def blended(styles: Iterable[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Returns the weighted mean of styles, float32 `[style_size]`.

    Args:
        styles: float32 `[style_size]` each.
        weights: at least 0, with a sum above 0.
    """
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    mean = sum(share * style for share, style in zip(shares, styles, strict=True))
    return np.asarray(mean, np.float32)
