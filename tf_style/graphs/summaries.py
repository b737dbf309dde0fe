"""Writers of summaries for TensorBoard."""

import importlib.util
import os
from typing import Any

import tensorflow as tf

from tf_style._checks import shown, user_path


def summary_writer(folder: str | os.PathLike, *, argument: str, user: str) -> Any:
    """Returns a `tf.summary.SummaryWriter`.

    Args:
        folder: of the new event file, or an address that TensorFlow writes to; it is made if
            necessary.
        argument: name of the folder in error messages.
        user: what needs the writer, for error messages.

    Raises:
        TypeError: if `folder` is no path.
        OSError: if it is a file, or cannot be made.
        ImportError: if TensorBoard is not installed, which TensorFlow needs to write summaries.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(f"`{user}` needs TensorBoard. Run `pip install tf-style[tensorboard]`.")
    if "://" not in str(folder):
        path = user_path(folder, argument)
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(
                f"`{argument}` must be a folder. Received: {argument}='{path}', which is a file."
            )
    # A `Path` would break TensorFlow's addresses, such as gs://bucket/logs.
    place = os.path.expanduser(os.fspath(folder))  # noqa: PTH111
    try:
        return tf.summary.create_file_writer(place)
    except tf.errors.OpError as error:
        raise OSError(
            f"`{argument}` must be a folder that can be made and written to. Received: "
            f"{argument}={shown(place)}. Name another folder."
        ) from error
