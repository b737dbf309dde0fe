"""The objective with a reverse pass written by hand: graphs that other runtimes can take.

The numbers are `Objective`'s to rounding, in float32. LiteRT, ONNX and OpenVINO convert these
graphs, for pictures of any size, as they hold forward operations only (`portable_layers`).
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_style import portable_losses
from tf_style.objective import Targets
from tf_style.options import LossConfig
from tf_style.portable_layers import steps_of

TERMS = ("total_loss", "content_loss", "style_loss", "variation_loss")
"""The loss and its parts, in the order of `LossTerms`; no name is an input's, as ONNX asks."""


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
            ValueError: if the extractor lacks a layer, or has other arithmetic.
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
        self._channels = {name: extractor.output[name].shape[-1] for name in config.layers}
        self._style = portable_losses.STYLE_LOSSES[config.style_loss]

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
                name: self._style.target(style_features[name])
                for name, _ in self.config.style_layers
            },
        )

    def loss_and_gradient(self, image: tf.Tensor, targets: Targets) -> dict[str, tf.Tensor]:
        """Returns the loss, its parts and its gradient with respect to the image.

        Args:
            image: an image.
            targets: from `targets`, here or of `Objective`, for a content of the same size.

        Returns:
            Float32 scalars by the names of `TERMS`, and float32 `[1, H, W, 3]` as "gradient".
        """
        outputs = self._outputs(image)
        content, style, slopes = self._losses(outputs, targets)
        variation, by_image = tf.zeros((), image.dtype), []
        if self.config.tv_weight:
            loss, slope = portable_losses.variation(image, self.config.tv_form)
            variation = self.config.tv_weight * loss
            by_image = [self.config.tv_weight * slope]

        upstream: list[tf.Tensor] = []
        inputs = [image, *list(outputs.values())[:-1]]
        for (name, step), read in reversed(list(zip(self._steps, inputs, strict=True))):
            upstream = upstream + slopes[name]
            upstream = [step.backward(read, outputs[name], _sum(upstream))]
        terms = (content + style + variation, content, style, variation)
        return {**dict(zip(TERMS, terms, strict=True)), "gradient": _sum(upstream + by_image)}

    def _losses(
        self, features: dict[str, tf.Tensor], targets: Targets
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, list[tf.Tensor]]]:
        """Returns the weighted content and style loss, and their slopes by layer."""
        config = self.config
        slopes: dict[str, list[tf.Tensor]] = {name: [] for name in features}

        def weighted(factor: float, of: Callable, layers: Any, wanted: dict[str, Any]) -> tf.Tensor:
            total = tf.zeros((), tf.float32)
            for name, weight in layers:
                loss, slope = of(features[name], wanted[name])
                total += weight * loss
                slopes[name].append(factor * weight * slope)
            return factor * total

        content_of = portable_losses.CONTENT_LOSSES[config.content_reduction]
        content = weighted(
            config.content_weight, content_of, config.content_layers, targets.content
        )
        style_weight = config.style_strength * config.style_weight
        style = weighted(style_weight, self._style.loss, config.style_layers, targets.style)
        return content, style, slopes

    def signature(self, name: str) -> tf.function:
        """Returns one of `conversion_options.SIGNATURES`, to be exported.

        Its inputs and outputs are flat and named; height and width are open:

        - `features`: image to the features by layer name.
        - `targets`: content, style to the targets by the names of `target_specs`.
        - `loss_and_gradient`: image, content, style to what `loss_and_gradient` gives.
        - `loss_and_gradient_from_targets`: image and the targets, by their names, to the same.
        """
        specs = self.target_specs()
        functions: dict[str, tuple[Callable, list[tf.TensorSpec]]] = {
            "features": (self.features, [_image("image")]),
            "targets": (
                lambda content, style: self.flat_targets(self.targets(content, style)),
                [_image("content"), _image("style")],
            ),
            "loss_and_gradient": (
                lambda image, content, style: self.loss_and_gradient(
                    image, self.targets(content, style)
                ),
                [_image("image"), _image("content"), _image("style")],
            ),
            "loss_and_gradient_from_targets": (
                lambda image, *targets: self.loss_and_gradient(image, self._nested(targets)),
                [_image("image"), *specs],
            ),
        }
        function, signature = functions[name]
        return tf.function(function, input_signature=signature, autograph=False)

    def target_specs(self) -> list[tf.TensorSpec]:
        """Returns name, shape and type of each tensor of the targets, in a fixed order.

        `content_LAYER` are features of the content; `style_LAYER_gram` a Gram matrix of the
        style; for the Wasserstein distance `style_LAYER_mean` and `style_LAYER_root`.
        """
        specs = [
            tf.TensorSpec([1, None, None, self._channels[layer]], tf.float32, f"content_{layer}")
            for layer, _ in self.config.content_layers
        ]
        for layer, _ in self.config.style_layers:
            for part, rank in self._style.parts.items():
                shape = [1] + rank * [self._channels[layer]]
                specs.append(tf.TensorSpec(shape, tf.float32, f"style_{layer}_{part}"))
        return specs

    def flat_targets(self, targets: Targets) -> dict[str, tf.Tensor]:
        """Returns the targets' tensors by the names of `target_specs`, in their order."""
        flat = {f"content_{layer}": features for layer, features in targets.content.items()}
        for layer, target in targets.style.items():
            for part, value in zip(self._style.parts, tf.nest.flatten(target), strict=True):
                flat[f"style_{layer}_{part}"] = value
        return flat

    def _nested(self, flat: tuple[tf.Tensor, ...]) -> Targets:
        """Returns the targets of their tensors, in the order of `target_specs`."""
        tensors = iter(flat)
        content = {layer: next(tensors) for layer, _ in self.config.content_layers}
        return Targets(
            content,
            {
                layer: self._style.pack(*(next(tensors) for _ in self._style.parts))
                for layer, _ in self.config.style_layers
            },
        )


def _image(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([1, None, None, 3], tf.float32, name)


def _sum(tensors: list[tf.Tensor]) -> tf.Tensor:
    return tensors[0] if len(tensors) == 1 else tf.add_n(tensors)
