"""What a run of the command line was asked for."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from tf_style._checks import user_path
from tf_style.cli import flags
from tf_style.config.fields import typed_fields
from tf_style.config.style_config import INITS, StyleConfig
from tf_style.network.weights import SOURCES


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
            name: tuple(flags.paths(text))
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
                values[name] = [absolute(each) for each in value]
            elif isinstance(value, str):
                values[name] = absolute(value, if_there=name in ("init", "weights"))
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


def absolute(name: str, *, if_there: bool = False) -> str:
    """Returns a file's name from the root; with `if_there` only if there is such a file."""
    if not name or (if_there and not user_path(name).exists()) or name in (*INITS, *SOURCES):
        return name
    return str(user_path(name).absolute())
