"""What a converted file is compared with: TensorFlow's own numbers, on small random pictures."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style.export.tensor_names import named_targets
from tf_style.portable.objective import PortableObjective

LARGEST_DIFFERENCES = {"float32": 0.01, "float16": 0.1, "int8": 0.5}
"""The relative difference from TensorFlow up to which a file is declared good, by precision.

It tells a file that works from one that does not, not a good precision from a bad one: on noise a
gradient jumps wherever rounding changes the side of a ReLU, so that its error is about the root
of that of the weights.
"""


class Difference(NamedTuple):
    """How far an output is from TensorFlow's.

    Attributes:
        largest: of the absolute differences of the entries.
        relative: |a - b| / |b| over all entries.
    """

    largest: float
    relative: float


def sample_inputs(objective: PortableObjective, signature: str) -> dict[str, np.ndarray]:
    """Returns small random inputs of a function by name: pictures, and targets of such."""
    rng = np.random.default_rng(0)
    side = 2 * vgg19.minimum_side(objective.config.layers)  # Odd sizes from here, all different.

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
    """Returns a function's outputs by name, as TensorFlow computes them."""
    feeds = [tf.constant(inputs[spec.name]) for spec in function.input_signature]
    outputs = function.get_concrete_function()(*feeds)
    return {name: output.numpy() for name, output in outputs.items()}


def shapes(outputs: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of outputs by name."""
    return {name: np.shape(output) for name, output in sorted(outputs.items())}


def difference(found: np.ndarray, expected: np.ndarray) -> Difference:
    """Returns how far an output is from TensorFlow's."""
    gap = np.subtract(found, expected, dtype=np.float64)
    norm = np.linalg.norm(expected.astype(np.float64))
    relative = np.linalg.norm(gap) / norm if norm else np.linalg.norm(gap)
    return Difference(float(np.abs(gap).max()), float(relative))
