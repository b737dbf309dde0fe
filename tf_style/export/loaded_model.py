"""Loads a SavedModel that `saved_model.export_saved_model` wrote, with its signatures as methods.

Takes the folder; gives an `ExportedModel`, whose methods take arrays or tensors and return tensors
by name.
"""

import dataclasses
import json
import os
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import one_line, user_path
from tf_style.config.style_config import StyleConfig
from tf_style.export.named_graphs import NamedTensors
from tf_style.export.options import ABOUT


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """A SavedModel that `export_saved_model` wrote, with its signatures as methods.

    Attributes:
        config: the options that the model was exported with.
        weights_sha256: hash of the network's weights.
        version: version of tf_style that exported the model.
        arithmetic: how its convolutions are computed: 'direct', 'winograd' or 'bfloat16'.
    """

    config: StyleConfig
    weights_sha256: str
    version: str
    arithmetic: str
    _functions: Any = dataclasses.field(repr=False)

    def features(self, image: Any) -> NamedTensors:
        """Returns the feature maps of images, float32 `[B, h, w, c]`, by layer name.

        Args:
            image: float `[B, H, W, 3]`, RGB 0..1.
        """
        return self._functions.features(_image(image))

    def targets(self, content: Any, style: Any) -> NamedTensors:
        """Returns the content and style targets by name, for `loss_and_gradient_from_targets`.

        Args:
            content: float `[1, H, W, 3]`, RGB 0..1.
            style: float `[1, H', W', 3]`, RGB 0..1.
        """
        return self._functions.targets(_single("content", content), _single("style", style))

    def loss_and_gradient(self, image: Any, content: Any, style: Any) -> NamedTensors:
        """Returns the loss and its gradient with respect to the image.

        By name: "total_loss", its terms and those of each layer (see `tensor_names.named_terms`),
        float32 scalars; and "gradient", float32 `[1, H, W, 3]`.

        Args:
            image: float `[1, H, W, 3]`, RGB, nominally 0..1.
            content: float `[1, H, W, 3]`, RGB 0..1.
            style: float `[1, H', W', 3]`, RGB 0..1.
        """
        pictures = {"image": image, "content": content, "style": style}
        return self._functions.loss_and_gradient(*map(_single, pictures, pictures.values()))

    def loss_and_gradient_from_targets(self, image: Any, targets: NamedTensors) -> NamedTensors:
        """Returns the same as `loss_and_gradient`, from precomputed targets.

        Args:
            image: float `[1, H, W, 3]`, RGB, nominally 0..1.
            targets: what `targets` returned, for a content of the same size.
        """
        return self._functions.loss_and_gradient_from_targets(_single("image", image), **targets)

    def stylize(self, content: Any, style: Any, **options: Any) -> NamedTensors:
        """Returns the stylized images with their losses and counts.

        Several small pictures are optimized together, as by `stylize_batch`.

        By name: "image", float32 `[B, H, W, 3]`, RGB, nominally 0..1; "loss", float32 `[B]`;
        "num_steps" and "num_evaluations", int32 `[B]`.

        Args:
            content: float `[B, H, W, 3]`, RGB 0..1.
            style: float `[B, H', W', 3]`, RGB 0..1; or `[1, H', W', 3]`, one style for all.
            **options: `num_steps`, `content_weight`, `style_weight`, `tv_weight`: one number for
                all pictures, or a list of one number for each.
        """
        return self._functions.stylize(_image(content), _image(style), **_batched(options))

    def stylize_png(self, content_bytes: Any, style_bytes: Any, **options: Any) -> list[bytes]:
        """Returns the stylized pictures as the bytes of PNG files.

        Args:
            content_bytes: the bytes of a PNG or JPEG file, or a list of them.
            style_bytes: likewise; one style for all contents, or one for each.
            **options: those of `stylize`, and `size`, the longer edge of the result in px (0: that
                of the content).
        """
        files = [np.atleast_1d(np.array(data, object)) for data in (content_bytes, style_bytes)]
        found = self._functions.stylize_png(*map(tf.constant, files), **_batched(options))
        return list(found["png_bytes"].numpy())


_LOADING_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    RecursionError,
    tf.errors.OpError,
)


def load(path: str | os.PathLike) -> ExportedModel:
    """Loads a model that `export_saved_model` wrote.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the folder is not a SavedModel of tf_style, or is damaged.
    """
    folder = user_path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"`path` must be an existing folder. Received: path='{folder}'.")
    try:
        about = json.loads((folder / "assets" / ABOUT).read_text(encoding="utf-8"))
        config = StyleConfig.from_dict(about["config"])
        weights_sha256, version = about["weights_sha256"], about["software"].split()[-1]
        arithmetic = about["arithmetic"]
        functions = tf.saved_model.load(str(folder))
    except _LOADING_ERRORS as error:
        raise ValueError(
            f"`path` must be a folder that `tf_style export` wrote. Received: path='{folder}': "
            f"{one_line(error)}."
        ) from error
    return ExportedModel(
        config=config,
        weights_sha256=weights_sha256,
        version=version,
        arithmetic=arithmetic,
        _functions=functions,
    )


def _image(image: Any) -> tf.Tensor:
    return tf.cast(image, tf.float32)


def _single(argument: str, image: Any) -> tf.Tensor:
    """Returns one image as a tensor `[1, H, W, 3]`.

    Raises:
        ValueError: if it is something else, such as a batch.
    """
    image = _image(image)
    if not image.shape.is_compatible_with([1, None, None, 3]):
        raise ValueError(
            f"`{argument}` must be one image [1, height, width, 3]. Received: "
            f"shape={tuple(image.shape)}. Call the function for each image of a batch."
        )
    return image


def _batched(options: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Returns the options as tensors of rank 1, of the types that the signatures take."""
    integers = ("num_steps", "size")
    return {
        name: tf.constant(np.atleast_1d(value), tf.int32 if name in integers else tf.float32)
        for name, value in options.items()
    }
