"""Reads pairs of pictures into a dataset, and stylizes them on one or several devices.

Takes paths and a config; gives elements as described in `tf_style.pipeline`.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from tf_style._checks import missing_file, user_path
from tf_style.config.style_config import StyleConfig
from tf_style.engine.assembly import load_problem
from tf_style.engine.graph_stages import check_graph, start_image, stylize_in_graph
from tf_style.engine.pictures import Pictures
from tf_style.export.named_graphs import NamedTensors
from tf_style.inputs.preparation import prepare_inputs

_IMAGE = [1, None, None, 3]


def read_pictures(
    contents: Sequence[str | os.PathLike],
    styles: Sequence[str | os.PathLike],
    *,
    config: StyleConfig | None = None,
    notify: Callable[[str], None] | None = None,
) -> tf.data.Dataset:
    """Returns a dataset of picture pairs, which are read and resized in the background.

    It reads the same file formats as `stylize`. "name" is the content's file name and the
    style's, without suffixes, joined by "-"; duplicates get numbers. "alpha" is the content's alpha
    channel, all 1 if the picture has none. Names may be any bytes that the file system allows.

    Args:
        contents: paths of the contents.
        styles: as many paths of styles, or one for all contents.
        config: gives the sizes; the default preset if left out.
        notify: called, from another thread, with the element's name and a note for each thing that
            is left out of a picture, or that will disappoint: margins, pages, a dark photograph.

    Raises:
        ValueError: if there are no contents, or the number of styles does not match.
        FileNotFoundError: if a file is missing.
    """
    config = StyleConfig() if config is None else config
    if not contents or len(styles) not in (1, len(contents)):
        raise ValueError(
            "`styles` must be one path, or as many as there are `contents`. Received: "
            f"{len(styles)} styles, {len(contents)} contents."
        )
    files = [[user_path(path) for path in paths] for paths in (contents, styles)]
    for argument, column in zip(("contents", "styles"), files, strict=True):
        for path in column:
            if not path.is_file():
                raise FileNotFoundError(missing_file(argument, path))
    files[1] *= len(contents) // len(styles)
    pairs = zip(*files, strict=True)
    names = _unique([f"{content.stem}-{style.stem}" for content, style in pairs])

    def read(name: bytes, content: bytes, style: bytes) -> tuple:
        inputs = prepare_inputs(os.fsdecode(content), os.fsdecode(style), config)
        if notify is not None:
            for note in inputs.notes:
                notify(f"{os.fsdecode(name)}: {note}")
        opaque = np.ones_like(inputs.content[..., :1])
        return inputs.content, opaque if inputs.alpha is None else inputs.alpha, inputs.styles[0]

    def element(name: tf.Tensor, content: tf.Tensor, style: tf.Tensor) -> NamedTensors:
        content, alpha, style = tf.numpy_function(read, [name, content, style], 3 * [tf.float32])
        return {
            "name": name,
            "content": tf.ensure_shape(content, _IMAGE),
            "alpha": tf.ensure_shape(alpha, [*_IMAGE[:3], 1]),
            "style": tf.ensure_shape(style, _IMAGE),
        }

    # Bytes, because names need not be UTF-8.
    paths = [[os.fsencode(path) for path in column] for column in files]
    dataset = tf.data.Dataset.from_tensor_slices(([os.fsencode(name) for name in names], *paths))
    return dataset.map(element).prefetch(2)


def _unique(names: list[str]) -> list[str]:
    """Returns the names, with numbers appended to duplicates."""
    unique: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        taken = {*names, *unique}
        unique.append(
            name if name not in unique else next(new for new in numbered if new not in taken)
        )
    return unique


def stylizer(
    config: StyleConfig | None = None, *, notify: Callable[[str], None] | None = None
) -> Callable[[NamedTensors], NamedTensors]:
    """Returns a function for `Dataset.map` that adds "image" to an element.

    Pictures are not resized, so the config's sizes apply only in `read_pictures`; all other
    options work as in `stylize`. Pictures of all sizes share one graph.

    Args:
        config: the default preset if left out.
        notify: called with a line of text before weights are fetched.

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
    # Not shared: a strategy's variables must be made in its scope.
    problem = load_problem(config, is_shared=False, notify=notify).problem

    @tf.function(input_signature=[tf.TensorSpec(_IMAGE, tf.float32)] * 2, autograph=False)
    def stylize(content: tf.Tensor, style: tf.Tensor) -> tf.Tensor:
        start = start_image(config, content, style)
        result = stylize_in_graph(problem, Pictures(content, (style,), start), config)
        return tf.clip_by_value(result.image, 0.0, 1.0)

    def add_image(element: NamedTensors) -> NamedTensors:
        # Elements of others: the channels of decoded files are unknown until they are read.
        images = (tf.ensure_shape(element[name], _IMAGE) for name in ("content", "style"))
        return {**element, "image": stylize(*images)}

    return add_image


def stylized_on(
    strategy: tf.distribute.Strategy,
    elements: Iterable[NamedTensors],
    config: StyleConfig | None = None,
    *,
    notify: Callable[[str], None] | None = None,
) -> Iterator[NamedTensors]:
    """Yields the elements with "image"; each device of the strategy stylizes one at a time.

    Args:
        strategy: a strategy such as `tf.distribute.MirroredStrategy()`.
        elements: from `read_pictures`, or others of the same form.
        config: as for `stylizer`.
        notify: as for `stylizer`.

    Raises:
        TypeError, ValueError, OSError: as `stylizer`.
    """
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

    waiting = iter(elements)
    while group := list(itertools.islice(waiting, strategy.num_replicas_in_sync)):
        # The last group may have fewer pictures than devices: the last picture is repeated.
        whole = group + group[-1:] * (strategy.num_replicas_in_sync - len(group))
        stylized = run(*(on_each([each[name] for each in whole]) for name in ("content", "style")))
        images = strategy.experimental_local_results(stylized)
        for element, image in zip(group, images, strict=False):  # Drops repeats.
            yield {**element, "image": image}
