"""The picture bank of `StyleAugmentation`: reads pictures, computes and mixes their styles."""

import os
from typing import Any

import tensorflow as tf

from tf_style._checks import user_path
from tf_style._keras import keras
from tf_style.keras.inputs import check_sides, picture_of_text, picture_to_text
from tf_style.keras.restyling import Style, style_of


def bank_texts(bank: Any, *, long_edge: int) -> list[str]:
    """Returns the pictures of a bank as texts, see `picture_to_text`.

    Args:
        bank: pictures, or a folder that contains only pictures.
        long_edge: px to which the longer edge of larger pictures is reduced.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if the bank is empty, or an entry is not a picture.
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
            "`bank` must hold at least one picture. Received: none. Add some; the more "
            "varied they are, the better."
        )
    return texts


def bank_styles(
    texts: list[str], extractor: keras.Model, *, grayscale: bool, smallest: int
) -> Style:
    """Returns the style of each picture of `bank_texts`, computed outside any graph.

    Args:
        texts: texts of `n` pictures.
        extractor: computes the features of the layers whose Gram matrices are matched.
        grayscale: whether to make the pictures gray.
        smallest: minimum px of each side.

    Returns:
        Tensors with a leading dimension of `n`.
    """
    styles = []
    with tf.init_scope():
        for text in texts:
            picture = tf.constant(picture_of_text(text, argument="bank"))
            check_sides("bank", picture.shape[1:3], smallest=smallest)
            if grayscale:
                picture = tf.repeat(tf.image.rgb_to_grayscale(picture), 3, -1)
            styles.append(style_of(extractor, picture))
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *styles)


def random_shares(
    count: tf.Tensor, *, num_pictures: int, num_mixed: int, seeds: tf.Tensor
) -> tf.Tensor:
    """Returns shares of a bank's pictures that add up to 1, float32 `[count, num_pictures]`.

    Args:
        count: number of mixtures.
        num_pictures: number of pictures in the bank.
        num_mixed: number of pictures with a share above 0. All sets of that many pictures are
            equally likely, and so are all proportions within one (a flat Dirichlet distribution).
        seeds: int `[2, 2]`; equal seeds give equal shares.
    """
    noise = tf.random.stateless_uniform([count, num_pictures], seeds[0])
    _, picked = tf.math.top_k(noise, num_mixed)
    picked = tf.reduce_sum(tf.one_hot(picked, num_pictures), 1)
    # Exponential variables over their sum. The first 1e-6 keeps the logarithm finite, the second
    # keeps the sum above 0.
    noise = tf.random.stateless_uniform([count, num_pictures], seeds[1], 1e-6, 1.0)
    shares = picked * (1e-6 - tf.math.log(noise))
    return shares / tf.reduce_sum(shares, 1, keepdims=True)
