"""The pictures and files of a run: as flags, and as a record that checkpoints save.

Takes parsed flags or the JSON of a checkpoint; gives a `Request`. No TensorFlow here.
"""

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tf_style._checks import exists, user_path
from tf_style.cli.flags import FILES
from tf_style.config.fields import option, typed_fields
from tf_style.config.style_config import INITS, StyleConfig
from tf_style.files.atomic import fitting_name
from tf_style.network.weights import SOURCES


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The flags that do not change the picture."""

    content: str = option("", "The photograph.")
    style: FILES = option(
        (),
        "The painting. For several, repeat the flag, or put commas between the names; quote a name "
        "that has a comma, as in '\"a,b.jpg\",c.jpg'. The name of an existing file is never split.",
    )
    output: str = option("", "The result: .png, .jpg, .webp, .avif or .tif; .btf for BigTIFF.")
    bits: int = option(8, "Bits of each channel of the result: 8, or 16 for PNG and TIFF.")
    metadata: bool = option(
        True,
        "Store in the result how it was made, and the photograph's copyright, artist, title and "
        "capture date (never its place). --nometadata stores only the color profile.",
    )
    content_masks: FILES = option(
        (),
        "Masks of the photograph's regions, white inside the region, listed like paintings; or one "
        "picture with a color for each region. Parts that no mask covers stay unchanged.",
    )
    style_masks: FILES = option(
        (),
        "Masks of the paintings: the region of the first one gives its style to the region of the "
        "first of --content_masks, and so on; or one picture with colors for each painting.",
    )
    content_map: str = option(
        "", "A mask, white where the photograph should be preserved: see --content_map_gain."
    )
    keep: str = option(
        "", "A mask, white where the photograph stays as it is, to the bit; gray at soft edges."
    )
    fine_style: str = option(
        "",
        "A painting whose fine texture (layers up to conv2_1) is first transferred to the "
        "other paintings, which then provide the coarse structure.",
    )
    overwrite: bool = option(
        False,
        "Replace existing files without asking. What tf_style made from the same pictures is "
        "replaced in any case.",
    )
    preview: bool = option(
        False,
        "Paint a picture of 192 px, in about ten seconds, that shows what the full one will look "
        "like: the same strength, and strokes of the same relative size.",
    )
    config: str = option(
        "", "Read all settings from this JSON file, or from a picture that tf_style made."
    )
    save_config: str = option("", "Write all settings to this JSON file, for --config.")
    save_every: int = option(
        0, "Also save the picture every N steps, as OUTPUT_00100.png; 0 is off."
    )
    trace: str = option(
        "",
        "Write a line of JSON for each slice of steps: evaluations, seconds, the weighted loss "
        "terms, and each layer's unweighted loss.",
    )
    checkpoint_dir: str = option(
        "",
        "Folder for the checkpoints of a long run and nothing else, removed when the picture is "
        "saved. If left out it is OUTPUT.checkpoint; 'none' turns checkpoints off.",
    )
    checkpoint_seconds: float = option(60.0, "Seconds between checkpoints.")
    resume: str = option(
        "",
        "Resume the run whose checkpoints are in this folder. Pictures, output and settings are "
        "read from there; only --output, --overwrite, --memory_limit, --quiet and --verbose may be "
        "given.",
    )
    dry_run: bool = option(
        False,
        "Only print what the run would do: sizes, memory, evaluations and time. It writes no file "
        "but that of --save_config.",
    )
    quiet: bool = option(False, "Show no progress.")
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show the most useful flags.")
    helpfull: bool = option(False, "Show all flags.")
    version: bool = option(False, "Show the version.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """The pictures and files of a run. A checkpoint saves these fields by name.

    Attributes:
        content: the photograph.
        styles: the paintings.
        content_masks: masks of the photograph.
        style_masks: masks of the paintings.
        content_map: a mask; empty for none.
        keep: a mask; empty for none.
        fine_style: a painting; empty for none.
        init: `StyleConfig.init`, which may be a picture.
        weights: `NetworkConfig.weights`, which may be a file.
        output: file for the picture.
        trace: file for the trace; empty for none.
        save_every: steps between snapshots; 0 for none.
        bits: bits per channel of the saved pictures.
        metadata: whether the saved pictures have metadata.
        checkpoint_seconds: seconds between checkpoints.
    """

    content: str
    styles: tuple[str, ...]
    content_masks: tuple[str, ...]
    style_masks: tuple[str, ...]
    content_map: str
    keep: str
    fine_style: str
    init: str
    weights: str
    output: str
    trace: str
    save_every: int
    bits: int
    metadata: bool
    checkpoint_seconds: float

    @classmethod
    def of(cls, options: RunOptions, settings: StyleConfig) -> "Request":
        """Returns the request that flags and settings describe."""
        return cls(
            content=options.content,
            styles=options.style,
            content_masks=options.content_masks,
            style_masks=options.style_masks,
            content_map=options.content_map,
            keep=options.keep,
            fine_style=options.fine_style,
            init=settings.init,
            weights=settings.network.weights,
            output=options.output,
            trace=options.trace,
            save_every=options.save_every,
            bits=options.bits,
            metadata=options.metadata,
            checkpoint_seconds=options.checkpoint_seconds,
        )

    @property
    def output_path(self) -> Path:
        """File for the picture."""
        return user_path(self.output)

    def snapshot_path(self, step: int) -> Path:
        """File for the picture of a step."""
        output = self.output_path
        return output.with_name(fitting_name(output.stem, f"_{step:05d}{output.suffix}"))

    @property
    def trace_path(self) -> Path | None:
        """File for the trace, or None."""
        return user_path(self.trace) if self.trace else None

    @property
    def inputs(self) -> Iterator[str]:
        """Names of all files that are read; some are empty or no files."""
        yield from (self.content, *self.styles, *self.content_masks, *self.style_masks)
        yield from (self.content_map, self.keep, self.fine_style, self.init, self.weights)

    def to_dict(self) -> dict[str, Any]:
        """Returns the request as plain JSON types, with absolute paths."""
        values = dataclasses.asdict(self)
        for name, value in values.items():
            if isinstance(value, tuple):
                values[name] = [absolute(each) for each in value]
            elif isinstance(value, str):
                values[name] = absolute(value, if_there=name in ("init", "weights"))
        return values

    @classmethod
    def from_dict(cls, values: Any) -> "Request":
        """Returns the request that `to_dict` has turned into JSON types.

        Raises:
            ValueError: if a field is missing or has the wrong type, as in the checkpoint of a
                Python program.
        """
        saved = dict(values) if isinstance(values, Mapping) else {}
        saved = {"keep": "", "metadata": True, **saved}  # Earlier versions lack them.
        return cls(**saved_fields(cls, saved, function="tf_style.stylize"))

    def config(self, values: Any) -> StyleConfig:
        """Returns a checkpoint's config, with the paths of this request.

        Raises:
            ValueError: if an option has an invalid value.
            TypeError: if an option has a value of the wrong type.
        """
        config = StyleConfig.from_dict(values if isinstance(values, Mapping) else {})
        return config.replace(init=self.init, weights=self.weights)


def saved_fields(record: type, values: Mapping[str, Any], *, function: str) -> dict[str, Any]:
    """Returns the fields of a record that a checkpoint has saved as plain JSON types.

    Args:
        record: a dataclass of strings, numbers, and tuples or dicts of strings.
        values: what was saved, by name; others are left out.
        function: the function in Python whose checkpoints have no such record.

    Raises:
        ValueError: if a field is missing or has the wrong type.
    """
    fields: dict[str, Any] = {}
    for field, kind in typed_fields(record):
        value = values.get(field.name)
        kind = typing.get_origin(kind) or kind
        texts: Iterable[Any] = ()
        if kind is tuple and isinstance(value, list):
            texts = value = tuple(value)
        elif kind is dict and isinstance(value, dict):
            texts = value.values()
        if type(value) is not kind or not all(type(each) is str for each in texts):
            raise ValueError(
                "A checkpoint must come from the command line to be resumed. Received: one "
                f"without its {field.name}. Resume it with `{function}(checkpoint_dir=...)` if it "
                "was started that way."
            )
        fields[field.name] = value
    return fields


def absolute(
    name: str, *, choices: Iterable[str] = (*INITS, *SOURCES), if_there: bool = False
) -> str:
    """Returns the absolute path of a file.

    Args:
        name: a path, or one of `choices`, which is returned as it is.
        choices: those of `StyleConfig.init` and `NetworkConfig.weights`.
        if_there: also return `name` as it is if the file does not exist.
    """
    if not name or (if_there and not exists(name)) or name in choices:
        return name
    return str(user_path(name).absolute())
