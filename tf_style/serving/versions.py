"""Finds the versions of a model in a folder, and tells whether their files are complete.

Takes paths, gives paths and fingerprints. Reads names, sizes and times, not contents.
"""

import re
from pathlib import Path

_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")

Fingerprint = tuple[tuple[str, int, int], ...]
"""Name, size and modification time of every file; equal if nothing has changed."""


def find_versions(folder: Path) -> dict[int, Path]:
    """Returns the folders of a model's versions, by number.

    A version is a subfolder whose name is a whole number. A folder that is itself a SavedModel
    is its own version 1. Anything else, such as `3.partial`, is ignored.

    Raises:
        OSError: if the folder cannot be read.
    """
    if is_saved_model(folder):
        return {1: folder}
    return {
        int(path.name): path
        for path in folder.iterdir()
        if path.name.isascii() and path.name.isdigit() and len(path.name) < 19 and path.is_dir()
    }


def is_saved_model(folder: Path) -> bool:
    """Returns whether a folder has a SavedModel's main file."""
    return any((folder / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt"))


def fingerprint(folder: Path) -> Fingerprint | None:
    """Returns a folder's fingerprint, or None if files of its SavedModel are missing.

    A SavedModel has a main file. If it has variables, it also has their index and all shards.
    """
    try:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        entries = tuple(
            (path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns)
            for path, status in ((path, path.stat()) for path in files)
        )
    except OSError:  # A file was removed in the meantime.
        return None
    if not is_saved_model(folder) or not _has_all_shards({name for name, _, _ in entries}):
        return None
    return entries


def _has_all_shards(names: set[str]) -> bool:
    stored = {name.removeprefix("variables/") for name in names if name.startswith("variables/")}
    if not stored:
        return True
    matches = [match for match in map(_SHARD.fullmatch, stored) if match]
    counts = {match[2] for match in matches}
    return "variables.index" in stored and len(counts) == 1 and len(matches) == int(counts.pop())
