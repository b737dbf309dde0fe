"""`tf_style export`: writes a SavedModel for TensorFlow Serving, or any program of TensorFlow."""

import dataclasses
from collections.abc import Sequence

from tf_style import _runtime, config, flag_options
from tf_style._checks import check_choice, typed_fields
from tf_style.options import option

_HELP = """\
tf_style export writes a SavedModel that stylises, and gives features, losses and gradients.

  tf_style export --output_dir=models/tf_style/1 [flags]
  tf_style serve --model_dir=models/tf_style"""

FORMATS = ("saved_model", "stablehlo")
"""What may be written."""

_LEFT_OUT = ("time_budget", "deterministic")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The flags of `tf_style export` beside those of the config."""

    output_dir: str = option(
        "", "The folder to write, not there yet or empty; servers want a number as its name."
    )
    max_pixels: int = option(
        4096 * 4096, "Larger pictures are refused, given or asked for: a limit for servers."
    )
    for_gpu: bool = option(
        False, "Compute convolutions as TensorFlow does on GPUs, not by Winograd's algorithm."
    )
    format: str = option(
        "saved_model",
        "'saved_model', or 'stablehlo': programs of XLA for a machine without TensorFlow, for "
        "pictures of --height and --width.",
    )
    height: int = option(384, "Of the pictures that StableHLO programs take, in px.")
    width: int = option(512, "Likewise.")
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show this help.")


def command(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    own = list(typed_fields(ExportOptions))
    table = [*own, *flag_options.config_table(without=_LEFT_OUT)]
    values = flag_options.parse(flag_options.make_flags(table), arguments)
    options = flag_options.of_type(ExportOptions, values)
    if options.help:
        print("\n".join([_HELP, *flag_options.help_lines("Model", table), ""]))
        return 0
    check_choice("format", options.format, FORMATS)
    if not options.output_dir:
        raise ValueError(
            "`output_dir` must be given, as in: tf_style export --output_dir=models/tf_style/1."
        )
    settings = config.preset(values.preset).replace(**flag_options.given(values))
    _runtime.set_environment(quiet=not options.verbose)
    with _runtime.quiet_stderr(not options.verbose):
        if options.format == "stablehlo":
            from tf_style.stablehlo import export_stablehlo

            done = export_stablehlo(
                options.output_dir,
                config=settings,
                height=options.height,
                width=options.width,
                notify=print,
            )
        else:
            from tf_style.export import export_saved_model

            done = export_saved_model(
                options.output_dir,
                config=settings,
                max_pixels=options.max_pixels,
                for_gpu=options.for_gpu,
                notify=print,
            )
    print(
        f"Saved {done.path}: {', '.join(done.signatures)}; {done.num_bytes / 1e6:.1f} MB, "
        f"weights' SHA-256 {done.weights_sha256}"
    )
    return 0
