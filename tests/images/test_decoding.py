"""Kinds of samples: 12 and 16 bits, white as 0, planes, channels that are no alpha, alpha of 0."""

import io
import itertools
import re
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_files import tiff_12_bits

from tf_style.images import libvips, reading


@pytest.fixture(params=[True, False], ids=["libvips", "pillow"])
def library(request, monkeypatch):
    if request.param:
        pytest.importorskip("pyvips")
    monkeypatch.setattr(libvips, "is_installed", lambda: request.param)
    return request.param


def read(path, name="picture"):
    return reading.read_picture(path, argument=name)


def assert_refused(path, samples):
    """Pillow does not read this kind of TIFF: what it is, and the pip command, are told."""
    with pytest.raises(ValueError, match=rf"{samples} .*pip install 'tf-style\[big\]'"):
        read(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_white_may_be_0(tmp_path, library, dtype, photometric):
    full = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    shares = np.linspace(0.0, 1.0, 12).reshape(3, 4)
    values = (shares * full).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric=photometric)
    expected = values / full if photometric == "minisblack" else 1.0 - values / full
    np.testing.assert_allclose(read(tmp_path / "a.tif").image[0, ..., 0], expected, atol=1e-6)


def test_12_bits_of_gray_reach_white(tmp_path, library):
    values = np.array([0, 100, 2048, 4095])
    (tmp_path / "a.tif").write_bytes(tiff_12_bits(values, 1))
    found = read(tmp_path / "a.tif").image[0, 0, :, 0]
    np.testing.assert_allclose(found, values / 4095.0, atol=1e-6)


@pytest.mark.parametrize(("photometric", "samples"), [(0, 1), (2, 3)])
def test_other_12_bits_are_refused_by_name(tmp_path, library, photometric, samples):
    (tmp_path / "a.tif").write_bytes(tiff_12_bits([0, 100, 4095] * 4, photometric, samples))
    with pytest.raises(ValueError, match=r"`style` must be gray, .* of 12 bits \(unsigned"):
        read(tmp_path / "a.tif", "style")


@pytest.mark.parametrize(
    ("values", "options", "samples"),
    [
        (np.zeros((6, 7), np.int16), {}, r"1 channel of 16 bits \(signed integers"),
        (np.zeros((6, 7), np.int8), {}, r"1 channel of 8 bits \(signed integers"),
        (np.zeros((6, 7), np.uint32), {}, r"1 channel of 32 bits \(unsigned integers"),
        (np.zeros((6, 7, 3), np.float64), {"photometric": "rgb"}, "3 channels of 64 bits"),
        (np.zeros((6, 7, 3), np.uint8), {"photometric": "icclab"}, "Lab"),
        (np.zeros((6, 7, 3), np.uint16), {"photometric": "cielab"}, "Lab"),
        (
            np.zeros((3, 6, 7), np.uint8),
            {"photometric": "cielab", "planarconfig": "separate"},
            "Lab, in planes",
        ),
    ],
)
def test_samples_that_would_be_read_wrong_are_refused_by_name(
    tmp_path, library, values, options, samples
):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    with pytest.raises(ValueError, match=f"`style` must be gray, RGB or CMYK, .*{samples}"):
        read(tmp_path / "a.tif", "style")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_cmyk_without_a_profile_is_converted_alike(tmp_path, rng, dtype, with_alpha):
    pytest.importorskip("pyvips")
    full = np.iinfo(dtype).max
    inks = rng.integers(0, full, (6, 7, 4)).astype(dtype)
    extra = {}
    if with_alpha:
        inks = np.concatenate([inks, np.full((6, 7, 1), full, dtype)], -1)
        extra = {"extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", **extra)
    left = 1.0 - inks[..., :4].astype(np.float64) / full
    expected = left[..., :3] * left[..., 3:]
    np.testing.assert_allclose(read(tmp_path / "a.tif").image[0], expected, atol=4e-3)


def test_planes_of_16_bits_are_read_right_or_refused(tmp_path, rng, library):
    values = rng.integers(0, 65536, (3, 7, 8), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", planarconfig="separate")
    if library:
        found = read(tmp_path / "a.tif").image[0]
        np.testing.assert_allclose(found, values.transpose(1, 2, 0) / 65535.0, atol=1e-6)
    else:
        with pytest.raises(ValueError, match=r"3 channels of 16 bits \(unsigned integers, in pl"):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("num_extra", [1, 2])
def test_channels_that_are_no_alpha_are_left_out_and_told(tmp_path, rng, library, dtype, num_extra):
    values = rng.integers(0, np.iinfo(dtype).max, (6, 7, 3 + num_extra)).astype(dtype)
    extra = ["unspecified"] * num_extra
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=extra)
    if not library and (dtype, num_extra) == (np.uint16, 2):
        assert_refused(tmp_path / "a.tif", "5 channels of 16 bits")
        return
    found = read(tmp_path / "a.tif", "content")
    assert found.alpha is None
    full = np.iinfo(dtype).max
    np.testing.assert_allclose(found.image[0], values[..., :3] / full, atol=4e-3)
    assert any("`content` has channels that are neither colors nor alpha" in n for n in found.notes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_beside_another_channel_is_kept(tmp_path, rng, dtype):
    pytest.importorskip("pyvips")
    full = np.iinfo(dtype).max
    values = rng.integers(full // 2, full, (6, 7, 5)).astype(dtype)
    extra = ["unassalpha", "unspecified"]
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=extra)
    found = read(tmp_path / "a.tif")
    np.testing.assert_allclose(found.alpha[0], values[..., 3:4] / full, atol=4e-3)
    np.testing.assert_allclose(found.image[0], values[..., :3] / full, atol=4e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_premultiplied_gray_with_alpha_is_read_right(tmp_path, library, dtype):
    full = np.iinfo(dtype).max
    half = full // 2
    values = np.full((6, 7, 2), half, dtype)  # White at an alpha of one half.
    tifffile.imwrite(
        tmp_path / "a.tif",
        values,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["assocalpha"],
    )
    if not library and dtype == np.uint16:
        assert_refused(tmp_path / "a.tif", "2 channels of 16 bits")
        return
    found = read(tmp_path / "a.tif")
    np.testing.assert_allclose(found.image, 1.0, atol=0.01)
    np.testing.assert_allclose(found.alpha, half / full, atol=0.01)


def test_a_transparent_value_of_16_bit_gray_becomes_alpha(tmp_path, library):
    values = np.array([[0, 1000, 1001, 65535]], np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    data = buffer.getvalue()
    body = b"tRNS" + struct.pack(">H", 1000)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    found = read(tmp_path / "a.png")
    assert found.alpha[0, 0, :, 0].tolist() == [1.0, 0.0, 1.0, 1.0]
    np.testing.assert_allclose(found.image[0, 0, 2:, 0], values[0, 2:] / 65535.0, atol=1e-6)


def test_lab_is_converted(tmp_path):
    picture = Image.new("LAB", (4, 4), (138, 128, 128))  # Lightness 54, no color.
    picture.save(tmp_path / "a.tif")
    found = read(tmp_path / "a.tif").image[0, 0, 0]
    light = ((138 / 2.55 + 16) / 116) ** 3  # CIE 15: lightness of a gray.
    np.testing.assert_allclose(found, 1.055 * light ** (1 / 2.4) - 0.055, atol=0.02)


def test_tga_with_unset_alpha_is_opaque_and_other_formats_keep_theirs(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 6, 4), np.uint8)
    pixels[..., 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.tga")
    found = read(tmp_path / "a.tga")
    assert found.alpha is None
    np.testing.assert_array_equal(np.round(found.image[0] * 255), pixels[..., :3])
    pixels[0, 0, 3] = 9
    Image.fromarray(pixels).save(tmp_path / "b.tga")
    assert read(tmp_path / "b.tga").alpha is not None
    Image.fromarray(pixels * np.array([1, 1, 1, 0], np.uint8)).convert("RGBA").save(
        tmp_path / "a.png"
    )
    assert not read(tmp_path / "a.png").alpha.any()


# JPEG files that end too early.


@pytest.fixture
def jpeg(rng):
    smooth = Image.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8)).resize((110, 90))

    def encoded(**options):
        buffer = io.BytesIO()
        smooth.save(buffer, "JPEG", quality=90, **options)
        return buffer.getvalue()

    return encoded


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(tmp_path, jpeg, options, missing):
    data = jpeg(**options)
    (tmp_path / "a.jpg").write_bytes(data)
    expected = read(tmp_path / "a.jpg").image
    (tmp_path / "a.jpg").write_bytes(data[:-missing])
    np.testing.assert_array_equal(read(tmp_path / "a.jpg").image, expected)


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"restart_marker_blocks": 2}],
)
def test_a_jpeg_that_lacks_pixels_is_refused_wherever_it_is_cut(tmp_path, rng, options):
    picture = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize((48, 40))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80, **options)
    data, path = buffer.getvalue(), tmp_path / "a.jpg"
    path.write_bytes(data)
    expected = read(path).image
    num_refused = 0
    start = data.index(b"\xff\xda")
    # With and without an end marker, which programs write that save what they have. Of a
    # progressive file with one, what is missing is not known.
    markers = (b"",) if "progressive" in options else (b"", b"\xff\xd9")
    for end, marker in itertools.product(range(start, len(data) - 2), markers):
        path.write_bytes(data[:end] + marker)
        try:
            differs = (read(path, "style").image != expected)[0]
            if marker:  # A part of the last block of 16 x 16 px may be missing.
                differs[31:, 31:] = False
            assert not differs.any()
        except ValueError as error:
            num_refused += 1
            assert re.match("`style` .*, a (damaged )?JPEG file", str(error))
    assert num_refused > 0.94 * len(markers) * (len(data) - 2 - start)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"restart_marker_rows": 1},
        {"restart_marker_blocks": 3, "progressive": True},
        {"subsampling": 0},
        {"subsampling": 1},
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_whole_jpeg_with_a_white_border_is_read(tmp_path, rng, options, mode):
    # Flat blocks at the end could be missing ones.
    pixels = np.full((49, 61, 3), 255, np.uint8)
    pixels[8:24, 8:24] = rng.integers(0, 256, (16, 16, 3), np.uint8)
    if mode == "CMYK":
        options = {name: value for name, value in options.items() if name != "subsampling"}
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.jpg", quality=90, **options)
    assert read(tmp_path / "a.jpg").image[0, -4:, -4:].min() > 0.99
    data = (tmp_path / "a.jpg").read_bytes() + b"\0" * 100 + b"a trailer"
    (tmp_path / "a.jpg").write_bytes(data)
    assert read(tmp_path / "a.jpg").image[0, -4:, -4:].min() > 0.99


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_gray_or_cmyk_jpeg_may_lack_its_end_marker(tmp_path, rng, mode):
    picture = Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)).convert(mode)
    picture.save(tmp_path / "a.jpg", restart_marker_blocks=3)
    expected = read(tmp_path / "a.jpg").image
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-2])
    np.testing.assert_array_equal(read(tmp_path / "a.jpg").image, expected)


# Files that state many pixels.


def stated(width, height):
    """The start of a PNG file of this size."""
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99)))):
        data += struct.pack(">I", len(body)) + kind + body
        data += struct.pack(">I", zlib.crc32(kind + body))
    return data


@pytest.mark.parametrize(
    ("size", "limit", "advises_libvips"),
    [((12_000, 12_000), "89,478,485", True), ((60_000, 60_000), "89,478,485", False)],
)
def test_one_limit_is_named_and_only_advice_that_helps(
    tmp_path, monkeypatch, size, limit, advises_libvips
):
    monkeypatch.setattr(libvips, "is_installed", lambda: False)
    (tmp_path / "a.png").write_bytes(stated(*size))
    with pytest.raises(ValueError) as refused:
        read(tmp_path / "a.png", "content")
    message = str(refused.value)
    assert f"`content` must have at most {limit} pixels. Received:" in message
    assert "limit of" not in message and "attack" not in message
    assert ("tf-style[big]" in message) == advises_libvips


def test_with_libvips_the_limit_is_its_own(tmp_path):
    pytest.importorskip("pyvips")
    (tmp_path / "a.png").write_bytes(stated(60_000, 60_000))
    with pytest.raises(ValueError, match="`content` must have at most 1,073,741,824 pixels"):
        read(tmp_path / "a.png", "content")
