"""Existing files: a run replaces none of the user's files unasked.

Takes the files that a run is about to write; asks on a terminal, and refuses elsewhere. No
TensorFlow here.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_style.cli import process
from tf_style.cli.request import Request
from tf_style.provenance.description import read_description


def check(files: Sequence[tuple[str, Path]], *, overwrite: bool, is_picture: bool = True) -> None:
    """Asks whether to replace files, or raises FileExistsError if nobody can be asked.

    Args:
        files: of a run, those that would replace something of the user's: the names of their
            arguments, and their paths.
        overwrite: whether the user has already agreed.
        is_picture: whether `output` is a painted picture.
    """
    if not files or overwrite or _agrees([path for _, path in files]):
        return
    argument, path = files[0]
    rule, way_out = "be a new file", ""
    if argument == "output" and is_picture:
        rule += ", or a picture that tf_style made from the same pictures"
        if not _description_of(path):
            way_out = " Several paintings are one argument: a.jpg,b.jpg."
    more = f", like {len(files) - 1} more" if len(files) > 1 else ""
    raise FileExistsError(
        f"`{argument}` must {rule}. Received: {argument}='{path}', which exists{more}. Give "
        f"--overwrite to replace it, or choose another name.{way_out}"
    )


def in_the_way(request: Request, inputs_sha256: str, *, is_resumed: bool) -> list[tuple[str, Path]]:
    """Returns the user's files that the pictures and the trace of a run would replace.

    Args:
        request: of the run.
        inputs_sha256: hash of its pictures, from `origin_of`.
        is_resumed: whether the run goes on with its trace.
    """
    pictures = (request.output_path, *_snapshots(request))
    files = [("output", path) for path in pictures if is_other_picture(path, inputs_sha256)]
    trace = request.trace_path
    return [*files, ("trace", trace)] if trace and not is_resumed and holds_other(trace) else files


def holds_other(path: Path, content: bytes = b"") -> bool:
    """Returns whether a path is a file, neither empty nor with this content; a device is none."""
    size = path.stat().st_size if path.is_file() else 0
    return size > 0 and (size != len(content) or path.read_bytes() != content)


def is_other_picture(path: Path, inputs_sha256: str) -> bool:
    """Returns whether a path holds something else than a picture made from the same pictures.

    Args:
        path: the file, which need not exist.
        inputs_sha256: hash of the pictures of this run, from `origin_of`.
    """
    return holds_other(path) and _description_of(path).get("inputs_sha256") != inputs_sha256


def _snapshots(request: Request) -> list[Path]:
    """Returns the files in the way of the snapshots of a run."""
    output, every = request.output_path, request.save_every
    if not every:
        return []
    pattern = re.compile(r".*_(\d{5,9})" + re.escape(output.suffix), re.DOTALL)
    numbered = ((path, pattern.fullmatch(path.name)) for path in sorted(output.parent.iterdir()))
    steps = [(path, int(match[1])) for path, match in numbered if match]
    return [
        path
        for path, step in steps
        if step % every == 0 and path.name == request.snapshot_path(step).name
    ]


def _description_of(path: Path) -> dict[str, Any]:
    """Returns the description in a picture, or an empty one."""
    try:
        with process.quiet_stderr():  # Image decoders report damaged files on stderr.
            return read_description(path)
    except (OSError, ValueError, ImportError, MemoryError):
        return {}


def _agrees(paths: list[Path]) -> bool:
    """Returns whether the user says yes to replacing files; False if there is no terminal."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        return False
    if len(paths) == 1:
        question = f"{paths[0]} exists. Replace it?"
    else:
        question = f"{paths[0]} and {len(paths) - 1} more exist. Replace them?"
    print(question, "[y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
