"""Checks of arguments, and the wording of their errors.

Takes an argument's name and value. Every message has the form "`argument` must <rule>. Received:
argument=<value>.", followed by a remedy if one is known. No TensorFlow here, so that a wrong flag
is reported at once.
"""

import difflib
import importlib.util
import math
import numbers
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the nearest choice, or an empty string."""
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def shown(value: Any) -> str:
    """Returns a value's `repr` for a message, shortened if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of over 4,300 digits.
        return f"a {type(value).__name__} that is too long to print"
    return text if len(text) <= 300 else f"{text[:80]}... ({len(text):,} characters)"


def shown_path(path: Path) -> str:
    """Returns a path for a message; says so if it is a URL."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", str(path), re.DOTALL)
    if found is None:
        return f"{shown(str(path))}, a URL" if str(path).startswith("data:") else shown(str(path))
    slashes = ":///" if found[1].lower() == "file" else "://"  # A path has single slashes.
    return f"{shown(found[1] + slashes + found[2])}, a URL"


def missing_folder(path: Path) -> str:
    """Returns the message for a file that has no folder to be written to."""
    if shown_path(path).endswith(", a URL"):
        return f"Cannot write {shown_path(path)}: files are written to paths only."
    return f"Cannot write '{path.name}': there is no folder '{path.parent}'."


def missing_file(argument: str, path: Path) -> str:
    """Returns the message for a path that is no file: why, and the way out."""
    text, way_out = shown_path(path), ""
    if text.endswith(", a URL"):
        way_out = " Download it first, and give the file."
        if importlib.util.find_spec("fsspec") is None:
            way_out += " Or let fsspec read it: `pip install 'tf-style[remote]'`."
    elif path.is_symlink() and not path.exists():
        text += ", a link that leads nowhere"
    elif path.exists():
        text, way_out = f"{text}, a pipe or device", " Save it as a file first."
    return f"`{argument}` must be an existing file. Received: {argument}={text}.{way_out}"


def one_line(error: BaseException) -> str:
    """Returns an error's message on one line, shortened, or its type's name if it has none."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 300 else f"{text[:200]}..."


def counted(number: int, thing: str) -> str:
    """Returns a number of things in words: "1 file", "2 files"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def check_choice(argument: str, value: str, choices: Iterable[str]) -> None:
    """Raises ValueError, listing the choices in order, unless `value` is one of `choices`."""
    names = list(choices)
    if value not in names:
        listed = ", ".join(repr(name) for name in names)
        raise ValueError(
            f"`{argument}` must be one of {listed}. Received: {argument}={shown(value)}."
            + suggestion(str(value), names)
        )


def check_number(
    argument: str, value: float, *, minimum: float = -math.inf, maximum: float = math.inf
) -> None:
    """Raises ValueError unless `value` is finite and within `minimum`..`maximum`.

    Raises TypeError for what is no number.
    """
    try:
        finite = isinstance(value, int) or math.isfinite(value)
    except TypeError:
        raise TypeError(
            f"`{argument}` must be a number. Received: {argument}={shown(value)}."
        ) from None
    if finite and minimum <= value <= maximum:
        return
    if not finite:
        rule = "be a finite number"
    elif math.isinf(maximum):
        rule = f"be at least {minimum:g}"
    else:
        rule = f"lie within {minimum:g}..{maximum:g}"
    raise ValueError(f"`{argument}` must {rule}. Received: {argument}={shown(value)}.")


def checked_integer(
    argument: str, value: int, *, minimum: float = -math.inf, maximum: float = math.inf
) -> int:
    """Returns an integer of any kind, such as NumPy's, as int.

    Raises:
        TypeError: unless it is an integer, which no bool is.
        ValueError: unless it is within `minimum`..`maximum`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"`{argument}` must be of type int. Received: {argument}={shown(value)}.")
    check_number(argument, int(value), minimum=minimum, maximum=maximum)
    return int(value)


def user_path(path: str | os.PathLike, argument: str = "path") -> Path:
    """Returns the path with a leading `~` or `~user` expanded, if that user exists.

    Raises:
        TypeError: if it is something else, such as an open file.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"`{argument}` must be a path, as text or as a pathlib.Path. Received: {argument}="
            f"{shown(path)}."
        )
    path = Path(path)
    try:
        return path.expanduser()
    except (RuntimeError, ValueError):  # No such user, so the file's own name starts with "~".
        return path


def exists(path: str | os.PathLike) -> bool:
    """Returns whether there is a file or folder, with `~` expanded; False for impossible names."""
    try:
        return os.access(user_path(path), os.F_OK)
    except ValueError:  # From a null byte.
        return False


def check_name(argument: str, path: Path) -> None:
    """Raises OSError if the system cannot look for a file of this name, as if it is too long."""
    try:
        path.is_dir()
    except OSError as error:
        raise type(error)(
            f"`{argument}` must be a possible name: {error.strerror}. Received: "
            f"{argument}={shown(str(path))}."
        ) from error
