"""Which versions of a model a folder holds, and whether they are there completely.

Takes paths, gives paths and fingerprints; reads names, sizes and times, no contents.
"""

import re
from pathlib import Path

_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")

Fingerprint = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of every file; two polls apart, equal means at rest."""


def find_versions(folder: Path) -> dict[int, Path]:
    """Returns the folders of a model's versions, by number.

    Those are its folders with a whole number for a name; a folder that is a SavedModel itself
    is its own version 1. Anything else, as `3.partial`, is left alone.

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
    """Returns what tells a folder's state, or None while a SavedModel's files are missing.

    Missing are the main file, or the index or a shard of the variables (there need be none).
    """
    try:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        found = tuple(
            (path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns)
            for path, status in ((path, path.stat()) for path in files)
        )
    except OSError:  # A file that went while this looked.
        return None
    if not is_saved_model(folder) or not _has_all_shards({name for name, _, _ in found}):
        return None
    return found


def _has_all_shards(names: set[str]) -> bool:
    stored = {name.removeprefix("variables/") for name in names if name.startswith("variables/")}
    if not stored:
        return True
    matches = [match for match in map(_SHARD.fullmatch, stored) if match]
    counts = {match[2] for match in matches}
    return "variables.index" in stored and len(counts) == 1 and len(matches) == int(counts.pop())
