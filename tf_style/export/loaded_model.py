"""Loads a SavedModel that `saved_model.export_saved_model` wrote, with its signatures as methods.

Takes the folder; gives an `ExportedModel`, whose methods take arrays or tensors and return tensors
by name.
"""

import dataclasses
import json
import os
from typing import Any

import tensorflow as tf

from tf_style._checks import one_line, shown, suggestion, user_path
from tf_style.config.style_config import StyleConfig
from tf_style.export.model_inputs import (
    files_of,
    images_of,
    numbers_of,
    single_of,
    targets_of,
)
from tf_style.export.named_graphs import NamedTensors
from tf_style.export.options import ABOUT
from tf_style.graphs.messages import plain_message

_OPTIONS = ("size", "num_steps", "content_weight", "style_weight", "tv_weight")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """A SavedModel that `export_saved_model` wrote, with its signatures as methods.

    A method raises TypeError for an argument of another kind or an unknown option, and ValueError
    for one whose value or shape the model refuses; each says why in one line.

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
        return self._call("features", image=images_of("image", image))

    def targets(self, content: Any, style: Any) -> NamedTensors:
        """Returns the content and style targets by name, for `loss_and_gradient_from_targets`.

        Args:
            content: float `[1, H, W, 3]`, RGB 0..1.
            style: float `[1, H', W', 3]`, RGB 0..1.
        """
        return self._call(
            "targets", content=single_of("content", content), style=single_of("style", style)
        )

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
        return self._call(
            "loss_and_gradient", **{name: single_of(name, each) for name, each in pictures.items()}
        )

    def loss_and_gradient_from_targets(self, image: Any, targets: NamedTensors) -> NamedTensors:
        """Returns the same as `loss_and_gradient`, from precomputed targets.

        Args:
            image: float `[1, H, W, 3]`, RGB, nominally 0..1.
            targets: what `targets` returned, for a content of the same size.
        """
        name = "loss_and_gradient_from_targets"
        return self._call(
            name, image=single_of("image", image), **targets_of(targets, self._specs(name))
        )

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
        pictures = {"content": images_of("content", content), "style": images_of("style", style)}
        return self._call("stylize", **pictures, **self._options("stylize", options))

    def stylize_png(self, content_bytes: Any, style_bytes: Any, **options: Any) -> list[bytes]:
        """Returns the stylized pictures as the bytes of PNG files.

        Args:
            content_bytes: the bytes of a PNG or JPEG file, or a list of them.
            style_bytes: likewise; one style for all contents, or one for each.
            **options: those of `stylize`, and `size`, the longer edge of the result in px (0: that
                of the content).
        """
        found = self._call(
            "stylize_png",
            content_bytes=files_of("content_bytes", content_bytes),
            style_bytes=files_of("style_bytes", style_bytes),
            **self._options("stylize_png", options),
        )
        return list(found["png_bytes"].numpy())

    def _call(self, name: str, **inputs: tf.Tensor) -> NamedTensors:
        """Returns what a signature gives; the model's own checks raise ValueError."""
        try:
            return getattr(self._functions, name)(**inputs)
        except tf.errors.InvalidArgumentError as error:
            raise ValueError(plain_message(error.message)) from None

    def _specs(self, name: str) -> dict[str, tf.TensorSpec]:
        """Returns the shapes and types of a signature's inputs by name."""
        return self._functions.signatures[name].structured_input_signature[1]

    def _options(self, name: str, options: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Returns a method's options as tensors of rank 1, of the types that the signature takes.

        Raises:
            TypeError: for an unknown option, or a value of another type.
        """
        inputs = self._specs(name)
        known = [each for each in _OPTIONS if each in inputs]
        for option in options:
            if option not in known:
                way_out = suggestion(option, known)
                if option == "size":
                    way_out = " Resize the pictures, or call `stylize_png`."
                raise TypeError(
                    f"`options` must be among {', '.join(known)}. Received: "
                    f"{option}={shown(options[option])}.{way_out}"
                )
        return {
            each: numbers_of(each, value, inputs[each].dtype) for each, value in options.items()
        }


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
        if "network" in about:
            raise ValueError("a style network, which tf.saved_model.load loads")
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
