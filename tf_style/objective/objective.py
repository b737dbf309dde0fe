"""The loss of an image and its gradient, as graphs.

`Objective` combines an extractor and a `LossConfig`. Everything that varies (image, targets) is an
argument, so an objective has no state and can be shared. `targets` is traced once; `terms` and
`value_and_gradient` are traced for the first image size and once more for all other sizes.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_style._keras import keras
from tf_style.config.loss import LossConfig
from tf_style.graphs.batches import rgb
from tf_style.graphs.tracing import as_graph
from tf_style.objective.loss import LossTerms, LossWeights, loss_terms
from tf_style.objective.scales import content_scales, variation_scale
from tf_style.objective.targets import Guides, Targets, style_statistics, style_targets
from tf_style.objective.terms import content_of

_ANY_IMAGE = tf.TensorSpec([1, None, None, 3], tf.float32)


class Objective:
    """alpha * content**p / p + beta * style + gamma * total variation, with p = `content_power`.

    Example:
        >>> weights = tf_style.load_weights("vgg19-8bit")
        >>> config = tf_style.LossConfig()
        >>> extractor = tf_style.build_extractor(weights.layers, layers=config.layers)
        >>> objective = tf_style.Objective(extractor, config)
        >>> targets = objective.targets(content, style)
        >>> loss, gradient = objective.value_and_gradient(image, targets)

    References:
        Gatys et al. (2016), eq. 1-7.
    """

    def __init__(self, extractor: keras.Model, config: LossConfig) -> None:
        """Makes the objective.

        Args:
            extractor: from `build_extractor`, with at least `config.layers`.
            config: layers and weights.

        Raises:
            ValueError: if the extractor lacks a layer.
        """
        check_layers(extractor, config)
        self.extractor = extractor
        self.config = config

    @as_graph(input_signature=[_ANY_IMAGE], autograph=False)
    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the features of an image by layer name; one graph serves all sizes.

        Args:
            image: float32 `[1, H, W, 3]`, RGB 0..1.
        """
        return self.extractor(image)

    def content_targets(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the targets of a content image: `Targets.content`.

        Args:
            content: float32 `[1, H, W, 3]`, RGB 0..1.
        """
        return content_of(self.config, content, self.features(content))

    def style_statistics(
        self, style: tf.Tensor, *, guides: Sequence[Guides] = ({},)
    ) -> list[dict[str, Any]]:
        """Returns the statistics of a style picture, once for each of the guides.

        Args:
            style: float32 `[1, H, W, 3]`, RGB 0..1.
            guides: weights of the style's positions, as for `targets.style_statistics`; an empty
                dict weights all positions equally.
        """
        features = self.features(style)
        return [style_statistics(self.config, features, guides=each) for each in guides]

    @as_graph(input_signature=[_ANY_IMAGE, _ANY_IMAGE], autograph=False)
    def targets(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        """Returns what an image must match; compute it once for each pair of pictures.

        Args:
            content: float32 `[1, H, W, 3]`, RGB 0..1, of the image's size.
            style: float32 `[1, H', W', 3]`, RGB 0..1, of any size.
        """
        content_features = self.extractor(content)
        content_targets = content_of(self.config, content, content_features)
        # One picture after the other: both at once would need twice the memory.
        with tf.control_dependencies(list(content_targets.values())):
            style = tf.identity(style)
        return Targets(
            content_targets,
            style_targets(self.config, self.extractor(style)),
            scales=self.scales(content_targets, variation_scale(self.config, style)),
        )

    def scales(
        self, content_targets: dict[str, tf.Tensor], others: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor] | tuple[()]:
        """Returns `Targets.scales`; empty if losses are not relative.

        Args:
            content_targets: from `content_targets`.
            others: `scales.variation_scale` of the style, or a blend of several, and
                `scales.content_share`.
        """
        if not self.config.relative_losses:
            return ()
        return {**content_scales(self.config, content_targets), **others}

    def variation_scale(self, style: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the scale of total variation, by a style picture.

        Args:
            style: float32 `[1, H, W, 3]`, RGB 0..1.
        """
        return variation_scale(self.config, style)

    @as_graph(autograph=False, reduce_retracing=True)
    def terms(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> LossTerms:
        """Returns the loss and its parts.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped.
            targets: from `targets`, for a content of the same size.
            weights: replace the config's.
        """
        return self._terms(image, targets, weights)

    def keeping_memory(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context for many evaluations of images of one size; here it does nothing."""
        return contextlib.nullcontext()

    @as_graph(autograph=False, reduce_retracing=True)
    def value_and_gradient(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the total loss and its gradient with respect to the image.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped.
            targets: from `targets`, for a content of the same size.
            weights: replace the config's.

        Returns:
            Float32 scalar and float32 `[1, H, W, 3]`.
        """
        terms, gradient = self.terms_and_gradient(image, targets, weights=weights)
        return terms.total, gradient

    def terms_and_gradient(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> tuple[LossTerms, tf.Tensor]:
        """Returns the loss with its parts and the gradient of the total, in the surrounding graph.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped.
            targets: from `targets`, for a content of the same size.
            weights: replace the config's.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            terms = self._terms(image, targets, weights)
        return terms, tape.gradient(terms.total, image)

    def _terms(self, image: tf.Tensor, targets: Targets, weights: LossWeights | None) -> LossTerms:
        image = rgb("image", image)
        return loss_terms(self.config, image, self.extractor(image), targets, weights=weights)


def check_layers(extractor: keras.Model, config: LossConfig) -> None:
    """Raises ValueError if the extractor lacks a layer of the config."""
    missing = [layer for layer in config.layers if layer not in extractor.output]
    if missing:
        raise ValueError(
            f"`extractor` must give every layer of the config. Received: no {missing}. "
            "Build it with `layers=config.layers`."
        )
