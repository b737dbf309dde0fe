"""Captures what converters print and log. No TensorFlow here.

Converters report the reason for a failure on standard error only, from Python and from C++. The
context manager here keeps it off the terminal and gives it as a list of lines.
"""

import contextlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def captured_output(*, loggers: Iterable[str] = ()) -> Iterator[list[str]]:
    """Captures the standard output and standard error of the process.

    The streams belong to the whole process, so the output of other threads is captured too.

    Args:
        loggers: names of Python loggers whose messages are captured as well.

    Yields:
        A list, filled with the captured lines when the context exits.
    """
    lines: list[str] = []
    printed = io.StringIO()
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        for name in loggers:
            stack.enter_context(_redirected(logging.getLogger(name), printed))
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        stack.callback(_read, file, printed, lines)
        for descriptor in (1, 2):
            stack.enter_context(_replaced(descriptor, file.fileno()))
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(printed))
        yield lines


def _read(file: io.BufferedRandom, printed: io.StringIO, lines: list[str]) -> None:
    """Appends all that was captured to `lines`, without blank lines."""
    file.seek(0)
    text = printed.getvalue() + "\n" + file.read().decode(errors="replace")
    lines += [line for line in text.splitlines() if line.strip()]


@contextlib.contextmanager
def _replaced(descriptor: int, other: int) -> Iterator[None]:
    """Redirects a file descriptor, if it is open, to the file of another one."""
    try:
        saved = os.dup(descriptor)
    except OSError:
        yield
        return
    os.dup2(other, descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


@contextlib.contextmanager
def _redirected(logger: logging.Logger, stream: io.StringIO) -> Iterator[None]:
    """Redirects the messages of a logger to a stream."""
    handler = logging.StreamHandler(stream)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
