"""Photographs of a training, and parts of them and of style pictures. No TensorFlow here.

Everything that is random follows from the seed and the number of the step, so that a training that
goes on sees what it would have seen.
"""

import collections
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tf_style._checks import counted, one_line, user_path
from tf_style.images.reading import over_white, read_picture
from tf_style.images.resizing import fit, resize
from tf_style.images.writing import to_pixels

SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".jxl", ".png", ".tif", ".tiff",
    ".webp",
)  # fmt: skip
"""Suffixes of the files in a folder that are taken for photographs."""

_LEAST_DEVIATION = 0.15  # Of the values of a style part, so that its features are no noise.
_KEPT_EDGE = 640  # Px; photographs are kept in memory at this size.
_KEPT_BYTES = 1_000_000_000
_ZOOM = 2.0  # Shorter edges of photographs are at most this many times a crop's side.

_CROPS, _STYLES, _ORDER = 0, 1, 2  # Streams of random numbers.


class NoPhotographsError(ValueError):
    """Raised if there is no photograph to train on."""


def listed(folder: str | os.PathLike, own: Sequence[Path] = ()) -> tuple[list[Path], list[str]]:
    """Returns the photographs in a folder and below it, sorted, and notes on what is left out.

    Args:
        folder: a folder, or a single photograph.
        own: files that the training writes, and folders of such files: they do not count.

    Raises:
        FileNotFoundError: if there is no such folder.
        NoPhotographsError: if it has no photograph.
    """
    path = user_path(folder, "photos")
    if path.is_file():
        return [path], []
    if not path.is_dir():
        raise FileNotFoundError(
            f"`photos` must be a folder of photographs. Received: photos='{path}', which does not "
            "exist."
        )
    written = {each.resolve() for each in own}
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and file.name[0] != "."
        and written.isdisjoint((file.resolve(), file.parent.resolve()))
    )
    found = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not found:
        raise NoPhotographsError(
            f"`photos` must have at least one photograph ({', '.join(SUFFIXES)}). Received: "
            f"photos='{path}', with {counted(len(files), 'other file')}."
        )
    notes = []
    if others := len(files) - len(found):
        are = "is no picture by its name" if others == 1 else "are no pictures by their names"
        notes.append(f"`photos` has {counted(others, 'file')} that {are}.")
    return found, notes


class Photographs:
    """Photographs by number, reduced and kept in memory; bad files are told once and left out."""

    def __init__(self, paths: Sequence[Path], notify: Callable[[str], None] | None = None) -> None:
        """Takes the paths; reads nothing yet.

        Args:
            paths: from `listed`.
            notify: called, from other threads, with a line for each file that cannot be read.
        """
        self._paths = list(paths)
        self._notify = notify or (lambda _: None)
        self._kept: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        self._bad: set[int] = set()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, pixels: Sequence[np.ndarray]) -> "Photographs":
        """Returns photographs that are at hand, uint8 `[h, w, 3]` each."""
        found = cls([Path()] * len(pixels))
        found._kept.update(enumerate(pixels))
        return found

    def __len__(self) -> int:
        return len(self._paths)

    def number(self, index: int) -> np.ndarray:
        """Returns a photograph, or the next one that can be read: uint8 `[h, w, 3]`.

        Raises:
            NoPhotographsError: if none can be read.
        """
        for offset in range(len(self._paths)):
            found = self._read((index + offset) % len(self._paths))
            if found is not None:
                return found
        raise NoPhotographsError(
            f"`photos` must have at least one photograph that can be read. Received: "
            f"{counted(len(self._paths), 'damaged file')}."
        )

    def _read(self, index: int) -> np.ndarray | None:
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            if index in self._bad:
                return None
        path = self._paths[index]
        try:
            picture = read_picture(path, argument="photos", long_edge=_KEPT_EDGE)
        except Exception as error:  # Decoders and file systems have many kinds.
            with self._lock:
                is_new = index not in self._bad
                self._bad.add(index)
            if is_new:
                self._notify(f"{path.name}: left out: {one_line(error)}.")
            return None
        image = over_white(picture)
        if max(image.shape[1:3]) > _KEPT_EDGE:
            image = resize(image, fit(image.shape[1:3], _KEPT_EDGE))
        pixels = to_pixels(image)
        with self._lock:
            self._kept[index] = pixels
            while sum(each.nbytes for each in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        return pixels


def crop(photographs: Photographs, number: int, *, side: int, seed: int) -> np.ndarray:
    """Returns a part of a photograph, float32 `[side, side, 3]`, RGB 0..1.

    Each epoch has its own order. A part has a random place and scale, and is mirrored half of the
    time.

    Args:
        photographs: what to cut from.
        number: of the part, from the beginning of the training.
        side: px.
        seed: of everything random.
    """
    epoch, place = divmod(number, len(photographs))
    order = np.random.default_rng([seed, _ORDER, epoch]).permutation(len(photographs))
    rng = np.random.default_rng([seed, _CROPS, number])
    return to_unit(part_of(photographs.number(order[place]), side, rng))


def style_part(
    photographs: Photographs, paintings: Sequence[np.ndarray], step: int, *, side: int, seed: int
) -> np.ndarray:
    """Returns the picture in whose style to paint in a step, float32 `[side, side, 3]`, RGB 0..1.

    Half of them are parts of the paintings, half of photographs; three quarters are recolored.
    Parts that are nearly flat get more contrast: relative to their features, any loss is large.

    Args:
        photographs: what to cut from.
        paintings: uint8 `[h, w, 3]`.
        step: number of the step.
        side: px.
        seed: of everything random.
    """
    rng = np.random.default_rng([seed, _STYLES, step])
    if rng.random() < 0.5:
        source = paintings[int(rng.integers(len(paintings)))]
    else:
        source = photographs.number(int(rng.integers(len(photographs))))
    found = to_unit(part_of(source, side, rng))
    return with_least_contrast(recolored(found, rng) if rng.random() < 0.75 else found)


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Returns pixels, uint8 0..255, as float32 0..1."""
    return pixels.astype(np.float32) / np.float32(255.0)


def part_of(pixels: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a random square part of a picture at a random scale, uint8 `[side, side, 3]`."""
    height, width = pixels.shape[:2]
    # As many pixels of the picture as the part shows at its scale, at most all.
    extent = min(height, width) / rng.uniform(1.0, _ZOOM)
    top, left = rng.uniform(0.0, height - extent), rng.uniform(0.0, width - extent)
    box = (left, top, left + extent, top + extent)
    picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, box)
    part = np.asarray(picture)
    return part[:, ::-1] if rng.random() < 0.5 else part


def own_part(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a random square part of a painting at its own scale, float32 `[side, side, 3]`.

    Mirrored half of the time. A painting that is narrower is continued by its mirror image.

    Args:
        image: float32 `[1, h, w, 3]`, RGB 0..1.
        side: px.
        rng: makes the choices.
    """
    lacking = [max(0, side - length) for length in image.shape[1:3]]
    wide = np.pad(image[0], [*((0, more) for more in lacking), (0, 0)], "symmetric")
    top, left = (int(rng.integers(length - side + 1)) for length in wide.shape[:2])
    part = wide[top : top + side, left : left + side]
    return part[:, ::-1] if rng.random() < 0.5 else part


def recolored(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns an image in other colors: a random linear map around its mean, another contrast.

    Args:
        image: float32 `[h, w, 3]`, RGB 0..1.
        rng: makes the choices.
    """
    mean = image.mean((0, 1), dtype=np.float64)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    share = rng.uniform(0.3, 1.0)
    color_map = rng.uniform(0.6, 1.6) * (share * turn + (1.0 - share) * np.eye(3))
    moved = (image - mean) @ color_map + rng.uniform(0.15, 0.85, 3)
    return np.clip(moved, 0.0, 1.0).astype(np.float32)


def with_least_contrast(image: np.ndarray) -> np.ndarray:
    """Returns an image with a standard deviation of at least 0.15, except for what is clipped.

    Args:
        image: float32 `[h, w, 3]`, RGB 0..1.
    """
    deviation = float(image.std())
    if deviation >= _LEAST_DEVIATION:
        return image
    center = np.float32(0.5 + 0.5 * (image.mean() - 0.5))
    factor = np.float32(_LEAST_DEVIATION / max(deviation, 1e-3))
    return np.clip(center + factor * (image - image.mean()), 0.0, 1.0)
