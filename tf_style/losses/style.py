"""The table of style losses: what is kept of a picture's features, and what is compared.

Each loss takes the features of one layer, float `[batch, h, w, channels]`, and gives means, so
that a weight means the same at every size of picture. `guide`, float `[b or 1, h, w, 1]` with
mean 1, weights the positions: a region alone is 1 over its share of the picture within it and 0
elsewhere.

Several styles are one: `blend` their statistics, then make the target of the blend.

    kept = [STYLE_LOSSES[name].statistics(features) for features in styles]
    target = STYLE_LOSSES[name].target(STYLE_LOSSES[name].blend(kept, [0.3, 0.7]))
    loss = STYLE_LOSSES[name].loss(image_features, target)
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.losses import kernels, moments, quantiles


def weighted_sum(statistics: Sequence[Any], weights: Sequence[tf.Tensor | float]) -> Any:
    """Returns the weighted sum of nests of tensors.

    Moments, mean waves and the like are those of a picture in which each style covers its share;
    tables of quantiles are the Wasserstein barycenter of the styles' distributions.

    Args:
        statistics: of each style, nests of one form.
        weights: numbers or scalars that add up to 1, one for each.
    """

    def blended(*parts: tf.Tensor) -> tf.Tensor:
        shares = [tf.cast(weight, parts[0].dtype) for weight in weights]
        return tf.add_n([share * part for share, part in zip(shares, parts, strict=True)])

    return tf.nest.map_structure(blended, *statistics)


class StyleLoss(NamedTuple):
    """A way to compare styles.

    Attributes:
        statistics: `(features, *, guide=None)` to a nest of tensors without positions, which
            may be blended.
        target: a style's statistics, or a blend, to a nest of tensors; once for each style.
        measure: `(features, target, *, guide=None)` to what is compared of an image: a nest of
            tensors without positions.
        compare: `(measured, target, *, per_sample=False)` to a scalar, or `[b]`. The target may
            be of one style for the whole batch.
        target_floats: channels of a layer to the floats that its target takes, for one style.
        is_additive: whether `measure` is linear in the guide, so that an image's is the sum of
            its tiles'.
        blend: `(statistics, weights)`, what several styles together mean.
    """

    statistics: Callable[..., Any]
    target: Callable[[Any], Any]
    measure: Callable[..., Any]
    compare: Callable[..., tf.Tensor]
    target_floats: Callable[[int], int]
    is_additive: bool = True
    blend: Callable[[Sequence[Any], Sequence[tf.Tensor | float]], Any] = weighted_sum

    def loss(
        self,
        features: tf.Tensor,
        target: Any,
        *,
        guide: tf.Tensor | None = None,
        per_sample: bool = False,
    ) -> tf.Tensor:
        """Returns the image's loss, a scalar, or `[b]`."""
        measured = self.measure(features, target, guide=guide)
        return self.compare(measured, target, per_sample=per_sample)


def _of_statistics(statistics: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the measure of an image that is its statistics, whatever the target."""

    def measure(features: tf.Tensor, target: Any, *, guide: tf.Tensor | None = None) -> Any:
        return statistics(features, guide=guide)

    return measure


def _unchanged(statistics: Any) -> Any:
    return statistics


def _covariance_loss(image: moments.Moments, target: tf.Tensor, *, per_sample: bool) -> tf.Tensor:
    """Returns `style_loss` of centered features' Gram matrices."""
    return moments.style_loss(moments.centered(image), target, per_sample=per_sample)


_GRAM = StyleLoss(
    moments.gram_matrix,
    _unchanged,
    _of_statistics(moments.gram_matrix),
    moments.style_loss,
    lambda channels: channels**2,
)

STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": _GRAM,
    "covariance": StyleLoss(
        moments.moments,
        moments.centered,
        _of_statistics(moments.moments),
        _covariance_loss,
        lambda channels: channels**2,
    ),
    "mean_std": StyleLoss(
        moments.channel_moments,
        moments.mean_std_target,
        _of_statistics(moments.channel_moments),
        moments.mean_std_loss,
        lambda channels: 2 * channels,
    ),
    "wasserstein": StyleLoss(
        moments.moments,
        moments.wasserstein_target,
        _of_statistics(moments.moments),
        moments.wasserstein_loss,
        lambda channels: channels**2 + channels,
    ),
    "mmd_linear": StyleLoss(
        moments.mean_features,
        _unchanged,
        _of_statistics(moments.mean_features),
        kernels.mmd_linear_loss,
        lambda channels: channels,
    ),
    # What (x y)^2 maps a position to is x x^T, whose mean is the Gram matrix: Li et al. (2017)
    # show that MMD^2 / (4 N^2) is the loss of Gatys et al. (2016). One code for both.
    "mmd_polynomial": _GRAM,
    "mmd_gaussian": StyleLoss(
        kernels.kernel_means,
        kernels.kernel_target,
        kernels.image_waves,
        kernels.mmd_gaussian_loss,
        lambda channels: 4 * channels + 1,
    ),
    "sliced": StyleLoss(
        quantiles.sliced_quantiles,
        _unchanged,
        _of_statistics(quantiles.sliced_quantiles),
        quantiles.quantile_loss,
        lambda channels: quantiles.NUM_BINS * channels,
        is_additive=False,
    ),
    "histogram": StyleLoss(
        quantiles.channel_quantiles,
        _unchanged,
        _of_statistics(quantiles.channel_quantiles),
        quantiles.quantile_loss,
        lambda channels: quantiles.NUM_BINS * channels,
        is_additive=False,
    ),
}
"""Style losses by `style_loss`."""
