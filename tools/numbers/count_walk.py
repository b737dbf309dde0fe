"""Counts the files that one picture passes through: how far a reader has to follow the code.

Run: python tools/numbers/count_walk.py PHOTO PAINTING [--size=208] [--list] (20 seconds on two
cores)

Runs the command line once, without progress, and watches every call inside the package
(`sys.setprofile`). Since a reader follows a call once, each pair of caller and called function
counts only the first time. Prints:

- files: files of the package that are entered;
- entries: calls from one file into another;
- returns: entries into a file that was entered before;
- climbs: entries into a file that is still waiting further down the stack.

`--list` prints the entries in order.
"""

import argparse
import contextlib
import inspect
import io
import sys
import tempfile
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A call from one file of the package into another."""

    caller: str
    called: str
    function: str
    is_return: bool
    is_climb: bool


class Walk:
    """The entries of a walk, in order; `profile` is a callback for `sys.setprofile`."""

    def __init__(self, package: Path) -> None:
        self.entries: list[Entry] = []
        self._prefix = f"{package}/"
        self._pairs: set[tuple[CodeType, CodeType]] = set()
        self._entered: dict[str, int] = {}

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Records a call between two files of the package when it happens the first time."""
        if event != "call" or not self._is_inside(frame):
            return
        stack = list(self._callers(frame))
        if not all(each.f_code.co_flags & inspect.CO_OPTIMIZED for each in (frame, *stack)):
            return  # A module or a class body: work at import is not part of the walk.
        caller = stack[0] if stack else frame
        pair = caller.f_code, frame.f_code
        if pair in self._pairs:
            return
        self._pairs.add(pair)
        here, there = self._name(caller), self._name(frame)
        if here == there and stack:
            return
        self.entries.append(
            Entry(
                caller=here if stack else "",
                called=there,
                function=frame.f_code.co_qualname if sys.version_info >= (3, 11) else "",
                is_return=there in self._entered,
                is_climb=there in {self._name(each) for each in stack},
            )
        )
        self._entered[there] = len(self.entries)

    def _is_inside(self, frame: FrameType) -> bool:
        return frame.f_code.co_filename.startswith(self._prefix)

    def _name(self, frame: FrameType) -> str:
        return frame.f_code.co_filename.removeprefix(self._prefix)

    def _callers(self, frame: FrameType) -> Any:
        above = frame.f_back
        while above is not None:
            if self._is_inside(above):
                yield above
            above = above.f_back


def main() -> int:
    """Runs, counts and prints; returns the exit code of the run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("painting", type=Path)
    parser.add_argument("--size", type=int, default=208, help="px")
    parser.add_argument("--list", action="store_true", help="print every entry")
    options = parser.parse_args()
    import tf_style
    from tf_style.cli.main import main as run

    walk = Walk(Path(tf_style.__file__).parent)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            f"--content={options.photo}",
            f"--style={options.painting}",
            f"--output={folder}/out.png",
            f"--size={options.size}",
            "--steps=2",
            "--deterministic",
        ]
        threading.setprofile(walk.profile)
        sys.setprofile(walk.profile)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                code = run(arguments)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    if options.list:
        for entry in walk.entries:
            kind = "climb" if entry.is_climb else "return" if entry.is_return else ""
            print(f"{entry.caller:<34} -> {entry.called:<34} {entry.function:<44} {kind}")
    print(
        f"files {len({entry.called for entry in walk.entries})}, entries {len(walk.entries)}, "
        f"returns {sum(entry.is_return for entry in walk.entries)}, "
        f"climbs {sum(entry.is_climb for entry in walk.entries)}"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
