"""`tf_style train`: paintings and a folder of photographs to a network that paints in one pass.

Takes the command's arguments; writes the network, a preview and checkpoints, and gives an exit
code. Paintings and networks are checked before TensorFlow is imported.
"""

import collections
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags as absl_flags

from tf_style._checks import check_name, counted, user_path
from tf_style.cli import flags, overwriting, process, progress_bar, resuming, saving
from tf_style.cli.run import INTERRUPTED
from tf_style.cli.train_request import (
    FIELDS,
    POSITIONAL,
    TrainingRequest,
    TrainOptions,
    config_of,
    resumed,
)
from tf_style.config.training import TrainingConfig
from tf_style.files import checkpoint_folder
from tf_style.optimizers.cancellation import Cancellation
from tf_style.training.preparation import NO_NETWORK, TrainingJob, check_files, prepare

if TYPE_CHECKING:
    from tf_style.training.checkpoints import Saved
    from tf_style.training.run import TrainingResult
    from tf_style.training.training import TrainingProgress

_HELP = """\
tf_style train makes a network that paints any photograph in one pass, in the style of a painting.

  tf_style train --style=painting.jpg --photos=DIR --output=wave.tfstyle [--minutes=10]
  tf_style train --style=painting.jpg --photos=DIR --output=more.tfstyle --add_to=wave.tfstyle
  tf_style train --resume=wave.tfstyle.checkpoint"""

_COMMON = (
    "style", "photos", "output", "minutes", "style_strength", "style_edge", "add_to", "preview",
    "resume",
)  # fmt: skip
"""The flags that `--help` shows."""

_SMOOTHED = 20  # Steps whose mean losses are shown: a step sees few photographs.


class _Work(NamedTuple):
    """A training to be done.

    Attributes:
        request: pictures and files.
        job: what to train.
        folder: for checkpoints, or None.
        saved: the training to go on with, or None.
        note: on a training that the folder already holds; may be empty.
    """

    request: TrainingRequest
    job: TrainingJob
    folder: Path | None
    saved: "Saved | None" = None
    note: str = ""


def command(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    fields = table()
    values = flags.parse(flags.make_flags(fields), arguments, positional=POSITIONAL)
    options = flags.of_type(TrainOptions, values)
    if options.helpfull:
        print(_full_help())
        return 0
    if options.help:
        lines = flags.short_help_lines(fields, _COMMON)
        print("\n".join([_HELP, "", *lines, "", "All flags: tf_style train --helpfull.", ""]))
        return 0
    process.set_environment(quiet=not options.verbose)
    work = (
        _resumed_work(options, values) if values["resume"].present else _new_work(options, values)
    )
    _check_existing(work, options)
    return _train(work, options)


def table() -> flags.Table:
    """Returns the fields of the command: its own, then those of `TrainingConfig`."""
    own = flags.command_table(TrainOptions)
    return [*own, *((field, kind) for _, field, kind in FIELDS.values())]


def _full_help() -> str:
    """Returns the text of `--helpfull`: all flags, grouped."""
    lines = [_HELP, *flags.help_lines("Pictures and files", flags.command_table(TrainOptions))]
    for group in dict.fromkeys(group for group, _, _ in FIELDS.values()):
        fields = [(field, kind) for each, field, kind in FIELDS.values() if each == group]
        lines += flags.help_lines(flags.TITLES[group] if group else "Training", fields)
    return "\n".join([*lines, ""])


def _new_work(options: TrainOptions, values: absl_flags.FlagValues) -> _Work:
    request, config = TrainingRequest.of(options), config_of(values)
    check_files(request.output_path, request.preview_path, request.inputs)
    with process.quiet_stderr(not options.verbose):  # Decoders report damaged files there.
        job = prepare(
            request.styles, config, init_network=request.init_network, add_to=request.add_to
        )
        folder = resuming.folder_of(options.checkpoint_dir, request.output, kind="training")
        note = "" if folder is None else _note_on_training(folder, request)  # Needs TensorFlow.
    return _Work(request, job, folder, None, note)


def _resumed_work(options: TrainOptions, values: absl_flags.FlagValues) -> _Work:
    if not options.resume:
        raise ValueError("`resume` must name a folder of checkpoints. Received: resume=''.")
    folder = user_path(options.resume)
    check_name("resume", folder)
    with process.quiet_stderr(not options.verbose):
        process.tune_tensorflow()
        from tf_style.training import checkpoints

        saved = checkpoints.newest(folder, argument="resume")
        request, config = resumed(saved.file.description, options, values)
        check_files(request.output_path, request.preview_path, request.inputs)
        job = prepare(request.styles, config, init_network=NO_NETWORK)
    job = checkpoints.resumed_job(job, saved)
    return _Work(request, job._replace(notes=()), folder, saved)


def _note_on_training(folder: Path, request: TrainingRequest) -> str:
    """Returns a note on a training that a new one finds in its folder, or nothing.

    Raises:
        ValueError: if that training has another output.
    """
    if not checkpoint_folder.checkpoints_in(folder):
        return ""
    stays = "It is kept until this training writes its first checkpoint."
    from tf_style.training import checkpoints

    try:
        file = checkpoint_folder.newest(folder, checkpoints.read, argument="checkpoint_dir")
    except (OSError, ValueError) as error:
        return f"{error} {stays}"
    record = file.description.get("run")
    other = record.get("output") if isinstance(record, dict) else None
    command = resuming.command(folder, name="train")
    if other != request.to_dict()["output"]:
        raise ValueError(
            "`checkpoint_dir` must not hold the training of another network. Received: "
            f"checkpoint_dir='{folder}', of {other or 'a Python program'}. Name another folder, or "
            f"remove that one."
        )
    return (
        f"{folder} holds a training of {request.output}, at step {file.description.get('step')}. "
        f"{stays} To go on with it instead: {command}"
    )


def _check_existing(work: _Work, options: TrainOptions) -> None:
    """Asks, or raises an error, if the training would replace files that are not its own."""
    request = work.request
    files = [("output", request.output_path)]
    if work.saved is None and request.preview_path is not None:
        files.append(("preview", request.preview_path))
    if work.saved is not None and not options.output:
        files = []
    replaced = [(name, path) for name, path in files if overwriting.holds_other(path)]
    overwriting.check(replaced, overwrite=options.overwrite, is_picture=False)


def _train(work: _Work, options: TrainOptions) -> int:
    """Trains, and returns the exit code."""
    with process.quiet_stderr(not options.verbose):
        process.tune_tensorflow()
        from tf_style.training.run import TrainingFiles, train
        from tf_style.training.training import DivergedError
    request = work.request
    files = TrainingFiles(
        output=request.output_path,
        preview=request.preview_path,
        checkpoints=work.folder,
        summaries=request.summary_dir,
        save_seconds=request.save_seconds,
        checkpoint_seconds=request.checkpoint_seconds,
    )
    cancellation = Cancellation()
    with progress_bar.display(quiet=options.quiet, view=_view(work.job.config)) as display:
        for note in filter(None, (work.note, *work.job.notes)):
            display.message(note)
        try:
            with _ended_by_signals(cancellation, display.message):
                result = train(
                    work.job,
                    request.photos,
                    files,
                    saved=work.saved,
                    record=request.to_dict(),
                    on_progress=display.update,
                    cancellation=cancellation,
                    notify=display.message,
                )
        except KeyboardInterrupt:
            display.message(f"Stopped at once.{_what_is_left(work)}")
            return INTERRUPTED
        except (OSError, ArithmeticError, MemoryError) as error:
            resumes = not isinstance(error, DivergedError)  # It would diverge again.
            if left := _what_is_left(work, resumes=resumes).strip():
                display.message(left)
            raise
        return _finish(work, result, display)


def _finish(work: _Work, result: "TrainingResult", display: progress_bar.Display) -> int:
    """Saves the network elsewhere if it could not be saved; tells how the training ended."""
    from tf_style.feedforward.network_file import write_network
    from tf_style.training.run import TrainingStatus

    path, code = work.request.output_path, 0
    if result.unsaved:
        network = result.network
        path, code = saving.save(path, lambda to: write_network(to, network), display.message)
    styles = counted(len(result.network.styles), "style")
    is_cancelled = result.status is TrainingStatus.CANCELLED
    display.message(
        f"Saved {path}: {styles}, step {result.reached.step}, "
        f"{result.reached.seconds:.0f} s. {result.status.value}{_resume_hint(work, is_cancelled)}"
    )
    return code or (INTERRUPTED if is_cancelled else 0)


def _resume_hint(work: _Work, is_cancelled: bool = True) -> str:
    """Returns a sentence that says how to go on, or nothing without a checkpoint."""
    if work.folder is None or not checkpoint_folder.checkpoints_in(work.folder):
        return ""
    command = resuming.command(work.folder, name="train")
    if is_cancelled:
        return f" To resume: {command}"
    config = work.job.config
    longer = f"steps={2 * config.steps}" if config.steps else f"minutes={2 * config.minutes:g}"
    return f" To train longer: {command} --{longer}"


def _what_is_left(work: _Work, *, resumes: bool = True) -> str:
    """Returns sentences on the network and, if it can go on, the checkpoint of a training."""
    output = work.request.output_path
    saved = f" {output} is the network as last saved." if output.exists() else ""
    return f"{saved}{_resume_hint(work) if resumes else ''}"


@contextlib.contextmanager
def _ended_by_signals(cancellation: Cancellation, message: Callable[[str], None]) -> Iterator[None]:
    """Lets SIGINT and SIGTERM end the training after the current step; the second one at once."""

    def on_signal(*_: Any) -> None:
        if cancellation.is_cancelled:
            raise KeyboardInterrupt
        cancellation.cancel()
        with contextlib.suppress(RuntimeError):  # The signal came while a line was written.
            message(
                "Stopping after the current step, then saving. Press Ctrl-C again to stop at once."
            )

    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handlers[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _view(config: TrainingConfig) -> Callable[["TrainingProgress"], progress_bar.Shown]:
    """Returns what is shown of a training: mean losses of the last steps."""
    recent: collections.deque[Any] = collections.deque(maxlen=_SMOOTHED)

    def view(progress: "TrainingProgress") -> progress_bar.Shown:
        recent.append(progress.losses)
        means = dict(zip(progress.losses._fields, np.mean(recent, 0), strict=True))
        step, seconds = progress.reached
        if config.steps:
            completed, total = float(step), float(config.steps)
            left = seconds * (total / completed - 1.0)
        else:
            completed, total = seconds, 60.0 * config.minutes
            left = max(0.0, total - completed)
        return progress_bar.Shown(
            completed,
            total,
            f"{step}/{config.steps}" if config.steps else f"{step}",
            f"{progress.side} px, content {means['content']:.3f}, style {means['style']:.3f}, "
            f"stability {means['stability']:.4f}"
            + (f", adversarial {means['adversarial']:.3f}" if config.adversarial_weight else ""),
            f"{left:.0f} s left",
        )

    return view
