"""What can be converted, to what: options of an export for other runtimes. No TensorFlow here."""

import dataclasses

from tf_style._checks import check_choice
from tf_style.config.fields import TypeChecked, option

ABOUT = "tf_style.json"
"""The file in every export that tells how it was made."""

MAX_PIXELS = 4096 * 4096
"""Of a picture that an exported model takes or makes, if nothing else is said."""

FORMAT_NAMES = ("saved_model", "litert", "onnx")
PRECISION_NAMES = ("float32", "float16", "int8")
SIGNATURES = ("features", "targets", "loss_and_gradient", "loss_and_gradient_from_targets")
"""The functions of a config that can be converted: see `PortableObjective.signature`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortableOptions(TypeChecked):
    """What is written, for runtimes other than TensorFlow."""

    format: str = option(
        "saved_model",
        "'saved_model' (one for each function, in forward operations only, ready for other "
        "converters), 'litert' or 'onnx'.",
    )
    precision: str = option(
        "float32",
        "Of the weights in the files: 'float32'; 'float16' or 'int8' for 'litert' and 'onnx', "
        "which halve and quarter them.",
    )
    signatures: str = option(
        ",".join(SIGNATURES), "Functions to be written, separated by commas; a file for each."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("format", self.format, FORMAT_NAMES)
        check_choice("precision", self.precision, PRECISION_NAMES)
        if self.format == "saved_model" and self.precision != "float32":
            raise ValueError(
                "Cannot use `precision` with `format='saved_model'`. This is because a SavedModel "
                f"keeps its weights in float32. Received: precision={self.precision!r}. Use "
                "'litert' or 'onnx'."
            )
        names = _names(self.signatures)
        if not names:
            raise ValueError("`signatures` must name at least one function. Received: none.")
        for name in names:
            check_choice("signatures", name, SIGNATURES)

    @property
    def names(self) -> tuple[str, ...]:
        """The functions' names, each once, in the order of `SIGNATURES`."""
        names = _names(self.signatures)
        return tuple(name for name in SIGNATURES if name in names)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
