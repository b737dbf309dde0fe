"""Neural style transfer for TensorFlow (Gatys, Ecker & Bethge, CVPR 2016).

Names are loaded at first use: `import tf_style` imports no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tf_style._version import __version__ as __version__

if TYPE_CHECKING:
    from tf_style.adam import minimize_adam as minimize_adam
    from tf_style.color import into_gamut as into_gamut
    from tf_style.color import luminance as luminance
    from tf_style.color import with_luminance as with_luminance
    from tf_style.color_match import match_colors as match_colors
    from tf_style.color_match import shift_luminance as shift_luminance
    from tf_style.config import StyleConfig as StyleConfig
    from tf_style.config import preset as preset
    from tf_style.conversion import Conversion as Conversion
    from tf_style.conversion import ConversionError as ConversionError
    from tf_style.conversion import export_portable as export_portable
    from tf_style.export import Exported as Exported
    from tf_style.export import export_saved_model as export_saved_model
    from tf_style.export_options import PortableOptions as PortableOptions
    from tf_style.exported_model import ExportedModel as ExportedModel
    from tf_style.exported_model import load as load
    from tf_style.extractor import build_extractor as build_extractor
    from tf_style.lbfgs import minimize_lbfgs as minimize_lbfgs
    from tf_style.loss_terms import LossTerms as LossTerms
    from tf_style.loss_terms import LossWeights as LossWeights
    from tf_style.loss_terms import Targets as Targets
    from tf_style.losses import content_loss as content_loss
    from tf_style.losses import mean_content_loss as mean_content_loss
    from tf_style.losses import self_similarity_loss as self_similarity_loss
    from tf_style.moment_losses import GaussianTarget as GaussianTarget
    from tf_style.moment_losses import Moments as Moments
    from tf_style.moment_losses import gram_matrix as gram_matrix
    from tf_style.moment_losses import moments as moments
    from tf_style.moment_losses import style_loss as style_loss
    from tf_style.moment_losses import wasserstein_loss as wasserstein_loss
    from tf_style.moment_losses import wasserstein_target as wasserstein_target
    from tf_style.objective import Objective as Objective
    from tf_style.options import ComputeConfig as ComputeConfig
    from tf_style.options import LossConfig as LossConfig
    from tf_style.options import NetworkConfig as NetworkConfig
    from tf_style.options import OptimizerConfig as OptimizerConfig
    from tf_style.photorealism import screened_poisson as screened_poisson
    from tf_style.portable import PortableObjective as PortableObjective
    from tf_style.progress import Progress as Progress
    from tf_style.progress import StyleResult as StyleResult
    from tf_style.solution import NotFiniteError as NotFiniteError
    from tf_style.solution import Solution as Solution
    from tf_style.solution import Status as Status
    from tf_style.stablehlo import export_stablehlo as export_stablehlo
    from tf_style.transfer import stylize as stylize
    from tf_style.variations import total_variation as total_variation
    from tf_style.variations import total_variation_nine_point as total_variation_nine_point
    from tf_style.variations import total_variation_sum as total_variation_sum
    from tf_style.weights import Weights as Weights
    from tf_style.weights import load_weights as load_weights
    from tf_style.weights import mean_activations as mean_activations
    from tf_style.weights import normalize as normalize

_MODULES = {
    "adam": ("minimize_adam",),
    "lbfgs": ("minimize_lbfgs",),
    "color": ("into_gamut", "luminance", "with_luminance"),
    "color_match": ("match_colors", "shift_luminance"),
    "config": ("StyleConfig", "preset"),
    "options": ("ComputeConfig", "LossConfig", "NetworkConfig", "OptimizerConfig"),
    "conversion": ("Conversion", "ConversionError", "export_portable"),
    "export_options": ("PortableOptions",),
    "export": ("Exported", "export_saved_model"),
    "exported_model": ("ExportedModel", "load"),
    "extractor": ("build_extractor",),
    "losses": (
        "content_loss",
        "mean_content_loss",
        "self_similarity_loss",
    ),
    "moment_losses": (
        "GaussianTarget",
        "Moments",
        "gram_matrix",
        "moments",
        "style_loss",
        "wasserstein_loss",
        "wasserstein_target",
    ),
    "loss_terms": ("LossTerms", "LossWeights", "Targets"),
    "objective": ("Objective",),
    "photorealism": ("screened_poisson",),
    "portable": ("PortableObjective",),
    "progress": ("Progress", "StyleResult"),
    "solution": ("NotFiniteError", "Solution", "Status"),
    "stablehlo": ("export_stablehlo",),
    "transfer": ("stylize",),
    "variations": ("total_variation", "total_variation_nine_point", "total_variation_sum"),
    "weights": ("Weights", "load_weights", "mean_activations", "normalize"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tf_style' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tf_style.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
