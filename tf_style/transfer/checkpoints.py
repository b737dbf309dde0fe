"""Where a run stands, kept in a folder: written now and then, found again. No TensorFlow here.

The last two are kept, each a `checkpoint_file`; an older one goes only once a newer is safe.
"""

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_style._checks import check_number
from tf_style.config.style_config import StyleConfig
from tf_style.files.new_folder import check_place
from tf_style.inputs.inputs import Inputs
from tf_style.transfer import checkpoint_file
from tf_style.transfer.checkpoint_file import Checkpoint, CheckpointError

if TYPE_CHECKING:
    from tf_style.transfer.progress import Progress


_KEPT = 2
_NAME = re.compile(r"\d{8}\.checkpoint")
_PART = re.compile(r"\.[0-9a-f]{16}\.part")  # What `saving` leaves if the process is killed.


class Checkpoints:
    """Writes the checkpoints of one run.

    Attributes:
        folder: where.
        started: when the run's time began, on the clock of `time.perf_counter`.
        resume_from: what the run goes on from, or None.
        first_step: how many steps of the picture were made before.
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
        """Takes note of the run.

        Args:
            folder: as `check_folder` allows it.
            description: `describe`'s, and what else is to be kept.
            seconds: between checkpoints.
            started: when this process began with it, on the clock of `time.perf_counter`.
            resumed: the one that the run goes on from.
        """
        check_number("checkpoint_seconds", seconds, minimum=0.0)
        self.folder = folder
        self.started = started - (0.0 if resumed is None else _elapsed(resumed))
        self.resume_from = None if resumed is None else resumed.arrays
        self.first_step = 0 if resumed is None else _step(resumed)
        self._description = description
        self._seconds = seconds
        self._own = [] if resumed is None else _files(folder)
        self._last = self._written = time.perf_counter()
        self._has_failed = False
        self._is_closed = False

    @property
    def written(self) -> bool:
        """Whether there is something to go on from."""
        return bool(self._own)

    def after_slice(
        self, progress: "Progress", *, notify: Callable[[str], None], at_once: bool = False
    ) -> None:
        """Writes a checkpoint if it is time; must be called while `on_progress` runs.

        What keeps it from being written is told once and does not end the run.

        Args:
            progress: where the run stands.
            notify: called with a line of text if it cannot be written.
            at_once: whether the run is to end: write now, and never after. What follows a
                texture that was cut short is not to be gone on from.
        """
        now = time.perf_counter()
        slice_seconds, self._last = now - self._last, now
        # The next slice may take as long as this one, and is not to end after the interval.
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
                    f"No checkpoint of step {progress.step}: {error}. The run goes on and tries "
                    f"again every {self._seconds:g} s."
                )
            self._has_failed = True
        self._last = self._written = time.perf_counter()  # Work counts, not the writing.

    def remove(self) -> None:
        """Removes this run's checkpoints, and the folder if it is empty then."""
        with contextlib.suppress(OSError):
            for path in [*self._own, *_parts(self.folder)]:
                path.unlink(missing_ok=True)
            self._own = []
            self.folder.rmdir()

    def _write(self, progress: "Progress") -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in _parts(self.folder):
            part.unlink()
        there = _files(self.folder)
        path = self.folder / f"{int(there[-1].stem) + 1 if there else 1:08d}.checkpoint"
        where = {
            "phase": progress.phase,
            "step": progress.step,
            "num_steps": progress.num_steps,
            "elapsed": time.perf_counter() - self.started,
        }
        checkpoint_file.write(path, {**self._description, **where}, progress.state())
        self._own = [*self._own, path][-_KEPT:]
        for other in there:
            if other not in self._own:
                other.unlink(missing_ok=True)


def check_folder(folder: str | os.PathLike) -> Path:
    """Returns the path with `~` expanded, if checkpoints can be kept there.

    Raises:
        OSError: if it is a file, holds anything but checkpoints, or cannot be written.
    """
    path = check_place(folder, argument="checkpoint_dir")
    if path.is_dir():
        other = {child.name for child in path.iterdir()}
        other -= {child.name for child in (*_files(path), *_parts(path))}
        if other:
            raise FileExistsError(
                "`checkpoint_dir` must be a folder of its own. Received: "
                f"checkpoint_dir='{path}', which holds '{min(other)}'. Name a new one."
            )
    return path


def is_in(folder: Path) -> bool:
    """Returns whether a folder holds a checkpoint, whole or not."""
    return bool(_files(folder))


def newest(folder: Path, *, argument: str) -> Checkpoint:
    """Returns the newest checkpoint in a folder.

    Args:
        folder: where.
        argument: how errors call it.

    Raises:
        OSError: if there is none, or it cannot be read.
        CheckpointError: if it is damaged, or another version's; tells how to go on.
    """
    files = _files(folder)
    if not files:
        which = "which holds none" if folder.is_dir() else "no folder"
        raise FileNotFoundError(
            f"`{argument}` must be a folder with a checkpoint. Received: {argument}='{folder}', "
            f"{which}. Name the folder that tf_style told, or begin anew."
        )
    try:
        return checkpoint_file.read(files[-1])
    except CheckpointError as error:
        way_out = f"There is no whole one before it: remove '{folder}' to begin anew."
        with contextlib.suppress(CheckpointError, OSError, IndexError):
            step = checkpoint_file.read(files[-2]).description.get("step")
            way_out = (
                f"The one before it, of step {step}, is whole: remove '{files[-1]}' to go on from "
                "there."
            )
        raise CheckpointError(f"{error} {way_out}") from error


def describe(inputs: Inputs, config: StyleConfig) -> dict[str, Any]:
    """Returns what tells a run from others: its config, and the hash of each of its pictures."""
    hashes = {name: _hash(value) for name, value in inputs._asdict().items() if name != "notes"}
    return {"config": config.to_dict(), "inputs": hashes}


def check_same(checkpoint: Checkpoint, description: Mapping[str, Any]) -> None:
    """Raises ValueError if a checkpoint is not of a run of this description."""
    for what, expected in description.items():
        found = checkpoint.description.get(what)
        found = found if isinstance(found, dict) else {}
        other = [name for name, value in expected.items() if found.get(name) != value]
        if other:
            raise ValueError(
                f"'{checkpoint.path}' must be of a run of the same {what}. Received: other "
                f"{', '.join(other)}. Go on with those it was begun with, or remove "
                f"'{checkpoint.path.parent}' to begin anew."
            )


def begin_or_resume(
    folder: str | os.PathLike, inputs: Inputs, config: StyleConfig, **options: Any
) -> Checkpoints:
    """Returns the checkpoints of a run, which goes on if it was begun before.

    Args:
        folder: where.
        inputs: of the run.
        config: of the run.
        **options: of `Checkpoints`.

    Raises:
        OSError: as `check_folder`.
        ValueError: if the folder holds a damaged checkpoint, or another run's.
    """
    path, description, resumed = check_folder(folder), describe(inputs, config), None
    if is_in(path):
        resumed = newest(path, argument="checkpoint_dir")
        check_same(resumed, description)
    return Checkpoints(path, description, resumed=resumed, **options)


def _elapsed(checkpoint: Checkpoint) -> float:
    """Returns the seconds that a run had taken at its checkpoint."""
    found = checkpoint.description.get("elapsed")
    return found if isinstance(found, float) and 0.0 <= found < 1e12 else 0.0


def _step(checkpoint: Checkpoint) -> int:
    """Returns the steps of the picture, which has none while a style takes on texture."""
    found = checkpoint.description.get("step")
    is_texture = checkpoint.description.get("phase") == "texture"
    return found if type(found) is int and found >= 0 and not is_texture else 0


def _hash(value: Any) -> str:
    """Returns the SHA-256 of arrays in whatever tuples, and of other values."""
    if isinstance(value, tuple):
        data = "".join(map(_hash, value)).encode()
    elif isinstance(value, np.ndarray):
        told = f"{value.dtype.name} {value.shape} ".encode()
        data = told + hashlib.sha256(np.ascontiguousarray(value).data).digest()
    else:
        data = repr(value).encode()
    return hashlib.sha256(data).hexdigest()


def _files(folder: Path) -> list[Path]:
    """Returns the checkpoints in a folder, the newest last."""
    return _named(folder, _NAME)


def _parts(folder: Path) -> list[Path]:
    """Returns what was being written when a process was killed."""
    return _named(folder, _PART)


def _named(folder: Path, pattern: re.Pattern) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
