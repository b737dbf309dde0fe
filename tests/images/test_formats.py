"""The names of formats that are not read, and the way out."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from tf_style.images import libvips, reading

ISO = b"\0\0\0\x18ftyp%s\0\0\0\0%s"


def refusal(tmp_path, data, name="a.jpg"):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError) as refused:
        reading.read_picture(tmp_path / name, argument="content")
    assert f"Received: content='{tmp_path / name}'" in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("start", "name", "way_out"),
    [
        (b"8BPS\0\1", "a Photoshop document (PSD)", "export it as PNG"),
        (b"%PDF-1.7\n", "a PDF document", "pdftoppm"),
        (b"%!PS-Adobe-3.0", "a PostScript document", "Convert it"),
        (b'<?xml version="1.0"?>\n<svg xmlns="a">', "a drawing (SVG)", "Render it as PNG"),
        (b"\xef\xbb\xbf<svg width='9'>", "a drawing (SVG)", "Render it as PNG"),
        ("<svg/>".encode("utf-16"), "a drawing (SVG)", "Render it as PNG"),
        (b"\n<!DOCTYPE html><html>", "a web page (HTML)", "Download"),
        (b"<html lang='de'><head>", "a web page (HTML)", "Download"),
        (b'{"error": "not found"}', "a file of JSON", "Download"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "a file of XML", "Download"),
        (b"404 page not found\n", "a file of text", "Download"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", "git lfs pull"),
        (b"\xff\x0a\xfa\x1f", "a JPEG XL picture", "Convert it"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", "Convert it"),
        (b"FUJIFILMCCD-RAW 0201", "a camera raw file", "export it as TIFF or JPEG"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a camera raw file", "export it as TIFF or JPEG"),
        (b"IIU\0\x18\0\0\0", "a camera raw file", "export it as TIFF or JPEG"),
        (ISO % (b"crx ", b"crx isom"), "a camera raw file", "export it as TIFF or JPEG"),
        (ISO % (b"isom", b"isomavc1"), "a video (MP4 or QuickTime)", "ffmpeg"),
        (ISO % (b"qt  ", b"qt      "), "a video (MP4 or QuickTime)", "ffmpeg"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "a video (QuickTime)", "ffmpeg"),
        (b"\x1aE\xdf\xa3\x9fB\x86", "a video (Matroska or WebM)", "ffmpeg"),
        (b"RIFF\0\1\0\0AVI LIST", "a video (AVI)", "ffmpeg"),
        (b"RIFF\0\1\0\0CDR8vrsn", "a RIFF file", "ffmpeg"),
        ((b"G" + bytes(187)) * 3, "a video (MPEG transport stream)", "ffmpeg"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Office document", "export it"),
        (b"name".ljust(257, b"\0") + b"ustar\0", "a tar archive", "Unpack it"),
        (b"\0\0\1\0\1\0\x20\x20", "an icon (ICO)", "Convert it"),
        (b"v/1\1\2\0\0\0", "an OpenEXR picture", "Convert it"),
        (b"PK\3\4\x14\0", "a ZIP archive", "Unpack it"),
        (b"\x93NUMPY\1\0", "a NumPy array", "pass the array"),
        (bytes(128) + b"DICM", "a DICOM file", "Convert it"),
    ],
)
def test_other_formats_are_named_with_the_way_out(tmp_path, start, name, way_out):
    message = refusal(tmp_path, start + b" \n" * 40)
    assert f", {name}" in message and way_out in message


def test_an_empty_file_and_one_of_zeros_are_named(tmp_path):
    assert "an empty file" in refusal(tmp_path, b"")
    assert "a file of zeros" in refusal(tmp_path, bytes(5000))


@pytest.mark.parametrize(
    ("start", "name"),
    [(b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF89a", "GIF")],
)
def test_a_damaged_file_is_called_by_its_format(tmp_path, start, name):
    assert f"a damaged {name} file" in refusal(tmp_path, start + b"\x80" * 40, "a.bin")


@pytest.mark.parametrize(
    "url", ["https://example.com/a.jpg", "http://example.com/a", "gs://bucket/a.png", "file:///a"]
)
def test_a_url_is_called_one_and_keeps_its_slashes(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(FileNotFoundError) as refused:
        reading.read_picture(url, argument="style")
    assert f"Received: style='{url}', a URL. Download it first" in str(refused.value)


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, what in (("pipe", "a pipe or device"), ("loop", "a link that leads nowhere")):
        with pytest.raises(FileNotFoundError, match=f"`style` must be .*{name}', {what}"):
            reading.read_picture(tmp_path / name, argument="style")


def test_an_icon_is_no_tga_but_a_tga_is_one(tmp_path, rng):
    pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tga")
    Image.fromarray(pixels).save(tmp_path / "a.ico")
    found = reading.read_picture(tmp_path / "a.tga").image
    np.testing.assert_array_equal(np.round(found[0] * 255), pixels)
    assert "an icon (ICO)" in refusal(tmp_path, (tmp_path / "a.ico").read_bytes(), "b.ico")


# HEIF, as phones write it.


@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_heif_is_read_upright_whatever_its_name(tmp_path, name):
    heif = pytest.importorskip("pillow_heif")
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, 48:] = (200, 120, 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by a quarter, as a phone held upright stores it.
    picture = heif.from_pillow(Image.fromarray(pixels))
    picture.save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    (tmp_path / "a.heic").rename(tmp_path / name)
    found = reading.read_picture(tmp_path / name).image
    assert found.shape == (1, 96, 64, 3)
    expected = np.rot90(pixels, -1) / 255.0  # Orientation 6: turn it clockwise.
    assert np.abs(found[0] - expected).mean() < 0.02


def test_without_the_extra_heif_the_error_names_the_pip_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(libvips, "is_installed", lambda: False)
    message = refusal(tmp_path, ISO % (b"heic", b"mif1heic") + bytes(90))
    assert "a HEIF (HEIC) picture" in message and "pip install 'tf-style[heif]'" in message
