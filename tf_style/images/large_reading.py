"""Files beyond Pillow to float arrays, by libvips, reduced while they are read.

No TensorFlow here.
"""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tf_style.images.libvips import check_installed, reason_of, vips

MAX_FILE_PIXELS = 2**30
"""Larger files are refused. What is unpacked at a time are some rows."""

MAX_UNPACKED_PIXELS = 2**28
"""The same for files that can only be unpacked whole: WebP, progressive JPEG, interlaced PNG."""

_KINDS = {
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "png": (b"\x89PNG",),
    "jpeg": (b"\xff\xd8\xff",),
    "webp": (b"RIFF",),
}
_FULL = {"uchar": 255.0, "ushort": 65535.0, "float": 1.0}
_RGB = {"uchar": "srgb", "ushort": "rgb16", "float": "srgb"}
# Floats lie in 0..1 and are sRGB or its gray; libvips takes those of TIFF for linear ones.
_PLAIN = ("srgb", "rgb", "rgb16", "scrgb", "b-w", "grey16")


def kind_of(path: Path) -> str | None:
    """Returns 'tiff', 'png', 'jpeg' or 'webp' by the first bytes of a file; None for others.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(4)
    return next((kind for kind, magic in _KINDS.items() if start.startswith(magic)), None)


class LargePicture:
    """A picture in a file, of which no more than the header has been read.

    Attributes:
        size: (height, width) in px, upright by its EXIF orientation.
    """

    def __init__(self, path: Path, *, argument: str) -> None:
        """Opens the file.

        Args:
            path: of a TIFF, BigTIFF, PNG, JPEG or WebP file.
            argument: how errors call it.

        Raises:
            ImportError: if pyvips is not installed.
            ValueError: if it is another file, damaged, too large, or of another kind of pixels.
        """
        check_installed(argument, f"{argument}='{path}'")
        self._path, self._argument, self._kind = path, argument, kind_of(path)
        if self._kind is None:
            raise self._error("must be a TIFF, PNG, JPEG or WebP to be that large", "another file")
        with self._told():
            opened = self._open()
            sides = opened.height, opened.width
            self._turn = _field(opened, "orientation", 1)
            at_once = self._kind == "webp" or _field(opened, "interlaced", 0)
        self.size = sides if self._turn < 5 else sides[::-1]
        most = MAX_UNPACKED_PIXELS if at_once else MAX_FILE_PIXELS
        shape = f"{sides[1]}x{sides[0]} px"
        if sides[0] * sides[1] > most:
            raise self._error(f"must have at most {most:,} pixels", shape, "Reduce it first.")
        channels = opened.bands - bool(opened.hasalpha())
        known = (4,) if opened.interpretation == "cmyk" else (1, 3)
        if opened.format not in _FULL or channels not in known:
            raise self._error(
                "must be gray, RGB or CMYK, with alpha or without, of 8 or 16 bits or float",
                f"{opened.bands} channels of type {opened.format}",
                "Convert it first.",
            )

    def read(self, size: tuple[int, int]) -> np.ndarray:
        """Returns float32 `[height, width, 3]`, RGB (sRGB), or `[height, width, 4]` with alpha.

        Values are 0..1; colors are multiplied by alpha. ICC profiles are converted to sRGB.
        What is not of the file's own size is reduced, by Lanczos filtering after a mean of whole
        blocks, while the file is read, so that only the result is held.

        Args:
            size: (height, width) in px, at most those of `size`.

        Raises:
            ValueError: if the file is damaged, or has floats beyond 0..1.
            MemoryError: if there is not enough memory for the result.
        """
        height, width = size if self._turn < 5 else size[::-1]
        with self._told():
            image = self._float_image()
            if (image.height, image.width) != (height, width):
                across, down = width / image.width, height / image.height
                image = image.resize(across, vscale=down, kernel="lanczos3")
            values = image.numpy()
        if not np.isfinite(values.min()) or not np.isfinite(values.max()):
            raise self._error("must be finite", "NaN or infinite values")
        return np.ascontiguousarray(_upright(np.clip(values, 0.0, 1.0, out=values), self._turn))

    def description(self) -> str | None:
        """Returns the tag ImageDescription, or None."""
        with self._told():
            opened = self._open()
            if self._kind == "tiff":
                return _field(opened, "image-description", None)
            exif = Image.Exif()
            # Of damaged data Pillow raises almost anything.
            with contextlib.suppress(ValueError, TypeError, KeyError, SyntaxError, struct.error):
                exif.load(_field(opened, "exif-data", b""))
            return exif.get(0x010E)

    def _open(self) -> Any:
        """Returns the picture as libvips gives it, to be read once, from its top."""
        load = getattr(vips().Image, f"{self._kind}load_source")
        # Named as a source, the file's name is not searched for options.
        source = vips().Source.new_from_file(str(self._path))
        return load(source, access="sequential", fail_on="error")

    def _float_image(self) -> Any:
        """Returns libvips' image of three or four channels as `read` does, of the file's size."""
        opened = self._open()
        if opened.format == "float":
            stats = opened.stats()  # A pass of its own: filters may hide what is beyond.
            low, high = stats(0, 0)[0], stats(1, 0)[0]
            if not (low >= 0.0 and high <= 1.0):
                raise self._error("must have float values of 0..1", f"values of {low:g}..{high:g}")
            opened = self._open()
        full = _FULL[opened.format]
        alpha = None
        if opened.hasalpha():
            alpha = opened[opened.bands - 1].cast("float").linear(1.0 / full, 0.0)
            opened = opened.extract_band(0, n=opened.bands - 1)
        colors = _to_srgb(opened)
        colors = colors.cast("float").linear(1.0 / _FULL[colors.format], 0.0)
        if colors.bands == 1:
            colors = colors.bandjoin([colors, colors])
        # Marked as plain numbers, or libvips would take floats for other ranges.
        colors = colors.copy(interpretation="multiband")
        return colors if alpha is None else (colors * alpha).bandjoin(alpha)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tells libvips' errors as those of the argument."""
        try:
            yield
        except vips().Error as error:
            reason = reason_of(error)
            if "out of memory" in reason:
                raise MemoryError(
                    f"There is not enough memory to read {self._argument}='{self._path}'."
                ) from error
            raise ValueError(
                f"`{self._argument}` is damaged, or of a kind that libvips does not read: "
                f"{reason}. Received: {self._argument}='{self._path}'."
            ) from error

    def _error(self, rule: str, received: str, remedy: str = "") -> ValueError:
        name = self._argument
        text = f"`{name}` {rule}. Received: {name}='{self._path}': {received}. {remedy}"
        return ValueError(text.strip())


def _to_srgb(colors: Any) -> Any:
    """Returns an image without alpha in sRGB, or gray; without a usable profile as it is taken."""
    if colors.get_typeof("icc-profile-data"):
        source = colors
        if colors.format == "float":  # Profiles are of whole numbers.
            source = colors.linear(65535.0, 0.0).rint().cast("ushort")
            source = source.copy(interpretation="rgb16" if colors.bands == 3 else "grey16")
        with contextlib.suppress(vips().Error):  # Damaged, or for another kind of picture.
            if not _is_srgb(colors):
                return _by_profile(source)
            return colors
    if colors.interpretation in _PLAIN:
        return colors
    return colors.colourspace(_RGB[colors.format])


def _by_profile(colors: Any) -> Any:
    return colors.icc_transform(
        "srgb",
        embedded=True,
        intent="relative",
        black_point_compensation=True,
        depth=8 if colors.format == "uchar" else 16,
    )


def _is_srgb(colors: Any) -> bool:
    """Returns whether the profile of RGB leaves 729 colors as they are, to a level of 8 bits.

    A conversion from sRGB to sRGB would cost dark values some of their 16 bits.
    """
    if colors.bands != 3 or colors.interpretation == "lab":
        return False
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
    image = vips().Image.new_from_memory(probe.data, 27, 27, 3, "uchar")
    image = image.copy(interpretation="srgb")
    profile = colors.get("icc-profile-data")
    image.set_type(vips().GValue.blob_type, "icc-profile-data", profile)
    return int(np.abs(_by_profile(image).numpy().astype(int) - probe).max()) <= 1


def _field(image: Any, name: str, default: Any) -> Any:
    return image.get(name) if image.get_typeof(name) else default


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a view of `[H, W, channels]` as EXIF's tag Orientation wants it to be shown."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return values[::down, ::across]
