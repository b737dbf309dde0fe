"""The objective with a reverse pass written by hand: graphs that other runtimes can run.

The numbers agree with `Objective`'s up to rounding, in float32. LiteRT, ONNX and OpenVINO convert
these graphs for pictures of any size, because they hold forward operations only
(`portable.layers`).
"""

import functools
import operator
from collections.abc import Callable, Iterable, Iterator

import tensorflow as tf

from tf_style._keras import keras
from tf_style.config.loss import LossConfig
from tf_style.export.tensor_names import named_targets, named_terms
from tf_style.objective.loss import LossTerms, LossWeights, weights_of
from tf_style.objective.objective import check_layers
from tf_style.objective.scales import IMAGE
from tf_style.objective.targets import Targets
from tf_style.objective.terms import TERMS, Term
from tf_style.portable import losses as portable_losses
from tf_style.portable.layers import steps_of
from tf_style.portable.losses import PortableLoss


class PortableObjective(tf.Module):
    """`Objective` in forward operations only; its weights are variables.

    Images are float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped, of at least
    `vgg19.minimum_side(layers, padding)` px on each side.

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
                `config.layers`. Its padding and pooling are used here, too.
            config: layers and weights.

        Raises:
            ValueError: if the extractor lacks a layer or has another arithmetic, or if a loss has
                no gradient in forward operations.
        """
        super().__init__(name="portable_objective")
        check_layers(extractor, config)
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
            content: an image, of the same size as the image that will match it.
            style: an image of any size.
        """
        content_features, style_features = self.features(content), self.features(style)
        content_targets = {name: content_features[name] for name, _ in self.config.content_layers}
        return Targets(
            content_targets,
            {
                layer: portable_losses.STYLE_LOSSES[name].target(style_features[layer])
                for layer, name in self.config.style_losses.items()
            },
            scales=portable_losses.scales(self.config, content_targets, style),
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
        gradients: dict[str, list[tf.Tensor]] = {name: [] for name in (*outputs, IMAGE)}
        layers: dict[str, tf.Tensor] = {}
        found: dict[str, list[PortableLoss]] = {part: [] for part in LossWeights._fields}
        for name, term in terms_in_use(self.config):
            found[term.part] += portable_losses.TERMS[name](self.config, image, outputs, targets)
        parts = {}
        for part, weight in weights_of(self.config)._asdict().items():
            values = [loss.weight * loss.value for loss in found[part]]
            value = tf.add_n(values) if values else tf.zeros((), image.dtype)
            slope: tf.Tensor | float = 1.0
            if part == "content":
                value, slope = portable_losses.powered(self.config, value)
            parts[part] = weight * value
            for loss in found[part]:
                gradients[loss.at].append(weight * slope * loss.weight * loss.gradient)
                if loss.name is not None:
                    layers[loss.name] = loss.value
        total = functools.reduce(operator.add, parts.values())
        terms = LossTerms(total=total, layers=layers, **parts)

        upstream: list[tf.Tensor] = []
        inputs = [image, *list(outputs.values())[:-1]]
        for (name, step), read in reversed(list(zip(self._steps, inputs, strict=True))):
            upstream = upstream + gradients[name]
            upstream = [step.backward(read, outputs[name], _sum(upstream))]
        return {**named_terms(terms), "gradient": _sum(upstream + gradients[IMAGE])}

    def signature(self, name: str) -> tf.function:
        """Returns one of `export.options.SIGNATURES`, to be exported.

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


def terms_in_use(config: LossConfig) -> Iterator[tuple[str, Term]]:
    """Yields the terms of the loss that a config uses, with their names."""
    return ((name, term) for name, term in TERMS.items() if term.is_on(config))


def check_portable(config: LossConfig) -> None:
    """Raises ValueError unless every loss of the config is in `portable.losses`' tables."""
    for name, term in terms_in_use(config):
        if name not in portable_losses.TERMS:
            value = getattr(config, term.option)
            raise ValueError(
                f"Cannot use `{term.option}` here. This is because its gradient is not written in "
                f"forward operations. Received: {term.option}={value:g}. Use 0, or export a "
                "SavedModel or StableHLO."
            )
    tables: dict[str, tuple[Iterable[str], Iterable[str]]] = {
        "content_reduction": ([config.content_reduction], portable_losses.CONTENT_LOSSES),
        "style_loss": (config.style_losses.values(), portable_losses.STYLE_LOSSES),
    }
    for argument, (names, table) in tables.items():
        missing = [name for name in names if name not in table]
        if missing:
            listed = ", ".join(repr(name) for name in table)
            raise ValueError(
                f"`{argument}` must be one of {listed} here. Other losses have no gradient in "
                f"forward operations. Received: {argument}={missing[0]!r}. Use one of these, or "
                "export a SavedModel or StableHLO, which support every loss."
            )


def _image(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([1, None, None, 3], tf.float32, name)


def _sum(tensors: list[tf.Tensor]) -> tf.Tensor:
    return tensors[0] if len(tensors) == 1 else tf.add_n(tensors)
