"""The table of style losses: statistics, target and comparison of each.

Each loss takes the features of one layer, float `[batch, h, w, channels]`, and gives means, so
that a weight has the same effect at every size. `guide`, float `[b or 1, h, w, 1]` with mean 1,
weights the positions. For one region alone it is 1 / (the region's share of the picture) inside
the region and 0 outside.

Several styles become one target: `blend` their statistics, then take the target of the blend.

    style_loss = STYLE_LOSSES[name]
    statistics = [style_loss.statistics(features) for features in styles]
    target = style_loss.target(style_loss.blend(statistics, [0.3, 0.7]))
    loss = style_loss.loss(image_features, target)
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.losses import kernels, moments, quantiles


def weighted_sum(statistics: Sequence[Any], weights: Sequence[tf.Tensor | float]) -> Any:
    """Returns the weighted sum of nests of tensors.

    Blended moments and mean waves are those of a picture in which each style covers its share;
    blended quantile tables are the Wasserstein barycenter of the styles' distributions.

    Args:
        statistics: one nest for each style, all of the same structure.
        weights: one number or scalar tensor for each style; they add up to 1.
    """

    def blended(*parts: tf.Tensor) -> tf.Tensor:
        shares = [tf.cast(weight, parts[0].dtype) for weight in weights]
        return tf.add_n([share * part for share, part in zip(shares, parts, strict=True)])

    return tf.nest.map_structure(blended, *statistics)


class StyleLoss(NamedTuple):
    """One style loss, as the functions that make it up.

    Attributes:
        statistics: maps `(features, *, guide=None)` of a style to its statistics, a nest of
            tensors without positions, which can be blended.
        target: maps the statistics of a style, or a blend, to the target, a nest of tensors;
            computed once for each style.
        measure: maps `(features, target, *, guide=None)` of an image to what is compared, a nest
            of tensors without positions. It is linear in the guide, so that tiles can be added
            up, except for the losses in `config.loss.UNTILEABLE`.
        compare: maps `(measured, target, *, per_sample=False)` to the loss, a scalar or `[b]`.
            The target may be of one style for the whole batch.
        scale: maps the target to the loss of features that are 0 everywhere, float `[b]`: the
            natural scale of the loss.
        blend: maps `(statistics, weights)` of several styles to the statistics of their blend.
        takes_bfloat16: whether `measure` takes bfloat16 features; else they are to be converted.
    """

    statistics: Callable[..., Any]
    target: Callable[[Any], Any]
    measure: Callable[..., Any]
    compare: Callable[..., tf.Tensor]
    scale: Callable[[Any], tf.Tensor]
    blend: Callable[[Sequence[Any], Sequence[tf.Tensor | float]], Any] = weighted_sum
    takes_bfloat16: bool = False

    def loss(
        self,
        features: tf.Tensor,
        target: Any,
        *,
        guide: tf.Tensor | None = None,
        per_sample: bool = False,
    ) -> tf.Tensor:
        """Returns the loss of an image's features, a scalar, or `[b]` with `per_sample`."""
        measured = self.measure(features, target, guide=guide)
        return self.compare(measured, target, per_sample=per_sample)


def _same_as(statistics: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a `measure` that computes the same statistics for the image, for any target."""

    def measure(features: tf.Tensor, target: Any, *, guide: tf.Tensor | None = None) -> Any:
        return statistics(features, guide=guide)

    return measure


def _unchanged(statistics: Any) -> Any:
    return statistics


def _covariance_loss(image: moments.Moments, target: tf.Tensor, *, per_sample: bool) -> tf.Tensor:
    """Returns `moments.style_loss` of the covariance."""
    return moments.style_loss(moments.centered(image), target, per_sample=per_sample)


_GRAM = StyleLoss(
    moments.gram_matrix,
    _unchanged,
    _same_as(moments.gram_matrix),
    moments.style_loss,
    moments.gram_scale,
    takes_bfloat16=True,
)

STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": _GRAM,
    "covariance": StyleLoss(
        moments.moments,
        moments.centered,
        _same_as(moments.moments),
        _covariance_loss,
        moments.gram_scale,
    ),
    "mean_std": StyleLoss(
        moments.channel_moments,
        moments.mean_std_target,
        _same_as(moments.channel_moments),
        moments.mean_std_loss,
        moments.mean_std_scale,
    ),
    "wasserstein": StyleLoss(
        moments.moments,
        moments.wasserstein_target,
        _same_as(moments.moments),
        moments.wasserstein_loss,
        moments.wasserstein_scale,
    ),
    "mmd_linear": StyleLoss(
        moments.mean_features,
        _unchanged,
        _same_as(moments.mean_features),
        kernels.mmd_linear_loss,
        moments.mean_scale,
    ),
    # The kernel (x y)^2 maps a position x to x x^T, whose mean is the Gram matrix. Li et al. (2017)
    # show that MMD^2 / (4 N^2) is the loss of Gatys et al. (2016); both share one entry here.
    "mmd_polynomial": _GRAM,
    "mmd_gaussian": StyleLoss(
        kernels.kernel_means,
        kernels.kernel_target,
        kernels.image_waves,
        kernels.mmd_gaussian_loss,
        kernels.mmd_gaussian_scale,
    ),
    "sliced": StyleLoss(
        quantiles.sliced_quantiles,
        _unchanged,
        _same_as(quantiles.sliced_quantiles),
        quantiles.quantile_loss,
        quantiles.quantile_scale,
    ),
    "histogram": StyleLoss(
        quantiles.channel_quantiles,
        _unchanged,
        _same_as(quantiles.channel_quantiles),
        quantiles.quantile_loss,
        quantiles.quantile_scale,
    ),
}
"""Style losses by their names in the option `style_loss`."""
