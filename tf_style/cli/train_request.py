"""The flags of `tf_style train`, and the record of them that checkpoints save.

Takes parsed flags or a checkpoint; gives a `TrainingRequest`. No TensorFlow here.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags as absl_flags

from tf_style._checks import check_number, user_path
from tf_style.cli import flags
from tf_style.cli.request import absolute, saved_fields
from tf_style.config.fields import option
from tf_style.config.flat_names import Fields, flat_fields
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.bundled import DEFAULT
from tf_style.files.atomic import fitting_name
from tf_style.training.preparation import NO_NETWORK, files_read, named_paintings

POSITIONAL = ("style", "photos", "output")
"""The flags that positional arguments set, in this order."""

_WITH_RESUME = (
    "resume", "photos", "output", "overwrite", "minutes", "steps", "quiet", "verbose",
)  # fmt: skip
"""The flags that may be given with `--resume`."""


_UNUSED = ("mask_mode",)
"""Options of the loss that a training does not use: they are no flags, so none is ignored."""


def _fields() -> Fields:
    """Returns the options of a training, with its own defaults where those of its groups differ."""
    defaults, table = TrainingConfig(), {}
    for name, (group, field, kind) in flat_fields(TrainingConfig).items():
        if group:
            value = getattr(getattr(defaults, group), name)
            field = dataclasses.field(default=value, metadata=field.metadata)
            field.name = name
        if name not in _UNUSED:
            table[name] = (group, field, kind)
    return table


FIELDS = _fields()
"""(group in `TrainingConfig` or "", field, type) of every flag that is an option of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The flags of `tf_style train` besides those of `TrainingConfig`."""

    style: flags.FILES = option(
        (),
        "The painting. For several in one network, repeat the flag, or put commas between the "
        "names. A style has the name of its file without the suffix; NAME=FILE names it.",
    )
    photos: str = option(
        "", "Folder of photographs to learn from, any, with subfolders. Some hundreds are enough."
    )
    output: str = option(
        "",
        "The network, a .tfstyle file. It is renewed as the training goes on and can be used at "
        "any moment.",
    )
    init_network: str = option(
        DEFAULT,
        "Start from the numbers of this network: 'default', the one in the package; a file; or "
        "'none' for random numbers, which takes far longer. A style whose name the network has "
        "begins as it is there.",
    )
    add_to: str = option(
        "",
        "Add styles to a copy of this network, a file or 'default'. Only the new styles are "
        "trained; the others paint the same pictures as before, to the bit.",
    )
    preview: str = option(
        "",
        "Picture file for a sheet: photographs painted in each style, renewed as the training "
        "goes on. If left out it is OUTPUT_preview.png; 'none' turns it off.",
    )
    save_seconds: float = option(30.0, "Seconds after which network and preview are renewed.")
    summary_dir: str = option("", "Folder for the losses as TensorBoard's scalars.")
    checkpoint_dir: str = option(
        "",
        "Folder for the checkpoints and nothing else. If left out it is OUTPUT.checkpoint; 'none' "
        "turns checkpoints off.",
    )
    checkpoint_seconds: float = option(60.0, "Seconds between checkpoints.")
    resume: str = option(
        "",
        "Go on with the training whose checkpoints are in this folder: one that was interrupted, "
        "or, with more --minutes or --steps, one that has ended. Paintings and options are read "
        "from there; only --photos, --output, --overwrite, --minutes, --steps, --quiet and "
        "--verbose may be given.",
    )
    overwrite: bool = option(False, "Replace existing files without asking.")
    quiet: bool = option(False, "Show no progress.")
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show the most useful flags.")
    helpfull: bool = option(False, "Show all flags.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """The pictures and files of a training. A checkpoint saves these fields by name.

    Attributes:
        styles: paths of the paintings by the names of their styles.
        photos: folder of photographs.
        output: file for the network.
        preview: file for the sheet; empty for none.
        init_network: network to start from.
        add_to: network that gets new styles; empty for none.
        summary_dir: folder for summaries; empty for none.
        save_seconds: interval of network and preview.
        checkpoint_seconds: interval of checkpoints.
    """

    styles: dict[str, str]
    photos: str
    output: str
    preview: str
    init_network: str
    add_to: str
    summary_dir: str
    save_seconds: float
    checkpoint_seconds: float

    def __post_init__(self) -> None:
        for name in ("save_seconds", "checkpoint_seconds"):
            check_number(name, getattr(self, name), minimum=0.0, maximum=1e6)

    @classmethod
    def of(cls, options: TrainOptions) -> "TrainingRequest":
        """Returns the request of flags.

        Raises:
            ValueError: if a flag is missing, or two paintings have one name.
        """
        missing = [f"--{name}" for name in POSITIONAL if not getattr(options, name)]
        if missing:
            raise ValueError(
                f"{', '.join(missing)} must be given, as in: tf_style train --style=painting.jpg "
                "--photos=DIR --output=wave.tfstyle. See tf_style train --help."
            )
        output = user_path(options.output)
        preview = options.preview or str(
            output.with_name(fitting_name(output.stem, "_preview.png"))
        )
        return cls(
            styles={
                name: str(user_path(each)) for name, each in named_paintings(options.style).items()
            },
            photos=options.photos,
            output=options.output,
            preview="" if preview == NO_NETWORK else preview,
            init_network=options.init_network,
            add_to=options.add_to,
            summary_dir=options.summary_dir,
            save_seconds=options.save_seconds,
            checkpoint_seconds=options.checkpoint_seconds,
        )

    @property
    def output_path(self) -> Path:
        """File for the network."""
        return user_path(self.output)

    @property
    def preview_path(self) -> Path | None:
        """File for the sheet, or None."""
        return user_path(self.preview) if self.preview else None

    @property
    def inputs(self) -> list[str | os.PathLike]:
        """Names of all files and folders that are read and exist."""
        return files_read(self.styles.values(), self.photos, self.init_network, self.add_to)

    def to_dict(self) -> dict[str, Any]:
        """Returns the request as plain JSON types, with absolute paths."""
        values = dataclasses.asdict(self)
        for name in ("photos", "output", "preview"):
            values[name] = absolute(values[name], choices=())
        for name in ("init_network", "add_to"):
            values[name] = absolute(values[name], choices=(DEFAULT, NO_NETWORK), if_there=True)
        if "://" not in self.summary_dir:
            values["summary_dir"] = absolute(self.summary_dir, choices=())
        values["styles"] = {name: absolute(path, choices=()) for name, path in self.styles.items()}
        return values

    @classmethod
    def from_dict(cls, values: Any) -> "TrainingRequest":
        """Returns the request that `to_dict` has turned into JSON types.

        Raises:
            ValueError: if a field is missing or has the wrong type, as in the checkpoint of a
                Python program.
        """
        saved = values if isinstance(values, Mapping) else {}
        return cls(**saved_fields(cls, saved, function="tf_style.train_network"))


def config_of(values: absl_flags.FlagValues) -> TrainingConfig:
    """Returns the config of the flags that were given.

    Raises:
        ValueError: if a value is out of range, or options exclude each other.
    """
    given = {name: values[name].value for name in FIELDS if values[name].present}
    _check_one_length(given)
    return TrainingConfig().replace(**given)


def _check_one_length(given: Mapping[str, Any]) -> None:
    """Raises ValueError if the options that were given set the length twice."""
    if given.get("steps") and "minutes" in given:
        raise ValueError(
            "Cannot use `minutes` with `steps`. This is because each sets how long to train. "
            f"Received: minutes={given['minutes']:g}, steps={given['steps']}. Leave out one."
        )


def resumed(
    description: Mapping[str, Any], options: TrainOptions, values: absl_flags.FlagValues
) -> tuple[TrainingRequest, TrainingConfig]:
    """Returns the request and the config of a checkpoint, with what may be changed.

    Args:
        description: of the checkpoint.
        options: the flags.
        values: the parsed flags.

    Raises:
        ValueError: if another flag was given, or the checkpoint is not from the command line.
        TypeError: if an option of the checkpoint has a value of the wrong type.
    """
    given = [name for name in values if values[name].present]
    if others := [f"--{name}" for name in given if name not in _WITH_RESUME]:
        raise ValueError(
            f"Cannot use {', '.join(others)} with `resume`. This is because a resumed training "
            f"keeps its settings. Received: resume='{options.resume}'. Leave out one of them."
        )
    request = TrainingRequest.from_dict(description.get("run"))
    changes = {name: getattr(options, name) for name in ("photos", "output") if name in given}
    request = dataclasses.replace(request, **changes)
    config = description.get("config")
    config = dict(config) if isinstance(config, Mapping) else {}
    lengths = {name: values[name].value for name in ("minutes", "steps") if name in given}
    _check_one_length(lengths)
    if "minutes" in lengths:
        lengths = {"steps": 0, **lengths}
    return request, TrainingConfig().replace(**{**config, **lengths})
