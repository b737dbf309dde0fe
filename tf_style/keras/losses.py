"""Losses for training other networks: what `Objective` minimizes, as `keras.losses.Loss`.

Each loss gives one float32 value per sample, by the formulas of `tf_style.losses`. Keras then
weights and reduces the values. The options are those of `LossConfig`, with the same meaning: for
a batch of one, a loss equals the term of the same name in `Objective.terms`. Losses are computed
in float32, whatever the pictures' dtype and Keras' global policy; if a loss has a `dtype` of its
own, Keras first rounds the pictures to it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_style import vgg19
from tf_style._checks import check_number, shown
from tf_style._keras import keras
from tf_style.config.control import numbers
from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.graphs.batches import rgb
from tf_style.keras.inputs import (
    check_sides,
    options_of,
    picture_of_text,
    picture_to_text,
)
from tf_style.keras.value_range import checked_range, checked_values, to_unit_range
from tf_style.network.extractor import load_extractor
from tf_style.objective.loss import LossTerms, loss_terms
from tf_style.objective.scales import blended_scale, content_scales, variation_scale
from tf_style.objective.targets import (
    Targets,
    blended_targets,
    style_statistics,
    style_targets,
)
from tf_style.objective.terms import content_of

_STYLE_SIZE = 512


class _PictureLoss(keras.losses.Loss):
    """The common base of the losses; a subclass selects the terms."""

    _name = "perceptual_loss"
    _content = _style = True

    def __init__(
        self,
        *,
        config: LossConfig | Mapping[str, Any] | None = None,
        network: NetworkConfig | Mapping[str, Any] | None = None,
        style: Any = None,
        style_blend: str | Sequence[float] | None = None,
        style_size: int = _STYLE_SIZE,
        arithmetic: str = "direct",
        value_range: tuple[float, float] = (0.0, 1.0),
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name or self._name, reduction=reduction, dtype=dtype)
        self.config = options_of(LossConfig, config, argument="config")
        self.network = options_of(NetworkConfig, network, argument="network")
        self.arithmetic = arithmetic
        self.value_range = checked_range(value_range)
        check_number("style_size", style_size, minimum=0)
        self.style_size = style_size
        layers = [
            *(name for name, _ in self.config.content_layers if self._content),
            *(name for name, _ in self.config.style_layers if self._style),
        ]
        has_edges = self._content and self.config.edge_weight > 0.0
        least = 12 if has_edges else 2  # The edges' mean sees 5 px to each side.
        self._smallest = max(least, vgg19.minimum_side(layers, self.network.padding))
        # A function, not a model: Keras would save its weights with the trained model.
        self._features = load_extractor(self.network, layers=layers, arithmetic=arithmetic).__call__
        self._pictures: str | list[str] | None = None
        self._style_targets: dict[str, Any] | None = None
        self._variation: dict[str, tf.Tensor] = {}
        self.style_blend = _weights_of(style_blend)
        if isinstance(style, (list, tuple)) and not style:
            raise ValueError("`style` must hold at least one picture. Received: none.")
        several = style if isinstance(style, (list, tuple)) else [style] * (style is not None)
        weights = _shares(self.style_blend, len(several))
        if several:
            texts = [
                picture_to_text(each, argument="style", long_edge=style_size) for each in several
            ]
            self._pictures = texts if isinstance(style, (list, tuple)) else texts[0]
            self._style_targets, self._variation = self._targets_of(texts, weights)

    def _targets_of(
        self, texts: list[str], weights: list[float]
    ) -> tuple[dict[str, Any], dict[str, tf.Tensor]]:
        """Returns the targets of the fixed styles, blended, and the scale of total variation.

        Both are computed once, outside any graph.
        """
        statistics, variations = [], []
        with tf.init_scope():
            for text in texts:
                picture = picture_of_text(text, argument="style")
                check_sides("style", tf.TensorShape(picture.shape[1:3]), smallest=self._smallest)
                image = tf.constant(picture)
                statistics.append(style_statistics(self.config, self._features(image)))
                variations.append(variation_scale(self.config, image))
            targets = blended_targets(self.config, statistics, weights)
            return targets, blended_scale(variations, weights)

    def terms(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> LossTerms:
        """Returns each sample's loss and its terms, as in `Objective.terms`.

        Args:
            y_true: `[batch, height, width, 3]`, the pictures to match.
            y_pred: `[batch, height, width, 3]`, the pictures whose loss is computed.

        Returns:
            The weighted terms, and the unweighted terms by layer, float32 `[batch]`.
        """
        image = self._image("y_pred", y_pred)
        features = self._features(image)
        content: dict[str, tf.Tensor] = {}
        style, scales = self._style_targets or {}, dict(self._variation)
        if self._content or (self._style and not style):
            true_image = self._image("y_true", y_true)
            _check_batch(true_image, image)
            if self._content and not image.shape[1:3].is_compatible_with(true_image.shape[1:3]):
                raise ValueError(
                    "`y_true` must have the height and width of `y_pred`. Received: "
                    f"shapes {tuple(true_image.shape)} and {tuple(image.shape)}."
                )
            true_features = self._features(true_image)
            if self._content:
                content = content_of(self.config, true_image, true_features)
                scales |= content_scales(self.config, content)
            if self._style and not style:
                style = style_targets(self.config, true_features)
                scales |= variation_scale(self.config, true_image)
        config = self.config
        if not (self._content and self._style):
            config = dataclasses.replace(config, tv_weight=0.0)
        targets = Targets(content, style, scales=scales)
        return loss_terms(config, image, features, targets, per_sample=True)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each sample, `[batch]`."""
        return tf.cast(self.terms(y_true, y_pred).total, self.dtype)

    def _image(self, argument: str, image: tf.Tensor) -> tf.Tensor:
        image = rgb(argument, image)
        check_sides(argument, image.shape[1:3], smallest=self._smallest)
        is_computed = argument == "y_pred"
        image = checked_values(argument, image, self.value_range, is_computed=is_computed)
        return to_unit_range(image, self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the loss's config, which contains the fixed style picture as text."""
        config = {
            **super().get_config(),
            "dtype": self.dtype,
            "config": dataclasses.asdict(self.config),
            "network": dataclasses.asdict(self.network),
            "arithmetic": self.arithmetic,
            "value_range": self.value_range,
        }
        if self._style:
            config |= {"style": self._pictures, "style_size": self.style_size}
            config |= {"style_blend": self.style_blend}
        return config


def _check_batch(true_image: tf.Tensor, image: tf.Tensor) -> None:
    """Raises ValueError, or an error in the graph, unless both have as many pictures."""
    rule = "`y_true` must have as many pictures as `y_pred`. Received:"
    counts = true_image.shape[0], image.shape[0]
    if None in counts:
        tf.debugging.assert_equal(tf.shape(true_image)[0], tf.shape(image)[0], f"{rule} other.")
    elif counts[0] != counts[1]:
        raise ValueError(f"{rule} {counts[0]} and {counts[1]}.")


def _weights_of(style_blend: str | Sequence[float] | None) -> list[float] | None:
    """Returns the weights as numbers, also from a text such as "0.7,0.3"; None stays None."""
    if isinstance(style_blend, str):
        style_blend = numbers(style_blend, argument="style_blend") or None
    try:
        return None if style_blend is None else [float(each) for each in style_blend]
    except (TypeError, ValueError):
        raise TypeError(
            "`style_blend` must be numbers, one for each style. Received: "
            f"style_blend={shown(style_blend)}."
        ) from None


def _shares(weights: list[float] | None, count: int) -> list[float]:
    """Returns the shares of so many styles, which add up to 1.

    Raises:
        ValueError: unless there is one weight for each style.
    """
    if weights is None:
        return [1.0 / max(count, 1)] * count
    for weight in weights:
        check_number("style_blend", weight, minimum=0.0)
    if len(weights) != count or not sum(weights):
        raise ValueError(
            "`style_blend` must have one weight for each style, and one above 0. Received: "
            f"style_blend={weights} for {count} styles."
        )
    return [weight / sum(weights) for weight in weights]


@keras.saving.register_keras_serializable("tf_style")
class ContentLoss(_PictureLoss):
    """The content loss: the distance between the features of `y_pred` and `y_true`.

    Args:
        config: `LossConfig` or its dict; only `content_weight`, `content_layers`,
            `content_reduction`, `content_power`, `edge_weight` and `relative_losses` are used.
        network: `NetworkConfig` or its dict: weights, pooling, padding, normalized or not.
        arithmetic: one of `extractor.ARITHMETICS`; "winograd" is faster on CPUs.
        value_range: the values of black and white: (0, 1), (0, 255), (-1, 1), ...
        reduction: Keras', from samples to a batch.
        name: of the loss.
        dtype: type to which Keras casts the pictures, and in which it weights and reduces the
            samples' values; None for its `floatx`, by default float32.

    Example:
        >>> model.compile("adam", loss=ContentLoss())

    References:
        Gatys et al. (2016), eq. 1; Johnson et al. (2016), section 3.2, feature reconstruction.
    """

    _name = "content_loss"
    _style = False

    def __init__(
        self,
        *,
        config: LossConfig | Mapping[str, Any] | None = None,
        network: NetworkConfig | Mapping[str, Any] | None = None,
        arithmetic: str = "direct",
        value_range: tuple[float, float] = (0.0, 1.0),
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            config=config,
            network=network,
            arithmetic=arithmetic,
            value_range=value_range,
            reduction=reduction,
            name=name,
            dtype=dtype,
        )


@keras.saving.register_keras_serializable("tf_style")
class StyleLoss(_PictureLoss):
    """The style loss: the distance of `y_pred` from the style of `y_true` or one fixed picture.

    Without a fixed picture each sample has its own style, that of its `y_true`, whose size may
    differ from that of `y_pred`. With fixed pictures `y_true` is ignored, and the targets are
    computed once, when the loss is created. The config contains the picture itself, reduced, as
    the text of an 8-bit PNG. That is smaller than its Gram matrices (1.6 MB for the default
    layers) and stays valid if another option is changed.

    Args:
        config: `LossConfig` or its dict; only `style_weight`, `style_strength`,
            `style_layers`, `style_loss` and `relative_losses` are used.
        network: as `ContentLoss`.
        style: path, PIL picture, array or tensor; or a list of them, which are blended; None for
            the style of `y_true`.
        style_blend: weights of several styles: numbers, or text as in `StyleConfig`; all the
            same if left out.
        style_size: px to which the longer edge of a larger picture is reduced; 0 keeps its size.
        arithmetic: as `ContentLoss`.
        value_range: as `ContentLoss`; applies to `y_true` and `y_pred`, not to `style`, which is
            uint8 or 0..1.
        reduction: Keras', from samples to a batch.
        name: of the loss.
        dtype: type to which Keras casts the pictures, and in which it weights and reduces the
            samples' values; None for its `floatx`, by default float32.

    Example:
        >>> model.compile("adam", loss=StyleLoss(style="starry_night.jpg"))

    References:
        Gatys et al. (2016), eq. 4-5; Johnson et al. (2016), section 3.2.
    """

    _name = "style_loss"
    _content = False


@keras.saving.register_keras_serializable("tf_style")
class PerceptualLoss(_PictureLoss):
    """Content, style and total variation together: what `Objective` minimizes.

    The content is that of `y_true`. So is the style, unless one fixed picture is given, to train
    a network for that style as in Johnson et al. (2016).

    Args:
        config: `LossConfig` or its dict.
        network: as `ContentLoss`.
        style: as `StyleLoss`.
        style_blend: as `StyleLoss`.
        style_size: as `StyleLoss`.
        arithmetic: as `ContentLoss`.
        value_range: as `StyleLoss`. The total variation is computed on values 0..1.
        reduction: Keras', from samples to a batch.
        name: of the loss.
        dtype: type to which Keras casts the pictures, and in which it weights and reduces the
            samples' values; None for its `floatx`, by default float32.

    Example:
        >>> loss = PerceptualLoss(config=LossConfig(style_weight=1), style="shipwreck.jpg")
        >>> model.compile("adam", loss=loss)
        >>> model.fit(photographs.map(lambda photograph: (photograph, photograph)))

    References:
        Johnson, Alahi & Fei-Fei (2016), Perceptual losses for real-time style transfer.
    """
