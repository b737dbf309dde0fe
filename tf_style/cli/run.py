"""One run of the command line: paints in a worker thread; the main thread saves and reports.

Takes prepared inputs and settings; writes the picture, snapshots and trace; gives an exit code.

TensorFlow can stay inside a graph for many seconds. Because it runs in a worker thread, Ctrl-C is
handled at once. The main thread takes events from a queue, one at a time, so nothing interrupts the
saving of a picture. If a snapshot, the trace or the terminal fails, the run reports it and goes on.
"""

import contextlib
import functools
import json
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tf_style.cli import process, resuming, saving, trace_file
from tf_style.cli.progress_bar import Display
from tf_style.cli.request import Request
from tf_style.config.style_config import StyleConfig
from tf_style.inputs.inputs import Inputs
from tf_style.network.reading_ahead import WeightsAhead
from tf_style.optimizers.cancellation import Cancellation
from tf_style.transfer.checkpoints import Checkpoints

if TYPE_CHECKING:
    from tf_style.transfer.progress import Progress, StyleResult


INTERRUPTED = 130
"""Exit code after SIGINT or SIGTERM."""


class Run:
    """Paints a picture, shows progress, and saves: see `start`."""

    def __init__(
        self,
        inputs: Inputs,
        settings: StyleConfig,
        request: Request,
        sources: Sequence[Path],
        display: Display,
        is_verbose: bool,
        checkpoints: Checkpoints | None = None,
        ahead: WeightsAhead | None = None,
    ) -> None:
        """Prepares the run without starting it.

        Args:
            inputs: the pictures.
            settings: the config of the run.
            request: the files to write.
            sources: the input files, which no snapshot may replace.
            display: shows progress and messages.
            is_verbose: whether to show TensorFlow's logs.
            checkpoints: writes the checkpoints of the run; None for no checkpoints.
            ahead: the weights of the run, from `read_ahead`; read by the run if omitted.
        """
        self.left_at_once = False
        self._inputs = inputs
        self._settings = settings
        self._request = request
        self._sources = [path.resolve() for path in sources]
        self._display = display
        self._is_verbose = is_verbose
        self._checkpoints = checkpoints
        self._ahead = ahead
        self._events: queue.SimpleQueue[Callable[[], int | None]] = queue.SimpleQueue()
        self._cancellation = Cancellation()
        self._last: Progress | None = None
        self._trace: TextIO | None = None
        # When a run resumes, the snapshot of its first step may not have been written yet.
        self._first_step = checkpoints.first_step if checkpoints else 0
        every = request.save_every
        self._next_snapshot = every and max(-(-self._first_step // every), 1) * every

    def start(self) -> int:
        """Runs until the picture is saved or the user stops it; returns the exit code.

        Afterwards, `left_at_once` is true if the worker thread is still running. The process must
        then be left with `os._exit`.
        """
        handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handlers[number] = signal.signal(number, self._on_signal)
        try:
            with process.quiet_stderr(not self._is_verbose):
                process.tune_tensorflow()
            if path := self._request.trace_path:
                self._trace = trace_file.opened(path, first_step=self._first_step)
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
        """Paints in the worker thread, and posts events to the main thread."""
        try:
            from tf_style.transfer.painting import paint

            checkpoints = self._checkpoints
            started = time.perf_counter() - process.seconds_since_start()
            result = paint(
                self._inputs,
                self._settings,
                on_progress=self._on_progress,
                cancellation=self._cancellation,
                notify=self._notify,
                pause_every=self._request.save_every or None,
                started=checkpoints.started if checkpoints else started,
                resume_from=checkpoints.resume_from if checkpoints else None,
                ahead=self._ahead,
            )
            self._events.put(functools.partial(self._finish, result))
        except BaseException as error:  # Any error is raised in the main thread.
            self._events.put(functools.partial(self._failed, error))

    def _notify(self, text: str) -> None:
        self._events.put(functools.partial(self._display.message, text))

    def _on_progress(self, progress: "Progress") -> bool:
        if self._request.trace:
            _ = progress.terms  # Computed here, between steps, before the next ones start.
        self._events.put(functools.partial(self._show, progress))
        cancelled = self._cancellation.is_cancelled
        if self._checkpoints:  # Saved here, because the next steps change the state in place.
            self._checkpoints.after_slice(progress, notify=self._notify, at_once=cancelled)
        return cancelled

    def _show(self, progress: "Progress") -> None:
        self._display.update(progress)
        if progress.phase != "picture":
            return
        self._last = progress
        self._write_trace(progress)
        every = self._request.save_every
        if every and progress.step >= self._next_snapshot:
            self._next_snapshot = (progress.step // every + 1) * every
            self._save_snapshot(progress)

    def _save_snapshot(self, progress: "Progress") -> None:
        path = self._request.snapshot_path(progress.step)
        if path.resolve() in self._sources:
            self._display.message(f"No snapshot of step {progress.step}: {path} is an input file.")
            return
        try:
            self._write(progress, path)
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
            with contextlib.suppress(OSError):  # Closing the file tries to write once more.
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
            f"evaluations, {result.seconds:.0f} s. {result.status.value}{self._resume_hint()}"
        )
        return code or (INTERRUPTED if cancelled else 0)

    def _resume_hint(self) -> str:
        """Returns a sentence that says how to resume the run, or nothing without a checkpoint."""
        if self._checkpoints is None or not self._checkpoints.written:
            return ""
        return f" To resume: {resuming.command(self._checkpoints.folder)}"

    def _failed(self, error: BaseException) -> int:
        """Saves the last picture, then raises the error."""
        if self._last is not None:
            try:
                path, _ = self._save(self._last)
                note = f"Saved the picture of step {self._last.step} as {path}."
            except (OSError, MemoryError) as second:  # The first error is the one to raise.
                note = f"The picture of step {self._last.step} cannot be saved: {second}."
            self._display.message(note)
        if self._resume_hint():
            self._display.message(self._resume_hint().strip())
        raise error

    def _interrupted(self) -> int | None:
        """Asks the worker to stop; the second time, saves the last picture and ends the run."""
        if not self._cancellation.is_cancelled:
            self._cancellation.cancel()
            self._display.message(
                "Stopping after the current step, then saving. "
                "Press Ctrl-C again to save the last picture and stop at once."
            )
            return None
        self.left_at_once = True
        if self._last is None:
            self._display.message(
                f"Stopped before the first step; nothing was saved.{self._resume_hint()}"
            )
        else:
            path, _ = self._save(self._last)
            self._display.message(
                f"Stopped after {self._last.step} steps; saved {path}.{self._resume_hint()}"
            )
        return INTERRUPTED

    def _save(self, progress: "Progress") -> tuple[Path, int]:
        """Saves the picture; returns the file and the exit code."""
        write = functools.partial(self._write, progress)
        return saving.save(self._request.output_path, write, self._display.message)

    def _write(self, progress: "Progress", path: Path) -> None:
        progress.save(path, bits=self._request.bits, metadata=self._request.metadata)
