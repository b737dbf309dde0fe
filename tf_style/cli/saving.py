"""Saves a finished picture or network, in another place if its own cannot be written any more.

No TensorFlow here.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tf_style.files.atomic import fitting_name


def save(
    output: Path, write: Callable[[Path], None], say: Callable[[str], None]
) -> tuple[Path, int]:
    """Writes a file, in the folder for temporary files if its own cannot be written.

    Args:
        output: the file.
        write: writes it to a path.
        say: called with a line of text if it is saved elsewhere.

    Returns:
        The file and the exit code.

    Raises:
        OSError: if it cannot be written there, either.
    """
    try:
        write(output)
        return output, 0
    except OSError as error:
        spare = Path(tempfile.gettempdir(), fitting_name(f"tf_style_{output.stem}", output.suffix))
        write(spare)
        say(f"`output` cannot be written: {error}. Saved {spare} instead.")
        return spare, 2
