"""The config by which a style picture is given a fine style's texture. No TensorFlow here."""

from tf_style.config.control import ControlConfig
from tf_style.config.loss import LossConfig
from tf_style.config.style_config import StyleConfig

_FINE = "block1_conv1", "block2_conv1"


def texture_config(config: StyleConfig, num_styles: int) -> StyleConfig:
    """Returns what a style is given its fine texture by: the style loss of two layers alone.

    Args:
        config: of the run; of its time budget all styles together get a quarter.
        num_styles: how many they are.
    """
    names = [f"{layer}:{config.loss.style_losses.get(layer, 'gram')}" for layer in _FINE]
    return config.replace(
        style_layers=",".join(_FINE),
        style_loss=",".join(names),
        style_weight=LossConfig.style_weight,
        style_strength=1.0,
        # A layer that is there anyway, so that the network ends with the style's.
        content_layers=_FINE[0],
        content_reduction="mean",
        content_weight=0.0,
        edge_weight=0.0,
        tv_weight=0.0,
        scales="none",
        time_budget=config.compute.time_budget / (4.0 * num_styles),
        regions="none",
        num_regions=ControlConfig.num_regions,
        photorealistic=False,
        fidelity=ControlConfig.fidelity,
    )
