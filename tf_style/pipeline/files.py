"""Writes stylized pictures to PNG files or TFRecords, and reads the TFRecords again.

Takes and gives elements with "name" (string scalar), "image" (float32 `[1, H, W, 3]`, RGB 0..1)
and, if wanted, "alpha" (float32 `[1, H, W, 1]`, 0..1). Opaque pictures are written without alpha. A
file appears only when it is complete. Elements with an "error" are left out, and named.
"""

import contextlib
import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import tensorflow as tf

from tf_style._checks import check_name, checked_integer, one_line, shown, user_path
from tf_style.export.named_graphs import NamedTensors
from tf_style.files.atomic import write_atomically
from tf_style.images.graph_pictures import encode_png, to_png
from tf_style.pipeline.elements import entry_of
from tf_style.pipeline.pictures import has_failed
from tf_style.pipeline.shards import (
    ShardWriter,
    all_sources,
    check_num_shards,
    complete_paths,
    is_complete,
    name_in,
    records_of,
    shard_paths,
)


class Written(NamedTuple):
    """What was written.

    Attributes:
        paths: the files, complete and in order.
        names: names of the pictures that were written now, in order.
        skipped: why each picture that failed has no file, by name.
    """

    paths: list[Path]
    names: list[str]
    skipped: dict[str, str]


def write_pngs(elements: Iterable[NamedTensors], folder: str | os.PathLike) -> Written:
    """Writes each "image" to NAME.png in a folder.

    Args:
        elements: stylized elements.
        folder: created if it is missing. Files with the same names are replaced; to keep them,
            give their `finished_names` to `read_pictures`.

    Raises:
        ValueError: if two elements have the same name, or, unless `on_error` is "skip", a name is
            not a plain file name.
        OSError: if a file cannot be written; of a name that the folder cannot have, unless
            `on_error` is "skip". Files that were written before stay.
    """
    folder = user_path(folder, "folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = Written([], [], {})
    for name, element in _named(elements):
        if has_failed(element):
            written.skipped[name] = os.fsdecode(element["error"].numpy())
            continue
        try:
            path = _png_path(folder, name)
        except (OSError, ValueError) as error:
            if "error" not in element:
                raise
            written.skipped[name] = one_line(error)
            continue
        write_atomically(path, functools.partial(_write, _png(element).numpy()))
        written.paths.append(path)
        written.names.append(name)
    return written


def write_tfrecords(
    elements: Iterable[NamedTensors],
    path: str | os.PathLike,
    *,
    num_shards: int | None = None,
    resume: bool = False,
) -> Written:
    """Writes the elements as `tf.train.Example`s with "name" and "png".

    Files appear, or are replaced, only when all elements are written. If something fails before,
    the records so far stay in files beside them, such as NAME.partial-1, and `resume` goes on from
    there.

    Args:
        elements: stylized elements.
        path: the file.
        num_shards: number of files, PATH-00000-of-00010 and so on; the elements take turns. None
            for the file `path` itself. It cannot change while files of another number are there.
        resume: whether to keep what an earlier call with the same `num_shards` wrote, also if it
            failed. Elements whose names are there are not written again; to save the work of
            stylizing them, give `finished_names` to `read_pictures`.

    Raises:
        ValueError: if `num_shards` is below 1 or not that of the files that exist, or two elements
            have the same name. Records that were written before are kept for `resume`.
        TypeError: if `num_shards` is not an integer.
        OSError: if a file cannot be written.
    """
    path = Path(os.path.realpath(user_path(path)))
    if num_shards is not None:
        num_shards = checked_integer("num_shards", num_shards, minimum=1, maximum=99_999)
    check_num_shards(path, num_shards)
    paths = shard_paths(path, num_shards)
    known = finished_names(path) if resume else set()
    missing = [each for each in paths if not (resume and is_complete(each))]
    written = Written(paths, [], {})
    with contextlib.ExitStack() as stack:
        writers: dict[Path, ShardWriter] = {}

        def writer_of(shard: Path) -> ShardWriter:
            if shard not in writers:
                writers[shard] = ShardWriter(shard, keep=resume)
                stack.callback(writers[shard].close)
            return writers[shard]

        for shard in missing:
            writer_of(shard)
        turns = itertools.cycle(missing or paths)
        for name, element in _named(elements):
            if has_failed(element):
                written.skipped[name] = os.fsdecode(element["error"].numpy())
            elif name not in known:
                writer_of(next(turns)).write(_example(element).SerializeToString())
                written.names.append(name)
        for writer in writers.values():
            writer.complete()
    return written


def finished_names(path: str | os.PathLike) -> set[str]:
    """Returns the names of the pictures that an earlier run wrote, for `read_pictures(skip=)`.

    Args:
        path: a folder of `write_pngs`; or the `path` of `write_tfrecords`, whose complete and
            partial files count. If there is none, there are no names.
    """
    path = Path(os.path.realpath(user_path(path)))
    if path.is_dir():
        return {each.stem for each in path.iterdir() if each.suffix == ".png"}
    return {name_in(record) for file in all_sources(path) for record in records_of(file)}


def read_tfrecords(path: str | os.PathLike) -> tf.data.Dataset:
    """Returns a dataset of `write_tfrecords`'s elements: "name", "image", "alpha".

    Images and alpha have 8-bit precision.

    Args:
        path: the `path` of `write_tfrecords`: one file, or all its shards, one after the other.

    Raises:
        ValueError: if a shard is missing.
    """
    path = user_path(path)
    form = dict.fromkeys(("name", "png"), tf.io.FixedLenFeature([], tf.string))

    def element(record: tf.Tensor) -> NamedTensors:
        values = tf.io.parse_single_example(record, form)
        pixels = tf.io.decode_png(values["png"], channels=4)[tf.newaxis]
        image, alpha = tf.split(tf.cast(pixels, tf.float32) / 255.0, [3, 1], -1)
        return {"name": values["name"], "image": image, "alpha": alpha}

    files = complete_paths(path) or [path]
    if files != [path]:
        wanted = shard_paths(path, int(files[0].name[-5:]))
        if lacking := [each.name for each in wanted if each not in files] or files != wanted:
            raise ValueError(
                f"`path` must have all its shards, of one run. Received: path='{path}', with "
                f"{len(files)} files; lacking: {lacking}. Write them with `resume=True`."
            )
    dataset = tf.data.TFRecordDataset([os.fspath(each) for each in files])
    return dataset.map(element).prefetch(2)


def _named(elements: Iterable[NamedTensors]) -> Iterator[tuple[str, NamedTensors]]:
    """Yields each element after its name; raises ValueError if a name comes again."""
    names: set[str] = set()
    for element in elements:
        name = os.fsdecode(entry_of(element, "name").numpy())
        if name in names:
            raise ValueError(
                f"`name` must be another for each element. Received: name={shown(name)} twice. "
                "Append a number, as `read_pictures` does."
            )
        names.add(name)
        yield name, element


def _png_path(folder: Path, name: str) -> Path:
    """Returns the path of a picture's file.

    Raises:
        ValueError: if the name is not a plain file name.
        OSError: if the folder cannot have such a file.
    """
    if not name or "\0" in name or Path(name).name != name:
        raise ValueError(
            f"`name` must be a file name alone. Received: name={shown(name)}. Leave out folders."
        )
    path = folder / f"{name}.png"
    check_name("name", path)
    if path.exists() and not path.is_file():
        raise OSError(
            f"`name` must not be that of a folder, pipe or device. Received: name={shown(name)}."
        )
    return path


def _png(element: NamedTensors) -> tf.Tensor:
    """Returns the bytes of an element's PNG file, with alpha unless it is 1 everywhere."""
    image = entry_of(element, "image")
    if "alpha" not in element:
        return to_png(image)
    return encode_png(image, element["alpha"], tf.reduce_any(element["alpha"] < 1.0))


def _example(element: NamedTensors) -> tf.train.Example:
    values = {"name": element["name"], "png": _png(element)}
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.numpy()]))
        for name, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def _write(data: bytes, file: BinaryIO) -> None:
    file.write(data)
