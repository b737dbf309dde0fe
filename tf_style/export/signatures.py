"""The signatures of an exported SavedModel, as `tf.function`s that hold the whole problem.

Takes a `Problem` and its config; gives functions with named inputs and outputs, for pictures of any
size. Options have defaults (`SignatureDef.defaults`), so a client of a server need only send the
pictures. Options are inputs of rank 1: one value for all pictures of a batch, or one for each.
"""

import functools

import numpy as np
import tensorflow as tf

from tf_style.config import scales
from tf_style.config.loss import LossConfig
from tf_style.config.style_config import StyleConfig
from tf_style.engine.batch import MOST_PIXELS
from tf_style.engine.graph_batch import (
    BatchPictures,
    Packed,
    packed,
    stylize_batch_in_graph,
    unpacked,
)
from tf_style.engine.graph_stages import Stylized, start_image, stylize_in_graph
from tf_style.engine.pictures import Pictures
from tf_style.engine.problem import Problem
from tf_style.export.chunks import Waiting, in_chunks
from tf_style.export.named_graphs import (
    NamedTensors,
    at,
    batches,
    checked_images,
    named_graph,
    options_at,
    size_check,
    within,
)
from tf_style.export.options import SIGNATURES
from tf_style.export.tensor_names import named_targets, named_terms, target_names
from tf_style.graphs.rounding import unrounded
from tf_style.graphs.tracing import called_when_reached
from tf_style.images import graph_pictures
from tf_style.images.graph_resizing import Size, resize, size_of
from tf_style.inputs.sizes import smallest_side
from tf_style.network.extractor import prepare, stored_variables
from tf_style.objective.loss import LossWeights, weights_of
from tf_style.objective.targets import Targets

MAX_STEPS = 10_000
"""The largest `num_steps` that a caller of `stylize` may request."""

NAMES = (*SIGNATURES, "stylize", "stylize_png")
"""The functions of `Signatures`."""

_IMAGE = [1, None, None, 3]
_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32)
_PICTURES = BatchPictures(
    _IMAGES,
    Packed(tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None, 2], tf.int32)),
    _IMAGES,
)
_COUNTS = tf.TensorSpec([None], tf.int32)
_STYLIZED = Stylized(_IMAGES, tf.TensorSpec([None], tf.float32), _COUNTS, _COUNTS)
_MAX_WEIGHT = 1e30


def measured(config: StyleConfig) -> StyleConfig:
    """Returns the config of the problem to export.

    It has every term of the loss, also those without a weight: clients may give them one.
    """
    return config if config.loss.tv_weight else config.replace(tv_weight=LossConfig.tv_weight)


class Signatures(tf.Module):
    """The functions of a problem, as `tf.function`s of tensors with fixed names and types."""

    def __init__(self, problem: Problem, config: StyleConfig, *, max_pixels: int) -> None:
        """Creates the functions. They are traced on export or on the first call.

        Args:
            problem: the network and the objective to minimize, for `measured(config)`.
            config: the options that are not inputs, and the default values of those that are.
            max_pixels: the most pixels of a picture, as input and as result; a batch in one tensor
                counts as a whole.
        """
        super().__init__(name="tf_style")
        self._problem = problem
        self._config = config
        self._max_pixels = max_pixels
        self._most_pixels = MOST_PIXELS if config.optimizer.optimizer == "lbfgs" else 0
        self._variables = stored_variables(problem.objective.extractor)
        targets = problem.objective.target_specs()
        self._names = target_names(targets)
        image = tf.TensorSpec(_IMAGE, tf.float32)
        data = tf.TensorSpec([None], tf.string)
        weights = {name: np.array([value], np.float32) for name, value in self._weights().items()}
        options = {"num_steps": np.array([config.optimizer.steps], np.int32), **weights}
        if scales.parse_scales(config.optimizer.scales):
            del options["num_steps"]  # Each scale has its own number of steps.
        sized = {"size": np.array([config.size], np.int32), **options}

        def ready() -> list[tf.Tensor]:
            return prepare(problem.objective.extractor)

        named = functools.partial(named_graph, before=ready)
        functions = {
            "features": named(self._features, {"image": _IMAGES}),
            "targets": named(self._make_targets, {"content": image, "style": image}),
            "loss_and_gradient": named(
                self._loss_and_gradient, {"image": image, "content": image, "style": image}
            ),
            "loss_and_gradient_from_targets": named(
                self._loss_and_gradient_from_targets,
                {"image": image, **named_targets(targets)},
            ),
            "stylize": named(self._stylize, {"content": _IMAGES, "style": _IMAGES}, options),
            "stylize_png": named(
                self._stylize_png, {"content_bytes": data, "style_bytes": data}, sized
            ),
        }
        # A function of its own, so that `stylize` and `stylize_png` share one trace.
        self._options = {
            name: tf.TensorSpec([None], value.dtype, name=name) for name, value in options.items()
        }
        self._run = tf.function(
            self._stylize_chunk, input_signature=[_PICTURES, self._options], autograph=False
        )
        for name in NAMES:
            setattr(self, name, functions[name])

    def _weights(self) -> dict[str, float]:
        loss = self._config.loss
        return {
            "content_weight": loss.content_weight,
            "style_weight": loss.style_weight,
            "tv_weight": loss.tv_weight,
        }

    def _features(self, image: tf.Tensor) -> NamedTensors:
        """Returns the feature maps of every layer of the config, by layer name."""
        features = self._problem.objective.extractor(self._checked(image, "image"))
        return {name: unrounded(each) for name, each in features.items()}

    def _make_targets(self, content: tf.Tensor, style: tf.Tensor) -> NamedTensors:
        """Returns the targets, the inputs of `loss_and_gradient_from_targets` beside the image."""
        return named_targets(self._targets_of(content, style))

    def _loss_and_gradient(
        self, image: tf.Tensor, content: tf.Tensor, style: tf.Tensor
    ) -> NamedTensors:
        """Returns every loss term, and the gradient of the total with respect to the image."""
        sizes = tf.shape(image), tf.shape(content)
        same = tf.debugging.Assert(
            tf.reduce_all(tf.equal(*sizes)),
            ["`image` must have the size of `content`. Received: shapes", *sizes],
        )
        with tf.control_dependencies([same]):
            return self._terms_and_gradient(image, self._targets_of(content, style))

    def _loss_and_gradient_from_targets(
        self, image: tf.Tensor, **targets: tf.Tensor
    ) -> NamedTensors:
        """Returns the same as `loss_and_gradient`, from precomputed targets."""
        flat = [targets[name] for name in tf.nest.flatten(self._names)]
        return self._terms_and_gradient(image, tf.nest.pack_sequence_as(self._names, flat))

    def _targets_of(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        content, style = self._checked(content, "content"), self._checked(style, "style")
        return self._problem.objective.targets(content, style)

    def _terms_and_gradient(self, image: tf.Tensor, targets: Targets) -> NamedTensors:
        terms, gradient = self._problem.objective.terms_and_gradient(
            self._checked(image, "image"), targets, weights=weights_of(self._config.loss)
        )
        return {**named_terms(terms), "gradient": gradient}

    def _stylize(self, content: tf.Tensor, style: tf.Tensor, **options: tf.Tensor) -> NamedTensors:
        """Returns the fields of `Stylized` by name, with results of the contents' size."""
        content, style = self._checked(content, "content"), self._checked(style, "style")
        count = tf.shape(content)[0]

        def picture_at(row: tf.Tensor) -> Waiting:
            return Waiting(self._pictures(content[row][tf.newaxis], at(style, row)[tf.newaxis]))

        with tf.control_dependencies(batches({"style": style, **options}, count)):
            found = in_chunks(
                functools.partial(self._run_rows, options),
                picture_at,
                lambda found, _: found,
                count=count,
                specs=(Waiting(_PICTURES), _STYLIZED),
                most_pixels=self._most_pixels,
            )
            return found._asdict()

    def _stylize_png(
        self, content_bytes: tf.Tensor, style_bytes: tf.Tensor, **options: tf.Tensor
    ) -> NamedTensors:
        """Returns PNG files, which keep the alpha channel of their contents.

        Neighbors in the batch whose results have one size are optimized together.
        """
        count = tf.size(content_bytes)

        def picture_at(row: tf.Tensor) -> Waiting:
            content, style = (
                graph_pictures.decode(
                    at(data, row),
                    argument=name,
                    max_pixels=self._max_pixels,
                    row=tf.minimum(row, tf.size(data) - 1),
                )
                for name, data in (("content_bytes", content_bytes), ("style_bytes", style_bytes))
            )
            size = self._result_size(size_of(content.image), at(options["size"], row))
            content = graph_pictures.resize_picture(content, size)
            pictures = self._pictures(content.image, graph_pictures.over_white(style))
            return Waiting(pictures, (content.alpha, content.has_alpha[tf.newaxis]))

        def files_of(found: Stylized, rest: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            alpha, has_alpha = rest
            return tf.map_fn(
                lambda row: graph_pictures.encode_png(
                    found.image[row][tf.newaxis], alpha[row][tf.newaxis], has_alpha[row]
                ),
                tf.range(tf.shape(alpha)[0]),
                fn_output_signature=tf.TensorSpec([], tf.string),
                parallel_iterations=1,
            )

        rest = tf.TensorSpec([None, None, None, 1], tf.float32), tf.TensorSpec([None], tf.bool)
        with tf.control_dependencies(batches({"style_bytes": style_bytes, **options}, count)):
            files = in_chunks(
                functools.partial(self._run_rows, options),
                picture_at,
                files_of,
                count=count,
                specs=(Waiting(_PICTURES, rest), tf.TensorSpec([None], tf.string)),
                most_pixels=self._most_pixels,
            )
            return {"png_bytes": files}

    def _pictures(self, content: tf.Tensor, style: tf.Tensor) -> BatchPictures:
        """Returns one picture, float32 `[1, H, W, 3]`, ready to be stylized."""
        start = start_image(self._config, content, style)
        style = resize(style, self._style_size(size_of(style), size_of(content)))
        return BatchPictures(content, packed(tf.clip_by_value(style, 0.0, 1.0)), start)

    def _run_rows(
        self, options: NamedTensors, pictures: BatchPictures, rows: tf.Tensor
    ) -> Stylized:
        """Returns the results of some rows of a request, whose options are those of all rows."""
        own = {name: options[name] for name in self._options}
        return self._run(pictures, options_at(own, rows))

    def _stylize_chunk(self, pictures: BatchPictures, options: NamedTensors) -> Stylized:
        """Returns stylized pictures of one size, that of their contents."""
        contents, styles, starts = pictures
        count = tf.shape(contents)[0]
        steps = tf.fill([count], self._config.optimizer.steps)
        if "num_steps" in options:
            steps = within("num_steps", options["num_steps"], 1, MAX_STEPS)
        inside = {name: within(name, options[name], 0.0, _MAX_WEIGHT) for name in self._weights()}
        inside["style_weight"] *= self._config.loss.style_factor

        def alone() -> Stylized:
            content, start = (tf.ensure_shape(each, _IMAGE) for each in (contents, starts))
            found = stylize_in_graph(
                self._problem,
                Pictures(content, (unpacked(styles, 0),), start),
                self._config,
                num_steps=steps[0],
                weights=LossWeights(*(inside[name][0] for name in inside)),
            )
            return Stylized(found.image, *(part[tf.newaxis] for part in found[1:]))

        def together() -> Stylized:
            return stylize_batch_in_graph(
                self._problem,
                pictures,
                self._config,
                num_steps=steps,
                weights=LossWeights(*inside.values()),
            )

        if self._most_pixels == 0:
            return alone()
        return tf.cond(tf.equal(count, 1), alone, called_when_reached(together))

    def _result_size(self, size: Size, asked: tf.Tensor) -> Size:
        """Returns the result's height and width for a content of this size."""
        asked = within("size", asked, 0, 30_000)
        size = graph_pictures.fit(size, tf.where(asked > 0, asked, tf.maximum(*size)))
        with tf.control_dependencies([self._size_check("size", tf.stack(size))]):
            return tuple(tf.unstack(tf.stack(size)))

    def _style_size(self, style: Size, result: Size) -> Size:
        """Returns the size that the style picture is resized to, as on the command line."""
        longer = tf.maximum(*style)
        if self._config.style_size:
            asked = tf.constant(self._config.style_size)
        else:
            scale = tf.constant(self._config.style_scale, tf.float64)
            asked = tf.round(scale * tf.cast(tf.maximum(*result), tf.float64))
            asked = tf.minimum(tf.maximum(tf.cast(asked, tf.int32), 1), longer)
        size = graph_pictures.fit(style, asked)
        with tf.control_dependencies([self._size_check("style", tf.stack(size))]):
            return tuple(tf.unstack(tf.stack(size)))

    def _checked(self, image: tf.Tensor, argument: str) -> tf.Tensor:
        """Returns the images, and asserts in the graph that their sizes and values are allowed."""
        return checked_images(
            argument, image, smallest=smallest_side(self._config), max_pixels=self._max_pixels
        )

    def _size_check(self, argument: str, size: tf.Tensor) -> tf.Operation:
        smallest = smallest_side(self._config)
        return size_check(argument, size, smallest=smallest, max_pixels=self._max_pixels)
