"""The objective with a reverse pass written by hand: graphs that other runtimes can take.

The numbers are `Objective`'s to rounding, in float32. LiteRT, ONNX and OpenVINO convert these
graphs, for pictures of any size, as they hold forward operations only (`portable_layers`).
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.export.tensor_names import named_targets, named_terms
from tf_style.objective.targets import Targets
from tf_style.objective.terms import LossTerms, weights_of
from tf_style.portable import losses as portable_losses
from tf_style.portable.layers import steps_of


class PortableObjective(tf.Module):
    """`Objective` in forward operations only, its weights held once as variables.

    Images are float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped, of at least
    `vgg19.minimum_side(layers)` px on each side.

    Example:
        >>> config = tf_style.StyleConfig()
        >>> extractor = load_extractor(config.network, layers=config.loss.layers)
        >>> objective = PortableObjective(extractor, config.loss)
        >>> targets = objective.targets(content, style)
        >>> gradient = objective.loss_and_gradient(image, targets)["gradient"]
    """

    def __init__(self, extractor: keras.Model, config: LossConfig) -> None:
        """Copies the weights.

        Args:
            extractor: from `build_extractor` with arithmetic "direct", and at least
                `config.layers`. Its padding and pooling are taken over.
            config: layers and weights.

        Raises:
            ValueError: if the extractor lacks a layer, or has other arithmetic; if a loss has no
                gradient in forward operations.
        """
        super().__init__(name="portable_objective")
        missing = [layer for layer in config.layers if layer not in extractor.output]
        if missing:
            raise ValueError(
                f"`extractor` must give every layer of the config. Received: no {missing}. "
                "Build it with `layers=config.layers`."
            )
        self.config = config
        self._steps = tuple(steps_of(extractor, config.layers).items())
        self._weights = [weight for _, step in self._steps for weight in step.weights]
        check_portable(config)

    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the features of every layer of the config, float32 `[1, h, w, c]`, by name."""
        outputs = self._outputs(image)
        return {name: outputs[name] for name in self.config.layers}

    def _outputs(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = {}
        for name, step in self._steps:
            image = outputs[name] = step.forward(image)
        return outputs

    def targets(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        """Returns what an image must match: `Objective.targets`.

        Args:
            content: an image, of the size that is to be matched.
            style: an image of any size.
        """
        content_features, style_features = self.features(content), self.features(style)
        return Targets(
            {name: content_features[name] for name, _ in self.config.content_layers},
            {
                layer: portable_losses.STYLE_LOSSES[name].target(style_features[layer])
                for layer, name in self.config.style_losses.items()
            },
        )

    def loss_and_gradient(self, image: tf.Tensor, targets: Targets) -> dict[str, tf.Tensor]:
        """Returns the loss, its parts and its gradient with respect to the image.

        Args:
            image: an image.
            targets: from `targets`, here or of `Objective`, for a content of the same size.

        Returns:
            Float32 scalars by the names of `named_terms`, and float32 `[1, H, W, 3]` as
            "gradient".
        """
        outputs = self._outputs(image)
        losses, gradients = self._losses(outputs, targets)
        variation, by_image = tf.zeros((), image.dtype), []
        if self.config.tv_weight:
            loss, gradient = portable_losses.variation(image, self.config.tv_form)
            variation = self.config.tv_weight * loss
            by_image = [self.config.tv_weight * gradient]
        content, style = (
            factor * tf.add_n([weight * losses[f"{kind}/{name}"] for name, weight in layers])
            for kind, factor, layers in self._kinds
        )
        terms = LossTerms(content + style + variation, content, style, variation, losses)

        upstream: list[tf.Tensor] = []
        inputs = [image, *list(outputs.values())[:-1]]
        for (name, step), read in reversed(list(zip(self._steps, inputs, strict=True))):
            upstream = upstream + gradients[name]
            upstream = [step.backward(read, outputs[name], _sum(upstream))]
        return {**named_terms(terms), "gradient": _sum(upstream + by_image)}

    @property
    def _kinds(self) -> tuple[tuple[str, Any, Any], ...]:
        """What is weighted: its name, its weight, its layers with theirs."""
        weights = weights_of(self.config)
        return (
            ("content", weights.content, self.config.content_layers),
            ("style", weights.style, self.config.style_layers),
        )

    def _losses(
        self, features: dict[str, tf.Tensor], targets: Targets
    ) -> tuple[dict[str, tf.Tensor], dict[str, list[tf.Tensor]]]:
        """Returns the unweighted losses by "content/LAYER", "style/LAYER"; weighted gradients."""
        found = {}
        gradients: dict[str, list[tf.Tensor]] = {name: [] for name in features}
        content = portable_losses.CONTENT_LOSSES[self.config.content_reduction]
        styles = self.config.style_losses
        for kind, factor, layers in self._kinds:
            for name, weight in layers:
                own = kind == "content"
                of = content if own else portable_losses.STYLE_LOSSES[styles[name]].loss
                loss, gradient = of(features[name], getattr(targets, kind)[name])
                found[f"{kind}/{name}"] = loss
                gradients[name].append(factor * weight * gradient)
        return found, gradients

    def signature(self, name: str) -> tf.function:
        """Returns one of `export_options.SIGNATURES`, to be exported.

        Its inputs and outputs are flat and named; height and width are open:

        - `features`: image to the features by layer name.
        - `targets`: content, style to the targets by their names.
        - `loss_and_gradient`: image, content, style to what `loss_and_gradient` gives.
        - `loss_and_gradient_from_targets`: image and the targets, by their names, to the same.
        """
        functions: dict[str, tuple[Callable, list[tf.TensorSpec]]] = {
            "features": (self.features, [_image("image")]),
            "targets": (
                lambda content, style: named_targets(self.targets(content, style)),
                [_image("content"), _image("style")],
            ),
            "loss_and_gradient": (
                lambda image, content, style: self.loss_and_gradient(
                    image, self.targets(content, style)
                ),
                [_image("image"), _image("content"), _image("style")],
            ),
            "loss_and_gradient_from_targets": (
                lambda image, *flat: self.loss_and_gradient(
                    image, tf.nest.pack_sequence_as(self._target_specs, flat)
                ),
                [
                    _image("image"),
                    *(
                        tf.TensorSpec(spec.shape, spec.dtype, name)
                        for name, spec in named_targets(self._target_specs).items()
                    ),
                ],
            ),
        }
        function, signature = functions[name]
        return tf.function(function, input_signature=signature, autograph=False)

    @functools.cached_property
    def _target_specs(self) -> Targets:
        """Shape and type of each tensor of the targets."""
        function = tf.function(self.targets, autograph=False)
        concrete = function.get_concrete_function(_image("content"), _image("style"))
        return concrete.structured_outputs


def check_portable(config: LossConfig) -> None:
    """Raises ValueError unless every loss of the config is in `portable_losses`' tables."""
    wanted = {
        "content_reduction": [config.content_reduction],
        "style_loss": list(config.style_losses.values()),
    }
    tables: dict[str, Iterable[str]] = {
        "content_reduction": portable_losses.CONTENT_LOSSES,
        "style_loss": portable_losses.STYLE_LOSSES,
    }
    if config.edge_weight:
        raise ValueError(
            "Cannot use `edge_weight` here. This is because its gradient is not written in "
            f"forward operations. Received: edge_weight={config.edge_weight:g}. Use 0, or export a "
            "SavedModel or StableHLO."
        )
    for argument, names in wanted.items():
        missing = [name for name in names if name not in tables[argument]]
        if missing:
            listed = ", ".join(repr(name) for name in tables[argument])
            raise ValueError(
                f"`{argument}` must be one of {listed} here, as others have no gradient in forward "
                f"operations. Received: {argument}={missing[0]!r}. Use one of these, or export a "
                "SavedModel or StableHLO, which take every loss."
            )


def _image(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([1, None, None, 3], tf.float32, name)


def _sum(tensors: list[tf.Tensor]) -> tf.Tensor:
    return tensors[0] if len(tensors) == 1 else tf.add_n(tensors)
