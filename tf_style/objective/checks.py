"""Checks of what an objective compares: types, sizes and batches, as far as they are known."""

import tensorflow as tf

from tf_style import vgg19
from tf_style.graphs.batches import rgb
from tf_style.objective.targets import EDGES, Targets


def float_images(argument: str, images: tf.Tensor) -> tf.Tensor:
    """Returns images as a float32 tensor `[b, H, W, 3]`.

    Raises:
        ValueError: if they are no RGB images, or not of floats.
    """
    images = rgb(argument, images)
    if not images.dtype.is_floating:
        raise ValueError(
            f"`{argument}` must be of floats, RGB 0..1. Received: dtype={images.dtype.name}. Use "
            f"`tf.image.convert_image_dtype({argument}, tf.float32)`."
        )
    return tf.cast(images, tf.float32)


def check_pair(content: tf.Tensor, style: tf.Tensor) -> None:
    """Raises ValueError unless both have one batch, or one of them is a single picture."""
    counts = content.shape[0], style.shape[0]
    if None not in counts and 1 not in counts and counts[0] != counts[1]:
        raise ValueError(
            "`style` must be one picture, or one for each content. Received: "
            f"{counts[1]} styles for {counts[0]} contents."
        )


def checked_image(image: tf.Tensor, targets: Targets, *, per_sample: bool) -> tf.Tensor:
    """Returns an image, or a batch with `per_sample`, that can be compared with its targets.

    Raises:
        TypeError: if the targets are something else.
        ValueError: if it is known not to be; see `Objective.terms`.
    """
    if not isinstance(targets, Targets):
        raise TypeError(
            f"`targets` must come from `Objective.targets`. Received: {type(targets).__name__}."
        )
    image = float_images("image", image)
    count = image.shape[0]
    if not per_sample:
        if count not in (1, None):
            raise ValueError(
                f"`image` must be one image, a batch of 1. Received: shape={tuple(image.shape)}. "
                "Use `per_sample=True` for the loss and the gradient of each image."
            )
        image = tf.ensure_shape(image, [1, None, None, 3])
    _check_size(image, targets)
    _check_batch(image, targets)
    return image


def _check_size(image: tf.Tensor, targets: Targets) -> None:
    _, height, width, _ = image.shape
    for name, target in targets.content.items():
        halvings = 1 if name == EDGES else vgg19.minimum_side([name])
        sides = [None if side is None else side // halvings for side in (height, width)]
        if not target.shape[1:3].is_compatible_with(sides):
            raise ValueError(
                "`image` must have the size of the content of `targets`. Received: "
                f"image of {height}x{width} px, whose '{name}' is "
                f"{'x'.join(map(str, sides))}, and a target of "
                f"{'x'.join(map(str, target.shape[1:3]))}. Resize the image."
            )


def _check_batch(image: tf.Tensor, targets: Targets) -> None:
    styles = [targets.style, *(region.style for region in targets.regions)]
    parts = tf.nest.flatten([targets.content, styles, targets.scales])
    found = {tf.TensorShape(part.shape)[0] for part in parts}
    if image.shape[0] is not None and found - {1, None, image.shape[0]}:
        raise ValueError(
            "`targets` must be those of one image, or of each image of the batch. Received: "
            f"targets of {max(found - {None})} pictures for a batch of {image.shape[0]}."
        )


def check_single(per_sample: bool) -> None:
    """Raises ValueError where only single images can be compared: in tiles."""
    if per_sample:
        raise ValueError("`per_sample` must be False in tiles. Received: per_sample=True.")
