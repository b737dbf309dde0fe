"""Stylizes pairs of pictures on one or several devices.

Takes and gives elements as described in `tf_style.pipeline`.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_choice, one_line
from tf_style.config.style_config import StyleConfig
from tf_style.engine.assembly import load_problem
from tf_style.engine.graph_stages import check_graph, start_image, stylize_in_graph
from tf_style.engine.pictures import Pictures
from tf_style.export.named_graphs import NamedTensors
from tf_style.inputs.sizes import smallest_side
from tf_style.pipeline.elements import IMAGE, image_of
from tf_style.pipeline.reading import EMPTY, ON_ERROR


def stylizer(
    config: StyleConfig | None = None,
    *,
    on_error: str = "raise",
    notify: Callable[[str], None] | None = None,
) -> Callable[[NamedTensors], NamedTensors]:
    """Returns a function for `Dataset.map` that adds "image" to an element.

    Pictures are not resized, so the config's sizes apply only in `read_pictures`; all other
    options work as in `stylize`. Pictures of all sizes share one graph. Elements whose "error" is
    not empty get an image without pixels.

    Args:
        config: the default preset if left out.
        on_error: whether a picture that cannot be stylized ends the dataset with an error
            ("raise"), or becomes an element without pixels, with an "error" ("skip"), as in
            `read_pictures`.
        notify: called with a line of text before weights are fetched; and for each picture that
            cannot be stylized, from another thread.

    Raises:
        TypeError: if `config` is not a StyleConfig.
        ValueError: if the config needs something that a graph does not support, such as a start
            from a file, regions, a time budget, `jit_compile` or `color`.
        OSError: if the weights cannot be fetched.

    Example:
        >>> pictures = read_pictures(["a.jpg", "b.jpg"], ["painting.jpg"])
        >>> write_pngs(pictures.map(stylizer()).prefetch(1), "painted")
    """
    config = StyleConfig() if config is None else config
    check_graph(config)
    check_choice("on_error", on_error, ON_ERROR)
    smallest = smallest_side(config)
    # Not local: datasets can be saved, or sent to other machines. Not shared: a strategy's
    # variables must be made in its scope.
    problem = load_problem(config, is_local=False, is_shared=False, notify=notify).problem

    @tf.function(input_signature=[tf.TensorSpec(IMAGE, tf.float32)] * 2, autograph=False)
    def stylize(content: tf.Tensor, style: tf.Tensor) -> tf.Tensor:
        start = start_image(config, content, style)
        pictures = Pictures(content, (style,), start)
        result = stylize_in_graph(problem, pictures, config, is_checked=on_error == "raise")
        # NaN where the loss is not finite, also if the image itself is.
        return tf.clip_by_value(result.image, 0.0, 1.0) + 0.0 * result.loss

    def tell(name: Any, reason: Any) -> None:
        if notify is not None:  # Outside of graphs these come as arrays.
            shown, why = (os.fsdecode(np.asarray(each).item()) for each in (name, reason))
            notify(f"{shown}: skipped: {why}.")

    def tried(images: tuple[tf.Tensor, ...], name: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the stylized image, and an empty text; or no pixels, and what is wrong."""
        sides = tf.concat([tf.shape(image)[1:3] for image in images], 0)
        is_large = tf.reduce_min(sides) >= smallest
        image = tf.cond(is_large, lambda: stylize(*images), _empty)
        is_finite = tf.reduce_all(tf.math.is_finite(image))
        image = tf.cond(is_finite, lambda: image, _empty)
        reason = tf.where(
            is_large,
            tf.where(is_finite, "", "its loss or gradient is not finite"),
            f"it must have at least {smallest} px on each side for the layers in use",
        )

        def failed() -> tf.Tensor:
            with tf.control_dependencies([tf.numpy_function(tell, [name, reason], [])]):
                return tf.identity(reason)

        return image, tf.cond(reason == "", lambda: reason, failed)

    @tf.autograph.experimental.do_not_convert  # Its errors would be reported as of many lines.
    def add_image(element: NamedTensors) -> NamedTensors:
        images = tuple(image_of(element, name) for name in ("content", "style"))
        if on_error == "raise" and "error" not in element:
            return {**element, "image": stylize(*images)}
        error = element.get("error", tf.constant(""))
        name = element.get("name", tf.constant(""))
        image, error = tf.cond(
            error == "",
            lambda: tried(images, name) if on_error == "skip" else (stylize(*images), error),
            lambda: (_empty(), error),
        )
        return {**element, "image": tf.ensure_shape(image, IMAGE), "error": error}

    return add_image


def _empty() -> tf.Tensor:
    """Returns the image of an element that failed."""
    return tf.ensure_shape(tf.zeros(EMPTY), IMAGE)


def stylized_on(
    strategy: tf.distribute.Strategy,
    elements: Iterable[NamedTensors],
    config: StyleConfig | None = None,
    *,
    on_error: str = "raise",
    notify: Callable[[str], None] | None = None,
) -> Iterator[NamedTensors]:
    """Yields the elements with "image"; each device of the strategy stylizes one at a time.

    Args:
        strategy: a strategy such as `tf.distribute.MirroredStrategy()`.
        elements: from `read_pictures`, or others of the same form.
        config: as for `stylizer`.
        on_error: as for `stylizer`.
        notify: as for `stylizer`.

    Raises:
        TypeError, ValueError, OSError: as `stylizer`.
    """
    check_choice("on_error", on_error, ON_ERROR)
    with strategy.scope():
        add_image = stylizer(config, notify=notify)

    @tf.function(autograph=False, reduce_retracing=True)
    def run(content: tf.Tensor, style: tf.Tensor) -> tf.Tensor:
        return strategy.run(
            lambda content, style: add_image({"content": content, "style": style})["image"],
            args=(content, style),
        )

    def on_each(values: Sequence[tf.Tensor]) -> tf.distribute.DistributedValues:
        return strategy.experimental_distribute_values_from_function(
            lambda context: values[context.replica_id_in_sync_group]
        )

    def stylized(group: list[NamedTensors]) -> list[NamedTensors]:
        # The last group may have fewer pictures than devices: the last picture is repeated.
        whole = group + group[-1:] * (strategy.num_replicas_in_sync - len(group))
        columns = ([image_of(each, name) for each in whole] for name in ("content", "style"))
        images = run(*map(on_each, columns))
        images = strategy.experimental_local_results(images)[: len(group)]
        return [{**element, "image": image} for element, image in zip(group, images, strict=True)]

    def attempted(group: list[NamedTensors]) -> list[NamedTensors]:
        if on_error == "raise":
            return stylized(group)
        try:
            return [{**element, "error": tf.constant("")} for element in stylized(group)]
        except tf.errors.OpError as error:
            if len(group) > 1:  # Finds out which one.
                return [each for element in group for each in attempted([element])]
            (element,), reason = group, one_line(ValueError(error.message))
            if notify is not None:
                name = os.fsdecode(element["name"].numpy()) if "name" in element else "a picture"
                notify(f"{name}: skipped: {reason}.")
            return [{**element, "image": _empty(), "error": tf.constant(reason)}]

    waiting = iter(elements)
    while group := list(itertools.islice(waiting, strategy.num_replicas_in_sync)):
        good = [element for element in group if not has_failed(element)]
        made = iter(attempted(good) if good else [])
        for element in group:
            yield {**element, "image": _empty()} if has_failed(element) else next(made)


def has_failed(element: NamedTensors) -> bool:
    """Returns whether an element, outside a graph, has an "error"."""
    return "error" in element and element["error"].numpy() != b""
