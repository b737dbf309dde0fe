"""The command line: runs a command and turns errors into one line and an exit code.

    tf_style PHOTO PAINTING OUTPUT [flags]
    tf_style COMMAND [flags]

Exit codes: 0, done; 2, invalid input or a picture saved elsewhere, with one line on stderr;
130, stopped by the user; 1, a bug, with its traceback. No TensorFlow here.
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence

from absl import flags

from tf_style.cli import commands

_EXPECTED = (
    flags.Error,
    ValueError,
    TypeError,
    OSError,
    ImportError,
    FloatingPointError,
    MemoryError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _accept_any_name()
    is_verbose = not {"-v", "-verbose", "--verbose", "--verbose=true"}.isdisjoint(arguments)
    try:
        return commands.run(arguments)
    except BrokenPipeError:  # As in `tf_style --help | head`. A run handles its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("tf_style: stopped; nothing was saved.", file=sys.stderr)
        return 130
    except _EXPECTED as error:
        is_bug = _is_bug(error)
        if is_verbose or is_bug:
            traceback.print_exc()
        else:
            print(f"tf_style: {_one_line(error)}", file=sys.stderr)
        return 1 if is_bug else 2


def _accept_any_name() -> None:
    """Makes stdout escape what it cannot show, such as a file's name that is not UTF-8."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _is_bug(error: BaseException) -> bool:
    """Returns whether an error is a bug, not caused by a user's value or a missing extra."""
    if isinstance(error, ImportError):
        return error.name is not None  # Our own errors, which name a pip command, have no name.
    return isinstance(error, TypeError) and not str(error).startswith("`")


def _one_line(error: BaseException) -> str:
    """Returns an error's message on one line, shortened: a file's name may be very long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 1000 else f"{text[:1000]}..."


if __name__ == "__main__":
    sys.exit(main())
