"""Runs a tiny request for each signature of a model, so that no client waits for its preparation.

Takes a loaded model; no TensorFlow here. The requests are those beside the SavedModel, in
TensorFlow Serving's form. A signature without one gets a request that is made from its types and
shapes. The model may refuse its values; it is prepared nevertheless.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from tf_style.serving.signatures import Signature, TensorInfo
from tf_style.serving.store import Model

_SIDE = 32


def warm_up(model: Model, *, timeout_s: float, notify: Callable[[str], None]) -> None:
    """Runs a request for each signature.

    Args:
        model: a loaded model.
        timeout_s: limit for each request.
        notify: called with a sentence about each request beside the SavedModel that fails.
    """
    requests = [(name, inputs) for name, inputs in model.warm_up_requests]
    for name, inputs in requests:
        try:
            signature = model.signatures[name]
            model.run(signature, {**signature.defaults, **inputs}, timeout_s=timeout_s)
        except Exception as error:  # A wrong request says nothing against the model.
            notify(f"A warm-up request for signature {name!r} failed: {error}")
    for name in model.signatures.keys() - dict(requests).keys():
        signature = model.signatures[name]
        try:
            model.run(signature, tiny_inputs(signature), timeout_s=timeout_s)
        except Exception:
            continue


def tiny_inputs(signature: Signature) -> dict[str, np.ndarray]:
    """Returns small values for a signature's inputs: its defaults, pictures, ones and halves."""
    made = {name: _tiny(name, info) for name, info in signature.inputs.items()}
    return {**made, **signature.defaults}


def _tiny(name: str, info: TensorInfo) -> np.ndarray:
    open_size = _SIDE if info.shape is not None and len(info.shape) >= 3 else 1
    shape = [open_size if size is None else size for size in info.shape or (1,)]
    if info.is_batched:
        shape[0] = 1
    if info.dtype == object:
        return np.full(shape, _picture() if name.endswith("_bytes") else b"", object)
    return np.full(shape, 0.5 if info.dtype.kind in "fcV" else 1).astype(info.dtype)


def _picture() -> bytes:
    """Returns a small PNG file."""
    levels = np.linspace(0, 255, _SIDE * _SIDE * 3).astype(np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(levels.reshape(_SIDE, _SIDE, 3)).save(file, "PNG")
        return file.getvalue()
