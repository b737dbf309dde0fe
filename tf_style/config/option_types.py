"""The options by flat name, with their types: for type checkers only.

Made from the fields of `StyleConfig` by `tools/docs/write_reference.py`.
"""

from typing import TypedDict

from tf_style.config.compute import ComputeConfig
from tf_style.config.control import ControlConfig
from tf_style.config.layer_lists import AnyLayers
from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.config.optimizer import OptimizerConfig


class _Others(TypedDict, total=False):
    """All but the one name that is a group too."""

    preset: str
    init: str
    size: int
    style_size: int
    style_scale: float
    keep_margins: bool
    color: str
    color_match: str
    limit_chroma: bool
    seed: int
    weights: str
    pooling: str
    padding: str
    normalized: bool
    style_strength: float
    content_weight: float
    style_weight: float
    tv_weight: float
    relative_losses: bool
    content_power: float
    content_layers: AnyLayers
    style_layers: AnyLayers
    content_reduction: str
    edge_weight: float
    style_loss: str
    mask_mode: str
    tv_form: str
    steps: int
    scales: str
    parametrization: str
    exponents: str
    gamut: bool
    history: int
    learning_rate: float
    precision: str
    deterministic: bool
    jit_compile: str
    memory_limit: float
    time_budget: float
    style_blend: str
    style_scales: str
    region_strengths: str
    regions: str
    num_regions: int
    content_map_gain: float
    protect: str
    photorealistic: bool
    fidelity: float


class Options(_Others, total=False):
    """Keywords of `StyleConfig.replace`."""

    optimizer: str


class Arguments(_Others, total=False):
    """Keywords of `StyleConfig`."""

    network: NetworkConfig
    loss: LossConfig
    optimizer: OptimizerConfig | str
    compute: ComputeConfig
    control: ControlConfig
