"""The origin of a picture: what it was made from.

Takes the pictures of a run, as the user gave them; gives a hash of all, and the photograph's
metadata. No TensorFlow here.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tf_style._checks import user_path
from tf_style.images.metadata import Metadata, read_metadata
from tf_style.images.sources import Encoded, all_fetched, fetched


class Origin(NamedTuple):
    """What a picture was made from.

    Attributes:
        inputs_sha256: hash of all pictures that were given, and of their roles.
        photograph: metadata of the content.
    """

    inputs_sha256: str
    photograph: Metadata


def origin_of(content: Any, style: Any, controls: Mapping[str, Any]) -> Origin:
    """Returns the origin of the pictures of a run.

    Args:
        content: anything that `reading.read_picture` takes.
        style: likewise, or a list or tuple of them.
        controls: masks and other pictures by name: one, several, or None.

    Raises:
        OSError: if a file cannot be read.
    """
    content = fetched(content, argument="content")
    several = {"content": (content,), "style": style, **controls}
    hashes = []
    for name, value in several.items():
        pictures = value if isinstance(value, (list, tuple)) else (value,)
        pictures = all_fetched(pictures, argument=name)
        hashes += [f"{name} {_sha256(each)}" for each in pictures if each is not None]
    whole = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return Origin(whole, read_metadata(content))


def _sha256(source: Any) -> str:
    """Returns the hash of a file's bytes, or of the pixels of a PIL picture or an array."""
    digest = hashlib.sha256()
    if isinstance(source, Encoded):
        return hashlib.sha256(source.data).hexdigest()
    if isinstance(source, (str, os.PathLike)):
        with user_path(source).open("rb") as file:
            while data := file.read(2**20):
                digest.update(data)
        return digest.hexdigest()
    mode = ""
    if isinstance(source, Image.Image):
        mode = f"{source.mode} {source.getpalette()}"
    values = np.ascontiguousarray(source)
    digest.update(f"{mode} {values.dtype.name} {values.shape} ".encode())
    digest.update(values.tobytes())
    return digest.hexdigest()
