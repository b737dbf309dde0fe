"""Access to libvips, an optional dependency, and its error messages.

This is the only module that imports pyvips. No TensorFlow here.
"""

import functools
from typing import Any

INSTALL = "install libvips: `pip install 'tf_style[big]'`"


@functools.cache
def vips() -> Any:
    """Returns the module pyvips, with its operation cache off, which would keep files open.

    Raises:
        ImportError: if pyvips or libvips is missing; names the pip command.
    """
    try:
        import pyvips
    except (ImportError, OSError) as error:  # OSError if pyvips does not find libvips.
        raise ImportError(f"pyvips is missing. Please {INSTALL}.") from error
    pyvips.cache_set_max(0)
    return pyvips


def is_installed() -> bool:
    """Returns whether libvips can be used."""
    try:
        return bool(vips())
    except ImportError:
        return False


def check_installed(argument: str, received: str) -> None:
    """Raises ImportError, naming the argument and its value, unless libvips can be used."""
    if not is_installed():
        raise ImportError(f"`{argument}` needs pyvips. Received: {received}. Please {INSTALL}.")


def reason_of(error: Exception) -> str:
    """Returns the last line of a libvips error, the most informative one, without the period."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "libvips gives no reason"
