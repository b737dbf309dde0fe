"""The combined loss of an image given its targets, and its gradient, as graphs.

`Objective` ties an extractor to a `LossConfig`. What varies (image, targets) is an
argument: an objective has no state and may be shared. `terms` and `value_and_gradient` are
traced once for each image size, `targets` once.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_style import losses
from tf_style.options import LossConfig
from tf_style.style_losses import STYLE_LOSSES
from tf_style.styles import guide_of, style_targets

EDGES = "laplacian"  # Among the content's layers.
_ANY_IMAGE = tf.TensorSpec([1, None, None, 3], tf.float32)


class Targets(NamedTuple):
    """What the image is to match.

    Attributes:
        content: dict of float32 `[1, h, w, c]`, the content's features by layer name, and its
            "laplacian" where edges count.
        style: dict of what `style_losses.STYLE_LOSSES` keeps of the style, by layer name: float32
            `[1, c, c]` Gram matrices for "gram"; of the whole image.
        regions: what parts of the image are to match besides.
        content_guides: float32 `[1, h, w, 1]` by layer name: how much the content counts; empty
            for 1 everywhere.
    """

    content: dict[str, tf.Tensor]
    style: dict[str, Any]
    regions: tuple["RegionTargets", ...] = ()
    content_guides: dict[str, tf.Tensor] = {}


class RegionTargets(NamedTuple):
    """What one region of the image is to match.

    Attributes:
        style: as `Targets.style`.
        guides: float32 `[1, h, w, 1]` by layer name: weights of the positions, of mean 1.
        factor: float32 scalar, of the region's style loss; None for 1.
    """

    style: dict[str, Any]
    guides: dict[str, tf.Tensor] = {}
    factor: tf.Tensor | None = None


class LossTerms(NamedTuple):
    """The loss and its parts, float32 scalars (`[b]` from `loss_terms` with `per_sample`).

    Attributes:
        total: the sum of `content`, `style` and `variation`.
        content: weighted content loss, alpha * sum of the layers'.
        style: weighted style loss, beta * sum of the layers' w_l E_l.
        variation: weighted total variation.
        layers: unweighted loss by "content/LAYER", "style/LAYER"; of regions the sum, each times
            its strength and its share of the picture.
    """

    total: tf.Tensor
    content: tf.Tensor
    style: tf.Tensor
    variation: tf.Tensor
    layers: dict[str, tf.Tensor]


class LossWeights(NamedTuple):
    """The weights of the loss terms: numbers, or float32 scalars.

    Graphs are traced anew for each new number; pass scalars to vary them in one graph.

    Attributes:
        content: alpha.
        style: beta, `style_strength` included.
        variation: gamma.
    """

    content: tf.Tensor | float
    style: tf.Tensor | float
    variation: tf.Tensor | float


class Objective:
    """alpha * content loss + beta * style loss + gamma * total variation.

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
        missing = [layer for layer in config.layers if layer not in extractor.output]
        if missing:
            raise ValueError(
                f"`extractor` must give every layer of the config. Received: no {missing}. "
                "Build it with `layers=config.layers`."
            )
        self.extractor = extractor
        self.config = config

    @tf.function(input_signature=[_ANY_IMAGE], autograph=False)
    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the extractor's features, by one graph for all sizes.

        Args:
            image: float32 `[1, H, W, 3]`, RGB 0..1.
        """
        return self.extractor(image)

    @tf.function(input_signature=[_ANY_IMAGE, _ANY_IMAGE], autograph=False)
    def targets(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        """Returns what an image must match; computed once for each pair of pictures.

        Args:
            content: float32 `[1, H, W, 3]`, RGB 0..1, of the image's size.
            style: float32 `[1, H', W', 3]`, RGB 0..1, of any size.
        """
        content_features = self.extractor(content)
        content_targets = content_of(self.config, content, content_features)
        # One picture after the other: side by side they would need twice the memory.
        with tf.control_dependencies(list(content_targets.values())):
            style = tf.identity(style)
        return Targets(content_targets, style_targets(self.config, self.extractor(style)))

    @tf.function(autograph=False)
    def terms(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> LossTerms:
        """Returns the loss and its parts.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped.
            targets: from `targets`, for a content of the same size.
            weights: in the place of the config's.
        """
        return self._terms(image, targets, weights)

    @tf.function(autograph=False)
    def value_and_gradient(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the total loss and its gradient with respect to the image.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped.
            targets: from `targets`, for a content of the same size.
            weights: in the place of the config's.

        Returns:
            Float32 scalar and float32 `[1, H, W, 3]`.
        """
        terms, gradient = self.terms_and_gradient(image, targets, weights=weights)
        return terms.total, gradient

    def terms_and_gradient(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> tuple[LossTerms, tf.Tensor]:
        """Returns the loss with its parts, and the total's gradient; as operations of any graph.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped.
            targets: from `targets`, for a content of the same size.
            weights: in the place of the config's.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            terms = self._terms(image, targets, weights)
        return terms, tape.gradient(terms.total, image)

    def _terms(self, image: tf.Tensor, targets: Targets, weights: LossWeights | None) -> LossTerms:
        return loss_terms(self.config, image, self.extractor(image), targets, weights=weights)


def content_of(
    config: LossConfig, content: tf.Tensor, features: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns what is kept of a content picture: `Targets.content`.

    Args:
        config: layers, and whether edges count.
        content: float `[b, H, W, 3]`, RGB 0..1.
        features: its own, by layer name.
    """
    kept = {name: features[name] for name, _ in config.content_layers}
    return {**kept, EDGES: losses.laplacian(content)} if config.edge_weight else kept


def loss_terms(
    config: LossConfig,
    image: tf.Tensor,
    features: dict[str, tf.Tensor],
    targets: Targets,
    *,
    weights: LossWeights | None = None,
    per_sample: bool = False,
) -> LossTerms:
    """Returns the loss of an image and its parts; layers that have no target are left out.

    Args:
        config: layers and weights.
        image: float `[b, H, W, 3]`, RGB, nominally 0..1, for the total variation.
        features: the image's, float `[b, h, w, c]`, by layer name.
        targets: what they are to match.
        weights: in the place of the config's.
        per_sample: give `[b]` losses instead of one.
    """
    weights = weights or weights_of(config)
    content_of_layer = losses.CONTENT_LOSSES[config.content_reduction]
    names = config.style_losses
    layers: dict[str, tf.Tensor] = {}
    shape = tf.shape(image)[:1] if per_sample else []
    content = style = variation = tf.zeros(shape, image.dtype)
    for name, weight in config.content_layers:
        if name in targets.content:
            loss = content_of_layer(
                features[name],
                targets.content[name],
                guide=guide_of(targets.content_guides, name),
                per_sample=per_sample,
            )
            layers[f"content/{name}"] = loss
            content += weight * loss
    if EDGES in targets.content:
        loss = losses.mean_content_loss(
            losses.laplacian(image),
            targets.content[EDGES],
            guide=guide_of(targets.content_guides, EDGES),
            per_sample=per_sample,
        )
        layers[f"content/{EDGES}"] = loss
        content += config.edge_weight * loss
    for region in (RegionTargets(targets.style), *targets.regions):
        for name, weight in config.style_layers:
            if name in region.style:
                loss = STYLE_LOSSES[names[name]].loss(
                    features[name],
                    region.style[name],
                    guide=guide_of(region.guides, name),
                    per_sample=per_sample,
                )
                if region.factor is not None:
                    loss = region.factor * loss
                key = f"style/{name}"
                layers[key] = layers[key] + loss if key in layers else loss
                style += weight * loss
    content = weights.content * content
    style = weights.style * style
    if tf.is_tensor(weights.variation) or weights.variation:
        variation_of = losses.TOTAL_VARIATIONS[config.tv_form]
        variation = weights.variation * variation_of(image, per_sample=per_sample)
    return LossTerms(content + style + variation, content, style, variation, layers)


def weights_of(config: LossConfig) -> LossWeights:
    """Returns the config's weights of the loss terms."""
    style_weight = config.style_strength * config.style_weight
    return LossWeights(config.content_weight, style_weight, config.tv_weight)


def by_name(terms: LossTerms) -> dict[str, float]:
    """Returns the terms as numbers by name: "total", ..., "content/LAYER", "style/LAYER"."""
    values = {**terms._asdict(), **terms.layers}
    del values["layers"]
    return {name: float(value) for name, value in values.items()}
