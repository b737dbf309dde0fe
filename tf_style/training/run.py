"""One training from its job to the network: saves as it goes, and ends early on request.

The network file, the preview and the checkpoints are renewed at intervals, and once more at the
end, also if that is an error.
"""

import enum
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style._checks import counted, user_path
from tf_style.feedforward.network_file import StyleNetwork, write_network
from tf_style.files import checkpoint_folder
from tf_style.images.writing import save_picture
from tf_style.optimizers.cancellation import Cancellation
from tf_style.training import checkpoints
from tf_style.training.assembly import load_objective
from tf_style.training.photographs import Photographs, listed
from tf_style.training.preparation import TrainingJob
from tf_style.training.renewal import NETWORK, Renewed, write_last
from tf_style.training.sheet import photographs_of_sheet, sheet
from tf_style.training.step import StepLosses
from tf_style.training.summaries import scalars
from tf_style.training.training import Reached, Training, TrainingProgress

_FEW = 20  # Photographs that are told to be few.


class TrainingStatus(enum.Enum):
    """Why a training ended; the value is a sentence for users."""

    DONE = "The training is complete; more minutes may improve the network."
    CANCELLED = "Stopped on request."


class TrainingResult(NamedTuple):
    """What a training gives.

    Attributes:
        network: the network: `tf_style.feedforward.network_file.write_network` writes it.
        status: why it ended.
        reached: how many steps and seconds it has had.
        losses: of the last step; None if none was made.
        unsaved: why the network could not be written to its file at last; empty if it was.
    """

    network: StyleNetwork
    status: TrainingStatus
    reached: Reached
    losses: StepLosses | None
    unsaved: str = ""


class TrainingFiles(NamedTuple):
    """The files that a training renews as it goes.

    Attributes:
        output: of the network; None for none.
        preview: of the sheet, a picture; None for none.
        checkpoints: folder for checkpoints; None for none.
        summaries: folder or address for TensorBoard's scalars; empty for none.
        save_seconds: interval of network and preview.
        checkpoint_seconds: interval of checkpoints.
    """

    output: Path | None = None
    preview: Path | None = None
    checkpoints: Path | None = None
    summaries: str = ""
    save_seconds: float = 30.0
    checkpoint_seconds: float = 60.0


OnTraining = Callable[[TrainingProgress], bool | None]
"""Called after each step; True ends the training with the network as it is."""


def train(
    job: TrainingJob,
    photos: str | os.PathLike,
    files: TrainingFiles,
    *,
    saved: checkpoints.Saved | None = None,
    record: Mapping[str, Any] | None = None,
    on_progress: OnTraining | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Trains a network.

    After an error in a step, the files have the step before it.

    Args:
        job: from `preparation.prepare`, or from `checkpoints.resumed_job`.
        photos: a folder of photographs.
        files: what to write.
        saved: the training to go on with.
        record: saved in checkpoints, in plain JSON types.
        on_progress: called after each step.
        cancellation: ends the training after the current step.
        notify: called with lines of text: on bad photographs, and on files that cannot be written.

    Raises:
        OSError: if photographs or weights cannot be read.
        ValueError: if there is no photograph, or with `deterministic` others than before.
        DivergedError: if the losses are no numbers any more.
        MemoryError: if a step does not fit into memory.
    """
    notify = notify or (lambda _: None)
    summarize = scalars(files.summaries) if files.summaries else None
    photographs, about_photographs = _photographs(photos, files, notify)
    if saved is not None:
        _check_photographs(job, saved, about_photographs, notify)
    objective = load_objective(job.config, notify=notify)
    training = Training(
        objective,
        job.config,
        styles=job.paintings,
        photographs=photographs,
        base=job.base,
        only_styles=job.only_styles,
    )
    state = training.initial() if saved is None else saved.state
    reached = Reached() if saved is None else saved.reached
    about = job.about(len(photographs))
    description = {
        **checkpoints.describe(job, training.architecture),
        "photographs": about_photographs,
        "run": dict(record or {}),
    }

    def network_of(progress: TrainingProgress) -> StyleNetwork:
        return training.network(progress.state, {**about, **progress.reached._asdict()})

    renewed = _renewed(job, files, saved, network_of, photographs, description, notify)
    if summarize is not None:
        renewed.append(Renewed("summaries", 0.0, summarize, notify))
    status, last = TrainingStatus.DONE, None
    try:
        for progress in training.steps(state, reached):
            last = progress
            ends = on_progress is not None and on_progress(progress) is True
            for each in renewed:
                each.after_step(progress)
            if ends or (cancellation is not None and cancellation.is_cancelled):
                status = TrainingStatus.CANCELLED
                break
    except Exception as error:
        if last is not None and (unsaved := write_last(renewed, last, notify)):
            notify(f"Could not write the last network: {unsaved}.")
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise MemoryError(
                "A step of the training must fit into memory. Received: "
                f"batch={job.config.batch}, crops='{job.config.crops}'. Use smaller ones."
            ) from error
        raise
    if last is None:
        return TrainingResult(training.network(state, about), status, reached, None)
    unsaved = write_last(renewed, last, notify)
    return TrainingResult(network_of(last), status, last.reached, last.losses, unsaved)


def _renewed(
    job: TrainingJob,
    files: TrainingFiles,
    saved: checkpoints.Saved | None,
    network_of: Callable[[TrainingProgress], StyleNetwork],
    photographs: Photographs,
    description: Mapping[str, Any],
    notify: Callable[[str], None],
) -> list[Renewed]:
    """Returns the files of a training, in the order in which they are written."""
    renewed = []
    if (output := files.output) is not None:
        renewed.append(
            Renewed(
                NETWORK,
                files.save_seconds,
                lambda progress: write_network(output, network_of(progress)),
                notify,
            )
        )
    if (folder := files.checkpoints) is not None:
        own = [] if saved is None else checkpoint_folder.checkpoints_in(folder)
        kept = job.base.styles if job.only_styles and job.base else {}

        def write_checkpoint(progress: TrainingProgress) -> None:
            own[:] = checkpoint_folder.add(
                folder,
                own,
                lambda path: checkpoints.write(
                    path, description, progress.state, progress.reached, kept
                ),
            )

        renewed.append(Renewed("checkpoint", files.checkpoint_seconds, write_checkpoint, notify))
    if (preview := files.preview) is not None:
        shown = photographs_of_sheet(photographs)

        def write_sheet(progress: TrainingProgress) -> None:
            save_picture(preview, sheet(shown, job.paintings, network_of(progress)), None)

        renewed.append(Renewed("preview", files.save_seconds, write_sheet, notify))
    return renewed


def _photographs(
    photos: str | os.PathLike, files: TrainingFiles, notify: Callable[[str], None]
) -> tuple[Photographs, dict[str, Any]]:
    """Returns the photographs of a folder, and what identifies them, in plain JSON types."""
    own = [path for path in (files.output, files.preview, files.checkpoints) if path is not None]
    paths, notes = listed(photos, own)
    if len(paths) < _FEW:
        notes.append(
            f"`photos` has {counted(len(paths), 'photograph')}, and the network will know little "
            "else. Some hundreds are better."
        )
    for note in notes:
        notify(note)
    photographs = Photographs(paths, notify)
    photographs.number(0)  # Raises if none can be read.
    folder = user_path(photos)
    folder = folder.parent if folder.is_file() else folder
    lines = [f"{path.relative_to(folder).as_posix()}\n{path.stat().st_size}\n" for path in paths]
    names = "".join(lines).encode(errors="surrogateescape")
    return photographs, {"count": len(paths), "sha256": hashlib.sha256(names).hexdigest()}


def _check_photographs(
    job: TrainingJob,
    saved: checkpoints.Saved,
    found: Mapping[str, Any],
    notify: Callable[[str], None],
) -> None:
    """Tells that the photographs are others than before; refuses them with `deterministic`."""
    if job.config.deterministic:
        checkpoints.check_same(saved.file, "photographs", found)
    elif saved.file.description.get("photographs") != found:
        notify("`photos` has other files than before; the training goes on with them.")
