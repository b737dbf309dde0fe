"""Options of the loss: the terms, their weights and their layers. No TensorFlow here."""

import dataclasses

from tf_style import vgg19
from tf_style._checks import check_choice, check_number
from tf_style.config.fields import TypeChecked, option
from tf_style.config.layer_lists import LayerWeights, layer_choices, layer_weights

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
UNTILEABLE = ("histogram", "self_similarity", "sliced")
"""Losses that compare all positions with each other, so that tiles cannot be added up."""

MASK_MODES = ("simple", "inside", "all")
TV_FORMS = ("mean_square", "sum_square", "nine_point")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig(TypeChecked):
    """What is minimized: alpha * content**p / p + beta * style + gamma * total variation."""

    style_strength: float = option(
        1.0,
        "How strong the style is: 0.25 is calm, 1 is normal, 4 is strong, with every painting and "
        "at every size.",
    )
    content_weight: float = option(1.0, "Weight of the content loss (the paper's alpha).")
    style_weight: float = option(4.5, "Weight of the style loss (the paper's beta).")
    tv_weight: float = option(0.25, "Weight of the total variation loss, which smooths; 0 is off.")
    relative_losses: bool = option(
        True,
        "Divide each loss by its natural scale, so that a weight means the same for all pictures: "
        "a style loss by that of a picture without features, the content loss by the variance of "
        "the content's features, total variation by the painting's. Without it, losses have the "
        "units of the paper, which differ from painting to painting.",
    )
    content_power: float = option(
        4.0,
        "The content loss C counts as C**p / p with this p. With 1, the paper's, the balance of "
        "content and style differs much from pair to pair; with more, C ends nearer to one value.",
    )
    content_layers: LayerWeights = option(
        (("block4_conv2", 1.0),),
        "Layers of the content loss: 'name' or 'name:weight', separated by commas.",
    )
    style_layers: LayerWeights = option(
        tuple(
            (f"block{block}_conv1", weight)
            for block, weight in enumerate((0.35, 0.3, 0.2, 0.1, 0.05), 1)
        ),
        "Layers of the style loss: 'name' or 'name:weight', separated by commas.",
    )
    content_reduction: str = option(
        "mean",
        "Content loss: 'sum', the paper's half sum of squares, which grows with the picture; "
        "'mean', the mean square, which has the same effect at every size; or 'self_similarity', "
        "which compares how similar positions are to each other, so that colors may change freely.",
    )
    edge_weight: float = option(
        0.0,
        "Weight of an additional content loss that keeps edges: the mean squared difference of the "
        "Laplacians; 0 is off. 0.3 keeps outlines, 1 fine lines too.",
    )
    style_loss: str = option(
        "gram",
        "What the style loss compares: 'gram', the paper's Gram matrices; 'covariance', Gram "
        "matrices of centered features; 'mean_std', the mean and deviation of each filter; "
        "'wasserstein', Gaussians with the features' means and covariances; 'mmd_linear', "
        "'mmd_polynomial' (equals 'gram') and 'mmd_gaussian', the maximum mean discrepancy with "
        "that kernel; 'sliced', the distributions along fixed directions; 'histogram', the "
        "distribution of each filter. One name for all layers, or by layer, as in "
        "'gram,conv4_1:sliced'.",
    )
    mask_mode: str = option(
        "simple",
        "How masks are scaled down to the layers: 'simple' (averaged), 'inside' (a feature counts "
        "if all that it sees is in the region) or 'all' (if anything that it sees is in it).",
    )
    tv_form: str = option(
        "mean_square",
        "Total variation: 'mean_square' of neighbors' differences, 'sum_square' (half their sum, "
        "which grows with the picture) or 'nine_point' (mean square, with diagonals).",
    )

    def __post_init__(self) -> None:
        for name in ("content_layers", "style_layers"):
            object.__setattr__(self, name, layer_weights(getattr(self, name), argument=name))
        super().__post_init__()
        for name in (
            "content_weight", "edge_weight", "style_weight", "style_strength", "tv_weight"
        ):  # fmt: skip
            # The maximum fits float32.
            check_number(name, getattr(self, name), minimum=0.0, maximum=1e30)
        check_choice("content_reduction", self.content_reduction, REDUCTIONS)
        check_number("content_power", self.content_power, minimum=1.0, maximum=16.0)
        _ = self.style_losses  # Raises if a name is wrong.
        check_choice("tv_form", self.tv_form, TV_FORMS)
        check_choice("mask_mode", self.mask_mode, MASK_MODES)
        content = self.content_weight * sum(weight for _, weight in self.content_layers)
        style = self.style_factor * self.style_weight
        style *= sum(weight for _, weight in self.style_layers)
        if content == style == 0:
            raise ValueError(
                "At least one of `content_weight` and `style_weight` times `style_strength` must "
                "be above 0, with a layer's weight. Received: "
                f"content_weight={self.content_weight}, style_weight={self.style_weight}, "
                f"style_strength={self.style_strength}. Raise one of them, or its layers' weights."
            )

    @property
    def style_factor(self) -> float:
        """What `style_strength` multiplies the style loss by."""
        return self.style_strength**self.strength_power

    @property
    def strength_power(self) -> float:
        """The power of a strength that multiplies the style loss.

        With relative losses a strength counts squared: the content loss then changes by a factor of
        1.4 or more from 0.25 to 1, and from 1 to 4 (docs/notes/objective.md).
        """
        return 2.0 if self.relative_losses else 1.0

    @property
    def style_losses(self) -> dict[str, str]:
        """The style loss of each style layer, by layer, in the order of `style_layers`."""
        used = [name for name, _ in self.style_layers]
        return layer_choices(self.style_loss, used, STYLE_LOSS_NAMES, argument="style_loss")

    @property
    def untileable(self) -> list[str]:
        """The losses in use that need the whole image at once, sorted."""
        return sorted({*self.style_losses.values(), self.content_reduction} & set(UNTILEABLE))

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer in use, in the order of the network."""
        used = {name for name, _ in self.content_layers + self.style_layers}
        return tuple(name for name in vgg19.LAYERS if name in used)
