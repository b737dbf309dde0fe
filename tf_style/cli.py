"""The command line: absl flags made from the config's fields.

    tf_style --content=photo.jpg --style=painting.jpg --output=out.png [flags]
    tf_style fetch_weights [--weights=...]

Exit codes: 0 done; 2 wrong input, or the picture had to be saved elsewhere (one line on
stderr says so); 130 stopped by the user; 1 a bug, with its traceback.
"""

import dataclasses
import importlib
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tf_style import _runtime, config, flag_options, progress_bar, settings_file
from tf_style._checks import typed_fields, user_path
from tf_style._version import __version__
from tf_style.options import option

if TYPE_CHECKING:
    from tf_style.checkpoint_file import Checkpoint
    from tf_style.resuming import Request

COMMANDS = {
    "export": ("export_command", "writes a SavedModel, for servers and other programs"),
    "interpolate": ("interpolate_command", "paints what lies between styles, or strengths"),
    "serve": ("serve_command", "serves a SavedModel over HTTP, as TensorFlow Serving does"),
    "fetch_weights": ("weights_command", "fetches the network's weights ahead of time"),
}
"""What the first argument may name: the module whose `command` takes the others, and its help."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The flags that do not change the picture."""

    content: str = option("", "The photograph.")
    style: str = option("", "The painting; or several, separated by commas.")
    output: str = option("", "The result: .png, .jpg, .webp or .tif; .btf for BigTIFF.")
    bits: int = option(8, "Bits of each channel of the result: 8, or 16 for PNG and TIFF.")
    content_masks: str = option(
        "",
        "Masks of the photograph's regions, white where a region is, separated by commas; or one "
        "picture in which each region has a color. What no mask covers stays as it is.",
    )
    style_masks: str = option(
        "",
        "The same for the paintings: the first mask's region gives its style to the first of "
        "--content_masks, and so on; or a picture of colors for each painting.",
    )
    content_map: str = option(
        "", "A mask that is white where the photograph is to be kept: see --content_map_gain."
    )
    fine_style: str = option(
        "",
        "A painting whose fine texture (layers up to conv2_1) is put onto the others first, which "
        "then give the coarse structure.",
    )
    config: str = option(
        "", "Take every setting from this JSON file, or from a picture that tf_style made."
    )
    save_config: str = option("", "Write all settings to this JSON file, for --config.")
    save_every: int = option(
        0,
        "Also keep the picture at every multiple of so many steps, as OUTPUT_00100.png; 0 is off.",
    )
    trace: str = option(
        "",
        "Write a line of JSON for each slice of steps: evaluations, seconds, the weighted loss "
        "terms, and each layer's unweighted loss.",
    )
    checkpoint_dir: str = option(
        "",
        "Folder of its own, in which a run that takes longer keeps where it stands until the "
        "picture is saved; left out, OUTPUT.checkpoint; 'none' for none.",
    )
    checkpoint_seconds: float = option(60.0, "Seconds of work between checkpoints.")
    resume: str = option(
        "",
        "Go on with the run whose checkpoints are in this folder. Pictures, output and settings "
        "are known from there; only --output, --memory_limit, --quiet and --verbose may be given.",
    )
    dry_run: bool = option(
        False, "Only tell what the run would do: sizes, memory, evaluations and time."
    )
    quiet: bool = option(False, "Show no progress.")
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show this help.")
    version: bool = option(False, "Show the version.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = not {"-v", "-verbose", "--verbose", "--verbose=true"}.isdisjoint(arguments)
    try:
        if arguments and arguments[0] in COMMANDS:
            module, _ = COMMANDS[arguments[0]]
            return importlib.import_module(f"tf_style.{module}").command(arguments[1:])
        return _run(arguments)
    except BrokenPipeError:  # As in `tf_style --help | head`; a run catches its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("tf_style: stopped; nothing was saved.", file=sys.stderr)
        return 130
    except (
        flags.Error,
        ValueError,
        TypeError,
        OSError,
        ImportError,
        FloatingPointError,
        MemoryError,
    ) as error:
        if verbose or _is_bug(error):
            traceback.print_exc()
        else:
            print(f"tf_style: {_one_line(error)}", file=sys.stderr)
        return 2


def make_flags() -> flags.FlagValues:
    """Returns absl flags for every option of the run and the config, with their defaults."""
    return flag_options.make_flags(_table())


def _table() -> flag_options.Table:
    return [*typed_fields(RunOptions), *flag_options.config_table()]


def help_text() -> str:
    """Returns the text of `--help`."""
    lines = [
        "tf_style paints a photograph in the style of a painting.",
        "",
        "  tf_style --content=photo.jpg --style=painting.jpg --output=out.png [flags]",
    ]
    lines += [f"  tf_style {name:<16} {text}" for name, (_, text) in COMMANDS.items()]
    lines += flag_options.help_lines("Pictures and files", _table())
    presets = ", ".join(config.PRESETS)
    lines += ["", f"Presets: {presets}. Switch a flag off with --noFLAG or --FLAG=false.", ""]
    return "\n".join(lines)


def _run(arguments: list[str]) -> int:
    values = flag_options.parse(make_flags(), arguments, commands=COMMANDS)
    if values.help:
        print(help_text())
        return 0
    if values.version:
        print(f"tf_style {__version__}")
        return 0
    from tf_style import resuming

    run = flag_options.of_type(RunOptions, values)
    if values["resume"].present:
        given = [name for name in values if values[name].present]
        request, settings, found = resuming.unfinished_run(run.resume, run.output, given)
        if values["memory_limit"].present:  # What ended a run may have been its memory.
            settings = settings.replace(memory_limit=values["memory_limit"].value)
        return _stylize(run, request, settings, found)
    settings = settings_file.settings(values, run.config)
    missing = [f"--{name}" for name in ("content", "style", "output") if not getattr(run, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style --content=photo.jpg "
            "--style=painting.jpg --output=out.png. See tf_style --help."
        )
    if run.save_every < 0:
        raise ValueError(f"`save_every` must be at least 0. Received: save_every={run.save_every}.")
    return _stylize(run, resuming.Request.of(run, settings), settings)


def _stylize(
    run: RunOptions,
    request: "Request",
    settings: config.StyleConfig,
    resumed: "Checkpoint | None" = None,
) -> int:
    """Checks all that can be wrong before the work, then does it."""
    from tf_style import checkpoints, resuming, saving
    from tf_style.control_inputs import ControlPictures
    from tf_style.inputs import prepare_inputs
    from tf_style.run import Files, Run

    named = [*request.inputs, run.config]
    sources = [user_path(name) for name in named if name and user_path(name).exists()]
    output, trace, saved = (
        user_path(name) for name in (request.output, request.trace, run.save_config)
    )
    saving.check_output(output, inputs=sources, bits=request.bits)
    unfinished = None
    if resumed:
        folder: Path | None = resumed.path.parent
    else:
        folder = resuming.folder_of(run.checkpoint_dir, request.output)
        unfinished = None
        if folder and not run.dry_run:
            unfinished = resuming.found_in(folder, request.output)
    if request.trace:
        saving.check_writable(trace, argument="trace", inputs=[*sources, output])
    if run.save_config:
        others = [*sources, output, *([trace] if request.trace else [])]
        saving.check_writable(saved, argument="save_config", inputs=others)
    with _runtime.quiet_stderr(not run.verbose):  # Decoders write there about damaged files.
        single = request.content_map or None, request.fine_style or None
        pictures = ControlPictures(request.content_masks, request.style_masks, *single)
        inputs = prepare_inputs(request.content, request.styles, settings, pictures)
    description = checkpoints.describe(inputs, settings)
    if resumed:
        checkpoints.check_same(resumed, {"inputs": description["inputs"]})
    kept = None
    if folder:
        kept = checkpoints.Checkpoints(
            folder,
            {**description, "run": request.to_dict()},
            seconds=request.checkpoint_seconds,
            started=time.perf_counter() - _runtime.seconds_since_start(),
            resumed=resumed,
        )
    size = inputs.content.shape[1:3]
    saving.check_output(output, inputs=sources, size=size, bits=request.bits)
    if run.save_config and not run.dry_run:
        text = settings.to_json().encode()
        saving.write_atomically(saved, lambda file: file.write(text))

    _runtime.set_environment(quiet=not run.verbose)
    if run.dry_run:
        with _runtime.quiet_stderr(not run.verbose):
            _runtime.tune_tensorflow()
            from tf_style.dry_run import report

            lines = report(inputs, settings)
        print("\n".join(lines))
        return 0
    files = Files(
        output=output,
        trace=trace if request.trace else None,
        sources=sources,
        save_every=request.save_every,
        bits=request.bits,
    )
    with progress_bar.display(quiet=run.quiet) as display:
        notes = [] if resumed else [*_missing(run, inputs.controls), *inputs.notes]
        for note in ([unfinished] if unfinished else []) + notes:
            display.message(note)
        work = Run(inputs, settings, files, display, run.verbose, kept)
        code = work.start()
    if work.left_at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # The thread is deep in TensorFlow and cannot be joined.
    return code


def _missing(run: RunOptions, given: Sequence[str]) -> list[str]:
    """Returns lines on pictures that --config's picture was made with, and this one is not."""
    return [
        f"{run.config} was made with --{name}: give it, too, for the same picture."
        for name in settings_file.controls_of(run.config)
        if name not in given
    ]


def _is_bug(error: BaseException) -> bool:
    """Returns whether an error comes from inside, not from a user's value or a missing extra."""
    if isinstance(error, ImportError):
        return error.name is not None  # Ours, which name the pip command, have none.
    return isinstance(error, TypeError) and not str(error).startswith("`")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 1000 else f"{text[:1000]}..."  # As of a name that is too long.


if __name__ == "__main__":
    sys.exit(main())
