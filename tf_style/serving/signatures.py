"""What a model's signature takes and gives, in NumPy's words. No TensorFlow here."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

Shape = tuple[int | None, ...] | None
"""Sizes, None where any will do; None altogether where even their number is open."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """One input or output.

    Attributes:
        dtype: NumPy's type; object for strings, whose elements are bytes.
        dtype_name: TensorFlow's name of it, as in "float32" or "string".
        shape: sizes as the signature states them.
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
        """Whether the first dimension is open: that of a batch, if the model means it so."""
        return bool(self.shape) and self.shape[0] is None  # type: ignore[index]

    @property
    def shape_text(self) -> str:
        """The shape for a message, as in "[?, 3]"."""
        return shape_text(self.shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """A named function of a model.

    Attributes:
        name: as requests call it.
        inputs: by name.
        outputs: by name.
        defaults: values of inputs that a request may leave out.
    """

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    defaults: Mapping[str, np.ndarray]

    @property
    def required(self) -> list[str]:
        """The inputs without a default, in alphabetic order."""
        return sorted(name for name in self.inputs if name not in self.defaults)

    @property
    def is_batched(self) -> bool:
        """Whether every input and output has an open first dimension."""
        return all(info.is_batched for info in (*self.inputs.values(), *self.outputs.values()))


def shape_text(shape: Shape | Sequence[int]) -> str:
    """Returns a shape as in "[?, 3]", or "any shape"."""
    if shape is None:
        return "any shape"
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
