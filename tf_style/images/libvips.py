"""libvips, an extra: whether it is there, and what its errors say.

The only module that imports pyvips. No TensorFlow here.
"""

import functools
from typing import Any

INSTALL = "install libvips for it: `pip install 'tf_style[big]'`"


@functools.cache
def vips() -> Any:
    """Returns pyvips, with its cache of operations off: it would keep the last files open.

    Raises:
        ImportError: if it is not installed; names the pip command.
    """
    try:
        import pyvips
    except (ImportError, OSError) as error:  # The latter if pyvips finds no libvips.
        raise ImportError(f"pyvips is missing: {INSTALL}.") from error
    pyvips.cache_set_max(0)
    return pyvips


def is_installed() -> bool:
    """Returns whether libvips is there."""
    try:
        return bool(vips())
    except ImportError:
        return False


def check_installed(argument: str, received: str) -> None:
    """Raises ImportError, which tells what `argument` was, unless libvips is there."""
    if not is_installed():
        raise ImportError(f"`{argument}` needs pyvips. Received: {received}. Please {INSTALL}.")


def reason_of(error: Exception) -> str:
    """Returns the last line of libvips' error, which says most, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "libvips does not say why"
