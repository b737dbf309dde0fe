"""`tf_style export`: writes a model for TensorFlow Serving, TensorFlow, or other runtimes.

Takes the command's arguments; writes a folder and gives an exit code.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_style._checks import check_choice
from tf_style.cli import flags, process
from tf_style.cli.settings import settings_from
from tf_style.config.fields import OptionalFloat, option
from tf_style.config.style_config import StyleConfig
from tf_style.export.options import (
    FORMAT_NAMES,
    MAX_PIXELS,
    PRECISION_NAMES,
    PROGRAMS,
    STEPS_PER_CALL,
    PortableOptions,
    check_network_options,
    named,
)

if TYPE_CHECKING:
    from tf_style.portable.conversion import Conversion

FORMATS = (*FORMAT_NAMES, "stablehlo")
"""The choices of `--format`."""

_HELP = """\
tf_style export writes a model that paints pictures and computes features, losses and gradients.

  tf_style export --output_dir=models/tf_style/1 [flags]       a SavedModel, for servers
  tf_style export --output_dir=portable --portable [flags]     for other converters
  tf_style export --output_dir=onnx --format=onnx [flags]      or litert, or stablehlo
  tf_style export --output_dir=wave --network=default --style=great_wave [--format=litert]
                                                               a network that paints in one pass"""

_CONVERTED = ("portable", "litert", "onnx")
_ONLY = {
    "file_precision": _CONVERTED,
    "signatures": (*_CONVERTED, "stablehlo"),
    "height": ("stablehlo",),
    "width": ("stablehlo",),
    "steps_per_call": ("stablehlo",),
    "max_pixels": ("saved_model",),
    "for_gpu": ("saved_model",),
}

_OF_NETWORKS = (
    "file_precision", "height", "width", "local_contrast", "max_pixels", "precision",
)  # fmt: skip
_OF_ALL = ("output_dir", "network", "style", "format", "verbose")

_HEIGHT, _WIDTH = 384, 512  # Px, of StableHLO programs.

_LEFT_OUT = ("time_budget", "deterministic", "jit_compile")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The flags of `tf_style export` besides those of the config."""

    output_dir: str = option(
        "", "The folder to write, which must be new or empty. Servers expect a number as its name."
    )
    config: str = option(
        "", "Read all settings from this JSON file, or from a picture that tf_style made."
    )
    network: str = option(
        "",
        "Export a network that paints in one pass: 'default', or a .tfstyle file. It has the "
        "formats 'saved_model', 'litert' and 'onnx'; the result is run and compared with Keras.",
    )
    style: str = option(
        "",
        "The style of --network: a name, or a blend, as in great_wave:0.7,the_scream:0.3. LiteRT "
        "and ONNX files have no other; a SavedModel takes other names with each request. The "
        "network's first style if left out.",
    )
    local_contrast: OptionalFloat = option(
        None,
        "Of --network: weak contrasts of a photograph are raised towards this, within 0..1, before "
        "it is painted; 0 leaves them as they are. That of the network if left out.",
    )
    format: str = option(
        PortableOptions.format,
        "'saved_model'; 'litert' or 'onnx' (features, targets, losses and gradients, for pictures "
        "of any size; each file is run and compared with TensorFlow); or 'stablehlo' (XLA "
        "programs, for pictures of --height and --width).",
    )
    portable: bool = option(
        False,
        "Write SavedModels for other converters: one for each function, with forward operations "
        "only. 'litert' and 'onnx' always have forward operations only.",
    )
    file_precision: str = option(
        PortableOptions.precision,
        "Precision of the weights in LiteRT and ONNX files: 'float32', 'float16' or 'int8'.",
    )
    signatures: str = option(
        "",
        "Functions to write with --portable, LiteRT, ONNX and StableHLO, separated by commas; all "
        "that the format has if left out.",
    )
    height: int = option(
        0,
        "Height of the pictures in px, of StableHLO programs (384 if left out) and of --network in "
        "LiteRT and ONNX files (any if left out; runtimes are faster if they know it).",
    )
    width: int = option(0, "Width of the pictures in px, as --height (512).")
    steps_per_call: int = option(
        STEPS_PER_CALL, "Steps that a call of the StableHLO program `step` makes."
    )
    max_pixels: int = option(
        MAX_PIXELS, "Most pixels of a picture that a SavedModel accepts: a limit for servers."
    )
    for_gpu: bool = option(
        False,
        "For models that run on GPUs: use TensorFlow's convolutions, not Winograd's algorithm.",
    )
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show these flags.")
    helpfull: bool = option(False, "Show all flags.")


def command(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    table = flags.command_table(ExportOptions, without=_LEFT_OUT)
    values = flags.parse(flags.make_flags(table), arguments, positional=("output_dir",))
    options = flags.of_type(ExportOptions, values)
    if options.help or options.helpfull:
        full = options.helpfull
        print(flags.command_help(_HELP, "Model", ExportOptions, table, is_full=full))
        return 0
    if options.network:
        _check_network(options, flags.given_options(values))
    else:
        _check(options)
    settings = settings_from(values, options.config)
    process.set_environment(quiet=not options.verbose)
    with process.quiet_stderr(not options.verbose):
        export = _export_network if options.network else _export
        lines = export(options, settings)
    print("\n".join(lines))
    return 0


def _check(options: ExportOptions) -> None:
    """Raises ValueError if a flag has an invalid value or conflicts with another."""
    check_choice("format", options.format, FORMATS)
    check_choice("file_precision", options.file_precision, PRECISION_NAMES)
    _check_output(options)
    if options.style:
        raise ValueError(
            "Cannot use `style` without `network`. This is because other exports take the painting "
            f"with each request. Received: style={options.style!r}. Add --network=default."
        )
    if options.local_contrast is not None:
        raise ValueError(
            "Cannot use `local_contrast` without `network`. This is because it is an option of "
            f"networks. Received: local_contrast={options.local_contrast:g}. Add --network=default."
        )
    if options.portable and options.format == "stablehlo":
        raise ValueError(
            "Cannot use `portable` with `format='stablehlo'`. This is because "
            "XLA programs are not limited to forward operations. Leave --portable out."
        )
    kind = "portable" if options.portable and options.format == "saved_model" else options.format
    if kind == "portable" and options.file_precision != "float32":
        raise ValueError(
            "Cannot use `file_precision` with portable SavedModels. This is because they keep "
            f"their weights in float32. Received: file_precision={options.file_precision!r}. "
            "Use --format=litert or onnx."
        )
    if kind in _CONVERTED:
        _portable_options(options)
    for name, formats in _ONLY.items():
        if getattr(options, name) != _default(name) and kind not in formats:
            listed = ", ".join(formats)
            raise ValueError(
                f"Cannot use `{name}` with {kind}. This is because it applies only to {listed}. "
                f"Received: {name}={getattr(options, name)!r}."
            )


def _check_network(options: ExportOptions, settings: Mapping[str, Any]) -> None:
    """Raises ValueError if a flag has an invalid value, or is not one of networks."""
    _check_output(options)
    given = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if getattr(options, field.name) != _default(field.name) and field.name not in _OF_ALL
    }
    given |= settings
    for name, value in given.items():
        if name not in _OF_NETWORKS:
            kind = "other exports" if hasattr(options, name) else "the optimizer"
            raise ValueError(
                f"Cannot use `{name}` with `network`. This is because it is an option of {kind}. "
                f"Received: {name}={value!r}. Leave it out."
            )
    if "precision" in given:
        given["precision"] = _precision_of(given["precision"])
    check_network_options(format=options.format, **given)


def _precision_of(precision: str) -> str:
    """Returns the precision of an exported network, which is made for any machine."""
    return "float32" if precision == "auto" else precision


def _check_output(options: ExportOptions) -> None:
    if not options.output_dir:
        raise ValueError(
            "`output_dir` must be given, as in: tf_style export --output_dir=models/tf_style/1. "
            "Received: output_dir=''."
        )


def _default(name: str) -> Any:
    return ExportOptions.__dataclass_fields__[name].default


def _portable_options(options: ExportOptions) -> PortableOptions:
    return PortableOptions(
        format=options.format,
        precision=options.file_precision,
        signatures=options.signatures or PortableOptions.signatures,
    )


def _export_network(options: ExportOptions, settings: StyleConfig) -> list[str]:
    """Writes a style network; returns lines that describe the file."""
    from tf_style.portable.network import export_network

    written = export_network(
        options.output_dir,
        network=options.network,
        style=options.style,
        format=options.format,
        file_precision=options.file_precision,
        precision=_precision_of(settings.compute.precision),
        height=options.height,
        width=options.width,
        local_contrast=options.local_contrast,
        max_pixels=options.max_pixels,
        notify=print,
    )
    return [_saved(written)]


def _saved(file: "Conversion") -> str:
    steps = ""
    if file.signature == "paint":
        steps = f" (at most {255 * file.differences['image'].largest:.2f} steps of 8 bits)"
    size = f"{file.num_bytes / 1e6:.1f} MB"
    return f"Saved {file.path}: {size}, within {file.relative:.1e} of TensorFlow{steps}"


def _export(options: ExportOptions, settings: StyleConfig) -> list[str]:
    """Writes the model; returns lines that describe the files."""
    if options.portable or options.format in ("litert", "onnx"):
        from tf_style.portable.conversion import export_portable

        written = export_portable(
            options.output_dir,
            config=settings,
            options=_portable_options(options),
            notify=print,
        )
        return [_saved(file) for file in written]
    if options.format == "stablehlo":
        from tf_style.export.stablehlo import export_stablehlo

        done = export_stablehlo(
            options.output_dir,
            config=settings,
            height=options.height or _HEIGHT,
            width=options.width or _WIDTH,
            signatures=named(options.signatures) or PROGRAMS,
            steps_per_call=options.steps_per_call,
            notify=print,
        )
    else:
        from tf_style.export.saved_model import export_saved_model

        done = export_saved_model(
            options.output_dir,
            config=settings,
            max_pixels=options.max_pixels,
            for_gpu=options.for_gpu,
            notify=print,
        )
    return [
        f"Saved {done.path}: {', '.join(done.signatures)}; {done.num_bytes / 1e6:.1f} MB, "
        f"SHA-256 of the weights {done.weights_sha256}"
    ]
