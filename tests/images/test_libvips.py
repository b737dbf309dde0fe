"""Reading and writing what Pillow cannot: many pixels, 16 bits, floats, BigTIFF."""

import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from profiles import swapped_profile

from tf_style.config.style_config import StyleConfig
from tf_style.images import (
    libvips,
    libvips_writing,
    pillow,
    reading,
    resizing,
    writing,
)
from tf_style.inputs.preparation import prepare_inputs
from tf_style.provenance import description

DESCRIPTION = description.describe(StyleConfig(), "ab" * 32)
UINT16 = 65535.0


@pytest.fixture
def small_limit(monkeypatch):
    """Lowers the limit of Pillow to 100 pixels."""
    monkeypatch.setattr(reading, "PIL_PIXELS", 100)
    monkeypatch.setattr(pillow, "PIL_PIXELS", 100)


@pytest.fixture
def no_libvips(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvips", None)
    libvips.vips.cache_clear()
    yield
    libvips.vips.cache_clear()


@pytest.fixture
def values(rng):
    return rng.integers(0, 65536, (40, 50, 3), np.uint16)


# Reading.


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"tile": (16, 16)},
        {"bigtiff": True, "tile": (16, 32), "compression": "zlib", "predictor": True},
        {"rowsperstrip": 7, "compression": "zlib"},
        {"byteorder": ">"},
    ],
)
def test_16_bit_tiffs_keep_their_16_bits(tmp_path, values, options):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", **options)
    found = reading.read_picture(tmp_path / "a.tif")
    assert found.alpha is None and found.size == (40, 50)
    assert found.image.dtype == np.float32 and found.image.flags.c_contiguous
    np.testing.assert_allclose(found.image[0], values / UINT16, rtol=2e-7)


def test_planar_channels_are_joined(tmp_path, values):
    planes = np.ascontiguousarray(values.transpose(2, 0, 1))
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    found = reading.read_picture(tmp_path / "a.tif").image
    np.testing.assert_allclose(found[0], values / UINT16, rtol=2e-7)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_floats_are_read_unchanged(tmp_path, rng, dtype):
    values = rng.uniform(size=(20, 30, 3)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", tile=(16, 16))
    found = reading.read_picture(tmp_path / "a.tif").image
    np.testing.assert_array_equal(found[0], values.astype("float32"))


def test_16_bit_gray_with_alpha(tmp_path, values):
    values[0, 0, 1] = 0
    tifffile.imwrite(
        tmp_path / "a.tif",
        values[..., :2],
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    found = reading.read_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(found.alpha[0, ..., 0], values[..., 1] / UINT16, atol=0.5 / 255)
    seen = values[..., 1] > 600
    expected = np.repeat(values[..., :1], 3, -1)[seen] / UINT16
    np.testing.assert_allclose(found.image[0][seen], expected, atol=1e-5)
    assert found.image[0, 0, 0].tolist() == [1.0, 1.0, 1.0]  # Transparent pixels are white.


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_libvips_reads_the_same_pixels_as_pillow(tmp_path, rng, small_limit, suffix, mode):
    pixels = rng.integers(0, 256, (23, 31, 4), np.uint8)
    pixels[..., 3] |= 1
    if (mode, suffix) == ("LA", "tif"):
        mode = "CMYK"
    picture = Image.fromarray(pixels[..., :3] if mode in ("P", "1") else pixels).convert(mode)
    path = tmp_path / f"a.{suffix}"
    picture.save(path)
    expected = reading.read_picture(path if mode == "CMYK" else picture.crop((0, 0, 31, 3)))
    found = reading.read_picture(path)
    if mode == "CMYK":  # Without a profile, programs convert CMYK differently.
        assert found.image.shape == (1, 23, 31, 3)
        return
    np.testing.assert_array_equal(
        writing.to_pixels(found.image, found.alpha)[:3],
        writing.to_pixels(expected.image, expected.alpha),
    )


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_large_jpeg_and_webp_files_are_read(tmp_path, small_limit, suffix):
    ramp = np.linspace(0, 255, 40 * 48 * 3).reshape(40, 48, 3).astype(np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(ramp).save(path, quality=95)
    with Image.open(path) as picture:
        expected = np.asarray(picture.convert("RGB"))
    found = writing.to_pixels(reading.read_picture(path).image)
    np.testing.assert_allclose(found.astype(int), expected, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_libvips_applies_orientation_as_pillow_does(
    tmp_path, rng, monkeypatch, suffix, orientation
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rng.integers(0, 256, (12, 20, 3), np.uint8)).save(path, exif=exif)
    expected = writing.to_pixels(reading.read_picture(path).image)
    monkeypatch.setattr(pillow, "PIL_PIXELS", 100)
    found = reading.read_picture(path)
    assert found.size == expected.shape[:2]
    np.testing.assert_array_equal(writing.to_pixels(found.image), expected)
    small = reading.read_picture(path, long_edge=10)
    assert small.image.shape[1:3] == ((6, 10) if orientation < 5 else (10, 6))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_icc_profiles_are_converted(tmp_path, small_limit, dtype):
    full = {"uint8": 255, "uint16": 65535, "float32": 1.0}[dtype]
    red = np.zeros((16, 16, 3), dtype)
    red[..., 0] = full
    tifffile.imwrite(tmp_path / "a.tif", red, photometric="rgb", iccprofile=swapped_profile())
    found = reading.read_picture(tmp_path / "a.tif").image[0, 0, 0]
    np.testing.assert_allclose(found, [0.0, 1.0, 0.0], atol=0.01)


def test_a_damaged_profile_is_ignored(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", iccprofile=b"no profile")
    found = reading.read_picture(tmp_path / "a.tif").image
    np.testing.assert_allclose(found[0], values / UINT16, atol=1e-3)


def test_pictures_are_reduced_while_they_are_read(tmp_path):
    y, x = np.mgrid[:240, :320]
    smooth = np.stack([x / 320, y / 240, 0.5 + 0.4 * np.sin(x / 40) * np.cos(y / 30)], -1)
    tifffile.imwrite(tmp_path / "a.tif", np.round(smooth * UINT16).astype("uint16"), tile=(16, 16))
    found = reading.read_picture(tmp_path / "a.tif", long_edge=80)
    assert found.image.shape == (1, 60, 80, 3) and found.size == (240, 320)
    means = smooth.reshape(60, 4, 80, 4, 3).mean((1, 3))
    np.testing.assert_allclose(found.image[0, 2:-2, 2:-2], means[2:-2, 2:-2], atol=2e-3)
    whole = reading.read_picture(tmp_path / "a.tif").image
    np.testing.assert_allclose(found.image, resizing.resize(whole, (60, 80)), atol=5e-3)
    assert reading.read_picture(tmp_path / "a.tif", long_edge=999).image.shape == whole.shape


def test_hidden_colors_do_not_bleed_when_a_file_is_reduced(tmp_path):
    y, x = np.mgrid[:64, :64]
    disc = np.hypot(y - 32, x - 32) < 20
    values = np.zeros((64, 64, 4), np.uint16)  # Transparent pixels are black.
    values[disc] = [65535, 0, 0, 65535]
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    small = reading.read_picture(tmp_path / "a.tif", long_edge=24)
    seen = small.alpha[..., 0] > 0.05
    np.testing.assert_allclose(small.image[seen][:, 0], 1.0, atol=0.02)
    np.testing.assert_allclose(small.image[seen][:, 1:], 0.0, atol=0.02)
    assert small.image[small.alpha[..., 0] == 0].min() == 1.0


def test_inputs_are_read_at_the_size_that_the_run_uses(tmp_path, values):
    large = np.repeat(np.repeat(values, 4, 0), 4, 1)
    for name in ("content", "style"):
        tifffile.imwrite(tmp_path / f"{name}.tif", large, photometric="rgb")
    paths = tmp_path / "content.tif", tmp_path / "style.tif"
    config = StyleConfig(size=100).replace(style_scales="1,0.5", content_layers="conv1_1")
    config = config.replace(style_layers="conv1_1")
    found = prepare_inputs(*paths, config)
    assert found.content.shape == (1, 80, 100, 3)
    assert [style.shape for style in found.styles] == [(1, 80, 100, 3), (1, 40, 50, 3)]
    arrays = prepare_inputs(large, large, config)
    np.testing.assert_allclose(found.content, arrays.content, atol=0.1)
    np.testing.assert_allclose(found.styles[1], arrays.styles[1], atol=0.1)


def test_files_are_closed_after_reading(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", tile=(16, 16))
    for options in ({}, {"long_edge": 20}):
        reading.read_picture(tmp_path / "a.tif", **options)
    (tmp_path / "a.tif").write_bytes(b"II*\0" * 9)
    with pytest.raises(ValueError, match="damaged"):
        reading.read_picture(tmp_path / "a.tif")
    found = [os.path.realpath(file) for file in Path("/proc/self/fd").iterdir()]
    assert str(tmp_path / "a.tif") not in found


def test_memory_stays_small_while_a_large_file_is_reduced(tmp_path):
    rows = np.linspace(0, 65535, 4096 * 3).reshape(4096, 3).astype(np.uint16)
    whole = np.broadcast_to(rows, (4096, 4096, 3))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, whole, photometric="rgb", tile=(256, 256), compression="zlib")
    program = """
        import resource, sys
        import numpy as np
        from tf_style.images import reading
        reading.read_picture(np.zeros((8, 8, 3)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert reading.read_picture(sys.argv[1], long_edge=64).image.shape == (1, 64, 64, 3)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(grown) < 110_000  # KB, including libvips itself; all pixels as floats take 200 MB.


# Files that cannot be read.


def refused(path, kind=ValueError, **options):
    with pytest.raises(kind, match="`content`") as error:
        reading.read_picture(path, argument="content", **options)
    return " ".join(str(error.value).split())


def test_a_damaged_width_is_refused_before_memory_is_taken_for_its_rows(tmp_path, small_limit):
    path = tmp_path / "a.tif"
    pixels = np.zeros((16, 24, 3), np.uint16)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(2**23)
    message = refused(path, long_edge=64)
    assert "at most 524,288 px on each side" in message
    assert "8388608x16 px" in message


def test_truncated_files_are_refused(tmp_path, values):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, photometric="rgb", rowsperstrip=8)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "is damaged, or of a type that libvips cannot read" in refused(path)
    path.write_bytes(data[:6])
    refused(path)


def test_an_unknown_compression_is_refused(tmp_path, values):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["Compression"].overwrite(65000)
    assert "damaged, or of a type" in refused(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((9, 8, 3), np.uint32), "of 8 or 16 bits or float"),
        (np.full((9, 8, 3), 2.0, np.float32), "float values within 0..1"),
        (np.full((9, 8, 3), -1e-3, np.float32), "float values within 0..1"),
        (np.full((9, 8, 3), np.nan, np.float32), "must"),
        (np.full((9, 8, 3), np.inf, np.float32), "float values within 0..1"),
    ],
)
def test_unsupported_types_of_pixels_are_refused(tmp_path, values, message):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    assert message in refused(tmp_path / "a.tif")


def test_a_single_nan_is_found(tmp_path, rng):
    values = rng.uniform(size=(64, 64, 3)).astype("float32")
    values[30, 40, 1] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    for options in ({}, {"long_edge": 16}):
        assert "must be finite" in refused(tmp_path / "a.tif", **options)


def test_huge_sizes_in_a_header_are_refused_at_once(tmp_path, values):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, photometric="rgb", bigtiff=True)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(100_000)
    assert "at most 1,073,741,824 pixels" in refused(path)
    assert "at most 1,073,741,824 pixels" in refused(path, long_edge=64)


def test_images_too_large_for_memory_are_refused_unless_reduced(tmp_path, values, monkeypatch):
    monkeypatch.setattr(reading, "MAX_PIXELS", 1999)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    assert "at most 1,999 pixels" in refused(tmp_path / "a.tif")
    assert reading.read_picture(tmp_path / "a.tif", long_edge=49).image.shape == (1, 39, 49, 3)


def test_files_that_must_be_decoded_whole_have_a_lower_limit(tmp_path, monkeypatch, small_limit):
    monkeypatch.setattr(libvips, "MAX_UNPACKED_PIXELS", 200)
    picture = Image.new("RGB", (20, 12))
    picture.save(tmp_path / "a.jpg")
    picture.save(tmp_path / "progressive.jpg", progressive=True)
    picture.save(tmp_path / "a.webp")
    assert reading.read_picture(tmp_path / "a.jpg").size == (12, 20)
    for name in ("progressive.jpg", "a.webp"):
        assert "at most 200 pixels" in refused(tmp_path / name, long_edge=8)


def test_other_formats_are_still_refused(tmp_path, small_limit):
    Image.new("RGB", (20, 12)).save(tmp_path / "a.bmp")
    assert "at most 100 pixels" in refused(tmp_path / "a.bmp")


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), suffix=st.sampled_from(["tif", "png", "jpg", "webp"]))
def test_any_damage_gives_a_picture_or_a_clear_error(tmp_path, small_limit, data, suffix):
    path = tmp_path / f"a.{suffix}"
    values = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    if suffix == "tif":
        deep = values.astype(np.uint16)
        tifffile.imwrite(path, deep, photometric="rgb", tile=(16, 16), compression="zlib")
    else:
        Image.fromarray(values).save(path)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(1, len(damaged))) :]
    path.write_bytes(damaged)
    try:
        picture = reading.read_picture(path, long_edge=64)
    except ValueError as error:
        assert "`picture`" in str(error)
    else:
        assert np.isfinite(picture.image).all()


@pytest.mark.usefixtures("no_libvips")
def test_without_libvips_errors_name_the_pip_command(tmp_path, values, small_limit):
    tifffile.imwrite(tmp_path / "a.tif", values.astype("float32") / UINT16, photometric="rgb")
    Image.new("RGB", (20, 12)).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        assert "pip install 'tf-style[big]'" in refused(tmp_path / name)
    for name, bits in (("a.png", 16), ("a.tif", 16), ("a.btf", 8), ("a.tif", 8), ("a.png", 8)):
        with pytest.raises(ImportError, match=r"`output` .*pip install 'tf-style\[big\]'"):
            writing.check_output(tmp_path / name, size=(12, 20), bits=bits)
    for name in ("a.png", "a.tif", "a.jpg"):
        writing.check_output(tmp_path / name, size=(5, 20))
    writing.check_output(tmp_path / "a.jpg", size=(12, 20))


@pytest.mark.usefixtures("no_libvips")
def test_without_libvips_16_bit_colors_are_reduced_to_8_bits(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    found = reading.read_picture(tmp_path / "a.tif").image
    np.testing.assert_allclose(found[0], values / UINT16, atol=1.01 / 255)


# Writing.


@pytest.fixture
def image(rng):
    image = rng.uniform(-0.1, 1.1, (1, 70, 53, 3)).astype("float32")
    image[0, 0, :4, 0] = [0.5 / 65535, 1.5 / 65535, 0.5 / 255, 1.5 / 255]
    return image


def rounded(image, alpha, bits):
    whole = image if alpha is None else np.concatenate([image, alpha], -1)
    full = np.float32(2**bits - 1)
    return np.rint(np.clip(whole[0], 0.0, 1.0) * full).astype(f"uint{bits}")


def read_back(path, bits):
    """Returns the values in a file, read without libvips."""
    if path.suffix == ".png":
        return tf.io.decode_png(path.read_bytes(), dtype=f"uint{bits}").numpy()
    return tifffile.imread(path)


@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "btf"])
def test_values_are_rounded_and_metadata_is_stored(
    tmp_path, rng, image, small_limit, suffix, bits, has_alpha
):
    alpha = rng.uniform(size=(1, 70, 53, 1)).astype("float32") if has_alpha else None
    path = tmp_path / f"a.{suffix}"
    writing.save_image(path, image, alpha, DESCRIPTION, bits=bits)
    expected = rounded(image, alpha, bits)
    np.testing.assert_array_equal(read_back(path, bits), expected)
    assert description.read_description(path) == DESCRIPTION
    with Image.open(path) as picture:
        assert picture.mode == ("RGBA" if has_alpha else "RGB")
        assert picture.info["icc_profile"] == writing.srgb_profile()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    again = reading.read_picture(path)
    if has_alpha:
        np.testing.assert_allclose(
            again.alpha[0, ..., 0], expected[..., 3] / (2.0**bits - 1), atol=2e-3
        )
    elif suffix != "png" or bits == 16:
        np.testing.assert_allclose(again.image[0], expected / (2.0**bits - 1), rtol=2e-7)


@pytest.mark.parametrize(
    ("name", "most", "is_big"),
    [("a.tif", 10**9, False), ("a.tif", 9, True), ("a.btf", 10**9, True)],
)
def test_tiffs_are_tiled_and_bigtiff_if_necessary(tmp_path, image, monkeypatch, name, most, is_big):
    monkeypatch.setattr(libvips_writing, "_CLASSIC_BYTES", most)
    writing.save_image(tmp_path / name, image, None, DESCRIPTION, bits=16)
    with tifffile.TiffFile(tmp_path / name) as file:
        (page,) = file.pages
        assert file.is_bigtiff == is_big
        assert page.is_tiled and (page.tilelength, page.tilewidth) == (256, 256)
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.predictor == tifffile.PREDICTOR.HORIZONTAL


def test_ordinary_pictures_are_written_with_pillow(tmp_path, image):
    for suffix in ("png", "jpg", "webp", "tif"):
        writing.save_image(tmp_path / f"a.{suffix}", image, None, DESCRIPTION)
        writing.save_picture(tmp_path / f"b.{suffix}", writing.to_pixels(image), DESCRIPTION)
        files = [(tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab"]
        assert files[0] == files[1]


def test_converting_rows_in_batches_gives_the_same_pixels(rng):
    image = rng.uniform(-0.1, 1.1, (1, 2 * 256 + 9, 3, 3)).astype("float32")
    np.testing.assert_array_equal(writing.to_pixels(image), rounded(image, None, 8))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_settings_are_read_from_pictures_that_pillow_refuses(tmp_path, image, monkeypatch, suffix):
    writing.save_image(tmp_path / f"a.{suffix}", image, None, DESCRIPTION, bits=16)
    Image.new("RGB", (70, 53)).save(tmp_path / f"plain.{suffix}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert description.read_description(tmp_path / f"a.{suffix}") == DESCRIPTION
    with pytest.raises(ValueError, match="holds no settings"):
        description.read_description(tmp_path / f"plain.{suffix}")


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_failed_write_leaves_the_old_file(tmp_path, rng, name):
    noise = rng.uniform(size=(1, 300, 300, 3)).astype("float32")
    (tmp_path / name).write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="cannot be written"):
            writing.save_image(tmp_path / name, noise, None, DESCRIPTION, bits=16)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / name).read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "bits", "message"),
    [
        ("a.jpg", 16, "`output` must be a PNG or TIFF file for 16 bits"),
        ("a.webp", 16, "`output` must be a PNG or TIFF file for 16 bits"),
        ("a.png", 12, "`bits` must be 8 or 16. Received: bits=12"),
    ],
)
def test_bits_that_a_format_does_not_support_are_refused_early(
    tmp_path, image, name, bits, message
):
    with pytest.raises(ValueError, match=message):
        writing.check_output(tmp_path / name, bits=bits)
    with pytest.raises(ValueError, match="bits"):
        writing.save_image(tmp_path / name, image, None, DESCRIPTION, bits=bits)
    assert list(tmp_path.iterdir()) == []


def test_the_reserved_space_suffices_for_16_bit_noise(tmp_path, rng):
    image = rng.uniform(size=(1, 200, 300, 3)).astype("float32")
    alpha = rng.uniform(size=(1, 200, 300, 1)).astype("float32")
    for suffix in ("png", "tif", "btf"):
        path = tmp_path / f"a.{suffix}"
        writing.save_image(path, image, alpha, DESCRIPTION, bits=16)
        assert path.stat().st_size < libvips_writing.most_bytes((200, 300), 16) + 65536
