"""The checkpoints of a run: writes them to a folder at intervals, and reads the newest to resume.

Each is one `checkpoint_file`. The folder holds the last two; an older one is removed only after a
newer one is safely on the disk. No TensorFlow here.
"""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_style._checks import check_number
from tf_style.config.earlier import completed
from tf_style.config.style_config import FIELDS, StyleConfig
from tf_style.files import checkpoint_folder
from tf_style.files.checkpoint_folder import check_folder
from tf_style.inputs.inputs import Inputs
from tf_style.transfer import checkpoint_file
from tf_style.transfer.checkpoint_file import Checkpoint

if TYPE_CHECKING:
    from tf_style.transfer.progress import Progress


class Checkpoints:
    """Writes the checkpoints of one run.

    Attributes:
        folder: the folder of the checkpoints.
        started: when the run began, on the clock of `time.perf_counter`; for a resumed run as if
            it had never been interrupted.
        resume_from: the saved state of a resumed run, or None.
        first_step: number of steps of the picture that were made before.
    """

    def __init__(
        self,
        folder: Path,
        description: Mapping[str, Any],
        *,
        seconds: float,
        started: float,
        resumed: Checkpoint | None = None,
    ) -> None:
        """Prepares the checkpoints; writes nothing yet.

        Args:
            folder: a folder that `check_folder` accepts.
            description: from `describe`, and anything else to be saved.
            seconds: interval between checkpoints.
            started: when this process began the run, on the clock of `time.perf_counter`.
            resumed: the checkpoint that the run resumes from.

        Raises:
            ValueError: if `seconds` is negative.
        """
        check_number("checkpoint_seconds", seconds, minimum=0.0)
        self.folder = folder
        self.started = started - (0.0 if resumed is None else _elapsed(resumed))
        self.resume_from = None if resumed is None else resumed.arrays
        self.first_step = 0 if resumed is None else _step(resumed)
        self._description = description
        self._seconds = seconds
        self._own = [] if resumed is None else checkpoint_folder.checkpoints_in(folder)
        self._last = self._written = time.perf_counter()
        self._has_failed = False
        self._is_closed = False

    @property
    def written(self) -> bool:
        """Whether the folder holds a checkpoint of this run."""
        return bool(self._own)

    def after_slice(
        self, progress: "Progress", *, notify: Callable[[str], None], at_once: bool = False
    ) -> None:
        """Writes a checkpoint if one is due; must be called while `on_progress` runs.

        A failure to write does not end the run; it is reported once.

        Args:
            progress: how far the run has come.
            notify: called with a line of text if the checkpoint cannot be written.
            at_once: whether the run is about to end. A last checkpoint is written now and none
                after it, because the slices after a cancelled texture must not be resumed from.
        """
        now = time.perf_counter()
        slice_seconds, self._last = now - self._last, now
        # The next slice may take as long as this one; it must not end after the interval.
        due = now + slice_seconds - self._written >= self._seconds
        if progress.step >= progress.num_steps and not progress.config.compute.time_budget:
            due = False  # The picture itself is about to be saved.
        if self._is_closed or not (due or at_once):
            return
        self._is_closed = at_once
        try:
            self._write(progress)
            self._has_failed = False
        except (OSError, MemoryError) as error:
            if not self._has_failed:
                notify(
                    f"Could not write the checkpoint of step {progress.step}: {error}. The run "
                    f"continues and tries again every {self._seconds:g} s."
                )
            self._has_failed = True
        self._last = self._written = time.perf_counter()  # The time of writing does not count.

    def remove(self) -> None:
        """Removes the checkpoints of this run, and the folder if it is then empty."""
        checkpoint_folder.remove(self.folder, self._own)
        self._own = []

    def _write(self, progress: "Progress") -> None:
        reached = {
            "phase": progress.phase,
            "step": progress.step,
            "num_steps": progress.num_steps,
            "elapsed": time.perf_counter() - self.started,
        }
        description = {**self._description, **reached}
        self._own = checkpoint_folder.add(
            self.folder,
            self._own,
            lambda path: checkpoint_file.write(path, description, progress.state()),
        )


def is_in(folder: Path) -> bool:
    """Returns whether a folder holds a checkpoint, intact or not."""
    return bool(checkpoint_folder.checkpoints_in(folder))


def newest(folder: Path, *, argument: str) -> Checkpoint:
    """Returns the newest checkpoint in a folder.

    Args:
        folder: the folder of the checkpoints.
        argument: name of the folder in error messages.

    Raises:
        OSError: if there is no checkpoint, or it cannot be read.
        CheckpointError: if it is damaged or from another version; names a way out.
    """
    return checkpoint_folder.newest(folder, checkpoint_file.read, argument=argument)


def describe(inputs: Inputs, config: StyleConfig) -> dict[str, Any]:
    """Returns what identifies a run: its config, and a hash of each of its pictures."""
    left_out = ("notes", "origin")
    hashes = {
        name: _hash(value) for name, value in inputs._asdict().items() if name not in left_out
    }
    return {"config": config.to_dict(), "inputs": hashes}


def check_same(checkpoint: Checkpoint, description: Mapping[str, Any]) -> None:
    """Raises ValueError if a checkpoint is from a run with another description."""
    for what, expected in description.items():
        saved = checkpoint.description.get(what)
        saved = dict(saved) if isinstance(saved, dict) else {}
        if what == "config":
            saved = completed(saved, FIELDS)
        elif what == "inputs":
            # Earlier versions lacked some of the pictures that a run need not have.
            defaults = Inputs._field_defaults
            saved = {**{name: _hash(value) for name, value in defaults.items()}, **saved}
        other = [name for name, value in expected.items() if saved.get(name) != value]
        if other:
            raise ValueError(
                f"'{checkpoint.path}' must be from a run with the same {what}. Received: different "
                f"{', '.join(other)}. Use those that the run began with, or remove "
                f"'{checkpoint.path.parent}' to start anew."
            )


def begin_or_resume(
    folder: str | os.PathLike, inputs: Inputs, config: StyleConfig, **options: Any
) -> Checkpoints:
    """Returns the checkpoints of a run, which is resumed if the folder holds a checkpoint.

    Args:
        folder: the folder of the checkpoints.
        inputs: of the run.
        config: of the run.
        **options: passed to `Checkpoints`.

    Raises:
        OSError: as for `check_folder`.
        ValueError: if the folder holds a damaged checkpoint, or one of another run.
    """
    path, description, resumed = check_folder(folder), describe(inputs, config), None
    if is_in(path):
        resumed = newest(path, argument="checkpoint_dir")
        check_same(resumed, description)
    return Checkpoints(path, description, resumed=resumed, **options)


def _elapsed(checkpoint: Checkpoint) -> float:
    """Returns the seconds that the run had taken when the checkpoint was written."""
    elapsed = checkpoint.description.get("elapsed")
    return elapsed if isinstance(elapsed, float) and 0.0 <= elapsed < 1e12 else 0.0


def _step(checkpoint: Checkpoint) -> int:
    """Returns the steps of the picture; 0 while a style picture takes on the fine texture."""
    step = checkpoint.description.get("step")
    is_texture = checkpoint.description.get("phase") == "texture"
    return step if type(step) is int and step >= 0 and not is_texture else 0


def _hash(value: Any) -> str:
    """Returns the SHA-256 of an array, a nested tuple of arrays, or any other value."""
    if isinstance(value, tuple):
        data = "".join(map(_hash, value)).encode()
    elif isinstance(value, np.ndarray):
        head = f"{value.dtype.name} {value.shape} ".encode()
        data = head + hashlib.sha256(np.ascontiguousarray(value).data).digest()
    else:
        data = repr(value).encode()
    return hashlib.sha256(data).hexdigest()
