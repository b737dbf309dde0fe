"""A model's signatures: types and shapes of inputs and outputs. No TensorFlow here."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

Shape = tuple[int | None, ...] | None
"""Sizes, with None for an open one; None alone if the number of dimensions is open, too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """One input or output.

    Attributes:
        dtype: NumPy's type; object for strings, with bytes as elements.
        dtype_name: TensorFlow's name of the type, such as "float32" or "string".
        shape: as the signature declares it.
    """

    dtype: np.dtype
    dtype_name: str
    shape: Shape

    def fits(self, shape: Sequence[int]) -> bool:
        """Returns whether an array of this shape may be fed."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            wanted in (None, size) for wanted, size in zip(self.shape, shape, strict=True)
        )

    @property
    def is_batched(self) -> bool:
        """Whether the first dimension is open, so that it may be a batch dimension."""
        return bool(self.shape) and self.shape[0] is None  # type: ignore[index]

    @property
    def shape_text(self) -> str:
        """The shape as text, such as "[?, 3]"."""
        return shape_text(self.shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """A named function of a model.

    Attributes:
        name: its name in requests.
        inputs: types and shapes by name.
        outputs: types and shapes by name.
        defaults: values of the inputs that a request may leave out, by name.
    """

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    defaults: Mapping[str, np.ndarray]

    @property
    def required(self) -> list[str]:
        """The inputs without a default, in alphabetical order."""
        return sorted(name for name in self.inputs if name not in self.defaults)

    @property
    def is_batched(self) -> bool:
        """Whether the first dimension of every input and output is open."""
        return all(info.is_batched for info in (*self.inputs.values(), *self.outputs.values()))


def shape_text(shape: Shape | Sequence[int]) -> str:
    """Returns a shape as text, such as "[?, 3]", or "any shape"."""
    if shape is None:
        return "any shape"
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
