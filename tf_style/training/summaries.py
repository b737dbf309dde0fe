"""The losses of a training as scalars for TensorBoard."""

from collections.abc import Callable

import tensorflow as tf

from tf_style.graphs.summaries import summary_writer
from tf_style.training.training import TrainingProgress


def scalars(summary_dir: str) -> Callable[[TrainingProgress], None]:
    """Returns a function that writes the losses of a step, and the side of its parts.

    Args:
        summary_dir: as for `summary_writer`.

    Raises:
        OSError: if it is a file, or cannot be made.
        ImportError: if TensorBoard is not installed.
    """
    writer = summary_writer(summary_dir, argument="summary_dir", user="summary_dir")

    def write(progress: TrainingProgress) -> None:
        with writer.as_default(step=progress.reached.step):
            for name, value in progress.losses._asdict().items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("side", progress.side)
        writer.flush()

    return write
