"""Prepares a training: paintings and a network to start from, checked. No TensorFlow here."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_style._checks import exists, shown, user_path
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.bundled import named_network
from tf_style.feedforward.network_file import SUFFIX, StyleNetwork
from tf_style.feedforward.preparation import read_painting
from tf_style.files.atomic import check_writable
from tf_style.images.writing import check_output

NO_NETWORK = "none"
"""What `init_network` is for a start from random numbers."""

_ROOM = 8_000_000  # Bytes; the default network has 1.5 MB.
_NAME = re.compile(r"[\w.-]{1,100}")


class TrainingJob(NamedTuple):
    """What a training is to do.

    Attributes:
        config: all options.
        paintings: float32 `[1, h, w, 3]`, RGB 0..1, by the name of the style.
        base: the network to start from, or None for random numbers.
        only_styles: whether to keep the network, and train only new styles for it.
        start: `init_network` and `add_to`, for the record.
        notes: what the user should know about the paintings.
    """

    config: TrainingConfig
    paintings: Mapping[str, np.ndarray]
    base: StyleNetwork | None
    only_styles: bool
    start: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each painting, by the name of the style."""
        return {
            name: hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
            for name, image in self.paintings.items()
        }

    def about(self, num_photographs: int | None = None) -> dict[str, Any]:
        """Returns how the network is trained, in plain JSON types, for its file."""
        about = {
            "paintings": self.hashes,
            "photographs": num_photographs,
            "start": dict(self.start),
            "config": self.config.to_dict(),
        }
        if not self.only_styles or self.base is None:
            return about
        # The network's own record stays; what was added to it is beside it.
        added = self.base.about.get("added")
        return {**self.base.about, "added": [*(added if isinstance(added, list) else []), about]}


def prepare(
    style: Any, config: TrainingConfig, *, init_network: str = "default", add_to: str = ""
) -> TrainingJob:
    """Returns the job of a training.

    Args:
        style: a painting or several: see `named_paintings`.
        config: all options.
        init_network: "default" for the bundled network, a file, or "none" for random numbers.
        add_to: "default" or the file of a network that keeps all its numbers and styles, and gets
            new ones; empty for a network of its own.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if a painting or a network is damaged, a painting is too small, two styles have
            one name, or options exclude each other.
    """
    pictures = named_paintings(style)
    if add_to:
        _check_alone(config, init_network)
    base = None
    if add_to:
        base = named_network(add_to, argument="add_to")
        _check_new(pictures, base, add_to)
    elif init_network != NO_NETWORK:
        base = named_network(init_network, argument="init_network")
    paintings, notes = {}, []
    for name, picture in pictures.items():
        argument = "style" if len(pictures) == 1 else f"style[{name}]"
        paintings[name], lines = read_painting(picture, config, argument=argument)
        notes += lines
    start = {"init_network": init_network, "add_to": add_to}
    return TrainingJob(config, paintings, base, bool(add_to), start, tuple(notes))


def files_read(
    pictures: Iterable[Any], photos: str | os.PathLike, init_network: str, add_to: str
) -> list[str | os.PathLike]:
    """Returns those of a training's inputs that are existing files or folders."""
    named = [*pictures, photos, init_network, add_to]
    paths = [name for name in named if isinstance(name, (str, os.PathLike))]
    return [path for path in paths if path and exists(path)]


def check_files(
    output: Path | None, preview: Path | None, inputs: Sequence[str | os.PathLike] = ()
) -> None:
    """Raises unless network and preview can be written; meant to be called before the long work.

    Args:
        output: file for the network; None for none.
        preview: file for the sheet, a picture; None for none.
        inputs: files that must not be overwritten.

    Raises:
        ValueError: if a suffix is wrong, or a file is one of `inputs`.
        OSError: if a folder is missing or not writable, or has too little space.
    """
    if output is not None:
        if output.suffix.lower() != SUFFIX:
            raise ValueError(
                f"`output` must end in {SUFFIX}. Received: output={shown(str(output))}. Write "
                f"--output={output.stem or 'wave'}{SUFFIX}."
            )
        check_writable(output, argument="output", inputs=inputs, num_bytes=_ROOM)
    if preview is not None:
        check_output(preview, argument="preview", inputs=inputs)


def named_paintings(style: Any) -> dict[str, Any]:
    """Returns paintings by the names of their styles.

    Args:
        style: paintings by name; or one path or a list of them, whose names are those of the
            files without the suffix, or NAME in "NAME=FILE".

    Raises:
        ValueError: if there is none, two have one name, or a name has other characters than
            letters, digits, '_', '-' and '.'.
        TypeError: if a painting without a name is no path.
    """
    if isinstance(style, Mapping):
        found = list(style.items())
    else:
        several = style if isinstance(style, (list, tuple)) else [style]
        found = [_named(each) for each in several]
    if not found:
        raise ValueError("`style` must be at least one painting. Received: none.")
    names = [name for name, _ in found]
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                "`style` must give each painting a name of letters, digits, '_', '-' and '.'. "
                f"Received: the name {shown(name)}. Write --style=NAME=FILE."
            )
        if names.count(name) > 1:
            raise ValueError(
                "`style` must give each painting its own name. Received: the name "
                f"{name!r} twice. Write --style=NAME=FILE."
            )
    return dict(found)


def _named(painting: Any) -> tuple[str, Any]:
    """Returns the name of a painting, and its picture."""
    if not isinstance(painting, (str, os.PathLike)):
        raise TypeError(
            "`style` must be paths, or pictures by name, as in {'wave': picture}. Received: "
            f"style={shown(painting)}."
        )
    name, is_named, file = str(painting).partition("=")
    if is_named and not exists(painting):
        return name, file
    stem = user_path(painting).stem
    return re.sub(r"[^\w.-]+", "_", stem)[:100], painting


def _check_new(pictures: Mapping[str, Any], base: StyleNetwork, add_to: str) -> None:
    """Raises ValueError if a network already has a style of one of the names."""
    for name in pictures:
        if name in base.styles:
            raise ValueError(
                f"`style` must be new to the network. Received: the name {name!r}, which "
                f"add_to={shown(add_to)} has. Give the painting another name: "
                f"--style={name}_2=FILE."
            )


def _check_alone(config: TrainingConfig, init_network: str) -> None:
    """Raises ValueError for options that do nothing if only styles are trained."""
    why = "This is because only the new styles are trained, and the network stays as it is."
    if init_network != "default":
        raise ValueError(
            f"Cannot use `init_network` with `add_to`. {why} Received: "
            f"init_network={shown(init_network)}. Leave one of them out."
        )
    if config.any_share:
        raise ValueError(
            f"Cannot use `any_share` with `add_to`. {why} Received: "
            f"any_share={config.any_share:g}. Leave it out."
        )
