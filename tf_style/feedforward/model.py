"""A Keras model that paints batches of images in one pass, for other models and for `tf.data`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_style._checks import check_choice
from tf_style._keras import keras
from tf_style.config.compute import FEATURE_PRECISIONS
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import (
    LEAST_SIDE,
    Architecture,
    initial_parameters,
)
from tf_style.feedforward.bundled import DEFAULT, named_network
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.painting import paint
from tf_style.feedforward.predictor import predicted_styles, statistics_of
from tf_style.feedforward.preparation import OF_PAINTINGS, read_painting, training_of
from tf_style.feedforward.styles import AnyStyle, shares_of
from tf_style.graphs.batches import rgb
from tf_style.keras.inputs import check_sides, options_of
from tf_style.keras.value_range import checked_range, checked_values, to_unit_range


@keras.saving.register_keras_serializable("tf_style")
class StylePainter(keras.Model):
    """Paints images in a style, or each in its own, in one pass.

    It takes images `[batch, height, width, 3]` of any size and number type and gives pictures of
    the same size, with values in `value_range`. It works alone, inside other models, in
    `tf.function` with XLA or without, and in `dataset.map`. Gradients pass through it.

    A `.keras` file contains everything. A config alone (`from_config`, `clone_model`) makes an
    untrained network. `load` gives a trained one.

    It computes in its own `precision`, whatever Keras' global dtype policy. A `dtype` of the model
    itself rounds the pictures, at the end, to that policy's compute dtype.

    Args:
        architecture: `Architecture` or its dict.
        names: names of the styles that the network knows.
        style: what to paint in: a name, "name:weight,name:weight", or weights by name. The first
            style if omitted.
        value_range: the values of black and white: (0, 1), (0, 255), (-1, 1), ...
        precision: "float32" or "bfloat16". With "bfloat16" a picture differs by 0.2 steps of 8 bits
            in the mean; it is faster on processors with fast units for it.
        dtype: dtype policy; affects only the dtype of the pictures.
        trainable: whether a model around this one trains the network and its styles.
        trained_with: how the network's training saw paintings, for `style_of`: `TrainingConfig`,
            or its `style_edge`, `weights`, `pooling`, `padding` and `normalized` by name.
        **options: options of every Keras model, such as `name`.

    Example:
        >>> painter = tf_style.feedforward.load(style="great_wave", value_range=(0, 255))
        >>> pictures = painter(images)
        >>> painted = dataset.batch(8).map(painter)

    References:
        Johnson et al. (2016), Perceptual losses for real-time style transfer; Dumoulin et al.
        (2017), A learned representation for artistic style.
    """

    def __init__(
        self,
        architecture: Architecture | Mapping[str, Any] | None = None,
        *,
        names: Sequence[str] = (),
        style: AnyStyle | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
        precision: str = "float32",
        dtype: Any = "float32",
        trainable: bool = False,
        trained_with: TrainingConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dtype=dtype, autocast=False, trainable=trainable, **options)
        check_choice("precision", precision, FEATURE_PRECISIONS)
        self.architecture = options_of(Architecture, architecture, argument="architecture")
        self.trained_with = _training(trained_with)
        self.style_names = list(names)
        self.value_range = checked_range(value_range)
        self.precision = precision
        self.style = style
        if style is None and self.style_names:
            self.style = self.style_names[0]
        self._shares = None if self.style is None else shares_of(self.style, self.style_names)
        self._parameters = {
            name: self.add_weight(
                name=name,
                shape=value.shape,
                initializer=keras.initializers.Constant(value),
                trainable=not name.startswith("predictor"),
                autocast=False,
            )
            for name, value in initial_parameters(self.architecture, seed=0).items()
        }
        self._styles = self.add_weight(
            name="styles",
            shape=(len(self.style_names), self.architecture.style_size),
            initializer="zeros",
            autocast=False,
        )
        self.built = True

    def call(self, images: tf.Tensor, styles: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the images painted, `[batch, height, width, 3]`.

        Args:
            images: numbers `[batch, height, width, 3]`, RGB in `value_range`, at least 28 px on
                each side.
            styles: float `[batch or 1, style_size]`: a style for each image, or one
                for all, from `style_vectors` or `style_of`. The model's own style if omitted.
        """
        images = rgb("images", images)
        check_sides("images", images.shape[1:3], smallest=LEAST_SIDE)
        values = checked_values("images", images, self.value_range, is_computed=True)
        pictures = paint(
            self.architecture,
            self._tensors(),
            to_unit_range(values, self.value_range),
            self._own_style() if styles is None else self._checked_styles(styles),
            dtype=tf.as_dtype(self.precision),
        )
        low, high = self.value_range
        return tf.cast(low + (high - low) * pictures, self.compute_dtype)

    def style_vectors(self, styles: AnyStyle | Sequence[AnyStyle]) -> tf.Tensor:
        """Returns styles as numbers, for the argument `styles` of a call.

        Args:
            styles: a name or a blend, as `style`; or a list with one for each image.

        Returns:
            Float32 `[number of styles, style_size]`.

        Raises:
            ValueError: on an unknown name; the known ones are listed.
        """
        each = [styles] if isinstance(styles, (str, Mapping)) else list(styles)
        shares = [shares_of(style, self.style_names, argument="styles") for style in each]
        return tf.linalg.matmul(tf.stack(shares), tf.convert_to_tensor(self._styles))

    def style_of(self, painting: Any) -> tf.Tensor:
        """Returns the style of any painting, as `style_vectors` does; loads VGG-19's weights.

        Args:
            painting: anything that `stylize` takes as a picture.

        Returns:
            Float32 `[1, style_size]`.

        Raises:
            OSError: if the picture or the weights cannot be read.
            ValueError: if it is not a picture, or too small.
        """
        training = self.trained_with
        image, _ = read_painting(painting, training, argument="painting")
        return predicted_styles(self._tensors(), *statistics_of([image], training.network))

    def compute_output_shape(self, images_shape: tuple, styles_shape: Any = None) -> tuple:
        """Returns the pictures' shape, which is that of the images."""
        return tuple(images_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the model's config."""
        return {
            **super().get_config(),
            "architecture": dataclasses.asdict(self.architecture),
            "names": self.style_names,
            "style": self.style if isinstance(self.style, str | None) else dict(self.style),
            "value_range": self.value_range,
            "precision": self.precision,
            "trained_with": {name: self.trained_with.to_dict()[name] for name in OF_PAINTINGS},
        }

    def _take(self, network: StyleNetwork) -> None:
        """Takes over the numbers of a network of the same architecture and styles."""
        for name, variable in self._parameters.items():
            variable.assign(network.parameters[name])
        for row, name in enumerate(self.style_names):
            self._styles[row].assign(network.styles[name])

    def _tensors(self) -> dict[str, tf.Tensor]:
        return {name: tf.convert_to_tensor(value) for name, value in self._parameters.items()}

    def _own_style(self) -> tf.Tensor:
        if self._shares is None:
            raise ValueError(
                "`styles` must be given, because this network has no named styles. Received: "
                "styles=None. Pass `style_of(painting)`."
            )
        return tf.linalg.matmul(self._shares[tf.newaxis], tf.convert_to_tensor(self._styles))

    def _checked_styles(self, styles: Any) -> tf.Tensor:
        vectors = tf.cast(styles, tf.float32)
        if not vectors.shape.is_compatible_with([None, self.architecture.style_size]):
            raise ValueError(
                f"`styles` must be numbers [batch or 1, {self.architecture.style_size}]. Received: "
                f"shape={tuple(vectors.shape)}. Pass `style_vectors(names)` or "
                "`style_of(painting)`."
            )
        return vectors


def _training(options: TrainingConfig | Mapping[str, Any] | None) -> TrainingConfig:
    """Returns how paintings were seen; raises as `options_of`."""
    if not isinstance(options, Mapping):
        return options_of(TrainingConfig, options, argument="trained_with")
    return TrainingConfig(**options)


def load(
    network: str | StyleNetwork = DEFAULT,
    *,
    style: AnyStyle | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    precision: str = "float32",
    local_contrast: float | None = None,
    **options: Any,
) -> StylePainter:
    """Returns a trained network as a Keras model.

    Args:
        network: "default", the network that comes with the package; the path of a `.tfstyle` file;
            or a `StyleNetwork`.
        style: what to paint in: a name, "name:weight,name:weight", or weights by name. The first
            style of the network if omitted.
        value_range: the values of black and white: (0, 1), (0, 255), (-1, 1), ...
        precision: "float32" or "bfloat16".
        local_contrast: what weak contrasts of images are raised towards before they are painted,
            0..1, where black is 0 and white is 1; 0 leaves them. That of the network, 0.2, if
            omitted.
        **options: `dtype`, `trainable` and `name`, as `StylePainter` takes them.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not a network, or on an unknown style; the known ones are listed.
    """
    found = network if isinstance(network, StyleNetwork) else named_network(network)
    found = found.with_local_contrast(local_contrast)
    painter = StylePainter(
        found.architecture,
        names=list(found.styles),
        style=style,
        value_range=value_range,
        precision=precision,
        trained_with=training_of(found),
        **options,
    )
    painter._take(found)
    return painter
