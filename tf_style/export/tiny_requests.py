"""Small valid requests for the signatures of an export, so that servers can warm up with them."""

import numpy as np
import tensorflow as tf

from tf_style.config.style_config import StyleConfig
from tf_style.export.options import DEFAULT_SIGNATURE
from tf_style.export.signatures import NAMES, Signatures
from tf_style.export.warm_up import Request
from tf_style.inputs.sizes import smallest_side

_SIDE = 32


def tiny_requests(module: Signatures, config: StyleConfig) -> list[Request]:
    """Returns a request with small pictures for each signature; it asks for one step.

    Signatures that optimize several pictures together get one more, for two pictures.

    Args:
        module: the functions.
        config: the options that they were made with.
    """
    side = max(_SIDE, smallest_side(config))
    pixels = np.random.default_rng(0).integers(0, 256, [side, side, 3], np.uint8)
    image = pixels[np.newaxis] / np.float32(255.0)
    file = np.array([tf.io.encode_png(pixels).numpy()], object)
    values = {
        **dict.fromkeys(("image", "content", "style"), image),
        **dict.fromkeys(("content_bytes", "style_bytes"), file),
        "size": np.array([0], np.int32),
        "num_steps": np.array([1], np.int32),
        "content_weight": np.array([config.loss.content_weight], np.float32),
        "style_weight": np.array([config.loss.style_weight], np.float32),
        "tv_weight": np.array([config.loss.tv_weight], np.float32),
    }
    targets = module.targets(tf.constant(image), tf.constant(image))
    values |= {name: value.numpy() for name, value in targets.items()}
    requests = [
        (name, {spec.name: values[spec.name] for spec in getattr(module, name).input_signature})
        for name in NAMES
    ]
    two = [
        (name, {key: np.repeat(array, 2, 0) for key, array in inputs.items()})
        for name, inputs in requests
        if name in ("stylize", "stylize_png")
    ]
    return [*requests, *two, (DEFAULT_SIGNATURE, dict(requests)["stylize_png"])]
