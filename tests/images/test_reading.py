"""Reading files, PIL pictures and arrays; resizing."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from profiles import swapped_profile

from tf_style.images import libvips, reading, resizing, writing


def save(tmp_path, name, picture, **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


def test_an_8_bit_picture_is_read_exactly(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 7, 3), np.uint8)
    found = reading.read_picture(save(tmp_path, "a.png", Image.fromarray(pixels)))
    assert found.alpha is None
    assert found.image.dtype == np.float32
    np.testing.assert_array_equal(writing.to_pixels(found.image), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honored(tmp_path, orientation):
    upright = np.zeros((2, 3, 3), np.uint8)
    upright[0, 0] = 255  # one white corner
    # The pixels that a camera stores for each orientation, by the EXIF standard.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path, "a.png", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    np.testing.assert_array_equal(writing.to_pixels(reading.read_picture(path).image), upright)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_icc_profiles_are_converted_to_srgb(tmp_path, suffix):
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path, f"a.{suffix}", red, icc_profile=swapped_profile(), **options)
    found = writing.to_pixels(reading.read_picture(path).image)[0, 0].astype(int)
    np.testing.assert_allclose(found, [0, 255, 0], atol=3)


def test_a_damaged_icc_profile_is_ignored(tmp_path):
    path = save(tmp_path, "a.png", Image.new("RGB", (4, 4), (9, 8, 7)), icc_profile=b"no profile")
    assert writing.to_pixels(reading.read_picture(path).image)[0, 0].tolist() == [9, 8, 7]


def test_gray_palette_and_bilevel_pictures_are_accepted(tmp_path, rng):
    gray = Image.fromarray(rng.integers(0, 256, (4, 5), np.uint8))
    for picture in (gray, gray.convert("1")):
        path = save(tmp_path, "a.png", picture)
        expected = np.asarray(picture.convert("L"))
        found = writing.to_pixels(reading.read_picture(path).image)
        np.testing.assert_array_equal(found, np.repeat(expected[..., None], 3, -1))
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    found = writing.to_pixels(reading.read_picture(save(tmp_path, "p.png", palette)).image)
    assert found.tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_cmyk_is_accepted(tmp_path):
    path = save(tmp_path, "a.tif", Image.new("CMYK", (4, 4), (0, 255, 255, 0)))
    np.testing.assert_allclose(
        writing.to_pixels(reading.read_picture(path).image)[0, 0].astype(int), [255, 0, 0], atol=2
    )


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_gray_keeps_its_16_bits(tmp_path, suffix):
    values = np.array([[0, 1, 32768], [255, 256, 65535]], np.uint16)
    path = save(tmp_path, f"a.{suffix}", Image.fromarray(values))
    found = reading.read_picture(path).image
    np.testing.assert_allclose(found[0, :, :, 1], values / 65535.0, rtol=1e-6)


def png_chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def test_16_bit_color_keeps_its_upper_8_bits(tmp_path):
    row = b"\0" + struct.pack(">3H", 0x1234, 0xABCD, 0xFF00)
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    data += png_chunk(b"IDAT", zlib.compress(row)) + png_chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    found = writing.to_pixels(reading.read_picture(tmp_path / "a.png").image)
    np.testing.assert_allclose(found[0, 0].astype(int), [0x12, 0xAB, 0xFF], atol=1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_kept(tmp_path, mode):
    picture = Image.new("RGBA", (3, 2), (200, 100, 50, 128)).convert(mode)
    path = save(tmp_path, "a.tif" if mode == "PA" else "a.png", picture)
    np.testing.assert_array_equal(
        np.round(reading.read_picture(path).alpha * 255), np.full((1, 2, 3, 1), 128)
    )


def test_a_transparent_palette_color_becomes_alpha(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    path = save(tmp_path, "a.png", palette, transparency=1)
    assert reading.read_picture(path).alpha[0, 0, :, 0].tolist() == [1.0, 0.0]


def test_arrays_pictures_and_tensors_are_read_alike(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 7, 3), np.uint8)
    path = save(tmp_path, "a.png", Image.fromarray(pixels))
    expected = reading.read_picture(path).image
    floats = (pixels / 255.0).astype("float32")
    for source in (
        str(path),
        Image.fromarray(pixels),
        pixels,
        pixels[None],
        floats,
        floats.astype("float64"),
        tf.constant(floats),
        tf.constant(pixels),
        pixels.astype(np.uint16) * 257,
    ):
        np.testing.assert_allclose(reading.read_picture(source).image, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), "must be a path, a PIL picture or an array"),
        (np.zeros((4, 4, 2), np.float32), "shape"),
        (np.zeros((0, 4, 3), np.float32), "shape"),
        (np.full((4, 4, 3), 255.0), "Divide by 255"),
        (np.full((4, 4, 3), np.nan), "must be finite"),
        (None, "NoneType"),
    ],
)
def test_errors_about_arrays_name_the_argument(array, message):
    with pytest.raises(ValueError, match="`content`") as error:
        reading.read_picture(array, argument="content")
    assert message in str(error.value)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(FileNotFoundError, match="must be an existing file"):
        reading.read_picture(tmp_path / "pipe.png")


def test_a_file_name_may_start_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (4, 4)).save("~picture.png")
    assert reading.read_picture("~picture.png").image.shape == (1, 4, 4, 3)


def test_errors_about_dtypes_name_the_dtype():
    with pytest.raises(TypeError, match="uint8, uint16 or float. Received: dtype int64"):
        reading.read_picture(np.zeros((4, 4, 3), np.int64))


def test_errors_about_files_name_the_argument(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture\n" * 50)
    (tmp_path / "empty.png").write_bytes(b"")
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:600])
    for name, kind in [
        ("missing.png", FileNotFoundError),
        (".", IsADirectoryError),
        ("text.jpg", ValueError),
        ("empty.png", ValueError),
        ("cut.jpg", ValueError),
    ]:
        with pytest.raises(kind, match="`style`"):
            reading.read_picture(tmp_path / name, argument="style")


@pytest.mark.parametrize(
    ("side", "most"), [(12_000, "89,478,485"), (100_000, "89,478,485"), (100_000, "1,073,741,824")]
)
def test_decompression_bombs_are_refused_before_decoding(tmp_path, monkeypatch, side, most):
    if most == "89,478,485":  # For libvips, see also test_libvips.py.
        monkeypatch.setattr(libvips, "is_installed", lambda: False)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    data += png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + png_chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(ValueError, match=f"at most {most} pixels"):
        reading.read_picture(tmp_path / "bomb.png", argument="content")


KINDS = {
    "png": "PNG",
    "jpg": "JPEG",
    "webp": "WEBP",
    "tif": "TIFF",
    "gif": "GIF",
    "bmp": "BMP",
    "avif": "AVIF",
    "jp2": "JPEG2000",
    "ppm": "PPM",
    "tga": "TGA",
}


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), suffix=st.sampled_from([*KINDS]))
def test_any_damage_gives_a_picture_or_a_clear_error(tmp_path, data, suffix):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, KINDS[suffix])
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(1, len(damaged))) :]
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(damaged)
    try:
        picture = reading.read_picture(path)
    except ValueError as error:
        assert "`picture`" in str(error)
    else:
        assert np.isfinite(picture.image).all()


def test_resizing_keeps_a_flat_picture_flat_and_a_mean_roughly(rng):
    flat = np.full((1, 9, 13, 3), 0.25, np.float32)
    np.testing.assert_allclose(resizing.resize(flat, (20, 7)), 0.25, atol=1e-6)
    noise = rng.uniform(size=(1, 64, 64, 3)).astype("float32")
    small = resizing.resize(noise, (16, 16))
    assert small.shape == (1, 16, 16, 3)
    assert small.mean() == pytest.approx(noise.mean(), abs=0.01)
    assert small.std() < 0.5 * noise.std()  # Averaged, not sampled.


@pytest.mark.parametrize(
    ("size", "edge", "expected"),
    [((300, 400), 512, (384, 512)), ((400, 300), 512, (512, 384)), ((3, 1000), 100, (1, 100))],
)
def test_fit_keeps_the_aspect_and_meets_the_long_edge(size, edge, expected):
    assert resizing.fit(size, edge) == expected


def test_cover_crops_the_excess_and_does_not_distort():
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32)[None, None, :, None], (1, 20, 1, 3))
    found = resizing.cover(ramp, (20, 20))
    np.testing.assert_allclose(found, ramp[:, :, 10:30], atol=1e-6)


def test_hidden_colors_do_not_bleed_into_visible_ones():
    y, x = np.mgrid[:64, :64]
    disc = (np.hypot(y - 32, x - 32) < 20).astype(np.float32)[None, ..., None]
    red = np.concatenate([disc, 0 * disc, 0 * disc], -1)  # black where nothing is seen
    small = reading.resize_picture(reading.Picture(red, disc), (24, 24))
    seen = small.alpha[..., 0] > 0.05
    np.testing.assert_allclose(small.image[seen][:, 0], 1.0, atol=0.02)
    np.testing.assert_allclose(small.image[seen][:, 1:], 0.0, atol=0.02)
    assert small.image[~seen & (small.alpha[..., 0] == 0)].min() == 1.0


def test_transparent_parts_are_composited_on_white():
    image = np.zeros((1, 1, 2, 3), np.float32)
    alpha = np.array([0.0, 1.0], np.float32).reshape(1, 1, 2, 1)
    assert reading.over_white(reading.Picture(image, alpha))[0, 0, :, 0].tolist() == [1.0, 0.0]


def test_pixels_are_clipped_and_rounded():
    image = np.array([-1.0, 0.5, 2.0], np.float32).reshape(1, 1, 1, 3)
    assert writing.to_pixels(image).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("size", [(59, 96), (94, 131), (98, 135)])
def test_cover_tolerates_rounding_of_its_box(size):
    picture = np.zeros((1, *size, 3), np.float32)
    for side in (33, 64, 96):
        assert resizing.cover(picture, (side, side)).shape == (1, side, side, 3)


def test_resized_masks_do_not_ring(rng):
    mask = np.zeros([768, 1024], np.float32)
    mask[384:] = rng.uniform(size=(384, 1024))
    small = resizing.resize_mask(mask, (72, 96))
    assert (small[:36] == 0.0).all() and (small[36:] > 0.0).all()
    assert small.mean() == pytest.approx(mask.mean(), rel=1e-3)
    blocks = resizing.resize_mask(mask, (96, 128))
    np.testing.assert_allclose(blocks, mask.reshape(96, 8, 128, 8).mean((1, 3)), atol=1e-6)
    large = resizing.resize_mask(mask[300:460:8, :160:8], (60, 50))
    assert large.shape == (60, 50) and 0.0 <= large.min() <= large.max() <= 1.0
    np.testing.assert_array_equal(resizing.resize_mask(mask, mask.shape), mask)


def test_errors_about_pil_pictures_name_the_argument(tmp_path):
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    cut = Image.open(io.BytesIO(buffer.getvalue()[:600]))
    with pytest.raises(ValueError, match="`content` is damaged: .* Received: content=a PIL"):
        reading.read_picture(cut, argument="content")
    with pytest.raises(ValueError, match="`content` must have at least one pixel.*0x5 px"):
        reading.read_picture(Image.new("RGB", (0, 5)), argument="content")


def test_ragged_lists_and_values_beyond_float32_are_refused():
    with pytest.raises(TypeError, match="`content` .* Received: list, which is not an array"):
        reading.read_picture([[1], [2, 3]], argument="content")
    with pytest.raises(ValueError, match="`content` must be finite"):
        reading.read_picture(np.full((4, 4, 3), 1e300), argument="content")


def test_errors_about_invalid_paths_name_the_argument():
    with pytest.raises(OSError, match="`content` cannot be read: File name too long") as error:
        reading.read_picture("a" * 5000, argument="content")
    assert len(str(error.value)) < 500
    with pytest.raises(FileNotFoundError, match="`content` must be an existing file"):
        reading.read_picture("~no\0body/a.png", argument="content")


def test_a_huge_length_in_a_file_counts_as_damage_not_as_lack_of_memory(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG2000")
    data = buffer.getvalue()
    at = data.index(b"jp2h") - 4
    data = data[:at] + struct.pack(">I4sQ", 1, b"jp2h", 2**62) + data[at + 8 :]
    (tmp_path / "a.jp2").write_bytes(data)
    with pytest.raises(ValueError, match="`picture` "):
        reading.read_picture(tmp_path / "a.jp2")
