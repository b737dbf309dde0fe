"""The checkpoints of a training: its state, the network that it began from, and what identifies it.

Takes a job and a state; gives a file, and both back. A checkpoint needs no other file but the
paintings and the photographs.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number, checked_integer, one_line
from tf_style._version import __version__
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import Architecture, parameter_shapes
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.files import array_file, checkpoint_folder
from tf_style.files.array_file import ArrayFile
from tf_style.training.discriminator import PREFIX
from tf_style.training.preparation import TrainingJob
from tf_style.training.state import TrainingState, named_state, state_of
from tf_style.training.step import STYLES
from tf_style.training.training import Reached

_KEPT = "kept/"
_LENGTHS = ("minutes", "steps")
"""Options that may change when a training goes on."""


class TrainingCheckpointError(ValueError):
    """Raised for a file that is no checkpoint of a training, damaged, or of another version."""


_KIND = array_file.Kind(
    "training", 1, TrainingCheckpointError, "Resume with the version that wrote it."
)


class Saved(NamedTuple):
    """A training that was interrupted.

    Attributes:
        file: the checkpoint.
        state: to go on from.
        reached: how far it had come.
        base: the network that it began from; its numbers where only styles are trained, else only
            its architecture matters.
        only_styles: whether it adds styles to `base`.
    """

    file: ArrayFile
    state: TrainingState
    reached: Reached
    base: StyleNetwork
    only_styles: bool


def describe(job: TrainingJob, architecture: Architecture) -> dict[str, Any]:
    """Returns what identifies a training, in plain JSON types."""
    base = job.base if job.only_styles else None
    return {
        "config": job.config.to_dict(),
        "paintings": job.hashes,
        "architecture": dataclasses.asdict(architecture),
        "only_styles": job.only_styles,
        "start": dict(job.start),
        "about": dict(base.about) if base else {},
    }


def write(
    path: Path,
    description: Mapping[str, Any],
    state: TrainingState,
    reached: Reached,
    kept: Mapping[str, np.ndarray],
) -> None:
    """Writes a checkpoint.

    Args:
        path: the file.
        description: from `describe`, and anything else to be saved.
        state: of the training.
        reached: how far it has come.
        kept: styles that the network keeps.

    Raises:
        OSError: if it cannot be written.
    """
    about = {**description, "step": reached.step, "seconds": reached.seconds}
    arrays = {**named_state(state), **{f"{_KEPT}{name}": style for name, style in kept.items()}}
    array_file.write(path, _KIND, about, arrays)


def read(path: Path) -> ArrayFile:
    """Returns the contents of a checkpoint, after checking the whole file.

    Raises:
        OSError: if it cannot be read.
        TrainingCheckpointError: if it is no checkpoint of a training, damaged, or from another
            version.
    """
    return array_file.read(path, _KIND, version=__version__)


def newest(folder: Path, *, argument: str) -> Saved:
    """Returns the training of the newest checkpoint in a folder.

    Args:
        folder: the folder of the checkpoints.
        argument: name of the folder in error messages.

    Raises:
        OSError: if there is no checkpoint, or it cannot be read.
        TrainingCheckpointError: if it is damaged or from another version; names a way out.
    """
    file = checkpoint_folder.newest(folder, read, argument=argument)
    try:
        return _restored(file)
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingCheckpointError(
            f"'{file.path}' is no checkpoint of a training of this version: {one_line(error)}. "
            "Start anew."
        ) from error


def _restored(file: ArrayFile) -> Saved:
    """Returns the training in a file; raises ValueError, TypeError or KeyError if it is none."""
    description, arrays = file.description, dict(file.arrays)
    architecture = Architecture(**description["architecture"])
    state = state_of({name: tf.constant(array) for name, array in arrays.items()})
    shapes: dict[str, tuple[int, ...]] = dict(parameter_shapes(architecture))
    shapes[STYLES] = (len(description["paintings"]), architecture.style_size)
    # A discriminator's numbers are beside those of the network.
    for name, array in state.parameters.items():
        if name.startswith(PREFIX):
            shapes[name] = tuple(array.shape)
    for part in (state.parameters, state.first, state.second, state.averages):
        if {name: tuple(array.shape) for name, array in part.items()} != shapes:
            raise ValueError("its arrays do not fit together")
    flat = [state.step, *(a for part in state[1:] for a in part.values())]
    if state.step.shape != () or any(array.dtype != tf.float32 for array in flat):
        raise ValueError("its arrays do not fit together")
    kept = {
        name.removeprefix(_KEPT): array for name, array in arrays.items() if name.startswith(_KEPT)
    }
    if any(style.shape != (architecture.style_size,) for style in kept.values()):
        raise ValueError("its styles do not fit the network")
    check_number("seconds", description["seconds"], minimum=0.0, maximum=1e12)
    reached = Reached(
        checked_integer("step", description["step"], minimum=0), float(description["seconds"])
    )
    parameters = {name: arrays[f"averages/{name}"] for name in parameter_shapes(architecture)}
    base = StyleNetwork(architecture, parameters, kept, dict(description["about"]))
    return Saved(file, state, reached, base, bool(description["only_styles"]))


def resumed_job(job: TrainingJob, saved: Saved) -> TrainingJob:
    """Returns a job that goes on with a saved training.

    Args:
        job: with the paintings and options of now.
        saved: what was interrupted.

    Raises:
        ValueError: if the training was another one, or has nothing left to do.
    """
    check_same(saved.file, "paintings", job.hashes)
    options = {name: value for name, value in job.config.to_dict().items() if name not in _LENGTHS}
    check_same(saved.file, "config", options)
    _check_unfinished(job.config, saved.reached)
    start = saved.file.description.get("start")
    return job._replace(
        base=saved.base,
        only_styles=saved.only_styles,
        start=dict(start) if isinstance(start, dict) else {},
    )


def check_same(file: ArrayFile, what: str, expected: Mapping[str, Any]) -> None:
    """Raises ValueError, with the names of what differs, if a checkpoint is of another training."""
    found = file.description.get(what)
    found = found if isinstance(found, dict) else {}
    names = [*expected, *(name for name in found if name not in (*expected, *_LENGTHS))]
    other = [name for name in names if found.get(name) != expected.get(name)]
    if other:
        raise ValueError(
            f"'{file.path}' must be from a training with the same {what}. Received: different "
            f"{', '.join(other)}. Use those that it began with, or remove '{file.path.parent}' to "
            "start anew."
        )


def _check_unfinished(config: TrainingConfig, reached: Reached) -> None:
    """Raises ValueError if all steps have been made."""
    if config.steps:
        name, limit, done = "steps", float(config.steps), float(reached.step)
    else:
        name, limit, done = "minutes", config.minutes, reached.seconds / 60.0
    if done >= limit:
        raise ValueError(
            f"`{name}` must be more than the training has had, {done:g}. Received: "
            f"{name}={limit:g}. Give more of them, as in --{name}={math.ceil(2.0 * done)}."
        )
