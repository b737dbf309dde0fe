"""The default command: `tf_style PHOTO PAINTING OUTPUT` paints a picture.

Takes the arguments of the command line; writes the picture and gives an exit code. Everything that
can be checked is checked before TensorFlow is imported.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from tf_style._checks import exists, user_path
from tf_style._version import __version__
from tf_style.cli import commands, overwriting, process, progress_bar, resuming
from tf_style.cli import flags as cli_flags
from tf_style.cli.request import Request, RunOptions
from tf_style.cli.settings import controls_of, settings_from
from tf_style.config.fields import typed_fields
from tf_style.config.presets import PRESETS
from tf_style.config.style_config import StyleConfig

if TYPE_CHECKING:
    from tf_style.inputs.inputs import Inputs
    from tf_style.transfer.checkpoints import Checkpoint, Checkpoints

POSITIONAL = ("content", "style", "output")
"""The flags that positional arguments set, in this order."""

COMMON = (
    "content",
    "style",
    "output",
    "size",
    "style_strength",
    "color",
    "style_scale",
    "steps",
    "time_budget",
    "preset",
    "preview",
)
"""The flags that `--help` shows."""

_USAGE = """\
tf_style paints a photograph in the style of a painting.

  tf_style photo.jpg painting.jpg out.png --size=1024

-o is short for --output, -h for --help, -v for --verbose.
"""

_PRESETS = f"Presets: {', '.join(PRESETS)}."


class Job(NamedTuple):
    """A run to be done.

    Attributes:
        options: the flags that do not change the picture.
        settings: the config of the run.
        request: the input pictures and the files to write.
        resumed: the checkpoint to resume from, or None.
    """

    options: RunOptions
    settings: StyleConfig
    request: Request
    resumed: "Checkpoint | None" = None


def command(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    if list(arguments) == ["help"]:
        arguments = ["--help"]
    values = cli_flags.parse(
        make_flags(),
        arguments,
        positional=POSITIONAL,
        commands=commands.COMMANDS,
    )
    options = cli_flags.of_type(RunOptions, values)
    if options.help or options.helpfull:
        print(full_help() if options.helpfull else short_help())
        return 0
    if options.version:
        print(f"tf_style {__version__}")
        return 0
    return stylize(_resumed_job(options, values) if options.resume else _new_job(options, values))


def make_flags() -> flags.FlagValues:
    """Returns absl flags for every field of `RunOptions` and `StyleConfig`, with their defaults."""
    return cli_flags.make_flags(_table())


def short_help() -> str:
    """Returns the text of `--help`: the flags that most people need."""
    lines = [_USAGE, *cli_flags.short_help_lines(_table(), COMMON), "", _PRESETS]
    lines += ["All flags: tf_style --helpfull. Other commands, each with its own --help:", ""]
    return "\n".join([*lines, *commands.help_lines(), ""])


def full_help() -> str:
    """Returns the text of `--helpfull`: all flags, grouped."""
    lines = [_USAGE, *commands.help_lines(), *cli_flags.help_lines("Pictures and files", _table())]
    lines += ["", _PRESETS, "Turn a flag off with --noFLAG or --FLAG=false.", ""]
    return "\n".join(lines)


def _table() -> cli_flags.Table:
    return [*typed_fields(RunOptions), *cli_flags.config_table()]


def _new_job(options: RunOptions, values: flags.FlagValues) -> Job:
    """Returns the job of a new run."""
    if values["resume"].present:
        raise ValueError("`resume` must name a folder of checkpoints. Received: resume=''.")
    settings = settings_from(values, options.config)
    if options.preview:
        settings = settings.previewed()
    missing = [f"--{name}" for name in POSITIONAL if not getattr(options, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style photo.jpg painting.jpg out.png. "
            "See tf_style --help."
        )
    if options.save_every < 0:
        raise ValueError(
            f"`save_every` must be at least 0. Received: save_every={options.save_every}."
        )
    return Job(options, settings, Request.of(options, settings))


def _resumed_job(options: RunOptions, values: flags.FlagValues) -> Job:
    """Returns the job that resumes an interrupted run."""
    given = [name for name in values if values[name].present]
    request, settings, found = resuming.unfinished_run(options.resume, options.output, given)
    if values["memory_limit"].present:  # The run may have ended for lack of memory.
        settings = settings.replace(memory_limit=values["memory_limit"].value)
    return Job(options, settings, request, found)


def stylize(job: Job) -> int:
    """Checks the inputs and outputs, paints the picture, and returns the exit code."""
    from tf_style.network.reading_ahead import read_ahead

    options, settings, request, _ = job
    sources = _check_files(job)
    folder, note = _checkpoint_folder(job)
    process.set_environment(quiet=not options.verbose)
    ahead = None if options.dry_run else read_ahead(settings.network)
    inputs = _read_inputs(job)
    saved = _checkpoints(job, inputs, folder)
    _check_space(job, inputs, sources)
    _check_existing(job, inputs)
    if options.save_config:
        _write_config(user_path(options.save_config), settings)
    if options.dry_run:
        return _dry_run(job, inputs)
    from tf_style.cli.run import Run

    with progress_bar.display(quiet=options.quiet) as display:
        if note:
            display.message(note)
        for line in [] if job.resumed else _notes(job, inputs):
            display.message(line)
        work = Run(inputs, settings, request, sources, display, options.verbose, saved, ahead)
        code = work.start()
    if work.left_at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # The worker thread is busy in TensorFlow and cannot be joined.
    return code


def _check_files(job: Job) -> list[Path]:
    """Checks that outputs can be written; returns the input files, which none may replace."""
    from tf_style.files.atomic import check_writable
    from tf_style.images.writing import check_output

    options, _, request, _ = job
    names = [*request.inputs, options.config]
    sources = [user_path(name) for name in names if name and exists(name)]
    output, trace = request.output_path, request.trace_path
    check_output(output, inputs=sources, bits=request.bits)
    if trace:
        check_writable(trace, argument="trace", inputs=[*sources, output], may_be_device=True)
    if options.save_config:
        others = [*sources, output, *([trace] if trace else [])]
        check_writable(options.save_config, argument="save_config", inputs=others)
    return sources


def _checkpoint_folder(job: Job) -> tuple[Path | None, str | None]:
    """Returns the folder for checkpoints and a note on a run that it already holds.

    Either may be None.
    """
    options, _, request, resumed = job
    if resumed:
        return resumed.path.parent, None
    folder = resuming.folder_of(options.checkpoint_dir, request.output)
    if folder is None or options.dry_run:
        return folder, None
    return folder, resuming.note_on_unfinished_run(folder, request.output)


def _read_inputs(job: Job) -> "Inputs":
    from tf_style.inputs.control_pictures import ControlPictures
    from tf_style.inputs.preparation import prepare_inputs
    from tf_style.provenance.origin import origin_of

    request = job.request
    controls = ControlPictures(
        request.content_masks,
        request.style_masks,
        request.content_map or None,
        request.fine_style or None,
        request.keep or None,
    )
    # Image decoders report damaged files on stderr.
    with process.quiet_stderr(not job.options.verbose):
        if job.settings.control.protect:  # It starts TensorFlow.
            process.tune_tensorflow()
        inputs = prepare_inputs(request.content, request.styles, job.settings, controls)
        origin = origin_of(request.content, request.styles, controls._asdict())
    return inputs._replace(origin=origin)


def _checkpoints(job: Job, inputs: "Inputs", folder: Path | None) -> "Checkpoints | None":
    """Returns the checkpoints of the run, or None if there is no folder for them."""
    from tf_style.transfer import checkpoints

    description = checkpoints.describe(inputs, job.settings)
    if job.resumed:
        checkpoints.check_same(job.resumed, {"inputs": description["inputs"]})
    if folder is None:
        return None
    return checkpoints.Checkpoints(
        folder,
        {**description, "run": job.request.to_dict()},
        seconds=job.request.checkpoint_seconds,
        started=time.perf_counter() - process.seconds_since_start(),
        resumed=job.resumed,
    )


def _check_space(job: Job, inputs: "Inputs", sources: list[Path]) -> None:
    """Raises an error if the picture is too large for its file format or the disk."""
    from tf_style.images.writing import check_output

    size = inputs.content.shape[1:3]
    check_output(job.request.output_path, inputs=sources, size=size, bits=job.request.bits)


def _check_existing(job: Job, inputs: "Inputs") -> None:
    """Asks, or raises an error, if the run would replace files that are not its own."""
    options, settings, request, resumed = job
    files: list[tuple[str, Path]] = []
    if not options.dry_run and not (resumed and not options.output):
        sha256 = inputs.origin.inputs_sha256 if inputs.origin else ""
        files = overwriting.in_the_way(request, sha256, is_resumed=resumed is not None)
    config = user_path(options.save_config)
    if options.save_config and overwriting.holds_other(config, settings.to_json().encode()):
        files.append(("save_config", config))
    overwriting.check(files, overwrite=options.overwrite)


def _write_config(path: Path, settings: StyleConfig) -> None:
    from tf_style.files.atomic import write_atomically

    text = settings.to_json().encode()
    write_atomically(path, lambda file: file.write(text))


def _dry_run(job: Job, inputs: "Inputs") -> int:
    with process.quiet_stderr(not job.options.verbose):
        process.tune_tensorflow()
        from tf_style.transfer.dry_run import report

        lines = report(inputs, job.settings)
    if job.options.save_config:
        lines.append(f"Saved the settings as {job.options.save_config}")
    print("\n".join([*_notes(job, inputs), *lines]))
    return 0


def _notes(job: Job, inputs: "Inputs") -> list[str]:
    """Returns what the user should know about the pictures before they are painted."""
    from tf_style.images.writing import notes_on_alpha

    alpha_notes = notes_on_alpha(job.request.output_path, inputs.alpha)
    return [*_missing_controls(job, inputs), *inputs.notes, *alpha_notes]


def _missing_controls(job: Job, inputs: "Inputs") -> list[str]:
    """Returns notes on control pictures that the picture in --config had and this run lacks."""
    config = job.options.config
    return [
        f"{config} was made with --{name}. Give it again to get the same picture."
        for name in controls_of(config)
        if name not in inputs.controls
    ]
