"""`train_network`: from paintings and a folder of photographs to a style network, in Python."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tf_style._checks import user_path
from tf_style.config.training import TrainingConfig
from tf_style.files.checkpoint_folder import check_folder, checkpoints_in
from tf_style.optimizers.cancellation import Cancellation
from tf_style.training import checkpoints
from tf_style.training.preparation import (
    NO_NETWORK,
    check_files,
    files_read,
    named_paintings,
    prepare,
)
from tf_style.training.run import OnTraining, TrainingFiles, TrainingResult, train


def train_network(
    style: str | os.PathLike | Sequence[str | os.PathLike] | Mapping[str, Any],
    photos: str | os.PathLike,
    *,
    output: str | os.PathLike | None = None,
    config: TrainingConfig | None = None,
    init_network: str = "default",
    add_to: str = "",
    preview: str | os.PathLike | None = None,
    checkpoint_dir: str | os.PathLike | None = None,
    summary_dir: str = "",
    on_progress: OnTraining | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Trains a network that paints photographs in one pass, in the style of one or more paintings.

    After an error in a step, the files have the step before it.

    Args:
        style: paths of paintings, whose styles get the files' names without the suffix; or
            pictures by name, as `stylize` takes them.
        photos: folder of photographs; some hundreds are enough. Bad files are told and left out.
        output: file for the network, renewed every 30 seconds: it can be used at any moment. None
            writes none.
        config: all options; the default ones if omitted.
        init_network: what to start from: "default", the network in the package; a file; or "none"
            for random numbers, which takes far longer. A style whose name the network has begins
            as it is there.
        add_to: "default" or the file of a network that is to get new styles. Only these are
            trained; its other styles paint the same pictures as before, to the bit.
        preview: picture file for a sheet of photographs painted in the styles, renewed as it goes.
        checkpoint_dir: folder for checkpoints of this training only, written every minute and at
            the end. A call with the same arguments resumes from there, with `deterministic` bit
            for bit; with more `minutes` or `steps` it goes on with a training that has ended.
        summary_dir: folder for the losses as TensorBoard's scalars; empty for none.
        on_progress: called with a `TrainingProgress` after each step; True ends the training.
        cancellation: ends the training after the current step, from any thread.
        notify: called with lines of text, on pictures and files that are bad.

    Returns:
        The network, and why the training ended.

    Raises:
        OSError: if a file cannot be read, or `output` or `preview` cannot be written.
        ValueError: if a picture, a network or an option is invalid, or there is no photograph.
        TypeError: if an argument has the wrong type.
        FloatingPointError: if the losses are no numbers any more.
        MemoryError: if a step does not fit into memory.

    Example:
        >>> result = tf_style.train_network("wave.jpg", "photos", output="wave.tfstyle")
    """
    config = TrainingConfig() if config is None else config
    if not isinstance(config, TrainingConfig):
        raise TypeError(
            f"`config` must be a TrainingConfig. Received: {type(config).__name__}. Use "
            "`tf_style.TrainingConfig(minutes=5)`."
        )
    files = TrainingFiles(
        output=None if output is None else user_path(output, "output"),
        preview=None if preview is None else user_path(preview, "preview"),
        checkpoints=None if checkpoint_dir is None else check_folder(checkpoint_dir, "training"),
        summaries=summary_dir,
    )
    inputs = files_read(named_paintings(style).values(), photos, init_network, add_to)
    check_files(files.output, files.preview, inputs)
    saved = None
    if files.checkpoints is not None and checkpoints_in(files.checkpoints):
        saved = checkpoints.newest(files.checkpoints, argument="checkpoint_dir")
    if saved is None:
        job = prepare(style, config, init_network=init_network, add_to=add_to)
    else:
        start = {"init_network": init_network, "add_to": add_to}
        checkpoints.check_same(saved.file, "start", start)
        job = checkpoints.resumed_job(prepare(style, config, init_network=NO_NETWORK), saved)
    if notify is not None:
        for note in job.notes:
            notify(note)
    return train(
        job,
        photos,
        files,
        saved=saved,
        on_progress=on_progress,
        cancellation=cancellation,
        notify=notify,
    )
