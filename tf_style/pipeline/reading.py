"""Reads pairs of pictures into a dataset: from files, or from their bytes.

Gives elements as described in `tf_style.pipeline`.
"""

import itertools
import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_choice, checked_integer, missing_file, one_line, shown, user_path
from tf_style.config.style_config import StyleConfig
from tf_style.export.named_graphs import NamedTensors
from tf_style.graphs.epochs import check_dataset, checkpointable
from tf_style.images.sources import is_address
from tf_style.inputs.preparation import prepare_inputs
from tf_style.pipeline.elements import IMAGE, entry_of

EMPTY = (1, 0, 0, 3)
"""The shape of the images of an element that failed."""

ON_ERROR = ("raise", "skip")


def read_pictures(
    contents: Iterable[str | os.PathLike],
    styles: Iterable[str | os.PathLike],
    *,
    config: StyleConfig | None = None,
    on_error: str = "raise",
    skip: Collection[str] = (),
    num_parallel_reads: int = 1,
    notify: Callable[[str], None] | None = None,
) -> tf.data.Dataset:
    """Returns a dataset of picture pairs, which are read and resized in the background.

    It reads the same file formats as `stylize`. "name" is the content's file name and the
    style's, without suffixes, joined by "-"; duplicates get numbers. "alpha" is the content's alpha
    channel, all 1 if the picture has none. Names may be any bytes that the file system allows.
    Iterators can be saved with `tf.train.Checkpoint`.

    Args:
        contents: paths of the contents, or addresses (with the extra `remote`): a list, or any
            other iterable.
        styles: as many paths of styles, or one for all contents.
        config: gives the sizes; the default preset if left out.
        on_error: whether a picture that cannot be read ends the dataset with an error ("raise"), or
            becomes an element without pixels, whose "error" says why ("skip"). `stylizer` passes
            it on, and the functions that write leave it out and name it.
        skip: names to leave out, such as those from `finished_names`.
        num_parallel_reads: number of pairs that are read at a time; changes no order.
        notify: called, from another thread, with the element's name and a note for each thing that
            is left out of a picture, or that will disappoint: margins, pages, a dark photograph;
            and for each picture that cannot be read.

    Raises:
        TypeError: if contents or styles are no lists of paths.
        ValueError: if there are no contents, or the number of styles does not match.
        TypeError: if `skip` is a text, or `num_parallel_reads` not an integer.
        FileNotFoundError: if a file is missing, unless `on_error` is "skip".
    """
    check_choice("on_error", on_error, ON_ERROR)
    contents, styles = _listed("contents", contents), _listed("styles", styles)
    if not contents:
        raise ValueError("`contents` must have at least one path. Received: none.")
    if len(styles) not in (1, len(contents)):
        raise ValueError(
            "`styles` must be one path, or as many as there are `contents`. Received: "
            f"{len(styles)} styles, {len(contents)} contents."
        )
    if isinstance(skip, (str, bytes)):
        raise TypeError(
            f"`skip` must be a collection of names. Received: skip={shown(skip)}. "
            f"Use `skip=[{shown(skip)}]`."
        )
    skipped = set(skip)
    columns = {"contents": contents, "styles": styles}
    files = [
        [_located(path, name, must_exist=on_error == "raise") for path in column]
        for name, column in columns.items()
    ]
    files[1] *= len(contents) // len(styles)
    stems = [[Path(path).stem for path in column] for column in files]
    names = _unique([f"{content}-{style}" for content, style in zip(*stems, strict=True)])
    rows = [row for row in zip(names, *files, strict=True) if row[0] not in skipped]
    # Bytes, because names need not be UTF-8.
    table = {
        key: tf.constant([os.fsencode(row[index]) for row in rows], tf.string)
        for index, key in enumerate(("name", "content", "style"))
    }
    dataset = tf.data.Dataset.from_tensor_slices(table)
    return _prepared(dataset, config, os.fsdecode, on_error, num_parallel_reads, notify)


def decode_pictures(
    elements: tf.data.Dataset,
    *,
    config: StyleConfig | None = None,
    on_error: str = "raise",
    num_parallel_reads: int = 1,
    notify: Callable[[str], None] | None = None,
) -> tf.data.Dataset:
    """Returns the dataset that `read_pictures` returns, for files in memory.

    Args:
        elements: dicts of string scalars: "name"; and "content" and "style", the bytes of files.
        config: as for `read_pictures`.
        on_error: likewise.
        num_parallel_reads: likewise.
        notify: likewise.

    Example:
        >>> files = tf.data.Dataset.list_files("photos/*.jpg")
        >>> style = tf.io.read_file("painting.jpg")
        >>> files = files.map(lambda path: {
        ...     "name": tf.strings.split(path, "/")[-1], "content": tf.io.read_file(path),
        ...     "style": style})
        >>> pictures = decode_pictures(files)
    """
    check_choice("on_error", on_error, ON_ERROR)
    check_dataset("elements", elements)
    return _prepared(elements, config, bytes, on_error, num_parallel_reads, notify)


def _prepared(
    dataset: tf.data.Dataset,
    config: StyleConfig | None,
    source_of: Callable[[bytes], Any],
    on_error: str,
    num_parallel_reads: int,
    notify: Callable[[str], None] | None,
) -> tf.data.Dataset:
    """Returns a dataset with its contents and styles read and resized.

    Args:
        dataset: dicts of string scalars "name", "content" and "style".
        config: gives the sizes.
        source_of: returns what `prepare_inputs` takes for such a string.
        on_error: one of `ON_ERROR`.
        num_parallel_reads: number of pairs that are read at a time.
        notify: called with notes.
    """
    config = StyleConfig() if config is None else config
    num_parallel_reads = checked_integer("num_parallel_reads", num_parallel_reads, minimum=1)
    tell = notify or (lambda _: None)

    def read(name: bytes, content: bytes, style: bytes) -> tuple:
        shown = os.fsdecode(name)
        try:
            inputs = prepare_inputs(source_of(content), source_of(style), config)
        except Exception as error:  # Decoders and file systems have many kinds.
            if on_error == "raise":
                raise
            tell(f"{shown}: skipped: {one_line(error)}.")
            return (*_nothing(), os.fsencode(one_line(error)))
        for note in inputs.notes:
            tell(f"{shown}: {note}")
        opaque = np.ones_like(inputs.content[..., :1])
        alpha = opaque if inputs.alpha is None else inputs.alpha
        return inputs.content, alpha, inputs.styles[0], b""

    @tf.autograph.experimental.do_not_convert  # Its errors would be reported as of many lines.
    def element(given: NamedTensors) -> NamedTensors:
        content, alpha, style, error = tf.numpy_function(
            read,
            [entry_of(given, key) for key in ("name", "content", "style")],
            [*3 * [tf.float32], tf.string],
        )
        found = {
            "name": given["name"],
            "content": tf.ensure_shape(content, IMAGE),
            "alpha": tf.ensure_shape(alpha, [*IMAGE[:3], 1]),
            "style": tf.ensure_shape(style, IMAGE),
        }
        return found if on_error == "raise" else {**found, "error": tf.ensure_shape(error, [])}

    read_all = dataset.map(element, num_parallel_calls=num_parallel_reads, deterministic=True)
    # Reading has no state, and the networks of `stylizer` do not change.
    return checkpointable(read_all.prefetch(max(2, num_parallel_reads)))


def _nothing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns content, alpha and style of a pair that cannot be read."""
    image = np.zeros(EMPTY, np.float32)
    return image, image[..., :1], image


def _listed(argument: str, paths: Iterable[str | os.PathLike]) -> list[str | os.PathLike]:
    """Returns the paths as a list; raises TypeError unless they are several, or one in a list."""
    if isinstance(paths, (str, bytes, os.PathLike)) or not isinstance(paths, Iterable):
        raise TypeError(
            f"`{argument}` must be a list of paths. Received: {argument}={shown(paths)}. Put a "
            "single path into a list."
        )
    return list(paths)


def _located(path: str | os.PathLike, argument: str, *, must_exist: bool) -> str:
    """Returns a path as text, with `~` expanded, or an address as it is."""
    if is_address(path):
        return str(path)
    found = user_path(path, argument)
    if must_exist and not found.is_file():
        raise FileNotFoundError(missing_file(argument, found))
    return str(found)


def _unique(names: list[str]) -> list[str]:
    """Returns the names, with numbers appended to duplicates."""
    unique: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        taken = {*names, *unique}
        unique.append(
            name if name not in unique else next(new for new in numbered if new not in taken)
        )
    return unique
