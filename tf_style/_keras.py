"""Keras, on TensorFlow: every module takes it from here.

The network and the layers are made of TensorFlow's operations, so Keras' other backends cannot run
them. Importing this module raises ImportError if Keras is set to another one.
"""

import json
import os
import sys
from pathlib import Path


def _backend() -> str:
    """Returns the backend that Keras will take, without importing Keras.

    Importing Keras to ask it would fail if that backend is not installed.
    """
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    home = os.environ.get("KERAS_HOME", "~/.keras")
    try:
        file = Path(home).expanduser() / "keras.json"
        return json.loads(file.read_text(encoding="utf-8"))["backend"]
    except (OSError, RuntimeError, ValueError, LookupError, TypeError):  # As if it were not there.
        return "tensorflow"


def _check(name: str) -> None:
    if name != "tensorflow":
        raise ImportError(
            f"`KERAS_BACKEND` must be 'tensorflow'. Received: KERAS_BACKEND={name!r}. Set the "
            "environment variable KERAS_BACKEND=tensorflow before Keras is imported; it takes "
            "precedence over keras.json."
        )


if "keras" not in sys.modules:
    _check(_backend())

import keras as keras  # noqa: E402

_check(keras.config.backend())
