"""The options of an export: file formats, precisions, and the functions to export.

Gives the tables of names and `PortableOptions`, which checks its values. No TensorFlow here.
"""

import dataclasses

from tf_style._checks import check_choice, check_number
from tf_style.config.compute import FEATURE_PRECISIONS
from tf_style.config.fast import MOST_LOCAL_CONTRAST
from tf_style.config.fields import TypeChecked, option

ABOUT = "tf_style.json"
"""The file in every export that records how it was made."""

MAX_PIXELS = 4096 * 4096
"""The default limit on the size of a picture that an exported model takes or makes, in pixels."""

DEFAULT_SIGNATURE = "serving_default"
"""The signature of a request that names none, as TensorFlow Serving has it."""

FORMAT_NAMES = ("saved_model", "litert", "onnx")
PRECISION_NAMES = ("float32", "float16", "int8")
SIGNATURES = ("features", "targets", "loss_and_gradient", "loss_and_gradient_from_targets")
"""The functions that can be exported for other runtimes: see `PortableObjective.signature`."""

PROGRAMS = ("targets", "loss_and_gradient_from_targets", "stylize", "step")
"""The StableHLO programs that can be exported: see `export_stablehlo`."""

STEPS_PER_CALL = 10
"""The default number of steps that a call of the program `step` makes."""

STATE, PAINTINGS, BASE = "start.bin", "paintings.npz", "base.tfstyle"
"""Files beside the programs of a training: the state to start from; the paintings and what they ask
for; and the network to which styles are added, if only they are trained."""

TRAIN, PICTURE, LOSS, STATISTICS = "train_", "picture_", "loss/", "statistics"
"""How the names of a training's programs, paintings and losses begin; and the name of what
describes the paintings to the predictor."""

OF_SIDE = ("photographs", "parts", "noise")
"""Arguments of a training's program whose names end with its side, as in "photographs_128"."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortableOptions(TypeChecked):
    """What to export for runtimes other than TensorFlow."""

    format: str = option(
        "saved_model",
        "The file format: 'litert', 'onnx', or 'saved_model' (one SavedModel per function, with "
        "forward operations only, as the input of other converters).",
    )
    precision: str = option(
        "float32",
        "How the files store the network's weights: 'float32'; or for 'litert' and 'onnx' "
        "'float16' (half the size) or 'int8' (a quarter of the size).",
    )
    signatures: str = option(
        ",".join(SIGNATURES), "Functions to export, separated by commas; each gets its own file."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("format", self.format, FORMAT_NAMES)
        check_choice("precision", self.precision, PRECISION_NAMES)
        if self.format == "saved_model" and self.precision != "float32":
            raise ValueError(
                "Cannot use `precision` with `format='saved_model'`. This is because a SavedModel "
                f"stores its weights in float32. Received: precision={self.precision!r}. Use "
                "format='litert' or format='onnx'."
            )
        names = named(self.signatures)
        if not names:
            raise ValueError("`signatures` must name at least one function. Received: none.")
        for name in names:
            check_choice("signatures", name, SIGNATURES)

    @property
    def names(self) -> tuple[str, ...]:
        """The functions to export, each once, in the order of `SIGNATURES`."""
        names = named(self.signatures)
        return tuple(name for name in SIGNATURES if name in names)


_OF_NETWORKS = {
    "file_precision": ("litert", "onnx"),
    "height": ("litert", "onnx"),
    "width": ("litert", "onnx"),
    "precision": ("saved_model",),
    "max_pixels": ("saved_model",),
}
"""The formats of style networks that have an option which not all have."""


def check_network_options(
    *,
    format: str,
    file_precision: str = "float32",
    precision: str = "float32",
    height: int = 0,
    width: int = 0,
    local_contrast: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Raises ValueError if an option of `export_network` is wrong, or the format has it not."""
    check_choice("format", format, FORMAT_NAMES)
    check_choice("file_precision", file_precision, PRECISION_NAMES)
    check_choice("precision", precision, FEATURE_PRECISIONS)
    if local_contrast is not None:
        check_number("local_contrast", local_contrast, minimum=0.0, maximum=MOST_LOCAL_CONTRAST)
    check_number("max_pixels", max_pixels, minimum=1, maximum=2**31 - 1)
    given = {
        "file_precision": file_precision != "float32",
        "precision": precision != "float32",
        "height": bool(height),
        "width": bool(width),
        "max_pixels": max_pixels != MAX_PIXELS,
    }
    for name, is_given in given.items():
        if is_given and format not in _OF_NETWORKS[name]:
            raise ValueError(
                f"Cannot use `{name}` with `format={format!r}` of networks. This is because "
                f"it applies only to {', '.join(_OF_NETWORKS[name])}. Leave it out."
            )
    if bool(height) != bool(width):
        raise ValueError(
            "`height` and `width` must be given together. Received: "
            f"height={height}, width={width}. Leave both out for pictures of any size."
        )


def named(text: str) -> list[str]:
    """Returns the names in a text, which are separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
