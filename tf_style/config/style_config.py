"""`StyleConfig`: all options of a run in one object, with a JSON form. No TensorFlow here.

Options have flat names across the groups; `FIELDS` lists them, and flags are made from it. A
config written with `to_json` repeats a run exactly.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tf_style._checks import check_choice, check_number, one_line, shown
from tf_style.config.compute import ComputeConfig
from tf_style.config.control import ControlConfig
from tf_style.config.earlier import completed
from tf_style.config.fields import TypeChecked, option
from tf_style.config.flat_names import (
    flat_fields,
    flat_values,
    groups_of,
    replaced,
    with_flat_names,
)
from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.config.optimizer import OptimizerConfig
from tf_style.config.presets import PRESETS as PRESETS

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tf_style.config.option_types import Arguments, Options

GRAPH_INITS = ("content", "style", "noise")
"""The starts that a graph can make, which reads no files."""
INITS = (*GRAPH_INITS, "fast")
COLORS = ("style", "content", "match", "luminance")
COLOR_MATCHES = ("cholesky", "symmetric", "histogram")
PREVIEW_EDGE = 192
"""Longer edge of a preview, px: about ten seconds on two cores."""


@with_flat_names
@dataclasses.dataclass(frozen=True, kw_only=True)
class StyleConfig(TypeChecked):
    """Everything that determines the result, except the pictures themselves.

    Options of the groups are set by flat names, here and in `replace`: `StyleConfig(steps=50)`.
    Both raise ValueError on an unknown name or a value out of range, TypeError on a wrong type.
    """

    preset: str = option(
        "default", "Named settings, which the other flags then change (in Python: `preset`)."
    )
    init: str = option(
        "content",
        "Start from 'content', 'style', 'noise', what a trained network paints at once ('fast'), "
        "or the picture at this path.",
    )
    size: int = option(512, "Longer edge of the result, in px; 0 keeps the content's own size.")
    style_size: int = option(0, "Longer edge of the style picture, in px; 0 follows --style_scale.")
    style_scale: float = option(
        1.0,
        "Longer edge of the style picture relative to the result's; the style picture is never "
        "enlarged.",
    )
    keep_margins: bool = option(
        False,
        "Keep the uniform margin of a scanned style picture (paper, scan bed, passe-partout). "
        "Otherwise it is left out.",
    )
    color: str = option(
        "style",
        "Colors of the result: those of the painting ('style'), or those of the photograph, in one "
        "of three ways: 'content' takes the photograph's chroma after painting, 'match' recolors "
        "the style picture before painting, 'luminance' paints in gray and then takes the "
        "photograph's chroma. With regions, one for each is possible, separated by commas.",
    )
    color_match: str = option(
        "cholesky",
        "How --color=match recolors the style picture: to the photograph's mean and covariance, by "
        "the paper's 'cholesky' map or the 'symmetric' map, which moves colors least; or to its "
        "'histogram' in each channel.",
    )
    limit_chroma: bool = option(
        True,
        "Give no pixel more color than the most colorful parts of the painting: a drawing in ink "
        "leaves no colored specks. With --style_strength below 1, the photograph's colors count "
        "too.",
    )
    seed: int = option(0, "Seed of the noise that --init=noise starts from.")
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    compute: ComputeConfig = dataclasses.field(default_factory=ComputeConfig)
    control: ControlConfig = dataclasses.field(default_factory=ControlConfig)

    if TYPE_CHECKING:  # What `with_flat_names` makes of it.

        def __init__(self, **options: Unpack[Arguments]) -> None: ...

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("preset", self.preset, PRESETS)
        check_number("size", self.size, minimum=0, maximum=30000)
        check_number("style_size", self.style_size, minimum=0, maximum=30000)
        check_number("style_scale", self.style_scale, minimum=0.01, maximum=100.0)
        check_number("seed", self.seed, minimum=0, maximum=2**63 - 1)
        for rule in self.colors:
            check_choice("color", rule, COLORS)
        check_choice("color_match", self.color_match, COLOR_MATCHES)
        if len(self.colors) > 1 and self.control.regions == "auto":
            raise ValueError(
                "Cannot use several rules of `color` with regions='auto'. This is because the "
                "number of regions is not known in advance. "
                f"Received: color={self.color!r}. Use one rule, or `content_masks`."
            )
        if not self.init:
            raise ValueError("`init` must not be empty. Received: init=''.")
        if self.style_size and self.style_scale != 1.0:
            raise ValueError(
                "Cannot use `style_size` with `style_scale`. This is because both set the size "
                f"of the style picture. Received: style_size={self.style_size}, "
                f"style_scale={self.style_scale:g}."
            )
        if self.color_match != COLOR_MATCHES[0] and "match" not in self.colors:
            raise ValueError(
                f"Cannot use `color_match` with color={self.color!r}. This is because only "
                f"color='match' uses it. Received: color_match={self.color_match!r}. Use it with "
                "color='match'."
            )

    @property
    def colors(self) -> tuple[str, ...]:
        """The rules of `color`: one, or one for each region."""
        return tuple(self.color.split(","))

    def replace(self, /, **options: "Unpack[Options]") -> "StyleConfig":
        """Returns a copy with some options changed, by flat name, e.g. `style_weight=100`.

        Raises:
            ValueError: on an unknown name (suggests the nearest) or a value out of range.
            TypeError: on a value of a wrong type.
        """
        if options.get("preset", self.preset) != self.preset:
            raise ValueError(
                "`preset` cannot be replaced, as it names where the settings came from. Use "
                f"`tf_style.preset({options['preset']!r})` and replace single options of it."
            )
        return replaced(self, options)

    def previewed(self) -> "StyleConfig":
        """Returns the config of a small picture that shows what the full one will look like.

        It makes all steps that a picture of `PREVIEW_EDGE` px needs, so it is no paler than the
        full one; brush strokes keep their size relative to the picture. A config with a `size`
        that is not larger is returned as it is.

        Raises:
            ValueError: with `style_size` if `size` is 0, as the ratio of the two is not known.
        """
        if 0 < self.size <= PREVIEW_EDGE:
            return self
        if self.style_size and not self.size:
            raise ValueError(
                "Cannot use `preview` with `style_size` if size=0. This is because the painting's "
                "size relative to the result's is not known. Received: "
                f"style_size={self.style_size}. Use `style_scale`, or give `size`."
            )
        style_size = self.style_size
        if style_size:
            style_size = max(1, round(style_size * PREVIEW_EDGE / self.size))
        return self.replace(size=PREVIEW_EDGE, style_size=style_size)

    def to_json(self) -> str:
        """Returns the config as JSON text: one object, with one option on each line."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Returns every option by flat name, in plain JSON types."""
        return flat_values(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StyleConfig":
        """Returns the config that `to_dict` described; missing options come from the preset.

        Options that an earlier version wrote keep their meaning: see `config.earlier`.

        Raises:
            ValueError: on an unknown name or preset, or a value out of range.
            TypeError: on a value of a wrong type.
        """
        values = completed(values, FIELDS)
        name = values.get("preset", "default")
        if not isinstance(name, str):
            raise TypeError(f"`preset` must be of type str. Received: preset={shown(name)}.")
        return preset(name).replace(**values)

    @classmethod
    def from_json(cls, text: str) -> "StyleConfig":
        """Returns the config that `to_json` wrote.

        Raises:
            ValueError: if the text is not a JSON object, or as in `from_dict`.
            TypeError: as in `from_dict`.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The config must be JSON. Received: {one_line(error)}.") from error
        if not isinstance(values, dict):
            raise ValueError(
                f"The config must be a JSON object. Received: a {type(values).__name__}."
            )
        return cls.from_dict(values)


FIELDS = flat_fields(StyleConfig)
"""(group in StyleConfig or "", field, type) of every option, by flat name."""


GROUPS = groups_of(FIELDS)


def preset(name: str) -> StyleConfig:
    """Returns the config of a preset.

    Raises:
        ValueError: if there is no such preset; suggests the nearest.
    """
    check_choice("preset", name, PRESETS)
    return StyleConfig(preset=name).replace(**PRESETS[name])
