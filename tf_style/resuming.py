"""Runs of the command line that can be gone on with: what was asked for, and where it is kept.

No TensorFlow here.
"""

import dataclasses
import shlex
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_style import checkpoints, flag_options
from tf_style._checks import typed_fields, user_path
from tf_style.config import INITS, StyleConfig
from tf_style.weights import SOURCES

_WITH_RESUME = ("resume", "output", "memory_limit", "quiet", "verbose")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A run's pictures and files by name, and what does not change the picture.

    Attributes:
        content: the photograph.
        styles: the paintings.
        content_masks: masks of the photograph.
        style_masks: masks of the paintings.
        content_map: a mask, or empty.
        fine_style: a painting, or empty.
        init: `StyleConfig.init`, which may be a picture.
        weights: `NetworkConfig.weights`, which may be a file.
        output: where the picture goes.
        trace: where the trace goes, or empty.
        save_every: steps between snapshots; 0 for none.
        bits: of each channel of the pictures.
        checkpoint_seconds: between checkpoints.
    """

    content: str
    styles: tuple[str, ...]
    content_masks: tuple[str, ...]
    style_masks: tuple[str, ...]
    content_map: str
    fine_style: str
    init: str
    weights: str
    output: str
    trace: str
    save_every: int
    bits: int
    checkpoint_seconds: float

    @classmethod
    def of(cls, run: Any, settings: StyleConfig) -> "Request":
        """Returns the request that the flags mean, `cli.RunOptions`, with the settings."""
        paths = {
            name: tuple(flag_options.paths(text))
            for name, text in (
                ("styles", run.style),
                ("content_masks", run.content_masks),
                ("style_masks", run.style_masks),
            )
        }
        return cls(
            **paths,
            content=run.content,
            content_map=run.content_map,
            fine_style=run.fine_style,
            init=settings.init,
            weights=settings.network.weights,
            output=run.output,
            trace=run.trace,
            save_every=run.save_every,
            bits=run.bits,
            checkpoint_seconds=run.checkpoint_seconds,
        )

    @property
    def inputs(self) -> Iterator[str]:
        """The names of all that is read."""
        yield from (self.content, *self.styles, *self.content_masks, *self.style_masks)
        yield from (self.content_map, self.fine_style, self.init, self.weights)

    def to_dict(self) -> dict[str, Any]:
        """Returns the request in plain JSON types, with names that hold in every folder."""
        values = dataclasses.asdict(self)
        for name, value in values.items():
            if isinstance(value, tuple):
                values[name] = [_absolute(each) for each in value]
            elif isinstance(value, str):
                values[name] = _absolute(value, if_there=name in ("init", "weights"))
        return values

    @classmethod
    def from_dict(cls, values: Any) -> "Request":
        """Returns the request of `to_dict`.

        Raises:
            ValueError: if it is none.
        """
        found = values if isinstance(values, Mapping) else {}
        given: dict[str, Any] = {}
        for field, kind in typed_fields(cls):
            value = found.get(field.name)
            if typing.get_origin(kind) is tuple and isinstance(value, list):
                value = tuple(value) if all(type(each) is str for each in value) else None
                kind = tuple
            if type(value) is not kind:
                raise ValueError(
                    "A checkpoint must be one of the command line to be resumed. Received: one "
                    f"without its {field.name}. Go on with `tf_style.stylize(checkpoint_dir=...)` "
                    "if it was begun with that."
                )
            given[field.name] = value
        return cls(**given)

    def config(self, values: Any) -> StyleConfig:
        """Returns the config of a checkpoint, with the names that hold here.

        Raises:
            ValueError: if it is none.
            TypeError: likewise.
        """
        config = StyleConfig.from_dict(values if isinstance(values, Mapping) else {})
        return config.replace(init=self.init, weights=self.weights)


def _absolute(name: str, *, if_there: bool = False) -> str:
    """Returns a file's name from the root; with `if_there` only if there is such a file."""
    if not name or (if_there and not user_path(name).exists()) or name in (*INITS, *SOURCES):
        return name
    return str(user_path(name).absolute())


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
    if other != _absolute(output):
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
