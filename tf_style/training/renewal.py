"""Files that a training writes again and again.

What cannot be written is told once and tried again; the training goes on, and the older file stays
as it is.
"""

import time
from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_style._checks import one_line
from tf_style.feedforward.network_file import NetworkFileError
from tf_style.training.training import TrainingProgress

NETWORK = "network"
"""What the network's file is called in messages."""


class Renewed:
    """A file that is written again and again."""

    def __init__(
        self,
        what: str,
        seconds: float,
        fill: Callable[[TrainingProgress], None],
        notify: Callable[[str], None],
    ) -> None:
        """Takes what writes the file.

        Args:
            what: the file, in messages.
            seconds: interval; 0 for every step.
            fill: writes the file of a step.
            notify: called with a line of text.
        """
        self.what = what
        self._seconds = seconds
        self._fill = fill
        self._notify = notify
        self._written = time.perf_counter()
        self._has_failed = False
        self._step = -1  # Of the last one that was written.

    def after_step(self, progress: TrainingProgress) -> None:
        """Writes the file if it is due; tells the first of several failures."""
        if time.perf_counter() - self._written < self._seconds:
            return
        failure = self.write(progress)
        if failure and not self._has_failed:
            pause = f"every {self._seconds:g} s" if self._seconds else "after every step"
            self._notify(
                f"Could not write the {self.what} of step {progress.reached.step}: {failure}. The "
                f"training continues and tries again {pause}."
            )
        self._has_failed = bool(failure)
        self._written = time.perf_counter()

    def write(self, progress: TrainingProgress) -> str:
        """Writes the file unless it has been for this step; returns why it could not, or ""."""
        if progress.reached.step == self._step:
            return ""
        try:
            self._fill(progress)
            self._step = progress.reached.step
        except (OSError, MemoryError, NetworkFileError, tf.errors.OpError) as error:
            return one_line(error)
        return ""


def write_last(
    renewed: Sequence[Renewed], last: TrainingProgress, notify: Callable[[str], None]
) -> str:
    """Writes all files of the last step; returns why the network could not be written, or ""."""
    failures = {each.what: each.write(last) for each in renewed}
    unsaved = failures.pop(NETWORK, "")
    for what, failure in failures.items():
        if failure:
            notify(f"Could not write the last {what}: {failure}.")
    return unsaved
