"""Progress on stderr: a live bar on a terminal, or lines of text elsewhere.

Takes the progress of a run and messages; writes to stderr. No TensorFlow here.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from tf_style.transfer.progress import Progress


_SECONDS_BETWEEN_LINES = 10.0


class Shown(NamedTuple):
    """What is shown of the progress of a run.

    Attributes:
        completed: how much is done, in any unit.
        total: how much there is to do.
        step: the step, and of how many.
        text: sizes and losses.
        time: the time that has passed or is left; a bar shows what is left by itself.
    """

    completed: float
    total: float
    step: str
    text: str
    time: str


class Display(Protocol):
    """Something that shows progress and messages."""

    def update(self, progress: Any) -> None:
        """Shows the progress of the run."""

    def message(self, text: str) -> None:
        """Shows a line of text."""


class Silent:
    """Shows messages only."""

    def update(self, progress: Any) -> None:
        """Shows nothing."""

    def message(self, text: str) -> None:
        """Writes a line. If stderr is closed, the run goes on."""
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


class Lines(Silent):
    """Writes at most one line every ten seconds, for logs and pipes."""

    def __init__(self, view: Callable[[Any], Shown]) -> None:
        self._view = view
        self._last = 0.0

    def update(self, progress: Any) -> None:
        """Writes a line if the last one is at least ten seconds old."""
        shown, now = self._view(progress), time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self.message(f"step {shown.step}  {shown.text}  {shown.time}")


def of_picture(progress: "Progress") -> Shown:
    """Returns what is shown of the progress of a picture."""
    return Shown(
        progress.step,
        progress.num_steps,
        f"{progress.step}/{progress.num_steps}",
        line(progress),
        f"{progress.seconds:.0f} s",
    )


def line(progress: "Progress") -> str:
    """Returns size, loss and evaluations as one short line."""
    height, width = progress.stage_size
    return f"{width}x{height} px, loss {progress.loss:.4g}, {progress.num_evaluations} evals"


@contextmanager
def display(*, quiet: bool, view: Callable[[Any], Shown] = of_picture) -> Iterator[Display]:
    """Yields the display that suits stderr: a live bar on a terminal, lines elsewhere.

    Args:
        quiet: whether to show messages only.
        view: what is shown of the progress that `update` is given.
    """
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines(view)
    else:
        yield from _bar(view)


def _bar(view: Callable[[Any], Shown]) -> Iterator[Display]:
    """Yields a live bar for a terminal."""
    from rich import progress as rich_progress
    from rich.console import Console

    bar = rich_progress.Progress(
        rich_progress.BarColumn(bar_width=12),
        rich_progress.TextColumn("{task.fields[step]}"),
        rich_progress.TimeRemainingColumn(compact=True),
        rich_progress.TextColumn("left  {task.description}"),
        console=Console(stderr=True),
        speed_estimate_period=120.0,
    )

    class Bar:
        def update(self, progress: Any) -> None:
            shown = view(progress)
            with suppress(OSError):
                bar.update(
                    task,
                    completed=shown.completed,
                    total=shown.total,
                    step=shown.step,
                    description=shown.text,
                )

        def message(self, text: str) -> None:
            with suppress(OSError):
                bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    with bar:
        task = bar.add_task("preparing", total=None, step="")
        yield Bar()
