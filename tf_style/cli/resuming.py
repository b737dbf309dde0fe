"""Runs of the command line that can be gone on with: what was asked for, and where it is kept.

No TensorFlow here.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tf_style._checks import user_path
from tf_style.cli.request import Request, absolute
from tf_style.config.style_config import StyleConfig
from tf_style.transfer import checkpoints

_WITH_RESUME = ("resume", "output", "memory_limit", "quiet", "verbose")


def unfinished_run(
    resume: str, output: str, given: Sequence[str]
) -> tuple[Request, StyleConfig, checkpoints.Checkpoint]:
    """Returns what a run goes on from: what it was asked for, its config and its checkpoint.

    Args:
        resume: the folder.
        output: where the picture goes; empty to leave it.
        given: the names of all flags that were given.

    Raises:
        OSError: if there is no checkpoint, or it cannot be read.
        ValueError: if it cannot be gone on from; says why.
    """
    others = [f"--{name}" for name in given if name not in _WITH_RESUME]
    if others:
        raise ValueError(
            f"Cannot use {', '.join(others)} with `resume`. This is because a run goes on as it "
            f"was begun. Received: resume='{resume}'. Leave out either."
        )
    found = checkpoints.newest(user_path(resume), argument="resume")
    request = Request.from_dict(found.description.get("run"))
    config = request.config(found.description.get("config"))
    return (dataclasses.replace(request, output=output) if output else request), config, found


def folder_of(checkpoint_dir: str, output: str) -> Path | None:
    """Returns where a run keeps its checkpoints: beside the output if it is not told; or None.

    Raises:
        OSError: if they cannot be kept there.
    """
    if checkpoint_dir == "none":
        return None
    return checkpoints.check_folder(checkpoint_dir or f"{output}.checkpoint")


def found_in(folder: Path, output: str) -> str | None:
    """Returns a line on an unfinished run that a new one finds in its folder, or None.

    Raises:
        ValueError: if it is of another picture.
    """
    if not checkpoints.is_in(folder):
        return None
    stays = "It stays until this run has a checkpoint of its own."
    try:
        found = checkpoints.newest(folder, argument="checkpoint_dir").description
    except (OSError, ValueError) as error:
        return f"{error} {stays}"
    asked = found.get("run")
    other = asked.get("output") if isinstance(asked, Mapping) else None
    if other != absolute(output):
        raise ValueError(
            "`checkpoint_dir` must not hold the unfinished run of another picture. Received: "
            f"checkpoint_dir='{folder}', of {other or 'a Python program'}. Name another folder, or "
            f"finish that run first{f': {command(folder)}' if other else ' there.'}"
        )
    return (
        f"{folder} holds an unfinished run of {output}, step {found.get('step')} of "
        f"{found.get('num_steps')}. {stays} To go on with it instead: {command(folder)}"
    )


def command(folder: Path) -> str:
    """Returns the command that goes on with the run in a folder."""
    return f"tf_style --resume={shlex.quote(str(folder))}"
