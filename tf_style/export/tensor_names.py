"""The names that exported models give tensors, the same in every format."""

from typing import Any

import tensorflow as tf

from tf_style.objective.targets import Targets
from tf_style.objective.terms import LossTerms


def named_terms(terms: LossTerms) -> dict[str, tf.Tensor]:
    """Returns the terms by the names that exported models give them.

    "total_loss", "content_loss", "style_loss", "variation_loss", "content_loss_LAYER" and
    "style_loss_LAYER": none is a target's, as in some formats outputs must not have inputs' names.
    """
    values = {f"{name}_loss": value for name, value in terms._asdict().items() if name != "layers"}
    for name, value in terms.layers.items():
        kind, layer = name.split("/")
        values[f"{kind}_loss_{layer}"] = value
    return values


def target_names(targets: Targets) -> Targets:
    """Returns the names that exported models give the tensors of targets, in their nest's form.

    `content_LAYER` and `style_LAYER`, followed by the part's name where a target has several.
    """

    def names(prefix: str, target: Any) -> Any:
        if isinstance(target, tuple):  # A NamedTuple of tensors.
            return type(target)(*(f"{prefix}_{field}" for field in target._fields))  # type: ignore[attr-defined]
        return prefix

    return Targets(
        {name: names(f"content_{name}", target) for name, target in targets.content.items()},
        {name: names(f"style_{name}", target) for name, target in targets.style.items()},
    )


def named_targets(targets: Targets) -> dict[str, tf.Tensor]:
    """Returns the tensors of targets by their `target_names`."""
    names = tf.nest.flatten(target_names(targets))
    return dict(zip(names, tf.nest.flatten(targets), strict=True))
