"""Resuming interrupted runs: reads a run's request, settings and checkpoint from its folder.

Takes the folder of `--resume` or `--checkpoint_dir`; gives the run. No TensorFlow here.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tf_style._checks import check_name, user_path
from tf_style.cli.request import Request, absolute
from tf_style.config.style_config import StyleConfig
from tf_style.files.atomic import fitting_name
from tf_style.transfer import checkpoints

_WITH_RESUME = ("resume", "output", "overwrite", "memory_limit", "quiet", "verbose")
"""The flags that may be given with `--resume`."""


def unfinished_run(
    resume: str, output: str, given: Sequence[str]
) -> tuple[Request, StyleConfig, checkpoints.Checkpoint]:
    """Returns an interrupted run: its request, config and newest checkpoint.

    Args:
        resume: the folder of the checkpoints.
        output: a new file for the picture; empty to keep the old one.
        given: the names of all flags that were given.

    Raises:
        OSError: if there is no checkpoint, or it cannot be read.
        ValueError: if the run cannot be resumed, with the reason.
    """
    others = [f"--{name}" for name in given if name not in _WITH_RESUME]
    if others:
        raise ValueError(
            f"Cannot use {', '.join(others)} with `resume`. This is because a resumed run "
            f"keeps its settings. Received: resume='{resume}'. Leave out one of them."
        )
    check_name("resume", user_path(resume))
    checkpoint = checkpoints.newest(user_path(resume), argument="resume")
    request = Request.from_dict(checkpoint.description.get("run"))
    config = request.config(checkpoint.description.get("config"))
    request = dataclasses.replace(request, output=output) if output else request
    return request, config, checkpoint


def folder_of(checkpoint_dir: str, output: str, *, kind: str = "checkpoint") -> Path | None:
    """Returns the folder for the checkpoints of a run, or None if they are turned off.

    Args:
        checkpoint_dir: the flag; if empty, the folder is beside the output.
        output: file for the result.
        kind: as for `checkpoint_folder.check_folder`.

    Raises:
        OSError: if checkpoints cannot be written there.
    """
    if checkpoint_dir == "none":
        return None
    beside = user_path(output)
    beside = beside.with_name(fitting_name(beside.name, ".checkpoint"))
    return checkpoints.check_folder(checkpoint_dir or beside, kind)


def note_on_unfinished_run(folder: Path, output: str) -> str | None:
    """Returns a note on an unfinished run that a new run finds in its folder, or None.

    Raises:
        ValueError: if the unfinished run has another output.
    """
    if not checkpoints.is_in(folder):
        return None
    stays = "It is kept until this run writes its first checkpoint."
    try:
        description = checkpoints.newest(folder, argument="checkpoint_dir").description
    except (OSError, ValueError) as error:
        return f"{error} {stays}"
    request = description.get("run")
    other = request.get("output") if isinstance(request, Mapping) else None
    if other != absolute(output):
        raise ValueError(
            "`checkpoint_dir` must not hold the unfinished run of another picture. Received: "
            f"checkpoint_dir='{folder}', of {other or 'a Python program'}. Name another folder, or "
            f"finish that run first{f': {command(folder)}' if other else ' there.'}"
        )
    return (
        f"{folder} holds an unfinished run of {output}, step {description.get('step')} of "
        f"{description.get('num_steps')}. {stays} To resume it instead: {command(folder)}"
    )


def command(folder: Path, *, name: str = "") -> str:
    """Returns the command that resumes the run in a folder: of the command `name`, or a picture."""
    return f"tf_style {name and f'{name} '}--resume={shlex.quote(str(folder))}"
