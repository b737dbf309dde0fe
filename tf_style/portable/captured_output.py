"""What converters print and log, kept off the terminal. No TensorFlow here.

Converters tell of errors on standard error alone, from Python and from C++.
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
    """Keeps the process's standard output and error off the terminal.

    They are the whole process's: what other threads print meanwhile is kept too.

    Args:
        loggers: names of Python loggers whose messages are kept as well.

    Yields:
        A list that holds the lines once the context is left.
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
    file.seek(0)
    text = printed.getvalue() + "\n" + file.read().decode(errors="replace")
    lines += [line for line in text.splitlines() if line.strip()]


@contextlib.contextmanager
def _replaced(descriptor: int, other: int) -> Iterator[None]:
    """Makes a file descriptor write to another's file, if it is open at all."""
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
    """Makes a logger write to a stream only."""
    handler = logging.StreamHandler(stream)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
