"""The loss of an image and its gradient, as graphs.

`Objective` combines an extractor and a `LossConfig`. Everything that varies (image, targets) is an
argument, so an objective has no state and can be shared. `targets` is traced once; the graphs of
`terms` and `value_and_gradient` for the first image size and once more for all other sizes.
"""

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import tensorflow as tf

from tf_style._keras import keras
from tf_style.config.loss import LossConfig
from tf_style.graphs.rounding import unrounded
from tf_style.graphs.tracing import as_graph
from tf_style.objective.checks import check_pair, checked_image, float_images
from tf_style.objective.loss import LossTerms, LossWeights, loss_terms
from tf_style.objective.scales import content_scales, variation_scale
from tf_style.objective.targets import Guides, Targets, style_statistics, style_targets
from tf_style.objective.terms import content_of

_ANY_IMAGE = tf.TensorSpec([None, None, None, 3], tf.float32)


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
            extractor: from `build_extractor`, with at least `config.layers`. Features may be
                bfloat16; losses are float32.
            config: layers and weights.

        Raises:
            ValueError: if the extractor lacks a layer.
        """
        check_layers(extractor, config)
        self.extractor = extractor
        self.config = config

    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the features of an image by layer name; one graph serves all sizes.

        Args:
            image: float `[b, H, W, 3]`, RGB 0..1.

        Raises:
            ValueError: if it is not of floats.
        """
        return self._graph_of_features(float_images("image", image))

    def content_targets(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the targets of a content image: `Targets.content`.

        Args:
            content: float32 `[b, H, W, 3]`, RGB 0..1.
        """
        return content_of(self.config, content, self.features(content))

    def style_statistics(
        self, style: tf.Tensor, *, guides: Sequence[Guides] = ({},)
    ) -> list[dict[str, Any]]:
        """Returns the statistics of a style picture, once for each of the guides.

        Args:
            style: float32 `[b, H, W, 3]`, RGB 0..1.
            guides: weights of the style's positions, as for `targets.style_statistics`; an empty
                dict weights all positions equally.
        """
        features = self.features(style)
        return [style_statistics(self.config, features, guides=each) for each in guides]

    def targets(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        """Returns what an image must match; compute it once for each pair of pictures.

        Args:
            content: float `[b, H, W, 3]`, RGB 0..1, of the image's size.
            style: float `[b or 1, H', W', 3]`, RGB 0..1, of any size.

        Raises:
            ValueError: if they are not of floats, or there are other numbers of them.
        """
        content, style = float_images("content", content), float_images("style", style)
        check_pair(content, style)
        return self._graph_of_targets(content, style)

    def target_specs(self) -> Targets:
        """Returns the shapes and types of `targets`, as symbolic tensors."""
        graph = cast("tf.types.experimental.PolymorphicFunction", self._graph_of_targets)
        return graph.get_concrete_function().structured_outputs

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
            style: float32 `[b, H, W, 3]`, RGB 0..1.
        """
        return variation_scale(self.config, style)

    def terms(
        self,
        image: tf.Tensor,
        targets: Targets,
        *,
        weights: LossWeights | None = None,
        per_sample: bool = False,
    ) -> LossTerms:
        """Returns the loss and its parts.

        Args:
            image: float `[1, H, W, 3]`, RGB, nominally 0..1. Values are not clipped or checked.
            targets: from `targets`, for a content of the same size.
            weights: replace the config's.
            per_sample: take a batch, `[b, H, W, 3]`, and give `[b]` losses, each as if its image
                were alone. Targets have a batch of b, or of 1 for the whole batch.

        Raises:
            ValueError: if the image is not of floats, is a batch without `per_sample`, or has
                another size than the content.
        """
        image = checked_image(image, targets, per_sample=per_sample)
        return self._graph_of_terms(image, targets, weights=weights, per_sample=per_sample)

    def keeping_memory(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context for many evaluations of images of one size; here it does nothing."""
        return contextlib.nullcontext()

    def value_and_gradient(
        self,
        image: tf.Tensor,
        targets: Targets,
        *,
        weights: LossWeights | None = None,
        per_sample: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the total loss and its gradient with respect to the image.

        Args:
            image: as for `terms`.
            targets: as for `terms`.
            weights: replace the config's.
            per_sample: as for `terms`. The gradient of each image is that of its own loss.

        Returns:
            Float32 scalar, or `[b]` with `per_sample`; and float32 of the image's shape.

        Raises:
            ValueError: as for `terms`.
        """
        image = checked_image(image, targets, per_sample=per_sample)
        return self._graph_of_gradient(image, targets, weights=weights, per_sample=per_sample)

    def terms_and_gradient(
        self,
        image: tf.Tensor,
        targets: Targets,
        *,
        weights: LossWeights | None = None,
        per_sample: bool = False,
    ) -> tuple[LossTerms, tf.Tensor]:
        """Returns the loss with its parts and the gradient of the total, in the surrounding graph.

        Args:
            image: as for `terms`.
            targets: as for `terms`.
            weights: replace the config's.
            per_sample: as for `terms`.

        Raises:
            ValueError: as for `terms`.
        """
        image = checked_image(image, targets, per_sample=per_sample)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            terms = self._terms(image, targets, weights, per_sample)
        return terms, tape.gradient(terms.total, image)

    @tf.function(autograph=False, reduce_retracing=True)
    def _graph_of_terms(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None, per_sample: bool
    ) -> LossTerms:
        return self._terms(image, targets, weights, per_sample)

    @tf.function(autograph=False, reduce_retracing=True)
    def _graph_of_gradient(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None, per_sample: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        terms, gradient = self.terms_and_gradient(
            image, targets, weights=weights, per_sample=per_sample
        )
        return terms.total, gradient

    @as_graph(input_signature=[_ANY_IMAGE], autograph=False)
    def _graph_of_features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._features(image)

    @as_graph(input_signature=[_ANY_IMAGE, _ANY_IMAGE], autograph=False)
    def _graph_of_targets(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        content_features = self._features(content)
        content_targets = content_of(self.config, content, content_features)
        # One picture after the other: both at once would need twice the memory.
        with tf.control_dependencies(list(content_targets.values())):
            style = tf.identity(style)
        return Targets(
            content_targets,
            style_targets(self.config, self._features(style)),
            scales=self.scales(content_targets, variation_scale(self.config, style)),
        )

    def _features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: unrounded(features) for name, features in self.extractor(image).items()}

    def _terms(
        self, image: tf.Tensor, targets: Targets, weights: LossWeights | None, per_sample: bool
    ) -> LossTerms:
        features = self.extractor(image)
        return loss_terms(
            self.config, image, features, targets, weights=weights, per_sample=per_sample
        )


def check_layers(extractor: keras.Model, config: LossConfig) -> None:
    """Raises ValueError if the extractor lacks a layer of the config, TypeError if it is none."""
    if not isinstance(config, LossConfig):
        raise TypeError(
            f"`config` must be a LossConfig. Received: {type(config).__name__}. Of a StyleConfig "
            "use `config.loss`."
        )
    missing = [layer for layer in config.layers if layer not in extractor.output]
    if missing:
        raise ValueError(
            f"`extractor` must give every layer of the config. Received: no {missing}. "
            "Build it with `layers=config.layers`."
        )
