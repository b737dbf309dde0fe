"""The names of tensors in exported models, the same in every format.

Takes `LossTerms` and `Targets`; gives flat dicts of their tensors by name.
"""

from typing import Any

import tensorflow as tf

from tf_style.objective.loss import LossTerms
from tf_style.objective.targets import Targets


def named_terms(terms: LossTerms) -> dict[str, tf.Tensor]:
    """Returns the loss terms by their names in exported models.

    "total_loss", "content_loss", "style_loss", "variation_loss", "content_loss_LAYER" and
    "style_loss_LAYER". No target has such a name: in some formats an output must not have the
    name of an input.
    """
    values = {f"{name}_loss": value for name, value in terms._asdict().items() if name != "layers"}
    for name, value in terms.layers.items():
        kind, layer = name.split("/")
        values[f"{kind}_loss_{layer}"] = value
    return values


def target_names(targets: Targets) -> Targets:
    """Returns the names of the targets' tensors in exported models, in the same nested structure.

    `content_LAYER` and `style_LAYER`, followed by `_FIELD` if a target has several tensors;
    "scale_" and the name of the map for the scales of relative losses.
    """

    def names(prefix: str, target: Any) -> Any:
        if isinstance(target, tuple):  # A NamedTuple of tensors.
            return type(target)(*(f"{prefix}_{field}" for field in target._fields))  # type: ignore[attr-defined]
        return prefix

    return Targets(
        {name: names(f"content_{name}", target) for name, target in targets.content.items()},
        {name: names(f"style_{name}", target) for name, target in targets.style.items()},
        scales={name: f"scale_{name}" for name in targets.scales} if targets.scales else (),
    )


def named_targets(targets: Targets) -> dict[str, tf.Tensor]:
    """Returns the targets' tensors by their `target_names`."""
    names = tf.nest.flatten(target_names(targets))
    return dict(zip(names, tf.nest.flatten(targets), strict=True))
