"""Makes and reads the description in every written picture: version, hash of weights, config.

Takes a config, or a picture file that `writing` wrote; gives a dictionary that JSON can hold. No
TensorFlow here.
"""

import json
import os
from collections.abc import Sequence
from typing import Any

from tf_style._checks import one_line, shown, user_path
from tf_style._version import __version__
from tf_style.config.fast import FastConfig
from tf_style.config.style_config import StyleConfig
from tf_style.images import libvips, pillow
from tf_style.images.metadata import DESCRIPTION_TAG
from tf_style.provenance.origin import Origin


def describe(
    config: StyleConfig,
    weights_sha256: str,
    origin: Origin | None = None,
    *,
    arithmetic: str | None = None,
) -> dict[str, Any]:
    """Returns the description of a picture: version, hashes of weights and inputs, and config.

    Args:
        config: of the run.
        weights_sha256: hash of the network's weights.
        origin: what the picture was made from.
        arithmetic: how the convolutions were computed, which 'auto' leaves to a measurement.
    """
    about = {
        "software": f"tf_style {__version__}",
        "weights_sha256": weights_sha256,
        "config": config.to_dict(),
    }
    if arithmetic is not None:
        about["arithmetic"] = arithmetic
    return {**about, "inputs_sha256": origin.inputs_sha256} if origin else about


def describe_fast(
    config: FastConfig,
    styles: Sequence[str],
    network_sha256: str,
    origin: Origin | None = None,
) -> dict[str, Any]:
    """Returns the description of a picture that a network painted in one pass.

    Args:
        config: of the picture.
        styles: names and files of the styles, with their weights if there are any.
        network_sha256: hash of the network's numbers.
        origin: what the picture was made from.
    """
    about = {
        "software": f"tf_style {__version__}",
        "network_sha256": network_sha256,
        "config": {**config.to_dict(), "style": list(styles)},
    }
    return {**about, "inputs_sha256": origin.inputs_sha256} if origin else about


def read_description(path: str | os.PathLike) -> dict[str, Any]:
    """Returns the description in a picture or an animation that was written by this package.

    Raises:
        OSError: if the file cannot be read.
        ImportError: if it needs the extra `big`.
        ValueError: if the picture has no valid description.
    """
    try:
        with pillow.open_picture(user_path(path), argument="config") as picture:
            text = picture.getexif().get(DESCRIPTION_TAG, "null")
            if picture.format == "GIF":  # It has no EXIF data.
                text = picture.info.get("comment", "null")
    except pillow.BeyondPillow:
        opened = libvips.LargePicture(user_path(path), argument="config")
        text = opened.description() or "null"
    try:
        description = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise _without_settings(path, one_line(error)) from error
    if not isinstance(description, dict) or not isinstance(description.get("config"), dict):
        raise _without_settings(path, "another program made it")
    return description


def _without_settings(path: str | os.PathLike, reason: str) -> ValueError:
    return ValueError(
        "`config` must be a picture made by tf_style, or a JSON file. Received: "
        f"config={shown(str(path))}, which holds no settings of tf_style: {reason}."
    )
