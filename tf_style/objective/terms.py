"""The table of the loss's terms: what each matches, measures and adds.

A term works in two steps. It maps an image or its features to measures without positions; most of
them are additive, so that tiles can be measured one by one. Then it maps the measures to summands
of the loss (`objective.loss`). A new term is an entry of `TERMS` that adds to one of the parts in
`loss.LossWeights`.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.graphs.rounding import unrounded
from tf_style.losses.content import CONTENT_LOSSES, laplacian, mean_content_loss
from tf_style.losses.style import STYLE_LOSSES
from tf_style.losses.variation import TOTAL_VARIATIONS, variation_of_rows
from tf_style.objective.scales import FLOOR, FLOOR_OF_PIXELS, IMAGE, relative
from tf_style.objective.targets import EDGES, Targets, guide_of, regions_of

ByLayer: TypeAlias = dict[str, Any]
"""Measures of a term by layer, or by the name of the map: numbers or nests of tensors."""

Measures: TypeAlias = dict[str, tuple[ByLayer, ...]]
"""The measures of each term, by its name in `TERMS`; for style one `ByLayer` for each region."""


class Sample(NamedTuple):
    """What the terms look at.

    Attributes:
        image: float `[b, H, W, 3]`, RGB, nominally 0..1.
        features: float `[b, h, w, c]`, by layer name; bfloat16 counts as float32.
        per_sample: whether losses are `[b]`, not scalars.
    """

    image: tf.Tensor | None
    features: Mapping[str, tf.Tensor]
    per_sample: bool = False


class Rows(NamedTuple):
    """Some rows of an image, for terms that look at the image itself.

    Attributes:
        image: float `[1, h, W, 3]`, the rows and a few around them.
        begin: first row of `image` that is measured.
        end: row after the last one.
        height: of the whole image, px.
    """

    image: tf.Tensor
    begin: tf.Tensor
    end: tf.Tensor
    height: tf.Tensor


class LayerLoss(NamedTuple):
    """A weighted summand of a term.

    Attributes:
        weight: of the summand within its part of the loss.
        value: the unweighted loss.
        name: "content/LAYER" or "style/LAYER" in `LossTerms.layers`; None if it is not listed.
    """

    weight: float
    value: tf.Tensor
    name: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Term:
    """One term of the loss.

    Attributes:
        part: field of `LossTerms` and `LossWeights` that the term adds to.
        option: the option that turns it on, for error messages.
        is_on: whether a config uses the term.
        image_targets: maps of the content image that the term matches, by name: functions of the
            image, float `[b, H, W, 3]`. They become entries of `Targets.content`.
        measure: maps (config, sample, targets) to the measures of a whole image. They are empty or
            0 if nothing in config and targets asks for the term.
        measure_rows: maps (config, rows, targets of these rows) to the rows' share of the measures:
            the tiled form of a term that looks at the image. None: the term looks at features, and
            tiles measure them with `measure`.
        reach: rows around a row that its measure depends on, for terms that look at the image.
        is_mean: whether measures of features are means over positions, not sums. Tiles weight
            means with their share of the positions.
        compare: maps (config, measures, targets, per_sample) to the summands of the loss.
        skips_if_unweighted: whether a whole image is not measured if the weight is known to be 0.
            Other terms are measured, because their unweighted losses are reported by layer.
    """

    part: str
    option: str
    is_on: Callable[[LossConfig], bool] = lambda _: True
    image_targets: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = dataclasses.field(
        default_factory=dict
    )
    measure: Callable[[LossConfig, Sample, Targets], tuple[ByLayer, ...]]
    measure_rows: Callable[[LossConfig, Rows, Targets], tuple[ByLayer, ...]] | None = None
    reach: int = 0
    is_mean: Callable[[LossConfig], bool] = lambda _: True
    compare: Callable[[LossConfig, tuple[ByLayer, ...], Targets, bool], Iterator[LayerLoss]]
    skips_if_unweighted: bool = False


def _content(config: LossConfig, sample: Sample, targets: Targets) -> tuple[ByLayer, ...]:
    loss = CONTENT_LOSSES[config.content_reduction]
    return (
        {
            layer: loss(
                unrounded(sample.features[layer]),
                targets.content[layer],
                guide=guide_of(targets.content_guides, layer),
                per_sample=sample.per_sample,
            )
            for layer, _ in config.content_layers
            if layer in targets.content
        },
    )


def _content_losses(
    config: LossConfig, measures: tuple[ByLayer, ...], targets: Targets, per_sample: bool
) -> Iterator[LayerLoss]:
    for layer, weight in config.content_layers:
        if layer in measures[0]:
            loss = _relative_to_map(config, measures[0][layer], layer, targets, per_sample)
            yield LayerLoss(weight, loss, f"content/{layer}")


def _edges(config: LossConfig, sample: Sample, targets: Targets) -> tuple[ByLayer, ...]:
    if EDGES not in targets.content:
        return ({},)
    loss = mean_content_loss(
        laplacian(sample.image),
        targets.content[EDGES],
        guide=guide_of(targets.content_guides, EDGES),
        per_sample=sample.per_sample,
    )
    return ({EDGES: loss},)


def _edges_of_rows(config: LossConfig, rows: Rows, targets: Targets) -> tuple[ByLayer, ...]:
    if EDGES not in targets.content:
        return ({},)
    loss = mean_content_loss(
        laplacian(rows.image)[:, rows.begin : rows.end],
        targets.content[EDGES],
        guide=guide_of(targets.content_guides, EDGES),
    )
    return ({EDGES: loss * tf.cast((rows.end - rows.begin) / rows.height, loss.dtype)},)


def _edge_losses(
    config: LossConfig, measures: tuple[ByLayer, ...], targets: Targets, per_sample: bool
) -> Iterator[LayerLoss]:
    if EDGES in measures[0]:
        loss = _relative_to_map(config, measures[0][EDGES], EDGES, targets, per_sample)
        yield LayerLoss(config.edge_weight, loss, f"content/{EDGES}")


def _relative_to_map(
    config: LossConfig, loss: tf.Tensor, name: str, targets: Targets, per_sample: bool
) -> tf.Tensor:
    """Returns the loss of a map, divided by the map's scale if losses are relative."""
    if not config.relative_losses:
        return loss
    scales = dict(targets.scales)
    if name not in scales:
        raise ValueError(
            f"`targets.scales` must hold {name!r} for relative losses. Received: "
            f"{', '.join(map(repr, scales)) or 'none'}. Take the targets from "
            "`Objective.targets`, or use relative_losses=False."
        )
    floor = FLOOR_OF_PIXELS if name in (EDGES, IMAGE) else FLOOR
    return relative(config, loss, scales[name], floor=floor, per_sample=per_sample)


def _style(config: LossConfig, sample: Sample, targets: Targets) -> tuple[ByLayer, ...]:
    losses = {layer: STYLE_LOSSES[name] for layer, name in config.style_losses.items()}
    return tuple(
        {
            layer: loss.measure(
                sample.features[layer]
                if loss.takes_bfloat16
                else unrounded(sample.features[layer]),
                region.style[layer],
                guide=guide_of(region.guides, layer),
            )
            for layer, loss in losses.items()
            if layer in region.style
        }
        for region in regions_of(targets)
    )


def _style_losses(
    config: LossConfig, measures: tuple[ByLayer, ...], targets: Targets, per_sample: bool
) -> Iterator[LayerLoss]:
    losses = config.style_losses
    for region, measure in zip(regions_of(targets), measures, strict=True):
        for layer, weight in config.style_layers:
            if layer in measure:
                style_loss, target = STYLE_LOSSES[losses[layer]], region.style[layer]
                loss = style_loss.compare(measure[layer], target, per_sample=per_sample)
                loss = relative(config, loss, style_loss.scale(target), per_sample=per_sample)
                if region.factor is not None:
                    loss = region.factor * loss
                yield LayerLoss(weight, loss, f"style/{layer}")


def _variation(config: LossConfig, sample: Sample, targets: Targets) -> tuple[ByLayer, ...]:
    variation = TOTAL_VARIATIONS[config.tv_form]
    return ({IMAGE: variation(sample.image, per_sample=sample.per_sample)},)


def _variation_of_rows(config: LossConfig, rows: Rows, targets: Targets) -> tuple[ByLayer, ...]:
    return ({IMAGE: variation_of_rows(config.tv_form, *rows)},)


def _variation_losses(
    config: LossConfig, measures: tuple[ByLayer, ...], targets: Targets, per_sample: bool
) -> Iterator[LayerLoss]:
    if IMAGE in measures[0]:
        loss = _relative_to_map(config, measures[0][IMAGE], IMAGE, targets, per_sample)
        yield LayerLoss(1.0, loss)


TERMS: dict[str, Term] = {
    "content": Term(
        part="content",
        option="content_weight",
        measure=_content,
        is_mean=lambda config: config.content_reduction != "sum",
        compare=_content_losses,
    ),
    "edges": Term(
        part="content",
        option="edge_weight",
        is_on=lambda config: config.edge_weight > 0.0,
        image_targets={EDGES: laplacian},
        measure=_edges,
        measure_rows=_edges_of_rows,
        reach=5,
        compare=_edge_losses,
    ),
    "style": Term(part="style", option="style_weight", measure=_style, compare=_style_losses),
    "variation": Term(
        part="variation",
        option="tv_weight",
        is_on=lambda config: config.tv_weight > 0.0,
        measure=_variation,
        measure_rows=_variation_of_rows,
        reach=1,
        compare=_variation_losses,
        skips_if_unweighted=True,
    ),
}
"""Every term of the loss, in the order in which they are added up.

`portable.losses.TERMS` has the reverse pass of those that can be exported as forward operations.
"""


def content_of(
    config: LossConfig, content: tf.Tensor, features: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns the targets of a content image: `Targets.content`.

    Args:
        config: layers and terms in use.
        content: float `[b, H, W, 3]`, RGB 0..1.
        features: of the content image, by layer name.
    """
    targets = {layer: features[layer] for layer, _ in config.content_layers}
    return targets | {name: of_image(content) for name, of_image in image_targets(config).items()}


def image_targets(config: LossConfig) -> dict[str, Callable[[tf.Tensor], tf.Tensor]]:
    """Returns the targets that are maps of the content image, by name, as functions of it."""
    terms = (term for term in TERMS.values() if term.is_on(config))
    return {name: of_image for term in terms for name, of_image in term.image_targets.items()}


def measured_features(config: LossConfig, sample: Sample, targets: Targets) -> Measures:
    """Returns the measures of the terms that look at features; of a tile or a whole image.

    Args:
        config: layers and losses.
        sample: its image is not looked at.
        targets: layers without a target are left out.
    """
    return {
        name: term.measure(config, sample, targets)
        for name, term in TERMS.items()
        if term.measure_rows is None
    }


def measured_rows(config: LossConfig, rows: Rows, targets: Targets) -> Measures:
    """Returns the rows' share of the measures of the terms that look at the image.

    Args:
        config: losses.
        rows: of the image.
        targets: cut to the measured rows.
    """
    return {
        name: term.measure_rows(config, rows, targets)
        for name, term in TERMS.items()
        if term.measure_rows is not None
    }
