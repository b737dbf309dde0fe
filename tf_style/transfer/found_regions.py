"""Automatic regions: adds the regions that content and styles have in common to the inputs."""

import dataclasses
from collections.abc import Callable

from tf_style.config.style_config import StyleConfig
from tf_style.inputs.automatic_regions import LAYERS, automatic_regions
from tf_style.inputs.inputs import Inputs
from tf_style.network.extractor import load_extractor


def with_regions(
    inputs: Inputs, config: StyleConfig, *, notify: Callable[[str], None] | None = None
) -> Inputs:
    """Returns the inputs with automatic regions; unchanged if there is only one region.

    Args:
        inputs: the pictures of the run; returned unchanged if they already have regions.
        config: `regions`, `num_regions`, `photorealistic` and `seed`.
        notify: called with a line of text.
    """
    control = config.control
    if inputs.regions is not None or not control.finds_regions:
        return inputs
    # Zero padding would turn the border into a region of its own.
    network = dataclasses.replace(config.network, padding="reflect_all")
    extractor = load_extractor(network, layers=LAYERS, notify=notify)
    regions = automatic_regions(
        extractor,
        inputs.content,
        inputs.styles,
        num_regions=control.num_regions,
        seed=config.seed,
        blend=list(inputs.blend),
    )
    shares = regions.content.mean((0, 1, 2))
    if notify is not None:
        listed = ", ".join(f"{100.0 * share:.0f}" for share in shares)
        notify(f"Regions found: {len(shares)}, covering {listed} % of the content")
    return inputs if len(shares) == 1 else inputs._replace(regions=regions)
