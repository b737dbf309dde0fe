"""The bank of pictures that `StyleAugmentation` draws from: read, measured, mixed at random."""

import os
from typing import Any

import keras
import tensorflow as tf

from tf_style._checks import user_path
from tf_style.keras.inputs import check_images, picture_of_text, picture_to_text
from tf_style.keras.restyling import Style, style_of


def bank_texts(bank: Any, *, long_edge: int) -> list[str]:
    """Returns the pictures of a bank as text, see `picture_to_text`.

    Args:
        bank: a folder, all of whose files are pictures, or pictures.
        long_edge: px to which larger ones are reduced.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if there is none, or one is no picture.
    """
    if isinstance(bank, (str, os.PathLike)):
        folder = user_path(bank)
        if not folder.is_dir():
            raise NotADirectoryError(
                f"`bank` must be a folder of pictures, or a list of them. Received: bank='{bank}'."
            )
        bank = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    texts = [picture_to_text(picture, argument="bank", long_edge=long_edge) for picture in bank]
    if not texts:
        raise ValueError(
            "`bank` must hold at least one picture. Received: none. The more varied they are, "
            "the more the augmentation has to offer."
        )
    return texts


def bank_styles(
    texts: list[str], extractor: keras.Model, *, grayscale: bool, smallest: int
) -> Style:
    """Returns the style of each picture of `bank_texts`, computed outside any graph.

    Args:
        texts: of `n` pictures.
        extractor: of the layers whose Gram matrices are matched.
        grayscale: take the pictures as gray ones.
        smallest: px that each side must have.

    Returns:
        Tensors with a leading dimension of `n`.
    """
    styles = []
    with tf.init_scope():
        for text in texts:
            picture = tf.constant(picture_of_text(text, argument="bank"))
            check_images("bank", picture.shape, smallest=smallest)
            if grayscale:
                picture = tf.repeat(tf.image.rgb_to_grayscale(picture), 3, -1)
            styles.append(style_of(extractor, picture))
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *styles)


def random_shares(
    count: tf.Tensor, *, num_pictures: int, num_mixed: int, seeds: tf.Tensor
) -> tf.Tensor:
    """Returns shares of a bank's pictures that add up to 1, float32 `[count, num_pictures]`.

    Args:
        count: of mixtures.
        num_pictures: of the bank.
        num_mixed: of them that have a share above 0. All such sets, and all proportions within
            one, are equally likely (a flat Dirichlet distribution).
        seeds: int `[2, 2]`, the same for the same shares.
    """
    noise = tf.random.stateless_uniform([count, num_pictures], seeds[0])
    _, picked = tf.math.top_k(noise, num_mixed)
    picked = tf.reduce_sum(tf.one_hot(picked, num_pictures), 1)
    # Exponential variables over their sum; the first 1e-6 keeps the logarithm finite, the
    # second the sum above 0.
    noise = tf.random.stateless_uniform([count, num_pictures], seeds[1], 1e-6, 1.0)
    shares = picked * (1e-6 - tf.math.log(noise))
    return shares / tf.reduce_sum(shares, 1, keepdims=True)
