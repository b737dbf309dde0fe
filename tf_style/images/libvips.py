"""libvips, an optional dependency: reads the picture files that Pillow cannot.

Takes TIFF, BigTIFF, PNG, JPEG, WebP and AVIF files of many megapixels or of 16 bits; gives float
arrays, reduced while the file is read. This is the only module that imports pyvips. No TensorFlow
here.
"""

import contextlib
import functools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tf_style.images import formats, tiff_pages
from tf_style.images.color_tags import colors_of
from tf_style.images.frames import frame_note

INSTALL = "install libvips: `pip install 'tf-style[big]'`"

MAX_FILE_PIXELS = 2**30
"""The largest files that are read. Only a few rows are decoded at a time."""

MAX_FILE_SIDE = 2**19
"""The longest side of files that are read: libvips takes a kilobyte for each pixel of a row."""

MAX_UNPACKED_PIXELS = 2**28
"""The limit for files that must be decoded whole: WebP, AVIF, progressive JPEG, interlaced PNG."""

_KINDS = {
    "tiff": tiff_pages.STARTS,
    "png": (b"\x89PNG",),
    "jpeg": (b"\xff\xd8\xff",),
    "webp": (b"RIFF",),
}
_FULL = {"uchar": 255.0, "ushort": 65535.0, "float": 1.0}
_RGB = {"uchar": "srgb", "ushort": "rgb16", "float": "srgb"}
# Color spaces taken as sRGB or gray. "scrgb" is among them because libvips takes floats in TIFF for
# linear light, but here they are sRGB, 0..1.
_PLAIN = ("srgb", "rgb", "rgb16", "scrgb", "b-w", "grey16")


@functools.cache
def vips() -> Any:
    """Returns the module pyvips, with its operation cache off, which would keep files open.

    Raises:
        ImportError: if pyvips or libvips is missing; names the pip command.
    """
    try:
        import pyvips
    except (ImportError, OSError) as error:  # OSError if pyvips does not find libvips.
        raise ImportError(f"pyvips is missing. Please {INSTALL}.") from error
    pyvips.cache_set_max(0)
    return pyvips


def is_installed() -> bool:
    """Returns whether libvips can be used."""
    try:
        return bool(vips())
    except ImportError:
        return False


def check_installed(argument: str, received: str) -> None:
    """Raises ImportError, naming the argument and its value, unless libvips can be used."""
    if not is_installed():
        raise ImportError(f"`{argument}` needs pyvips. Received: {received}. Please {INSTALL}.")


def reason_of(error: Exception) -> str:
    """Returns the last line of a libvips error, the most informative one, without the period."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "libvips gives no reason"


def kind_of(path: Path) -> str | None:
    """Returns 'tiff', 'png', 'jpeg', 'webp', 'heif' or None, judging by a file's first bytes.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(formats.NUM_BYTES)
    if formats.is_heif(start) or formats.readable_format(start) == "AVIF":
        return "heif"
    return next((kind for kind, magic in _KINDS.items() if start.startswith(magic)), None)


class LargePicture:
    """A picture file of which only the header has been read.

    Of a TIFF file, the largest page is used that is neither reduced nor a mask; the first one of
    several, unless `page` names one.

    Attributes:
        size: (height, width) in px, after EXIF orientation is applied.
        colors: what the file says about its colors.
        notes: on pages and channels that are left out.
    """

    def __init__(self, path: Path, *, argument: str, page: int | None = None) -> None:
        """Opens the file.

        Args:
            path: a TIFF, BigTIFF, PNG, JPEG, WebP or AVIF file; HEIF in some builds of libvips.
            argument: the name of the argument in error messages.
            page: number of the page of a TIFF file, among the largest ones.

        Raises:
            ImportError: if pyvips is not installed.
            ValueError: if the format or the type of pixels is not supported, or the file is
                damaged or too large.
        """
        check_installed(argument, f"{argument}='{path}'")
        self._path, self._argument, self._kind = path, argument, kind_of(path)
        if self._kind is None:
            raise self._error("must be a TIFF, PNG, JPEG, WebP or AVIF file", "another format")
        with path.open("rb") as file:
            pages = tiff_pages.read_pages(file) if self._kind == "tiff" else []
        whole = tiff_pages.whole_pages(pages)
        named = [each for each in whole if each.number == page]
        self._page = next(iter(named or whole), None)
        with self._errors_translated():
            opened = self._open()
            sides = opened.height, opened.width
            self._turn = _field(opened, "orientation", 1)
            is_unpacked_whole = self._kind in ("webp", "heif") or _field(opened, "interlaced", 0)
            exif, profile = _exif_of(opened), _field(opened, "icc-profile-data", None)
        with path.open("rb") as file:
            self.colors = colors_of(file, exif, profile)
        numbers = [page.number for page in whole]
        chosen = self._page.number if self._page else 0
        notes = [frame_note(argument, numbers, chosen, word="page")]
        if self._page and 0 in self._page.extra:
            notes.append(tiff_pages.note_on_extra(argument))
        self.notes = tuple(note for note in notes if note)
        self.size = sides if self._turn < 5 else sides[::-1]
        limit = MAX_UNPACKED_PIXELS if is_unpacked_whole else MAX_FILE_PIXELS
        shape = f"{sides[1]}x{sides[0]} px"
        if sides[0] * sides[1] > limit:
            raise self._error(f"must have at most {limit:,} pixels", shape, "Save it smaller.")
        if max(sides) > MAX_FILE_SIDE:
            rule = f"must have at most {MAX_FILE_SIDE:,} px on each side"
            raise self._error(rule, shape, "Save it smaller.")
        channels = opened.bands - bool(opened.hasalpha())
        known = (4,) if opened.interpretation == "cmyk" else (1, 3)
        if opened.format not in _FULL or channels not in known:
            raise self._error(
                "must be gray, RGB or CMYK, with or without alpha, of 8 or 16 bits or float",
                f"{opened.bands} channels of type {opened.format}",
                "Convert it first.",
            )

    def read(self, size: tuple[int, int]) -> np.ndarray:
        """Returns float32 `[height, width, 3]`, RGB, or `[height, width, 4]` with alpha.

        Values are 0..1; colors are premultiplied by alpha. ICC profiles are converted to sRGB; a
        color space that `colors` names is not.
        For a smaller size the picture is reduced while the file is read, by averaging whole blocks
        and then Lanczos filtering, so that only the result is held in memory.

        Args:
            size: (height, width) in px, at most the attribute `size`.

        Raises:
            ValueError: if the file is damaged, or has floats outside 0..1.
            MemoryError: if there is not enough memory for the result.
        """
        height, width = size if self._turn < 5 else size[::-1]
        with self._errors_translated():
            image = self._float_image()
            if (image.height, image.width) != (height, width):
                across, down = width / image.width, height / image.height
                image = image.resize(across, vscale=down, kernel="lanczos3")
            values = image.numpy()
        if not np.isfinite(values.min()) or not np.isfinite(values.max()):
            raise self._error("must be finite", "NaN or infinite values")
        return np.ascontiguousarray(_upright(np.clip(values, 0.0, 1.0, out=values), self._turn))

    def description(self) -> str | None:
        """Returns the EXIF or TIFF tag ImageDescription, or None."""
        with self._errors_translated():
            opened = self._open()
            if self._kind == "tiff":
                return _field(opened, "image-description", None)
            return _exif_of(opened).get(0x010E)

    def _open(self) -> Any:
        """Returns a new libvips image of the file, which can be read once, from top to bottom."""
        load = getattr(vips().Image, f"{self._kind}load_source")
        # With a source, libvips does not look for options in the name of the file.
        source = vips().Source.new_from_file(str(self._path))
        options = {}
        if self._page is not None:
            options["page"] = self._page.number
            if self._page.sub_number is not None:
                options["subifd"] = self._page.sub_number
        opened = load(source, access="sequential", fail_on="error", **options)
        if self._page is None or 0 not in self._page.extra:
            return opened
        # Samples that are no alpha, which libvips takes for it.
        num_colors = len(self._page.bits) - len(self._page.extra)
        if not 0 < num_colors < opened.bands:
            return opened
        colors, interpretation = opened.extract_band(0, n=num_colors), opened.interpretation
        alphas = [num_colors + at for at, kind in enumerate(self._page.extra) if kind in (1, 2)]
        if alphas and alphas[0] < opened.bands:
            colors = colors.bandjoin(opened[alphas[0]])
        return colors.copy(interpretation=interpretation)

    def _float_image(self) -> Any:
        """Returns a libvips image of the values that `read` returns, at the file's full size."""
        opened = self._open()
        if opened.format == "float":
            # A separate pass, because filtering could hide values outside the range.
            stats = opened.stats()
            low, high = stats(0, 0)[0], stats(1, 0)[0]
            if not (low >= 0.0 and high <= 1.0):
                raise self._error(
                    "must have float values within 0..1", f"values from {low:g} to {high:g}"
                )
            opened = self._open()
        full = _FULL[opened.format]
        alpha = None
        if opened.hasalpha():
            alpha = opened[opened.bands - 1].cast("float").linear(1.0 / full, 0.0)
            opened = opened.extract_band(0, n=opened.bands - 1)
        if self.colors.icc_profile is None:
            opened = _without_profile(opened)
        colors = _to_srgb(opened)
        colors = colors.cast("float").linear(1.0 / _FULL[colors.format], 0.0)
        if colors.bands == 1:
            colors = colors.bandjoin([colors, colors])
        # Marked as plain numbers; otherwise libvips would assume another range for floats.
        colors = colors.copy(interpretation="multiband")
        return colors if alpha is None else (colors * alpha).bandjoin(alpha)

    @contextlib.contextmanager
    def _errors_translated(self) -> Iterator[None]:
        """Turns libvips' errors into errors that name the argument."""
        try:
            yield
        except vips().Error as error:
            reason = reason_of(error)
            if "out of memory" in reason:
                raise MemoryError(
                    f"There is not enough memory to read {self._argument}='{self._path}'."
                ) from error
            raise ValueError(
                f"`{self._argument}` is damaged, or of a type that libvips cannot read: "
                f"{reason}. Received: {self._argument}='{self._path}'. Download or copy it "
                "again, or save it as PNG."
            ) from error

    def _error(self, rule: str, received: str, remedy: str = "") -> ValueError:
        name = self._argument
        text = f"`{name}` {rule}. Received: {name}='{self._path}', {received}. {remedy}"
        return ValueError(text.strip())


def _to_srgb(colors: Any) -> Any:
    """Returns an image without alpha, converted to sRGB or gray by its profile if it is usable."""
    if colors.get_typeof("icc-profile-data"):
        source = colors
        if colors.format == "float":  # Profiles are applied to integers.
            source = colors.linear(65535.0, 0.0).rint().cast("ushort")
            source = source.copy(interpretation="rgb16" if colors.bands == 3 else "grey16")
        with contextlib.suppress(vips().Error):  # A damaged or unsuitable profile.
            if not _is_srgb(colors):
                return _by_profile(source)
            return colors
    if colors.interpretation in _PLAIN:
        return colors
    if colors.interpretation == "cmyk":  # As Pillow converts it, for one result with 8 and 16 bits.
        light = colors.cast("float").linear(-1.0 / _FULL[colors.format], 1.0)
        return light.extract_band(0, n=3) * light[3]
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
    """Returns whether the image's RGB profile changes none of 729 colors by over one 8-bit level.

    Such a profile is not applied: converting sRGB to sRGB would cost dark 16-bit values precision.
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


def _without_profile(colors: Any) -> Any:
    colors = colors.copy()
    if colors.get_typeof("icc-profile-data"):
        colors.remove("icc-profile-data")
    return colors


def _exif_of(image: Any) -> Image.Exif:
    exif = Image.Exif()
    # Pillow raises almost any exception on damaged EXIF data.
    with contextlib.suppress(ValueError, TypeError, KeyError, SyntaxError, struct.error):
        exif.load(_field(image, "exif-data", b""))
    return exif


def _field(image: Any, name: str, default: Any) -> Any:
    return image.get(name) if image.get_typeof(name) else default


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a view of `[H, W, channels]` with an EXIF orientation, 1..8, applied."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return values[::down, ::across]
