"""Random styles for training images, so that a network learns what does not depend on them."""

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_style import vgg19
from tf_style._checks import check_number
from tf_style.config.network import NetworkConfig
from tf_style.keras.inputs import check_sides, checked_range, options_of, to_unit_range
from tf_style.keras.restyling import mixed, restyled
from tf_style.keras.style_bank import bank_styles, bank_texts, random_shares
from tf_style.network.extractor import load_extractor

_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1")


@keras.saving.register_keras_serializable("tf_style")
class StyleAugmentation(keras.layers.Layer):
    """Gives training images the style of pictures from a bank, mixed at random.

    Each image is changed with a `probability`. Then `num_mixed` pictures of the bank are drawn
    and their statistics mixed in random proportions; the image's colors are brought to theirs
    in closed form, and its Gram matrices towards theirs by a few steps of gradient descent on
    the style loss; what has changed is blended in by a random `strength`. The cost is fixed:
    `steps` evaluations of shallow layers, at a reduced size, for each image that is changed.

    Shapes stay as they are: labels remain true, also those of pixels. Images may have any size,
    known or not, and one or three channels. Within a model the layer acts while it is trained;
    called alone, with `training=True` only. (Differs from Keras' own augmentations, which act
    unless told otherwise, in exported models too.) All is computed in float32; no gradient
    passes through. Keras does not compile a model that holds this layer with XLA
    (`jit_compile`), as how many images are changed is not known beforehand.

    As a layer it takes images `[batch, height, width, channels]` or one `[height, width,
    channels]`, a dict with them under "images", or a tuple with them first; all else
    in these is passed on untouched. In `tf.data`, on batches (faster) or single images:

        dataset.batch(32).map(augmentation.map_pair)
        dataset.batch(32).enumerate().map(augmentation.map_enumerated, num_parallel_calls=4)

    The second depends on nothing but `seed` and the number of the batch, so that runs are the
    same however many calls run in parallel; the first, as every Keras layer, on the calls before.

    The config holds the bank itself, as 8-bit PNGs in text: 20 to 50 KB for each picture. The
    network is named, not stored.

    Args:
        bank: pictures (paths, PIL pictures, arrays, tensors), or a folder of them; the more
            varied, the better.
        value_range: which values stand for black and white: (0, 1), (0, 255), ...
        strength: how much of the change is kept, 0..1: a number, or the two between which it is
            drawn for each image.
        probability: that an image is changed.
        num_mixed: pictures of the bank that are mixed for one image, if it has so many.
        steps: of gradient descent; 0 changes the colors alone, which costs 25 to 200 times
            less and may do: it did as much in examples/style_augmentation.py.
        layers: whose Gram matrices are matched. Deeper ones cost more.
        size: px of the longer edge at which the steps are taken; larger images get what they
            change enlarged. The cost grows with its square.
        bank_size: px of the longer edge to which pictures of the bank are reduced.
        grayscale: images have one channel; the bank is made gray too.
        network: `NetworkConfig` or its dict.
        arithmetic: of `extractor.ARITHMETICS`.
        seed: of all that is random; None draws one.
        **options: of every Keras layer: `name`, `dtype` (of what comes out).

    Example:
        >>> augmentation = StyleAugmentation("styles/", value_range=(0, 255), seed=1)
        >>> model = keras.Sequential([augmentation, classifier])

    References:
        Jackson et al. (2019), Style augmentation: data augmentation via style randomization.
        Differs: descent on the style loss of Gatys et al. (2016), not a trained network.
        Zhou et al. (2021), Domain generalization with MixStyle: statistics mixed at random.
    """

    def __init__(
        self,
        bank: Any,
        *,
        value_range: tuple[float, float],
        strength: float | tuple[float, float] = (0.3, 1.0),
        probability: float = 0.5,
        num_mixed: int = 2,
        steps: int = 3,
        layers: Iterable[str] = _LAYERS,
        size: int = 64,
        bank_size: int = 128,
        grayscale: bool = False,
        network: NetworkConfig | Mapping[str, Any] | None = None,
        arithmetic: str = "direct",
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(autocast=False, **options)
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False
        self.value_range = checked_range(value_range)
        self.strength = _checked_strength(strength)
        check_number("probability", probability, minimum=0.0, maximum=1.0)
        check_number("steps", steps, minimum=0, maximum=1000)
        self.network = options_of(NetworkConfig, network, argument="network")
        self.layer_names = [vgg19.canonical_layer(name, argument="layers") for name in layers]
        extractor = load_extractor(self.network, layers=self.layer_names, arithmetic=arithmetic)
        self._smallest = vgg19.minimum_side(self.layer_names, self.network.padding)
        check_number("size", size, minimum=self._smallest)
        check_number("bank_size", bank_size, minimum=self._smallest)
        self.bank = bank_texts(bank, long_edge=bank_size)
        check_number("num_mixed", num_mixed, minimum=1)
        self.probability, self.num_mixed, self.steps = probability, num_mixed, steps
        self.size, self.bank_size, self.grayscale = size, bank_size, grayscale
        self.arithmetic, self.seed = arithmetic, seed
        self._first_seed = random.randrange(2**31) if seed is None else seed
        self.generator = keras.random.SeedGenerator(self._first_seed)
        # As a function, so that Keras neither trains nor saves what is in it.
        self._restyle = self._restyler(extractor)

    def _restyler(self, extractor: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Returns the function from images and shares of the bank to restyled images."""
        bank = bank_styles(self.bank, extractor, grayscale=self.grayscale, smallest=self._smallest)
        signature = [
            tf.TensorSpec([None, None, None, 3], tf.float32),
            tf.TensorSpec([None, len(self.bank)], tf.float32),
        ]

        @tf.function(input_signature=signature, autograph=False)
        def graph(images: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
            return restyled(
                extractor,
                images,
                mixed(bank, shares),
                num_steps=self.steps,
                long_edge=self.size,
                smallest=self._smallest,
            )

        return lambda images, shares: graph(images, shares)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the inputs, their images restyled at random if `training`."""
        if not training or self.probability == 0.0 or self.strength[1] == 0.0:
            return _with_images(inputs, self._unchanged)
        seed = tf.cast(self.generator.next(), tf.int64)
        return _with_images(inputs, lambda images: self.augment(images, seed=seed))

    def map_pair(self, images: tf.Tensor, *others: Any) -> Any:
        """Returns the images restyled at random and all else as it is: for `dataset.map`."""
        images = self(images, training=True)
        return (images, *others) if others else images

    def map_enumerated(self, number: tf.Tensor, element: Any) -> Any:
        """Returns an element with its images restyled, as `seed` and its number have it.

        Args:
            number: int64, the element's, from `dataset.enumerate()`.
            element: images, a tuple with them first, or a dict with them under "images".
        """
        seed = tf.stack([tf.constant(self._first_seed, tf.int64), tf.cast(number, tf.int64)])
        return _with_images(element, lambda images: self.augment(images, seed=seed))

    def augment(self, images: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
        """Returns images restyled at random, always the same for the same seed.

        Args:
            images: `[batch, height, width, channels]` or `[height, width, channels]`.
            seed: int `[2]`.

        Raises:
            ValueError: if their shape is not one of images.
        """
        images = tf.convert_to_tensor(images)
        self._check(images.shape)
        # Stopped before the graph, as tapes would differentiate all of it to find nothing.
        values = tf.stop_gradient(tf.cast(images, tf.float32))
        batch = values if images.shape.rank == 4 else values[tf.newaxis]
        chosen, strength, shares = self._drawn(tf.shape(batch)[0], seed)
        chosen = tf.where(chosen)[:, 0]

        def changed() -> tf.Tensor:
            some = tf.gather(batch, chosen)
            low, high = self.value_range
            unit = tf.clip_by_value(to_unit_range(some, self.value_range), 0.0, 1.0)
            colors = tf.repeat(unit, 3, -1) if self.grayscale else unit
            change = self._restyle(colors, tf.gather(shares, chosen)) - colors
            if self.grayscale:
                change = tf.reduce_mean(change, -1, keepdims=True)
            change *= (high - low) * tf.gather(strength, chosen)[:, None, None, None]
            new = tf.clip_by_value(some + change, low, high)
            return tf.tensor_scatter_nd_update(batch, chosen[:, tf.newaxis], new)

        batch = tf.cond(tf.size(chosen) > 0, changed, lambda: batch)
        values = batch if images.shape.rank == 4 else batch[0]
        values = tf.ensure_shape(values, images.shape)
        return tf.cast(values, self.compute_dtype)

    def _drawn(self, count: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns for each image whether it is changed, how far, and shares of the bank."""
        seeds = tf.random.split(tf.cast(seed, tf.int64), 4)
        chosen = tf.random.stateless_uniform([count], seeds[0]) < self.probability
        strength = tf.random.stateless_uniform([count], seeds[1], *self.strength)
        num_mixed = min(self.num_mixed, len(self.bank))
        shares = random_shares(
            count, num_pictures=len(self.bank), num_mixed=num_mixed, seeds=seeds[2:]
        )
        return chosen, strength, shares

    def _unchanged(self, images: tf.Tensor) -> tf.Tensor:
        images = tf.convert_to_tensor(images)
        self._check(images.shape)
        return tf.cast(images, self.compute_dtype)

    def _check(self, shape: tf.TensorShape) -> None:
        channels = 1 if self.grayscale else 3
        if shape.rank not in (3, 4) or shape[-1] != channels:
            raise ValueError(
                f"`images` must be [batch, height, width, {channels}] or [height, width, "
                f"{channels}]. Received: shape={shape}. For images of one channel make the layer "
                "with `grayscale=True`; in `tf.data` give unknown ranks with `set_shape`."
            )
        check_sides("images", shape[-3:-1], smallest=self._smallest)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        """Returns the inputs' shapes; images get the layer's dtype."""
        return _with_images(
            inputs, lambda images: keras.KerasTensor(images.shape, self.compute_dtype)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the layer anew, the bank's pictures as text in it."""
        names = ["bank", "value_range", "strength", "probability", "num_mixed", "steps", "size"]
        names += ["bank_size", "grayscale", "arithmetic", "seed"]
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "layers": self.layer_names,
            "network": dataclasses.asdict(self.network),
        }


def _with_images(inputs: Any, function: Callable[[Any], Any]) -> Any:
    """Returns the inputs with the function applied to their images."""
    if isinstance(inputs, Mapping):
        if "images" not in inputs:
            raise ValueError(
                "`inputs` must have its images under 'images'. Received: a dict with "
                f"{sorted(map(str, inputs))}."
            )
        return {**inputs, "images": function(inputs["images"])}
    if isinstance(inputs, tuple):
        return (function(inputs[0]), *inputs[1:])
    return function(inputs)


def _checked_strength(strength: Any) -> tuple[float, float]:
    """Returns the lowest and the highest strength."""
    low, high = strength if isinstance(strength, (tuple, list)) else (strength, strength)
    check_number("strength", low, minimum=0.0, maximum=1.0)
    check_number("strength", high, minimum=low, maximum=1.0)
    return float(low), float(high)
