"""Many pictures through `tf.data`: files to images, stylized, to PNG files or TFRecords.

An element is a dict: "name" (string scalar), "content" and "style" (float32 `[1, H, W, 3]`, RGB
0..1, of any sizes), and once stylized "image" (float32 `[1, H, W, 3]`, RGB 0..1).
"""

import contextlib
import functools
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import tensorflow as tf

from tf_style._checks import user_path
from tf_style.export.named_graphs import NamedTensors
from tf_style.files.atomic import write_atomically
from tf_style.images.graph_pictures import to_png


def write_pngs(elements: Iterable[NamedTensors], folder: str | os.PathLike) -> list[Path]:
    """Writes each "image" as NAME.png; returns the paths.

    Args:
        elements: stylized ones.
        folder: made if it is not there. Files of the same names are replaced.

    Raises:
        ValueError: if a name is no file name.
        OSError: if a file cannot be written.
    """
    folder = user_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for element in elements:
        name = element["name"].numpy().decode()
        if Path(name).name != name:
            raise ValueError(f"`name` must be a file name alone. Received: name={name!r}.")
        path = folder / f"{name}.png"
        data = to_png(element["image"]).numpy()
        write_atomically(path, functools.partial(_write, data))
        paths.append(path)
    return paths


def write_tfrecords(elements: Iterable[NamedTensors], path: str | os.PathLike) -> int:
    """Writes the elements as `tf.train.Example`s with "name" and "png"; returns how many.

    Args:
        elements: stylized ones.
        path: of the file, which is there only when it is complete.

    Raises:
        OSError: if it cannot be written.
    """
    path = user_path(path)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    count = 0
    try:
        with _writing(part) as write:
            for element in elements:
                count += 1
                values = {"name": element["name"], "png": to_png(element["image"])}
                features = {
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.numpy()]))
                    for name, value in values.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                write(example.SerializeToString())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Yields what writes a record; of what goes wrong, only its own failures become OSError."""

    def told(work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return work(*arguments)
        except tf.errors.OpError as error:
            raise OSError(f"`path` cannot be written: {error.message}.") from error

    writer = told(tf.io.TFRecordWriter, os.fspath(path))
    try:
        yield functools.partial(told, writer.write)
        told(writer.flush)
    finally:
        with contextlib.suppress(tf.errors.OpError):
            writer.close()


def read_tfrecords(path: str | os.PathLike) -> tf.data.Dataset:
    """Returns the elements of `write_tfrecords`: "name", and "image" with 8 bits of precision."""
    form = dict.fromkeys(("name", "png"), tf.io.FixedLenFeature([], tf.string))

    def element(record: tf.Tensor) -> NamedTensors:
        found = tf.io.parse_single_example(record, form)
        pixels = tf.io.decode_png(found["png"], channels=3)
        return {"name": found["name"], "image": tf.cast(pixels[tf.newaxis], tf.float32) / 255.0}

    return tf.data.TFRecordDataset(os.fspath(user_path(path))).map(element).prefetch(2)


def _write(data: bytes, file: BinaryIO) -> None:
    file.write(data)
