"""Compares converted files with TensorFlow on small random pictures.

Gives the sample inputs of a function, TensorFlow's outputs for them, and the difference of other
outputs from those.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style.export.tensor_names import named_targets
from tf_style.portable.objective import PortableObjective

LARGEST_DIFFERENCES = {"float32": 0.01, "float16": 0.1, "int8": 0.5}
"""The largest relative difference from TensorFlow that a valid file may have, by precision.

The limits detect broken files; they do not rate precisions. On random pictures the gradient jumps
wherever rounding changes the sign before a ReLU, so its relative error is about the square root of
the weights' relative error.
"""


class Difference(NamedTuple):
    """The difference of an output `a` from TensorFlow's output `b`.

    Attributes:
        largest: the largest absolute difference of an entry.
        relative: |a - b| / |b|, Euclidean norms over all entries; |a - b| if b is 0.
    """

    largest: float
    relative: float


def sample_inputs(objective: PortableObjective, signature: str) -> dict[str, np.ndarray]:
    """Returns random inputs of a function by name, float32: small pictures, and targets of them."""
    rng = np.random.default_rng(0)
    side = 2 * vgg19.minimum_side(objective.config.layers)  # All sides below differ; most are odd.

    def picture(height: int, width: int) -> np.ndarray:
        return rng.uniform(size=(1, height, width, 3)).astype(np.float32)

    image, content = (picture(side + 5, side + 11) for _ in range(2))
    pictures = {"image": image, "content": content, "style": picture(side + 9, side + 2)}
    pair = {name: pictures[name] for name in ("content", "style")}
    if signature == "loss_and_gradient_from_targets":
        targets = named_targets(objective.targets(**pair))
        return {"image": image, **{name: target.numpy() for name, target in targets.items()}}
    return {"features": {"image": image}, "targets": pair}.get(signature, pictures)


def in_tensorflow(function: tf.function, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the outputs that TensorFlow computes for a function, by name."""
    feeds = [tf.constant(inputs[spec.name]) for spec in function.input_signature]
    outputs = function.get_concrete_function()(*feeds)
    return {name: output.numpy() for name, output in outputs.items()}


def shapes(outputs: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of outputs by name, sorted by name."""
    return {name: np.shape(output) for name, output in sorted(outputs.items())}


def difference(found: np.ndarray, expected: np.ndarray) -> Difference:
    """Returns the difference of an output from TensorFlow's, two arrays of the same shape."""
    gap = np.subtract(found, expected, dtype=np.float64)
    norm = np.linalg.norm(expected.astype(np.float64))
    relative = np.linalg.norm(gap) / norm if norm else np.linalg.norm(gap)
    return Difference(float(np.abs(gap).max()), float(relative))
