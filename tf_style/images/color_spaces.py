"""Color spaces that files name without an ICC profile, and the conversion from them to sRGB.

Pure functions of arrays. No TensorFlow here.

References:
    ITU-T H.273 (2021), "Coding-independent code points": primaries and transfer functions.
    ITU-R BT.2100-2 (2018): PQ and HLG. ITU-R BT.2408-7 (2023): reference white.
    IEC 61966-2-1 (1999): sRGB. Adobe (2005), "Adobe RGB (1998) Color Image Encoding".
    Lindbloom, "Chromatic adaptation" (brucelindbloom.com): Bradford's matrix.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Primaries = tuple[float, ...]
"""Eight numbers: the chromaticities x, y of red, green, blue and white."""

_D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES: Primaries = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65)
_ADOBE_PRIMARIES: Primaries = (0.640, 0.330, 0.210, 0.710, 0.150, 0.060, *_D65)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_REFERENCE_WHITE = 203.0  # cd/m2, and the HLG signal 0.75: BT.2408, table 1.
_ROWS = 256


class ColorSpace(NamedTuple):
    """What the values of an RGB or gray picture mean.

    Attributes:
        primaries: of its colors.
        transfer: "srgb", "pq", "hlg", or an exponent: light is the value to this power.
    """

    primaries: Primaries = _SRGB_PRIMARIES
    transfer: str | float = "srgb"

    @property
    def is_srgb(self) -> bool:
        """Whether values are those of sRGB, up to what a file's rounding may change."""
        near = np.allclose(self.primaries, _SRGB_PRIMARIES, atol=0.002)
        # The exponent that stands for sRGB's curve: PNG's specification, section 11.3.2.2.
        is_curve = self.transfer == "srgb" or (
            isinstance(self.transfer, float) and abs(1.0 / self.transfer - 0.45455) < 0.005
        )
        return near and is_curve

    @property
    def is_possible(self) -> bool:
        """Whether the primaries span the colors; those of a damaged file may not."""
        try:
            return bool(np.isfinite(_matrix(self.primaries)).all())
        except (np.linalg.LinAlgError, ZeroDivisionError):
            return False


ADOBE_RGB = ColorSpace(_ADOBE_PRIMARIES, 563.0 / 256.0)

_C, _P3_WHITE = (0.310, 0.316), (0.314, 0.351)
_PRIMARIES: dict[int, Primaries] = {
    1: _SRGB_PRIMARIES,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_P3_WHITE),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
# Differs from H.273 for the curves of television (1, 6, 14, 15), which describe cameras: files with
# these codes are made from pictures in sRGB and are shown so.
_TRANSFERS: dict[int, str | float] = {
    1: "srgb",
    4: 2.2,
    5: 2.8,
    6: "srgb",
    8: 1.0,
    13: "srgb",
    14: "srgb",
    15: "srgb",
    16: "pq",
    18: "hlg",
}


def coded_space(primaries: int, transfer: int) -> ColorSpace:
    """Returns the color space of two code points of H.273; unknown ones count as sRGB's."""
    return ColorSpace(_PRIMARIES.get(primaries, _SRGB_PRIMARIES), _TRANSFERS.get(transfer, "srgb"))


def to_srgb(image: np.ndarray, space: ColorSpace) -> np.ndarray:
    """Returns an image converted to sRGB; what lies outside sRGB is clipped.

    White becomes white (Bradford's adaptation). High dynamic range counts relative to its reference
    white; brighter light is clipped.

    Args:
        image: float32 `[1, H, W, 3]`, RGB in the color space, 0..1.
        space: a possible one.

    Returns:
        float32 `[1, H, W, 3]`, RGB (sRGB), 0..1.
    """
    matrix = _matrix(space.primaries)
    converted = np.empty_like(image)
    for top in range(0, image.shape[1], _ROWS):  # Saves memory: float64 copies of a few rows.
        rows = image[:, top : top + _ROWS].astype(np.float64)
        light = _to_light(space.transfer)(rows) @ matrix.T
        converted[:, top : top + _ROWS] = _encoded(np.clip(light, 0.0, 1.0))
    return converted


def _to_light(transfer: str | float) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the function from values 0..1 to light, with 1 as white."""
    if transfer == "srgb":
        return _decoded
    if transfer == "pq":
        return _pq_light
    if transfer == "hlg":
        return _hlg_light
    return lambda values: values ** float(transfer)


def _decoded(values: np.ndarray) -> np.ndarray:
    """Returns the light of sRGB values."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    """Returns the sRGB values of light."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1.0 / 2.4) - 0.055)


def _pq_light(values: np.ndarray) -> np.ndarray:
    """Returns light by BT.2100, table 4, relative to the reference white."""
    m1, m2 = 2610.0 / 16384.0, 2523.0 / 4096.0 * 128.0
    c1, c2, c3 = 3424.0 / 4096.0, 2413.0 / 4096.0 * 32.0, 2392.0 / 4096.0 * 32.0
    power = values ** (1.0 / m2)
    light = (np.maximum(power - c1, 0.0) / (c2 - c3 * power)) ** (1.0 / m1)
    return 10000.0 / _REFERENCE_WHITE * light


def _hlg_light(values: np.ndarray) -> np.ndarray:
    """Returns light by BT.2100, table 5, relative to the reference white.

    Differs from BT.2100 in the system's gamma of 1.2, which is applied to each channel and not to
    the luminance: colors get slightly more saturated, and no pixel depends on another channel.
    """
    a = 0.17883277
    b, c = 1.0 - 4.0 * a, 0.5 - a * np.log(4.0 * a)

    def scene(signal: np.ndarray) -> np.ndarray:
        return np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)

    return (scene(values) / scene(np.array(0.75))) ** 1.2


def _matrix(primaries: Primaries) -> np.ndarray:
    """Returns the matrix from light in these primaries to light in sRGB's."""
    return np.linalg.solve(_to_xyz(_SRGB_PRIMARIES), _adapted(primaries))


def _adapted(primaries: Primaries) -> np.ndarray:
    """Returns the matrix to XYZ, adapted to sRGB's white."""
    source, target = (_BRADFORD @ _xyz(*white) for white in (primaries[6:], _D65))
    adaptation = np.linalg.solve(_BRADFORD, np.diag(target / source) @ _BRADFORD)
    return adaptation @ _to_xyz(primaries)


def _to_xyz(primaries: Primaries) -> np.ndarray:
    corners = np.stack([_xyz(*primaries[at : at + 2]) for at in (0, 2, 4)], axis=-1)
    return corners * np.linalg.solve(corners, _xyz(*primaries[6:]))


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1.0 - x - y) / y])
