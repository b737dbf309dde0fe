"""The signatures of an exported SavedModel, as `tf.function`s that hold the whole problem.

Takes a `Problem` and its config; gives functions with named inputs and outputs, for pictures of any
size. Options have defaults (`SignatureDef.defaults`), so a client of a server need only send the
pictures. Options are inputs of rank 1: one value for all pictures of a batch, or one for each.
"""

import functools
from typing import cast

import numpy as np
import tensorflow as tf

from tf_style.config import scales
from tf_style.config.style_config import StyleConfig
from tf_style.engine.graph_stages import Stylized, start_image, stylize_in_graph
from tf_style.engine.pictures import Pictures
from tf_style.engine.problem import Problem
from tf_style.export.named_graphs import NamedTensors, at, batches, named_graph, options_at, within
from tf_style.export.options import SIGNATURES
from tf_style.export.tensor_names import named_targets, named_terms, target_names
from tf_style.images import graph_pictures
from tf_style.images.graph_resizing import Size, resize, size_of
from tf_style.inputs.sizes import smallest_side
from tf_style.network.extractor import prepare, stored_variables
from tf_style.objective.loss import LossWeights
from tf_style.objective.targets import Targets

MAX_STEPS = 10_000
"""The largest `num_steps` that a caller of `stylize` may request."""

NAMES = (*SIGNATURES, "stylize", "stylize_png")
"""The functions of `Signatures`."""

_IMAGE = [1, None, None, 3]
_MAX_WEIGHT = 1e30
_MARGIN = 1.0  # An image under optimization may leave 0..1 a little; an image of 0..255 is far out.


class Signatures(tf.Module):
    """The functions of a problem, as `tf.function`s of tensors with fixed names and types."""

    def __init__(self, problem: Problem, config: StyleConfig, *, max_pixels: int) -> None:
        """Creates the functions. They are traced on export or on the first call.

        Args:
            problem: the network and the objective to minimize.
            config: the options that are not inputs, and the default values of those that are.
            max_pixels: the most pixels of a picture, as input and as result; a batch in one tensor
                counts as a whole.
        """
        super().__init__(name="tf_style")
        self._problem = problem
        self._config = config
        self._max_pixels = max_pixels
        self._variables = stored_variables(problem.objective.extractor)
        graph = cast("tf.types.experimental.PolymorphicFunction", problem.objective.targets)
        targets = graph.get_concrete_function().structured_outputs
        self._names = target_names(targets)
        image = tf.TensorSpec(_IMAGE, tf.float32)
        several = tf.TensorSpec([None, None, None, 3], tf.float32)
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
            "features": named(self._features, {"image": several}),
            "targets": named(self._make_targets, {"content": image, "style": image}),
            "loss_and_gradient": named(
                self._loss_and_gradient, {"image": image, "content": image, "style": image}
            ),
            "loss_and_gradient_from_targets": named(
                self._loss_and_gradient_from_targets,
                {"image": image, **named_targets(targets)},
            ),
            "stylize": named(self._stylize, {"content": several, "style": several}, options),
            "stylize_png": named(
                self._stylize_png, {"content_bytes": data, "style_bytes": data}, sized
            ),
        }
        # A function of its own, so that `stylize` and `stylize_png` share one trace.
        option = {
            name: tf.TensorSpec([], value.dtype, name=name) for name, value in options.items()
        }
        self._run = tf.function(
            self._stylize_one, input_signature=[image, image, option], autograph=False
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
        return dict(self._problem.objective.extractor(self._checked(image, "image")))

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
            self._checked(image, "image"), targets
        )
        return {**named_terms(terms), "gradient": gradient}

    def _stylize(self, content: tf.Tensor, style: tf.Tensor, **options: tf.Tensor) -> NamedTensors:
        """Returns the fields of `Stylized` by name, with results of the contents' size."""
        content, style = self._checked(content, "content"), self._checked(style, "style")
        count = tf.shape(content)[0]

        def one(index: tf.Tensor) -> Stylized:
            picture = tf.ensure_shape(content[index][tf.newaxis], _IMAGE)
            painting = tf.ensure_shape(at(style, index)[tf.newaxis], _IMAGE)
            found = self._run(picture, painting, options_at(options, index))
            return found._replace(image=found.image[0])

        with tf.control_dependencies(batches({"style": style, **options}, count)):
            found = tf.map_fn(
                one,
                tf.range(count),
                fn_output_signature=Stylized(
                    tf.TensorSpec(_IMAGE[1:], tf.float32),
                    tf.TensorSpec([], tf.float32),
                    *2 * [tf.TensorSpec([], tf.int32)],
                ),
                parallel_iterations=1,
            )
        return found._asdict()

    def _stylize_png(
        self, content_bytes: tf.Tensor, style_bytes: tf.Tensor, **options: tf.Tensor
    ) -> NamedTensors:
        """Returns PNG files, which keep the alpha channel of their contents."""
        count = tf.size(content_bytes)

        def one(index: tf.Tensor) -> tf.Tensor:
            chosen = options_at(options, index)
            content, style = (
                graph_pictures.decode(
                    at(data, index),
                    argument=name,
                    max_pixels=self._max_pixels,
                    row=tf.minimum(index, tf.size(data) - 1),
                )
                for name, data in (("content_bytes", content_bytes), ("style_bytes", style_bytes))
            )
            size = self._result_size(size_of(content.image), chosen.pop("size"))
            content = graph_pictures.resize_picture(content, size)
            found = self._run(content.image, graph_pictures.over_white(style), chosen)
            return graph_pictures.encode_png(found.image, content.alpha, content.has_alpha)

        with tf.control_dependencies(batches({"style_bytes": style_bytes, **options}, count)):
            files = tf.map_fn(
                one,
                tf.range(count),
                fn_output_signature=tf.TensorSpec([], tf.string),
                parallel_iterations=1,
            )
        return {"png_bytes": files}

    def _stylize_one(self, content: tf.Tensor, style: tf.Tensor, options: NamedTensors) -> Stylized:
        """Returns one stylized picture, of the size of its content."""
        steps = None
        if "num_steps" in options:
            steps = within("num_steps", options["num_steps"], 1, MAX_STEPS)
        weights = {name: within(name, options[name], 0.0, _MAX_WEIGHT) for name in self._weights()}
        factor = self._config.loss.style_factor
        size = size_of(content)
        start = start_image(self._config, content, style)
        style = tf.clip_by_value(resize(style, self._style_size(size_of(style), size)), 0.0, 1.0)
        return stylize_in_graph(
            self._problem,
            Pictures(content, (style,), start),
            self._config,
            num_steps=steps,
            weights=LossWeights(
                weights["content_weight"], factor * weights["style_weight"], weights["tv_weight"]
            ),
        )

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
        low, high = tf.reduce_min(image), tf.reduce_max(image)
        in_range = tf.debugging.Assert(
            (low >= -_MARGIN) & (high <= 1.0 + _MARGIN),
            [f"`{argument}` must have values of 0..1. Received: minimum, maximum", low, high,
             "Divide by 255."],
        )  # fmt: skip
        shape = tf.shape(image)
        place = self._size_check(argument, shape[1:3], count=shape[0])
        with tf.control_dependencies([in_range, place]):
            return tf.identity(image)

    def _size_check(
        self, argument: str, size: tf.Tensor, *, count: int | tf.Tensor = 1
    ) -> tf.Operation:
        """Returns an assertion that pictures of this size are neither too small nor too large."""
        smallest = smallest_side(self._config)
        pixels = tf.reduce_prod(tf.cast(size, tf.float64)) * tf.cast(count, tf.float64)
        return tf.debugging.Assert(
            (tf.reduce_min(size) >= smallest) & (pixels <= self._max_pixels),
            [f"`{argument}` must give sides of at least {smallest} px and at most "
             f"{self._max_pixels} pixels in all. Received: height and width", size,
             "number of pictures", count],
        )  # fmt: skip
