"""Neural style transfer for TensorFlow (Gatys, Ecker & Bethge, CVPR 2016).

Public names are loaded on first use, so `import tf_style` does not import TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tf_style._version import __version__ as __version__

if TYPE_CHECKING:
    from tf_style.config.compute import ComputeConfig as ComputeConfig
    from tf_style.config.loss import LossConfig as LossConfig
    from tf_style.config.network import NetworkConfig as NetworkConfig
    from tf_style.config.optimizer import OptimizerConfig as OptimizerConfig
    from tf_style.config.style_config import StyleConfig as StyleConfig
    from tf_style.config.style_config import preset as preset
    from tf_style.config.training import TrainingConfig as TrainingConfig
    from tf_style.export.loaded_model import ExportedModel as ExportedModel
    from tf_style.export.loaded_model import load as load
    from tf_style.export.options import PortableOptions as PortableOptions
    from tf_style.export.saved_model import Exported as Exported
    from tf_style.export.saved_model import export_saved_model as export_saved_model
    from tf_style.export.stablehlo import export_stablehlo as export_stablehlo
    from tf_style.images.color import into_gamut as into_gamut
    from tf_style.images.color import luminance as luminance
    from tf_style.images.color import with_luminance as with_luminance
    from tf_style.images.color_match import match_colors as match_colors
    from tf_style.images.color_match import shift_luminance as shift_luminance
    from tf_style.images.screened_poisson import screened_poisson as screened_poisson
    from tf_style.losses.content import content_loss as content_loss
    from tf_style.losses.content import mean_content_loss as mean_content_loss
    from tf_style.losses.content import self_similarity_loss as self_similarity_loss
    from tf_style.losses.moments import GaussianTarget as GaussianTarget
    from tf_style.losses.moments import Moments as Moments
    from tf_style.losses.moments import gram_matrix as gram_matrix
    from tf_style.losses.moments import moments as moments
    from tf_style.losses.moments import style_loss as style_loss
    from tf_style.losses.moments import wasserstein_loss as wasserstein_loss
    from tf_style.losses.moments import wasserstein_target as wasserstein_target
    from tf_style.losses.variation import total_variation as total_variation
    from tf_style.losses.variation import total_variation_nine_point as total_variation_nine_point
    from tf_style.losses.variation import total_variation_sum as total_variation_sum
    from tf_style.network.extractor import build_extractor as build_extractor
    from tf_style.network.weights import Weights as Weights
    from tf_style.network.weights import load_weights as load_weights
    from tf_style.network.weights import mean_activations as mean_activations
    from tf_style.network.weights import normalize as normalize
    from tf_style.objective.loss import LossTerms as LossTerms
    from tf_style.objective.loss import LossWeights as LossWeights
    from tf_style.objective.objective import Objective as Objective
    from tf_style.objective.targets import Targets as Targets
    from tf_style.optimizers.adam import minimize_adam as minimize_adam
    from tf_style.optimizers.cancellation import Cancellation as Cancellation
    from tf_style.optimizers.lbfgs import minimize_lbfgs as minimize_lbfgs
    from tf_style.optimizers.solution import NotFiniteError as NotFiniteError
    from tf_style.optimizers.solution import Solution as Solution
    from tf_style.optimizers.solution import Status as Status
    from tf_style.portable.conversion import Conversion as Conversion
    from tf_style.portable.conversion import ConversionError as ConversionError
    from tf_style.portable.conversion import export_portable as export_portable
    from tf_style.portable.objective import PortableObjective as PortableObjective
    from tf_style.training.run import TrainingResult as TrainingResult
    from tf_style.training.run import TrainingStatus as TrainingStatus
    from tf_style.training.train_network import train_network as train_network
    from tf_style.training.training import TrainingProgress as TrainingProgress
    from tf_style.transfer.asynchronous import stylize_async as stylize_async
    from tf_style.transfer.batch import stylize_batch as stylize_batch
    from tf_style.transfer.progress import Progress as Progress
    from tf_style.transfer.progress import StyleResult as StyleResult
    from tf_style.transfer.stylize import stylize as stylize
    from tf_style.transfer.summaries import write_summaries as write_summaries

_MODULES = {
    "config.compute": ("ComputeConfig",),
    "config.loss": ("LossConfig",),
    "config.network": ("NetworkConfig",),
    "config.optimizer": ("OptimizerConfig",),
    "config.style_config": (
        "StyleConfig",
        "preset",
    ),
    "config.training": ("TrainingConfig",),
    "export.loaded_model": (
        "ExportedModel",
        "load",
    ),
    "export.options": ("PortableOptions",),
    "export.saved_model": (
        "Exported",
        "export_saved_model",
    ),
    "export.stablehlo": ("export_stablehlo",),
    "images.color": (
        "into_gamut",
        "luminance",
        "with_luminance",
    ),
    "images.color_match": (
        "match_colors",
        "shift_luminance",
    ),
    "images.screened_poisson": ("screened_poisson",),
    "losses.content": (
        "content_loss",
        "mean_content_loss",
        "self_similarity_loss",
    ),
    "losses.moments": (
        "GaussianTarget",
        "Moments",
        "gram_matrix",
        "moments",
        "style_loss",
        "wasserstein_loss",
        "wasserstein_target",
    ),
    "losses.variation": (
        "total_variation",
        "total_variation_nine_point",
        "total_variation_sum",
    ),
    "network.extractor": ("build_extractor",),
    "network.weights": (
        "Weights",
        "load_weights",
        "mean_activations",
        "normalize",
    ),
    "objective.objective": ("Objective",),
    "objective.targets": ("Targets",),
    "objective.loss": (
        "LossTerms",
        "LossWeights",
    ),
    "optimizers.cancellation": ("Cancellation",),
    "optimizers.adam": ("minimize_adam",),
    "optimizers.lbfgs": ("minimize_lbfgs",),
    "optimizers.solution": (
        "NotFiniteError",
        "Solution",
        "Status",
    ),
    "portable.conversion": (
        "Conversion",
        "ConversionError",
        "export_portable",
    ),
    "portable.objective": ("PortableObjective",),
    "training.run": (
        "TrainingResult",
        "TrainingStatus",
    ),
    "training.train_network": ("train_network",),
    "training.training": ("TrainingProgress",),
    "transfer.asynchronous": ("stylize_async",),
    "transfer.batch": ("stylize_batch",),
    "transfer.progress": (
        "Progress",
        "StyleResult",
    ),
    "transfer.stylize": ("stylize",),
    "transfer.summaries": ("write_summaries",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])


if not TYPE_CHECKING:  # Type checkers would take every name for one that is there.

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'tf_style' has no attribute {name!r}")
        return getattr(importlib.import_module(f"tf_style.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
