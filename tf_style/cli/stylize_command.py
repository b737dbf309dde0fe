"""The default command."""

import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tf_style._checks import user_path
from tf_style.cli import flags as option_flags
from tf_style.cli import process, progress_bar
from tf_style.cli import settings as settings_file
from tf_style.config import style_config
from tf_style.config.fields import option, typed_fields

if TYPE_CHECKING:
    from tf_style.cli.request import Request
    from tf_style.transfer.checkpoint_file import Checkpoint


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


def make_flags() -> flags.FlagValues:
    """Returns absl flags for every option of the run and the config, with their defaults."""
    return option_flags.make_flags(_table())


def _table() -> option_flags.Table:
    return [*typed_fields(RunOptions), *option_flags.config_table()]


def _stylize(
    run: RunOptions,
    request: "Request",
    settings: style_config.StyleConfig,
    resumed: "Checkpoint | None" = None,
) -> int:
    """Checks all that can be wrong before the work, then does it."""
    from tf_style.cli import resuming
    from tf_style.cli.run import Files, Run
    from tf_style.files import atomic
    from tf_style.images import writing
    from tf_style.inputs.control_pictures import ControlPictures
    from tf_style.inputs.inputs import prepare_inputs
    from tf_style.transfer import checkpoints

    named = [*request.inputs, run.config]
    sources = [user_path(name) for name in named if name and user_path(name).exists()]
    output, trace, saved = (
        user_path(name) for name in (request.output, request.trace, run.save_config)
    )
    writing.check_output(output, inputs=sources, bits=request.bits)
    unfinished = None
    if resumed:
        folder: Path | None = resumed.path.parent
    else:
        folder = resuming.folder_of(run.checkpoint_dir, request.output)
        unfinished = None
        if folder and not run.dry_run:
            unfinished = resuming.found_in(folder, request.output)
    if request.trace:
        atomic.check_writable(trace, argument="trace", inputs=[*sources, output])
    if run.save_config:
        others = [*sources, output, *([trace] if request.trace else [])]
        atomic.check_writable(saved, argument="save_config", inputs=others)
    with process.quiet_stderr(not run.verbose):  # Decoders write there about damaged files.
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
            started=time.perf_counter() - process.seconds_since_start(),
            resumed=resumed,
        )
    size = inputs.content.shape[1:3]
    writing.check_output(output, inputs=sources, size=size, bits=request.bits)
    if run.save_config and not run.dry_run:
        text = settings.to_json().encode()
        atomic.write_atomically(saved, lambda file: file.write(text))

    process.set_environment(quiet=not run.verbose)
    if run.dry_run:
        with process.quiet_stderr(not run.verbose):
            process.tune_tensorflow()
            from tf_style.transfer.dry_run import report

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
