"""A Keras layer that restyles training images at random, so that networks rely less on style."""

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_style import vgg19
from tf_style._checks import check_number, checked_integer
from tf_style._keras import keras
from tf_style.config.network import NetworkConfig
from tf_style.graphs.batches import dense
from tf_style.graphs.epochs import check_dataset, numbers_by_epoch
from tf_style.keras.inputs import check_sides, options_of
from tf_style.keras.restyling import mixed, restyled
from tf_style.keras.style_bank import bank_styles, bank_texts, random_shares
from tf_style.keras.value_range import checked_range, checked_values, to_unit_range
from tf_style.network.extractor import load_extractor

_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1")


@keras.saving.register_keras_serializable("tf_style")
class StyleAugmentation(keras.layers.Layer):
    """Restyles training images with random mixtures of the pictures in a bank.

    Each image is restyled with a `probability`. Then `num_mixed` pictures of the bank are drawn,
    and their statistics are mixed in random proportions. The image's colors are matched to the
    mixture in closed form. A few steps of gradient descent on the style loss move its Gram
    matrices towards the mixture's. A random `strength` scales the change. The cost is fixed:
    `steps` evaluations of shallow layers, at a reduced size, for each restyled image.

    Shapes do not change, so labels stay valid, per-pixel labels included. Images may have any
    size, known or not, and one or three channels. Everything is computed in float32, and no
    gradient passes through.

    The layer acts when Keras' own augmentations act: called directly, in `dataset.map` and in
    `fit`, not in `predict` and `evaluate`. A model called without `training` acts, too, and so
    does a model exported by Keras; export the call with `training=False`:

        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", lambda x: model(x, training=False), input_signature=[spec])

    Differs from Keras' own: dicts and tuples as below, where Keras' take a dict and change its
    boxes and masks, too. Keras does not compile a model that contains this layer with XLA
    (`jit_compile`), because the number of restyled images is not known beforehand.

    The layer takes images `[batch, height, width, channels]` or one image `[height, width,
    channels]`, a dict with images under "images", or a tuple with images as its first entry.
    Everything else in the dict or tuple is passed on unchanged. In `tf.data`, on batches (faster)
    or single images:

        dataset.batch(32).map(lambda images, labels: (augmentation(images), labels))
        dataset.batch(32).map(augmentation.map_pair)
        augmentation.map_dataset(dataset.batch(32), num_parallel_calls=4)
        dataset.batch(32).enumerate().map(augmentation.map_enumerated, num_parallel_calls=4)

    The first two do the same. `map_dataset` depends only on `seed`, the epoch and the batch's
    place, so runs are reproducible with any number of parallel calls, and each epoch differs.
    `map_enumerated` depends only on `seed` and a number; those of `enumerate` restart in each
    epoch. The first two, like any Keras layer, depend on previous calls.

    The config contains the bank itself, as 8-bit PNGs in text: 20 to 50 KB for each picture. The
    network is named, not stored.

    Args:
        bank: pictures (paths, PIL pictures, arrays, tensors), or a folder of them. More variety
            is better.
        value_range: the values of black and white: (0, 1), (0, 255), ...
        strength: share of the change that is applied, 0..1: a number, or two numbers between
            which each image's share is drawn.
        probability: probability that an image is restyled, 0..1.
        num_mixed: number of pictures mixed for one image; all of them if the bank has fewer.
        steps: gradient descent steps. 0 changes only the colors, which costs 25 to 200 times
            less and may suffice: it helped as much in examples/style_augmentation.py.
        layers: layers whose Gram matrices are matched. Deeper layers cost more.
        size: px of the longer edge at which the steps are taken. The change is enlarged for
            larger images. The cost grows with the square of `size`.
        bank_size: px to which the longer edge of larger bank pictures is reduced.
        grayscale: whether images have one channel; then the bank is made gray, too.
        network: `NetworkConfig` or its dict.
        arithmetic: one of `extractor.ARITHMETICS`.
        seed: seed of all random draws; None picks one at random.
        **options: options of every Keras layer: `name`, `dtype` (of the output; values are rounded
            to integer types).

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
        _check_holds(self.compute_dtype, self.value_range)
        self.strength = _checked_strength(strength)
        check_number("probability", probability, minimum=0.0, maximum=1.0)
        steps = checked_integer("steps", steps, minimum=0, maximum=1000)
        self.network = options_of(NetworkConfig, network, argument="network")
        self.layer_names = [vgg19.canonical_layer(name, argument="layers") for name in layers]
        extractor = load_extractor(self.network, layers=self.layer_names, arithmetic=arithmetic)
        self._smallest = vgg19.minimum_side(self.layer_names, self.network.padding)
        size = checked_integer("size", size, minimum=self._smallest)
        bank_size = checked_integer("bank_size", bank_size, minimum=self._smallest)
        self.bank = bank_texts(bank, long_edge=bank_size)
        num_mixed = checked_integer("num_mixed", num_mixed, minimum=1)
        self.probability, self.num_mixed, self.steps = probability, num_mixed, steps
        self.size, self.bank_size, self.grayscale = size, bank_size, grayscale
        self.arithmetic, self.seed = arithmetic, seed
        self._first_seed = random.randrange(2**31) if seed is None else seed
        self.generator = keras.random.SeedGenerator(self._first_seed)
        # A function, not a model: Keras would train and save the network's weights.
        self._restyle = self._restyler(extractor)

    def _restyler(self, extractor: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Returns a function of images and shares of the bank that gives restyled images."""
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

    def call(self, inputs: Any, training: bool = True) -> Any:
        """Returns the inputs; if `training`, with their images restyled at random."""
        if not training or self.probability == 0.0 or self.strength[1] == 0.0:
            return _with_images(inputs, self._unchanged)
        seed = tf.cast(self.generator.next(), tf.int64)
        return _with_images(inputs, lambda images: self.augment(images, seed=seed))

    def map_pair(self, images: tf.Tensor, *others: Any) -> Any:
        """Returns the images restyled at random and all else unchanged: for `dataset.map`."""
        images = self(images, training=True)
        return (images, *others) if others else images

    def map_enumerated(self, number: tf.Tensor, element: Any) -> Any:
        """Returns an element with its images restyled; depends only on `seed` and its number.

        The numbers of `dataset.enumerate()` restart in each epoch: give those of
        `dataset.repeat().enumerate()`, or use `map_dataset`.

        Args:
            number: integer, different for each element of each epoch.
            element: images, a tuple with images first, or a dict with images under "images".
        """
        seed = tf.stack([tf.constant(self._first_seed, tf.int64), tf.cast(number, tf.int64)])
        return _with_images(element, lambda images: self.augment(images, seed=seed))

    def map_dataset(
        self,
        dataset: tf.data.Dataset,
        *,
        first_epoch: int = 0,
        num_parallel_calls: int | None = None,
    ) -> tf.data.Dataset:
        """Returns the dataset with its images restyled: differently in each epoch, reproducibly.

        Each iteration of the result is an epoch; the first is that of `map_enumerated`. Equal
        seeds give equal epochs, in every process. A `tf.train.Checkpoint` of an iterator restores
        its place in an epoch.

        Args:
            dataset: elements as for `map_enumerated`.
            first_epoch: number of epochs that earlier runs began, as `initial_epoch` of `fit`.
            num_parallel_calls: as in `dataset.map`; changes no result.

        Raises:
            ValueError: if `first_epoch` is negative.
            TypeError: if it is not an integer.
        """
        first_epoch = checked_integer("first_epoch", first_epoch, minimum=0)
        check_dataset("dataset", dataset)
        numbers = numbers_by_epoch(first_epoch)
        mapped = tf.data.Dataset.zip(numbers, dataset).map(
            self.map_enumerated, num_parallel_calls=num_parallel_calls
        )
        # Keras needs the number of batches, if there is one: `numbers`, which has none, hides it.
        cardinality = dataset.cardinality()
        if cardinality == tf.data.UNKNOWN_CARDINALITY:
            return mapped
        return mapped.apply(tf.data.experimental.assert_cardinality(cardinality))

    def augment(self, images: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
        """Returns images restyled at random; equal seeds give equal results.

        Args:
            images: `[batch, height, width, channels]` or `[height, width, channels]`.
            seed: int `[2]`.

        Raises:
            ValueError: if the shape is not that of images, or values contradict `value_range`.
        """
        images = self._checked(images)
        # Stops gradients here: a tape would differentiate the whole graph for nothing.
        values = tf.stop_gradient(checked_values("images", images, self.value_range))
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
        return self._typed(values)

    def _drawn(self, count: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns whether each image is restyled, its strength and its shares of the bank."""
        seeds = tf.random.split(tf.cast(seed, tf.int64), 4)
        chosen = tf.random.stateless_uniform([count], seeds[0]) < self.probability
        strength = tf.random.stateless_uniform([count], seeds[1], *self.strength)
        num_mixed = min(self.num_mixed, len(self.bank))
        shares = random_shares(
            count, num_pictures=len(self.bank), num_mixed=num_mixed, seeds=seeds[2:]
        )
        return chosen, strength, shares

    def _unchanged(self, images: tf.Tensor) -> tf.Tensor:
        return self._typed(self._checked(images))

    def _typed(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the images in the layer's dtype, rounded if it is an integer type."""
        if images.dtype.is_floating and tf.as_dtype(self.compute_dtype).is_integer:
            return tf.saturate_cast(tf.round(images), self.compute_dtype)
        return tf.cast(images, self.compute_dtype)

    def _checked(self, images: Any) -> tf.Tensor:
        images = dense("images", images)
        shape, channels = images.shape, 1 if self.grayscale else 3
        if shape.rank not in (3, 4) or shape[-1] not in (channels, None):
            raise ValueError(
                f"`images` must be [batch, height, width, {channels}] or [height, width, "
                f"{channels}]. Received: shape={shape}. For images of one channel create the layer "
                "with `grayscale=True`. In `tf.data` set an unknown rank with `set_shape`."
            )
        check_sides("images", shape[-3:-1], smallest=self._smallest)
        return tf.ensure_shape(images, [*shape[:-1], channels])

    def compute_output_spec(self, inputs: Any, training: bool = True) -> Any:
        """Returns the specs of the inputs; images get the layer's dtype."""
        return _with_images(
            inputs, lambda images: keras.KerasTensor(images.shape, self.compute_dtype)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's config, which contains the bank's pictures as text."""
        names = ["value_range", "strength", "probability", "num_mixed", "steps", "size"]
        names += ["bank_size", "grayscale", "arithmetic", "seed"]
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            # Plain lists: Keras' tracked ones cannot be copied, as saving to .h5 does.
            "bank": list(self.bank),
            "layers": list(self.layer_names),
            "network": dataclasses.asdict(self.network),
        }


def _with_images(inputs: Any, function: Callable[[Any], Any]) -> Any:
    """Returns the inputs with the function applied to their images."""
    if isinstance(inputs, Mapping):
        if "images" not in inputs:
            raise ValueError(
                "`inputs` must have images under 'images'. Received: a dict with "
                f"{sorted(map(str, inputs))}."
            )
        return {**inputs, "images": function(inputs["images"])}
    if isinstance(inputs, tuple):
        return (function(inputs[0]), *inputs[1:])
    return function(inputs)


def _check_holds(dtype: str, value_range: tuple[float, float]) -> None:
    """Raises ValueError if an integer type has too small a range for images, or they for it."""
    kind, (low, high) = tf.as_dtype(dtype), value_range
    if kind.is_integer and (low < kind.min or high > kind.max or high - low <= 2.0):
        raise ValueError(
            "`dtype` must be able to express images within `value_range`. Received: "
            f"dtype={dtype}, value_range={value_range}. Pass a float type, or (0, 255) for uint8."
        )


def _checked_strength(strength: Any) -> tuple[float, float]:
    """Returns the lowest and the highest strength."""
    low, high = strength if isinstance(strength, (tuple, list)) else (strength, strength)
    check_number("strength", low, minimum=0.0, maximum=1.0)
    check_number("strength", high, minimum=low, maximum=1.0)
    return float(low), float(high)
