"""The progress of a run as summaries for TensorBoard."""

import importlib.util
import os

import tensorflow as tf

from tf_style._checks import user_path
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
        NotADirectoryError: if it is a file.
        ImportError: if TensorBoard is not installed, which TensorFlow needs to write summaries.

    Example:
        >>> writing = tf_style.write_summaries("logs/run1")
        >>> tf_style.stylize("a.jpg", "b.jpg", on_progress=writing, progress_every=10)
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "`write_summaries` needs TensorBoard. Run `pip install tf-style[tensorboard]`."
        )
    if "://" not in str(log_dir):
        folder = user_path(log_dir, "log_dir")
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(
                f"`log_dir` must be a folder. Received: log_dir='{folder}', which is a file."
            )
    # A `Path` would break TensorFlow's addresses, such as gs://bucket/logs.
    writer = tf.summary.create_file_writer(os.path.expanduser(os.fspath(log_dir)))  # noqa: PTH111

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
