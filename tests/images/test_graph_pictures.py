"""Decoding files inside a graph: equal to Pillow, and errors that name the argument and the row."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_style.images.graph_pictures import decode

SIZE = (20, 30)


@pytest.fixture(scope="module")
def decoded():
    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def graph(data):
        return decode(data, argument="style_bytes", max_pixels=10_000, row=3)

    return graph


def file_of(kind, mode="RGB", **options):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
    with io.BytesIO() as file:
        picture.convert(mode).save(file, kind, **options)
        return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *[("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "1", "P", "I;16")],
        *[("JPEG", mode) for mode in ("RGB", "L", "CMYK")],
    ],
)
def test_colors_are_those_of_pillow(decoded, kind, mode):
    data = file_of(kind, mode)
    found = decoded(data)
    expected = Image.open(io.BytesIO(data))
    if mode == "I;16":  # Pillow clips such pictures to 8 bits.
        expected = Image.fromarray((np.asarray(expected) >> 8).astype(np.uint8))
    expected = np.asarray(expected.convert("RGB"))
    np.testing.assert_array_equal(np.round(255.0 * found.image[0].numpy()), expected)
    assert bool(found.has_alpha) == mode.endswith("A")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (file_of("GIF"), "a GIF file"),
        (file_of("WEBP"), "a WebP file"),
        (file_of("TIFF"), "a TIFF file"),
        (file_of("TIFF", big_tiff=True), "a TIFF file"),
        (file_of("BMP"), "a BMP file"),
        (file_of("AVIF"), "a HEIC or AVIF file"),
        (file_of("JPEG2000"), "a JPEG 2000 file"),
        (b"\0\0\0\x20ftypheic", "a HEIC or AVIF file"),
        (b"data:image/png;base64,iVBORw0KGgo=", "base64 text"),
        (b"iVBORw0KGgoAAAANSUhEUg==", "base64 text"),
        (b"", "a file in an unknown format"),
        (bytes(range(128, 256)), "a file in an unknown format"),
        (bytes([255]), "a file in an unknown format"),
    ],
)
def test_other_formats_are_named_and_their_bytes_are_not_quoted(decoded, data, name):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        decoded(data)
    assert "`style_bytes` must be the bytes of a PNG or JPEG file." in caught.value.message
    assert f"Received: style_bytes[3]={name} of {len(data)} bytes." in caught.value.message


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("part", ["head", "early", "late", "changed"])
def test_damaged_files_name_the_argument_and_the_row(decoded, kind, part):
    data = file_of(kind)
    if part == "changed":
        middle = len(data) // 2
        data = data[:middle] + b"\xff\xd8\xff\x01" + data[middle + 4 :]
        if kind == "JPEG":  # An end too early.
            data = data[: middle // 2] + b"\xff\xd9"
    else:
        data = data[: {"head": 20, "early": 100, "late": len(data) - 30}[part]]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        decoded(data)
    assert "`style_bytes` must be a whole, undamaged PNG or JPEG file." in caught.value.message
    assert f"Received: style_bytes[3]=a {kind} file of {len(data)}" in caught.value.message


@pytest.mark.parametrize("sides", [(60_000, 60_000), (2**31 - 1, 1), (101, 100), (0, 4)])
def test_sizes_are_checked_before_decoding(decoded, sides):
    data = file_of("PNG")
    header = b"".join(side.to_bytes(4, "big") for side in sides)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"={sides[0]} x {sides[1]} px"):
        decoded(data[:16] + header + data[24:])
