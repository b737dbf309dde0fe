"""Files of TFRecords, each of which appears under its name only when it is complete.

Until then its records are in a file beside it, written out after each record, so that no
interruption loses a record: `NAME.partial-1`, which is to replace the complete file, or
`NAME.added-1`, which begins with a copy of it. A later run copies them to `NAME.partial-2`. None
is left without records.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_style._checks import shown

_SHARD = r"-\d{5}-of-\d{5}"


def shard_paths(path: Path, num_shards: int | None) -> list[Path]:
    """Returns the path itself, or, of shards, `PATH-00000-of-00010` and so on."""
    if num_shards is None:
        return [path]
    ends = (f"-{index:05d}-of-{num_shards:05d}" for index in range(num_shards))
    return [path.with_name(path.name + end) for end in ends]


def complete_paths(path: Path) -> list[Path]:
    """Returns the complete files: the path, or else its shards, in order."""
    return [path] if path.is_file() else _beside(path, _SHARD)


def sources_of(shard: Path) -> list[Path]:
    """Returns the files that hold the records of one file, complete or not; names may repeat."""
    partial = _beside(shard, r"\.partial-\d+")
    return partial or [*([shard] if shard.is_file() else []), *_beside(shard, r"\.added-\d+")]


def is_complete(shard: Path) -> bool:
    """Returns whether a file is there, and no run is to replace or extend it."""
    return sources_of(shard) == [shard]


def all_sources(path: Path) -> list[Path]:
    """Returns the files that hold the records of a file and of all shards of its name."""
    return [source for shard in _all_shards(path) for source in sources_of(shard)]


def check_num_shards(path: Path, num_shards: int | None) -> None:
    """Raises ValueError if there are files, complete or not, of another number of shards."""
    paths = shard_paths(path, num_shards)
    for other in _all_shards(path):
        if other not in paths:
            number = None if other == path else int(other.name[-5:])
            raise ValueError(
                "`num_shards` must be that of the files that exist. Received: "
                f"num_shards={num_shards}, path={shown(str(path))}, with "
                f"'{sources_of(other)[0].name}' beside it. Use num_shards={number}, or remove "
                "these files."
            )


def _all_shards(path: Path) -> list[Path]:
    """Returns the file, and all shards of its name, of which there are records."""
    found = _beside(path, rf"({_SHARD})?(\.(partial|added)-\d+)?")
    shards = {each.with_name(re.sub(r"\.(partial|added)-\d+$", "", each.name)) for each in found}
    return sorted(shard for shard in shards if sources_of(shard))


def _beside(path: Path, end: str) -> list[Path]:
    pattern = re.compile(re.escape(path.name) + end)
    if not path.parent.is_dir():
        return []
    return sorted(each for each in path.parent.iterdir() if pattern.fullmatch(each.name))


def records_of(path: Path) -> Iterator[bytes]:
    """Yields the records of a file, up to the first that is not whole."""
    with contextlib.suppress(tf.errors.DataLossError, StopIteration):
        records = iter(tf.data.TFRecordDataset(os.fspath(path)))
        while True:
            yield next(records).numpy()


def name_in(record: bytes) -> str:
    """Returns the "name" of a serialized example."""
    value = tf.train.Example.FromString(record).features.feature["name"]
    return os.fsdecode(value.bytes_list.value[0])


class ShardWriter:
    """Writes one file: `write` records, then `complete` it, or `close` it, and keep the records.

    Attributes:
        path: the complete file.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        """Begins a file.

        Args:
            path: the complete file.
            keep: whether records of an earlier run, complete or not, come first.

        Raises:
            OSError: if it cannot be written.
        """
        self.path = path
        if path.exists() and not path.is_file():
            raise OSError(f"Cannot write '{path.name}': it is a folder, pipe or device.")
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"Cannot write '{path.name}': there is no folder '{path.parent}'."
            )
        sources, earlier = sources_of(path), _beside(path, r"\.(partial|added)-\d+")
        kind = "added" if keep and path in sources else "partial"
        number = max((int(each.name.rpartition("-")[2]) for each in earlier), default=0)
        self._partial = path.with_name(f"{path.name}.{kind}-{number + 1}")
        self._num_records = 0
        self._writer = _as_os_error(tf.io.TFRecordWriter, os.fspath(self._partial))
        names: set[str] = set()
        for file in sources if keep else []:
            records = [each for each in records_of(file) if name_in(each) not in names]
            for record in records:
                self.write(record)
            names |= set(map(name_in, records))
        for each in earlier:
            each.unlink()

    def write(self, record: bytes) -> None:
        """Adds a record, which is then kept whatever happens."""
        _as_os_error(self._writer.write, record)
        _as_os_error(self._writer.flush)
        self._num_records += 1

    def complete(self) -> None:
        """Ends the file, which replaces `path`."""
        _as_os_error(self._writer.close)
        with self._partial.open("rb+") as file:
            os.fsync(file.fileno())
        self._partial.replace(self.path)

    def close(self) -> None:
        """Leaves the partial file with its records, if there are any and it is not complete."""
        with contextlib.suppress(tf.errors.OpError):
            self._writer.close()
        if not self._num_records:
            self._partial.unlink(missing_ok=True)


def _as_os_error(work: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function returns; TensorFlow's errors become OSError."""
    try:
        return work(*arguments)
    except tf.errors.OpError as error:
        raise OSError(f"`path` cannot be written: {error.message}.") from error
