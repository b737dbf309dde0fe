"""Options as frozen dataclasses, checked when they are made. No TensorFlow here.

Each default and help text is stated once, in its field; command-line flags are made from these.
"""

from tf_style.config.compute import ComputeConfig as ComputeConfig
from tf_style.config.control import ControlConfig as ControlConfig
from tf_style.config.loss import LossConfig as LossConfig
from tf_style.config.network import NetworkConfig as NetworkConfig
from tf_style.config.optimizer import OptimizerConfig as OptimizerConfig
from tf_style.config.presets import PRESETS as PRESETS
from tf_style.config.style_config import FIELDS as FIELDS
from tf_style.config.style_config import StyleConfig as StyleConfig
from tf_style.config.style_config import preset as preset
