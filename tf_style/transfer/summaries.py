"""The progress of a run as summaries for TensorBoard."""

import os

import tensorflow as tf

from tf_style.graphs.summaries import summary_writer
from tf_style.transfer.progress import OnProgress, Progress


def write_summaries(log_dir: str | os.PathLike, *, pictures: bool = True) -> OnProgress:
    """Returns a callback for `on_progress` that writes losses and pictures for TensorBoard.

    The losses are `Progress.loss` and `Progress.terms`, which cost a third of an evaluation; the
    step is `Progress.step`. The names of a fine texture's summaries begin with 'texture/'.

    Args:
        log_dir: folder of the new event file, or an address that TensorFlow writes to; it is made
            if necessary.
        pictures: whether to write the picture, of the result's size, as PNG.

    Raises:
        TypeError: if `log_dir` is no path.
        OSError: if it is a file, or cannot be made.
        ImportError: if TensorBoard is not installed, which TensorFlow needs to write summaries.

    Example:
        >>> writing = tf_style.write_summaries("logs/run1")
        >>> tf_style.stylize("a.jpg", "b.jpg", on_progress=writing, progress_every=10)
    """
    writer = summary_writer(log_dir, argument="log_dir", user="write_summaries")

    def write(progress: Progress) -> None:
        prefix = "" if progress.phase == "picture" else f"{progress.phase}/"
        with writer.as_default(step=progress.step):
            tf.summary.scalar(f"{prefix}loss", progress.loss)
            for name, value in progress.terms.items():
                tf.summary.scalar(f"{prefix}{name}", value)
            if pictures:
                tf.summary.image(f"{prefix}picture", progress.pixels[None])
        writer.flush()

    return write
