"""One run of the command line: the work in a thread, signals and files in the main one.

TensorFlow may be deep in a graph for many seconds; in a thread of its own it does not keep
Ctrl-C from being answered. The main thread takes one event after the other from a queue, so
that nothing interrupts the saving of a picture. Whatever fails beside the work itself (a
snapshot, the trace, the terminal) is told and does not end it.
"""

import contextlib
import dataclasses
import functools
import json
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tf_style.cli import process, resuming, trace_file
from tf_style.cli.progress_bar import Display
from tf_style.config.style_config import StyleConfig
from tf_style.inputs.inputs import Inputs
from tf_style.transfer.checkpoints import Checkpoints

if TYPE_CHECKING:
    from tf_style.transfer.progress import Progress, StyleResult


INTERRUPTED = 130
"""Exit code after SIGINT or SIGTERM."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a run.

    Attributes:
        output: where the picture goes.
        trace: where the trace goes, or None.
        sources: the inputs, which nothing may overwrite.
        save_every: steps between snapshots beside the output; 0 for none.
        bits: of each channel of the pictures.
    """

    output: Path
    trace: Path | None
    sources: Sequence[Path]
    save_every: int
    bits: int


class Run:
    """Stylizes, shows progress, and saves; see `start`."""

    def __init__(
        self,
        inputs: Inputs,
        settings: StyleConfig,
        files: Files,
        display: Display,
        verbose: bool,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.left_at_once = False
        self._inputs = inputs
        self._settings = settings
        self._files = files
        self._display = display
        self._verbose = verbose
        self._checkpoints = checkpoints
        self._events: queue.SimpleQueue[Callable[[], int | None]] = queue.SimpleQueue()
        self._cancel = threading.Event()
        self._last: Progress | None = None
        self._trace: TextIO | None = None
        # A snapshot of the step that a run goes on from may not have been written.
        self._first_step = checkpoints.first_step if checkpoints else 0
        every = files.save_every
        self._next_snapshot = every and max(-(-self._first_step // every), 1) * every

    def start(self) -> int:
        """Does the work; returns the exit code.

        Afterwards `left_at_once` tells whether the thread still works, so that the process
        must be left with `os._exit`.
        """
        handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handlers[number] = signal.signal(number, self._on_signal)
        try:
            with process.quiet_stderr(not self._verbose):
                process.tune_tensorflow()
            if self._files.trace:
                self._trace = trace_file.opened(self._files.trace, first_step=self._first_step)
            threading.Thread(target=self._work, daemon=True).start()
            code = None
            while code is None:
                code = self._events.get()()
            return code
        finally:
            if self._trace:
                self._trace.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _on_signal(self, *_: Any) -> None:
        self._events.put(self._interrupted)

    def _work(self) -> None:
        """Runs in the thread: posts what the main thread is to do."""
        try:
            from tf_style.transfer.painting import paint

            kept = self._checkpoints
            started = time.perf_counter() - process.seconds_since_start()
            result = paint(
                self._inputs,
                self._settings,
                on_progress=self._on_progress,
                notify=self._notify,
                pause_every=self._files.save_every or None,
                started=kept.started if kept else started,
                resume_from=kept.resume_from if kept else None,
            )
            self._events.put(functools.partial(self._finish, result))
        except BaseException as error:  # Handed over to the main thread, whatever it is.
            self._events.put(functools.partial(self._failed, error))

    def _notify(self, text: str) -> None:
        self._events.put(functools.partial(self._display.message, text))

    def _on_progress(self, progress: "Progress") -> bool:
        if self._files.trace:
            _ = progress.terms  # Computed here, between steps, not while the next ones run.
        self._events.put(functools.partial(self._show, progress))
        cancelled = self._cancel.is_set()
        if self._checkpoints:  # Here, as the next steps change the state in place.
            self._checkpoints.after_slice(progress, notify=self._notify, at_once=cancelled)
        return cancelled

    def _show(self, progress: "Progress") -> None:
        self._display.update(progress)
        if progress.phase != "picture":
            return
        self._last = progress
        self._write_trace(progress)
        every = self._files.save_every
        if every and progress.step >= self._next_snapshot:
            self._next_snapshot = (progress.step // every + 1) * every
            self._save_snapshot(progress)

    def _save_snapshot(self, progress: "Progress") -> None:
        output = self._files.output
        path = output.with_name(f"{output.stem}_{progress.step:05d}{output.suffix}")
        if path.resolve() in [source.resolve() for source in self._files.sources]:
            self._display.message(f"No snapshot of step {progress.step}: {path} is an input.")
            return
        try:
            progress.save(path, bits=self._files.bits)
        except (OSError, MemoryError) as error:
            self._display.message(f"No snapshot of step {progress.step}: {error}.")

    def _write_trace(self, progress: "Progress") -> None:
        if self._trace is None:
            return
        line = {
            "step": progress.step,
            "evaluations": progress.num_evaluations,
            "seconds": round(progress.seconds, 3),
            "size": list(progress.stage_size),
            "loss": progress.loss,
            **progress.terms,
        }
        try:
            self._trace.write(json.dumps(line) + "\n")
            self._trace.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # Closing tries to write once more.
                self._trace.close()
            self._trace = None
            self._display.message(f"The trace ends here: {error}.")

    def _finish(self, result: "StyleResult") -> int:
        from tf_style.optimizers.solution import Status

        path, code = self._save(result)
        if self._last is None or self._last.step != result.step:
            self._write_trace(result)
        self._display.update(result)
        cancelled = result.status is Status.CANCELLED
        if self._checkpoints and not cancelled:
            self._checkpoints.remove()
        self._display.message(
            f"Saved {path}: {result.image.shape[2]}x{result.image.shape[1]} px, step {result.step} "
            f"of {result.num_steps}, loss {result.loss:.4g}, {result.num_evaluations} "
            f"evaluations, {result.seconds:.0f} s. {result.status.value}{self._way_on()}"
        )
        return code or (INTERRUPTED if cancelled else 0)

    def _way_on(self) -> str:
        """Returns how to go on with the run, if it has a checkpoint."""
        if self._checkpoints is None or not self._checkpoints.written:
            return ""
        return f" To go on: {resuming.command(self._checkpoints.folder)}"

    def _failed(self, error: BaseException) -> int:
        """Saves what there is, then lets the error go its way."""
        if self._last is not None:
            try:
                path, _ = self._save(self._last)
                told = f"The picture of step {self._last.step} is kept in {path}."
            except (OSError, MemoryError) as second:  # The first error is the one to be told.
                told = f"The picture of step {self._last.step} cannot be saved: {second}."
            self._display.message(told)
        if self._way_on():
            self._display.message(self._way_on().strip())
        raise error

    def _interrupted(self) -> int | None:
        if not self._cancel.is_set():
            self._cancel.set()
            self._display.message(
                "Stopping after this slice of steps, then saving. "
                "Press Ctrl-C again to leave at once with the last picture."
            )
            return None
        self.left_at_once = True
        if self._last is None:
            self._display.message(
                f"Stopped before the first step; nothing was saved.{self._way_on()}"
            )
        else:
            path, _ = self._save(self._last)
            self._display.message(
                f"Stopped after {self._last.step} steps; saved {path}.{self._way_on()}"
            )
        return INTERRUPTED

    def _save(self, progress: "Progress") -> tuple[Path, int]:
        """Saves the picture, elsewhere if need be; returns where, and the exit code."""
        try:
            progress.save(self._files.output, bits=self._files.bits)
            return self._files.output, 0
        except OSError as error:
            spare = Path(tempfile.gettempdir()) / f"tf_style_{self._files.output.name}"
            progress.save(spare, bits=self._files.bits)
            self._display.message(f"`output` cannot be written: {error}. Saved {spare} instead.")
            return spare, 2
