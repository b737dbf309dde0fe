"""What the command line shows while it works: a live bar, or lines where there is no terminal.

Takes `progress.Progress` values; writes to stderr.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tf_style.transfer.progress import Progress


_SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Something that shows progress and messages."""

    def update(self, progress: "Progress") -> None:
        """Shows where the run stands."""

    def message(self, text: str) -> None:
        """Shows a line of text."""


class Silent:
    """Shows messages only."""

    def update(self, progress: "Progress") -> None:
        """Shows nothing."""

    def message(self, text: str) -> None:
        """Writes a line; a reader that has gone does not end the run."""
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


class Lines(Silent):
    """Writes a line now and then: for logs and pipes."""

    def __init__(self) -> None:
        self._last = 0.0

    def update(self, progress: "Progress") -> None:
        """Writes a line if the last one is old enough."""
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self.message(
                f"step {progress.step}/{progress.num_steps}  {line(progress)}  "
                f"{progress.seconds:.0f} s"
            )


def line(progress: "Progress") -> str:
    """Returns size, loss and evaluations as one short line."""
    height, width = progress.stage_size
    return f"{width}x{height} px, loss {progress.loss:.4g}, {progress.num_evaluations} evals"


@contextmanager
def display(*, quiet: bool) -> Iterator[Display]:
    """Yields what suits stderr: a live bar on a terminal, else lines; quiet: messages only."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        yield from _bar()


def _bar() -> Iterator[Display]:
    from rich import progress as rich_progress
    from rich.console import Console

    bar = rich_progress.Progress(
        rich_progress.BarColumn(bar_width=12),
        rich_progress.TextColumn("{task.completed}/{task.total}"),
        rich_progress.TimeRemainingColumn(compact=True),
        rich_progress.TextColumn("left  {task.description}"),
        console=Console(stderr=True),
        speed_estimate_period=120.0,
    )

    class Bar:
        def update(self, progress: "Progress") -> None:
            with suppress(OSError):
                bar.update(
                    task,
                    completed=progress.step,
                    total=progress.num_steps,
                    description=line(progress),
                )

        def message(self, text: str) -> None:
            with suppress(OSError):
                bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    with bar:
        task = bar.add_task("preparing", total=None)
        yield Bar()
