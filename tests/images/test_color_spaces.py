"""Color spaces that files name without an ICC profile: conversions and where they are named."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tf_style.images import libvips, reading
from tf_style.images.color_spaces import ADOBE_RGB, ColorSpace, coded_space, to_srgb

# Published matrices: Lindbloom, "RGB/XYZ Matrices", for D65.
ADOBE_TO_XYZ = np.array(
    [
        [0.5767309, 0.1855540, 0.1881852],
        [0.2973769, 0.6273491, 0.0752741],
        [0.0270343, 0.0706872, 0.9911085],
    ]
)
XYZ_TO_SRGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def encoded(light):
    """The sRGB values of light, as in IEC 61966-2-1."""
    light = np.clip(np.asarray(light, np.float64), 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def adobe_to_srgb(values):
    return encoded(np.asarray(values) ** (563 / 256) @ (XYZ_TO_SRGB @ ADOBE_TO_XYZ).T)


def test_adobe_rgb_is_converted_as_the_published_matrices_say(rng):
    values = rng.uniform(size=(1, 300, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(to_srgb(values, ADOBE_RGB), adobe_to_srgb(values), atol=1e-3)


def test_code_points_of_display_p3_agree_with_its_icc_profile(rng):
    pyvips = pytest.importorskip("pyvips")
    values = rng.integers(16384, 49152, (9, 7, 3), np.uint16)  # Inside sRGB.
    image = pyvips.Image.new_from_array(values).copy(interpretation="rgb16")
    by_profile = image.icc_transform("srgb", input_profile="p3", intent="relative", depth=16)
    found = to_srgb((values[np.newaxis] / 65535.0).astype(np.float32), coded_space(12, 13))
    # lcms interpolates in a table, so dark reds are off.
    np.testing.assert_allclose(found[0], by_profile.numpy() / 65535.0, atol=8e-3)


@pytest.mark.parametrize("codes", [(1, 13), (1, 1), (2, 2), (1, 6), (0, 0), (250, 250)])
def test_code_points_of_srgb_and_unknown_ones_change_nothing(codes):
    assert coded_space(*codes).is_srgb


@pytest.mark.parametrize(
    ("transfer", "signal", "light"),
    [
        (8, 0.25, 0.25),  # Linear.
        (4, 0.5, 0.5**2.2),
        (16, 0.58069, 1.0),  # PQ: 203 cd/m2, BT.2408, table 1.
        (16, 0.50808, 100.0 / 203.0),  # 100 cd/m2: BT.2100, 0.508.
        (16, 1.0, 1.0),
        (18, 0.75, 1.0),  # HLG: reference white.
        (18, 0.5, (0.25 / 3.0 / 0.26496) ** 1.2),
        (18, 0.0, 0.0),
    ],
)
def test_transfer_functions_meet_published_points(transfer, signal, light):
    image = np.full((1, 2, 2, 3), signal, np.float32)
    found = to_srgb(image, coded_space(1, transfer))
    np.testing.assert_allclose(found, encoded(light), atol=1e-3)


def test_gray_stays_gray_and_white_stays_white(rng):
    gray = np.repeat(rng.uniform(size=(1, 4, 4, 1)), 3, -1).astype(np.float32)
    for space in (ADOBE_RGB, coded_space(9, 16), coded_space(11, 13), coded_space(8, 4)):
        assert np.ptp(to_srgb(gray, space), -1).max() < 1e-4
        np.testing.assert_allclose(to_srgb(np.ones_like(gray), space), 1.0, atol=1e-4)


def test_primaries_on_a_line_are_no_color_space():
    assert not ColorSpace((0.3, 0.3) * 4).is_possible
    assert not ColorSpace((0.64, 0.0, 0.3, 0.6, 0.15, 0.06, 0.3, 0.0)).is_possible


# Where files name them.

PIXELS = np.array([[[200, 60, 30], [20, 90, 160]], [[128, 128, 128], [250, 250, 5]]], np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path, *chunks, pixels=PIXELS, **options):
    """Writes a PNG file with chunks after its header."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    data = buffer.getvalue()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    return path


def adobe_exif(index=b"R03", color_space=0xFFFF):
    exif = Image.Exif()
    exif[0x8769] = {0xA001: color_space}
    if index:
        exif[0x8769][0xA005] = {1: index.decode()}
    return exif


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
@pytest.mark.parametrize("options", [{}, {"index": b"", "color_space": 2}])
def test_exif_names_adobe_rgb(tmp_path, suffix, options):
    path = tmp_path / f"_a.{suffix}"
    pixels = np.kron(PIXELS, np.ones((16, 16, 1), np.uint8))
    quality = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {"lossless": True}
    Image.fromarray(pixels).save(path, exif=adobe_exif(**options), **quality)
    found = reading.read_picture(path).image[0, 8::16, 8::16]
    np.testing.assert_allclose(found, adobe_to_srgb(PIXELS / 255.0), atol=0.02)
    with Image.open(path) as opened:  # A picture that the caller opened.
        np.testing.assert_array_equal(reading.read_picture(opened).image[0, 8::16, 8::16], found)


def test_exif_of_srgb_changes_nothing(tmp_path):
    exif = adobe_exif(b"R98", 1)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    found = reading.read_picture(tmp_path / "a.png").image[0]
    np.testing.assert_array_equal(np.round(found * 255), PIXELS)


def test_a_profile_counts_more_than_exif(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = np.kron(PIXELS, np.ones((16, 16, 1), np.uint8))
    Image.fromarray(pixels).save(
        tmp_path / "a.jpg", exif=adobe_exif(), icc_profile=profile, quality=100, subsampling=0
    )
    found = reading.read_picture(tmp_path / "a.jpg").image[0, 8::16, 8::16]
    np.testing.assert_allclose(found, PIXELS / 255.0, atol=0.02)


GAMMA_1 = chunk(b"gAMA", struct.pack(">I", 100_000))
ADOBE_CHROMATICITIES = chunk(
    b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
)
ADOBE_GAMMA = chunk(b"gAMA", struct.pack(">I", round(100_000 * 256 / 563)))
SRGB = chunk(b"sRGB", b"\0")


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([GAMMA_1], encoded(PIXELS / 255.0)),
        ([ADOBE_GAMMA, ADOBE_CHROMATICITIES], adobe_to_srgb(PIXELS / 255.0)),
        ([SRGB, GAMMA_1], PIXELS / 255.0),
        ([chunk(b"gAMA", struct.pack(">I", 45455))], PIXELS / 255.0),
        ([chunk(b"gAMA", struct.pack(">I", 0))], PIXELS / 255.0),
        ([chunk(b"cHRM", bytes(32))], PIXELS / 255.0),
        ([chunk(b"cICP", bytes([1, 8, 0, 1])), SRGB], encoded(PIXELS / 255.0)),
        ([chunk(b"cICP", bytes([1, 13, 0, 1])), GAMMA_1], PIXELS / 255.0),
    ],
)
def test_chunks_of_png_name_a_color_space(tmp_path, chunks, expected):
    path = png(tmp_path / "a.png", *chunks)
    np.testing.assert_allclose(reading.read_picture(path).image[0], expected, atol=1e-3)


@pytest.mark.parametrize("with_libvips", [True, False])
def test_chunks_count_for_16_bits_too(tmp_path, monkeypatch, with_libvips):
    if with_libvips:
        pytest.importorskip("pyvips")
    monkeypatch.setattr(libvips, "is_installed", lambda: with_libvips)
    values = np.array([[0, 655, 13107, 65535]], np.uint16)
    path = png(tmp_path / "a.png", GAMMA_1, pixels=values)
    found = reading.read_picture(path).image[0, ..., 0]
    np.testing.assert_allclose(found, encoded(values / 65535.0), atol=1e-4)
    rows = b"\0" + np.repeat(values[..., None], 3, -1).astype(">u2").tobytes()
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 16, 2, 0, 0, 0))
        + GAMMA_1
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    found = reading.read_picture(path).image[0, ..., 0]
    tolerance = 1e-4 if with_libvips else 0.03  # 8 bits of light are few in the shadows.
    np.testing.assert_allclose(found, encoded(values / 65535.0), atol=tolerance)


def test_cicp_counts_more_than_a_profile(tmp_path):
    from profiles import swapped_profile

    path = png(tmp_path / "a.png", chunk(b"cICP", bytes([1, 13, 0, 1])))
    data = path.read_bytes()
    profile = b"x\0\0" + zlib.compress(swapped_profile())
    path.write_bytes(data[:33] + chunk(b"iCCP", profile) + data[33:])
    found = reading.read_picture(path).image[0]
    np.testing.assert_array_equal(np.round(found * 255), PIXELS)


def with_box(data, old, new):
    """Bytes of a file with a `colr` box replaced by one of the same length."""
    assert data.count(old) == 1 and len(old) == len(new)
    return data.replace(old, new)


def test_nclx_of_avif_names_a_color_space(tmp_path):
    pixels = np.kron(PIXELS, np.ones((16, 16, 1), np.uint8))
    path = tmp_path / "a.avif"
    Image.fromarray(pixels).save(path, quality=100, subsampling="4:4:4")
    plain = reading.read_picture(path).image[0, 8::16, 8::16]
    np.testing.assert_allclose(plain, PIXELS / 255.0, atol=0.02)
    data = path.read_bytes()
    at = data.index(b"colrnclx") + 8
    path.write_bytes(data[:at] + struct.pack(">HH", 1, 8) + data[at + 4 :])  # Linear light.
    found = reading.read_picture(path).image[0, 8::16, 8::16]
    np.testing.assert_allclose(found, encoded(plain), atol=1e-3)


def test_colr_of_jpeg_2000_holds_a_profile_or_names_a_space(tmp_path):
    from profiles import swapped_profile

    path = tmp_path / "a.jp2"
    Image.new("RGB", (32, 32), (255, 0, 0)).save(path)
    data = path.read_bytes()
    at = data.index(b"colr") - 4
    size = int.from_bytes(data[at : at + 4], "big")

    def with_colr(content):
        """The file with another `colr` box in its header."""
        box = struct.pack(">I4s", 8 + len(content), b"colr") + content
        header = data.index(b"jp2h") - 4
        length = int.from_bytes(data[header : header + 4], "big") + len(box) - size
        whole = data[:at] + box + data[at + size :]
        path.write_bytes(whole[:header] + struct.pack(">I", length) + whole[header + 4 :])
        return reading.read_picture(path).image[0, 16, 16]

    np.testing.assert_allclose(with_colr(b"\1\0\0" + struct.pack(">I", 16)), [1, 0, 0], atol=0.01)
    np.testing.assert_allclose(with_colr(b"\2\0\0" + swapped_profile()), [0, 1, 0], atol=0.02)
    # ROMM RGB's red is far outside of sRGB, whose red is as near as can be; half of white is gray.
    np.testing.assert_allclose(with_colr(b"\1\0\0" + struct.pack(">I", 21)), [1, 0, 0], atol=0.01)
    Image.new("RGB", (32, 32), (128, 128, 128)).save(path)
    data = path.read_bytes()
    found = with_colr(b"\1\0\0" + struct.pack(">I", 21))
    np.testing.assert_allclose(found, encoded((128 / 255) ** 1.8), atol=0.01)


# Gray profiles.


def gray_profile(gamma):
    """A gray ICC profile, version 2, with a curve of one exponent (ICC.1:2001-04)."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)  # D50.
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    table = struct.pack(">I", 2)
    table += b"wtpt" + struct.pack(">II", 156, len(white))
    table += b"kTRC" + struct.pack(">II", 156 + len(white), len(curve))
    body = table + white + curve
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + body


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_gray_profiles_apply_to_gray_with_and_without_alpha(tmp_path, gamma, mode):
    levels = np.arange(256, dtype=np.uint8)[np.newaxis]
    picture = Image.fromarray(levels).convert(mode)
    picture.save(tmp_path / "a.png", icc_profile=gray_profile(gamma))
    found = reading.read_picture(tmp_path / "a.png").image[0, 0, :, 1]
    np.testing.assert_allclose(found, encoded((levels[0] / 255.0) ** gamma), atol=0.012)


@pytest.mark.parametrize("with_libvips", [True, False])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_profiles_apply_to_16_bits(tmp_path, monkeypatch, with_libvips, suffix):
    if with_libvips:
        pytest.importorskip("pyvips")
    monkeypatch.setattr(libvips, "is_installed", lambda: with_libvips)
    values = np.linspace(0, 65535, 97).astype(np.uint16)[np.newaxis]
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values).save(path, icc_profile=gray_profile(1.8))
    found = reading.read_picture(path).image[0, 0, :, 1]
    np.testing.assert_allclose(found, encoded((values[0] / 65535.0) ** 1.8), atol=0.012)


def test_png_text_of_any_length_does_not_matter(tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    texts.add_text("Comment", "y" * 2_000_000)
    texts.add_text("Long", "z" * 1_500_000, zip=True)
    texts.add_text("Title", "kept")
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path, pnginfo=texts)
    found = reading.read_picture(path).image[0]
    np.testing.assert_array_equal(np.round(found * 255), PIXELS)


def test_a_png_profile_of_more_than_a_megabyte_counts(tmp_path):
    from profiles import swapped_profile

    profile = bytearray(swapped_profile() + bytes(2_000_000))
    profile[:4] = struct.pack(">I", len(profile))
    red = np.zeros((4, 4, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    packed = b"x\0\0" + zlib.compress(bytes(profile))
    found = reading.read_picture(png(tmp_path / "a.png", chunk(b"iCCP", packed), pixels=red))
    np.testing.assert_allclose(found.image[0, 0, 0], [0, 1, 0], atol=0.02)
