"""Which frame of an animation, and which page of a TIFF file, is used."""

import io
import struct
import time

import numpy as np
import pytest
import tifffile
from PIL import Image
from profiles import swapped_profile
from tiff_files import tiff_12_bits

from tf_style.images import libvips, reading, tiff_pages


def frames(rng, count, black=()):
    # Equal frames would be merged by some encoders.
    return [
        Image.new("RGB", (24, 16), (number, number, number))
        if number in black
        else Image.fromarray(rng.integers(0, 256, (16, 24, 3), np.uint8))
        for number in range(count)
    ]


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "avif", "tif"])
@pytest.mark.parametrize(("black", "used"), [((), 0), ((0,), 1), ((0, 1), 2), ((0, 1, 2), 0)])
def test_the_first_frame_that_shows_something_is_used_and_told(tmp_path, rng, suffix, black, used):
    pictures = frames(rng, 3, black)
    options = {"lossless": True} if suffix == "webp" else {}
    path = tmp_path / f"a.{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=80, **options)
    with Image.open(path) as opened:
        if getattr(opened, "n_frames", 1) < 3:
            pytest.fail("The file has too few frames.")
        opened.seek(used)
        expected = np.asarray(opened.convert("RGB"))
    found = reading.read_picture(path, argument="content")
    np.testing.assert_array_equal(np.round(found.image[0] * 255), expected)
    (note,) = found.notes
    word = "page" if suffix == "tif" else "frame"
    assert f"`content` has 3 {word}s; {word} {used + 1} is used" in note


def test_a_single_picture_has_no_note_even_if_it_is_of_one_color(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.gif")
    assert reading.read_picture(tmp_path / "a.gif").notes == ()


def test_pictures_beside_a_photograph_do_not_count(tmp_path, rng):
    # A preview or gain map in a JPEG file (MPO).
    first, second = frames(rng, 2)
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    found = reading.read_picture(tmp_path / "a.jpg")
    assert found.notes == ()
    with Image.open(tmp_path / "a.jpg") as opened:
        np.testing.assert_array_equal(np.round(found.image[0] * 255), np.asarray(opened))


def pages(path, shapes, types, rng, **options):
    """Writes a TIFF file with pages of these shapes and NewSubfileTypes; returns the pages."""
    arrays = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    with tifffile.TiffWriter(path) as writer:
        for array, kind in zip(arrays, types, strict=True):
            writer.write(array, photometric="rgb", subfiletype=kind, **options)
    return arrays


@pytest.mark.parametrize(
    ("shapes", "types", "used"),
    [
        ([(12, 16), (48, 64)], [1, 0], 1),  # A preview first.
        ([(12, 16), (48, 64)], [0, 0], 1),  # Not marked as one.
        ([(48, 64), (24, 32), (12, 16)], [0, 1, 1], 0),  # A pyramid.
        ([(12, 16), (48, 64), (48, 64)], [1, 0, 0], 1),
    ],
)
@pytest.mark.parametrize("with_libvips", [True, False])
def test_the_full_size_page_is_used(tmp_path, rng, monkeypatch, shapes, types, used, with_libvips):
    monkeypatch.setattr(libvips, "is_installed", lambda: with_libvips)
    arrays = pages(tmp_path / "a.tif", shapes, types, rng)
    found = reading.read_picture(tmp_path / "a.tif", argument="style")
    np.testing.assert_array_equal(np.round(found.image[0] * 255), arrays[used])
    same_size = [
        shape for shape, kind in zip(shapes, types, strict=True) if shape == (48, 64) and not kind
    ]
    assert bool(found.notes) == (len(same_size) > 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_full_size_page_may_be_a_sub_page(tmp_path, rng, dtype):
    pytest.importorskip("pyvips")
    small, large = (
        rng.integers(0, np.iinfo(dtype).max, (side, side, 3)).astype(dtype) for side in (8, 32)
    )
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(small, photometric="rgb", subfiletype=1, subifds=1)
        writer.write(large, photometric="rgb", subfiletype=0)
    found = reading.read_picture(tmp_path / "a.tif").image[0]
    np.testing.assert_allclose(found, large / np.iinfo(dtype).max, atol=1e-6)


def test_without_libvips_a_sub_page_is_not_replaced_by_its_preview(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(libvips, "is_installed", lambda: False)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((8, 8, 3), np.uint8), photometric="rgb", subfiletype=1, subifds=1)
        writer.write(np.zeros((32, 32, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match=r"`style` must be of a kind of TIFF.*tf-style\[big\]"):
        reading.read_picture(tmp_path / "a.tif", argument="style")


def test_camera_raw_is_named_and_its_preview_is_not_painted(tmp_path, rng):
    preview = rng.integers(0, 256, (12, 16, 3), np.uint8)
    mosaic = rng.integers(0, 4096, (48, 64), np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.nef") as writer:
        writer.write(preview, photometric="rgb", subfiletype=1, subifds=1)
        writer.write(mosaic, photometric="cfa")
    with pytest.raises(ValueError, match="`content` must be a picture .* a camera raw file"):
        reading.read_picture(tmp_path / "a.nef", argument="content")
    digital_negative = [(50706, "B", 4, (1, 4, 0, 0), True)]
    tifffile.imwrite(tmp_path / "a.dng", preview, photometric="rgb", extratags=digital_negative)
    with pytest.raises(ValueError, match="a camera raw file"):
        reading.read_picture(tmp_path / "a.dng")


def test_colors_and_bits_are_those_of_the_page_that_is_used(tmp_path, rng):
    # Not those of a preview before it.
    pytest.importorskip("pyvips")
    small = np.zeros((8, 8, 3), np.uint8)
    large = np.zeros((32, 32, 3), np.uint16)
    large[..., 0] = 65535
    swapped = [(34675, "B", len(swapped_profile()), swapped_profile(), True)]
    for of_small, of_large, expected in ((swapped, [], [1, 0, 0]), ([], swapped, [0, 1, 0])):
        for dtype, full in ((np.uint8, 255), (np.uint16, 65535)):
            with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
                writer.write(small, photometric="rgb", subfiletype=1, extratags=of_small)
                pixels = (large // 65535 * full).astype(dtype)
                writer.write(pixels, photometric="rgb", extratags=of_large)
            found = reading.read_picture(tmp_path / "a.tif").image[0, 0, 0]
            np.testing.assert_allclose(found, expected, atol=0.02)
    values = rng.integers(0, 65536, (32, 32, 3)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(small, photometric="rgb", subfiletype=1)
        writer.write(values, photometric="rgb")
    found = reading.read_picture(tmp_path / "a.tif").image[0]
    np.testing.assert_allclose(found, values / 65535.0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_page_of_floats_after_a_preview_is_used(tmp_path, rng, dtype):
    pytest.importorskip("pyvips")
    values = rng.uniform(size=(32, 32, 3)).astype(dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((8, 8, 3), np.uint8), photometric="rgb", subfiletype=1)
        writer.write(values, photometric="rgb")
    found = reading.read_picture(tmp_path / "a.tif").image[0]
    np.testing.assert_allclose(found, values, atol=1e-6)


def test_a_frame_that_is_hardly_visible_is_passed_over(tmp_path, rng):
    pixels = rng.integers(0, 256, (2, 16, 24, 4), np.uint8)
    pixels[0, ..., 3], pixels[1, ..., 3] = 60, 255
    faint, clear = map(Image.fromarray, pixels)
    faint.save(tmp_path / "a.png", save_all=True, append_images=[clear])
    found = reading.read_picture(tmp_path / "a.png")
    assert "frame 2 is used" in found.notes[0]


def test_a_blank_first_page_of_16_bits_is_passed_over(tmp_path, rng):
    pytest.importorskip("pyvips")
    values = rng.integers(0, 65536, (32, 32, 3)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in (np.zeros_like(values), values):
            writer.write(page, photometric="rgb")
    found = reading.read_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(found.image[0], values / 65535.0, atol=1e-6)
    assert "page 2 is used" in found.notes[0]


def test_pages_of_12_bits_reach_white(tmp_path):
    first = tiff_12_bits([0, 4095, 2048, 4095], 1)
    # A second page that is the same directory, copied behind the first.
    at = struct.unpack("<I", first[4:8])[0]
    copied = bytearray(first + first[at:])
    end = at + 2 + 12 * struct.unpack("<H", first[at : at + 2])[0]
    copied[end : end + 4] = struct.pack("<I", len(first))
    (tmp_path / "a.tif").write_bytes(copied)
    found = reading.read_picture(tmp_path / "a.tif")
    assert found.image.max() == 1.0 and "2 pages" in found.notes[0]


def test_many_overlapping_directories_take_no_time(tmp_path):
    # Pages and sub-pages that state each other: 4,096 times 4,096 in a small file.
    sub_pages = struct.pack("<4096I", *range(100, 100 + 4096))
    data = bytearray(b"II*\0" + struct.pack("<I", 8))
    data += struct.pack("<H", 1) + struct.pack("<HHII", 330, 4, 4096, 26) + bytes(4) + sub_pages
    data += struct.pack("<H", 1) * 20000
    began = time.perf_counter()
    tiff_pages.read_pages(io.BytesIO(bytes(data)))
    assert time.perf_counter() - began < 2.0


def test_a_chain_of_pages_that_never_ends_is_cut(tmp_path, rng):
    pages(tmp_path / "a.tif", [(8, 9), (8, 9)], [0, 0], rng)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        at = file.pages[1].offset + 2 + 12 * len(file.pages[1].tags)
    first = struct.unpack("<I", data[4:8])[0]
    data[at : at + 4] = struct.pack("<I", first)  # The last page is followed by the first.
    assert len(tiff_pages.read_pages(io.BytesIO(bytes(data)))) == 2
