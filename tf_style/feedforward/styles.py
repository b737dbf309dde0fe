"""Styles by name and their blends: from texts such as "great_wave:0.7" to scales and shifts.

A blend of styles is the weighted mean of their scales and shifts, because normalized features
depend on these linearly (Dumoulin et al., 2017, section 3.2). No TensorFlow here.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from tf_style._checks import exists, shown, suggestion
from tf_style.feedforward.blending import part_of, weights_of
from tf_style.feedforward.network_file import StyleNetwork


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
            weight behind a colon, as in "great_wave:0.7".
        network: whose names are known.
        num_masks: of the photograph; styles for several may be the same.
        argument: name of the argument in error messages.

    Raises:
        ValueError: if there is none, a name is unknown, or `blending.weights_of` refuses them.
    """
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
