"""Writes stylized pictures to PNG files or TFRecords, and reads the TFRecords again.

Takes and gives elements with "name" (string scalar), "image" (float32 `[1, H, W, 3]`, RGB 0..1)
and, if wanted, "alpha" (float32 `[1, H, W, 1]`, 0..1). Opaque pictures are written without alpha. A
file appears only when it is complete.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import tensorflow as tf

from tf_style._checks import user_path
from tf_style.export.named_graphs import NamedTensors
from tf_style.files.atomic import write_atomically
from tf_style.images.graph_pictures import encode_png, to_png


def write_pngs(elements: Iterable[NamedTensors], folder: str | os.PathLike) -> list[Path]:
    """Writes each "image" to NAME.png in a folder; returns the paths.

    Args:
        elements: stylized elements.
        folder: created if it is missing. Files with the same names are replaced.

    Raises:
        ValueError: if a name is not a plain file name.
        OSError: if a file cannot be written.
    """
    folder = user_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for element in elements:
        name = os.fsdecode(element["name"].numpy())
        if Path(name).name != name:
            raise ValueError(f"`name` must be a file name alone. Received: name={name!r}.")
        path = folder / f"{name}.png"
        data = _png(element).numpy()
        write_atomically(path, functools.partial(_write, data))
        paths.append(path)
    return paths


def write_tfrecords(elements: Iterable[NamedTensors], path: str | os.PathLike) -> int:
    """Writes the elements as `tf.train.Example`s with "name" and "png"; returns their number.

    Args:
        elements: stylized elements.
        path: the file, which appears, or is replaced, only when it is complete.

    Raises:
        OSError: if the file cannot be written.
    """
    count = 0

    def write_all(file: BinaryIO) -> None:
        nonlocal count
        # TensorFlow opens the part file a second time, by its name. The sync that follows applies
        # to the file, not to one handle, so it covers these records.
        with _record_writer(file.name) as write_record:
            for element in elements:
                write_record(_example(element).SerializeToString())
                count += 1

    write_atomically(user_path(path), write_all)
    return count


def _png(element: NamedTensors) -> tf.Tensor:
    """Returns the bytes of an element's PNG file, with alpha unless it is 1 everywhere."""
    if "alpha" not in element:
        return to_png(element["image"])
    return encode_png(element["image"], element["alpha"], tf.reduce_any(element["alpha"] < 1.0))


def _example(element: NamedTensors) -> tf.train.Example:
    values = {"name": element["name"], "png": _png(element)}
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.numpy()]))
        for name, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


@contextlib.contextmanager
def _record_writer(path: str | os.PathLike) -> Iterator[Callable[[bytes], object]]:
    """Yields a function that writes a record. Only failures of writing become OSError."""

    def as_os_error(work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return work(*arguments)
        except tf.errors.OpError as error:
            raise OSError(f"`path` cannot be written: {error.message}.") from error

    writer = as_os_error(tf.io.TFRecordWriter, os.fspath(path))
    try:
        yield functools.partial(as_os_error, writer.write)
        as_os_error(writer.flush)
    finally:
        with contextlib.suppress(tf.errors.OpError):
            writer.close()


def read_tfrecords(path: str | os.PathLike) -> tf.data.Dataset:
    """Returns a dataset of `write_tfrecords`'s elements: "name", "image", "alpha".

    Images and alpha have 8-bit precision.
    """
    form = dict.fromkeys(("name", "png"), tf.io.FixedLenFeature([], tf.string))

    def element(record: tf.Tensor) -> NamedTensors:
        values = tf.io.parse_single_example(record, form)
        pixels = tf.io.decode_png(values["png"], channels=4)[tf.newaxis]
        image, alpha = tf.split(tf.cast(pixels, tf.float32) / 255.0, [3, 1], -1)
        return {"name": values["name"], "image": image, "alpha": alpha}

    return tf.data.TFRecordDataset(os.fspath(user_path(path))).map(element).prefetch(2)


def _write(data: bytes, file: BinaryIO) -> None:
    file.write(data)
