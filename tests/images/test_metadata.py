"""What a photograph's file says about it, and what a written picture keeps of it."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from tf_style.config.style_config import StyleConfig
from tf_style.images import metadata, pillow, writing
from tf_style.images.metadata import Metadata, read_metadata
from tf_style.provenance import description

FULL = Metadata("\u00a9 Zo\u00eb", "J\u00fcrgen \u7d75", "T\u00f4ky\u014d", "2020:01:31 12:30:00")
ABOUT = description.describe(StyleConfig(), "ab" * 32)
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
SUFFIXES = ["jpg", "png", "webp", *(["avif"] if features.check("avif") else [])]


def camera_exif(texts=FULL, *, encoding="utf-8"):
    """Returns EXIF data as a camera writes it, with a place."""
    exif = Image.Exif()
    exif[0x8298], exif[0x013B], exif[0x010E] = (text.encode(encoding) for text in texts[:3])
    exif[0x010F] = "Maker"
    exif.get_ifd(EXIF_IFD)[0x9003] = texts.captured
    exif.get_ifd(GPS_IFD)[1] = "N"
    return exif


def photograph(path, exif):
    Image.new("RGB", (20, 16), "red").save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_of_a_camera_is_read_from_files_and_pil_pictures(tmp_path, suffix):
    path = photograph(tmp_path / f"a.{suffix}", camera_exif())
    assert read_metadata(path) == FULL
    assert read_metadata(str(path)) == FULL
    with Image.open(path) as picture:
        assert read_metadata(picture) == FULL


def test_texts_may_be_latin_1(tmp_path):
    texts = Metadata("\u00a9 Zo\u00eb", "J\u00fcrgen", "B\u00e4ume", "2020:01:31 12:30:00")
    assert read_metadata(
        photograph(tmp_path / "a.jpg", camera_exif(texts, encoding="latin-1"))
    ) == (texts)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "tif"])
def test_a_written_picture_keeps_the_texts_and_not_the_place(tmp_path, suffix):
    source = read_metadata(photograph(tmp_path / "camera.jpg", camera_exif()))
    path = tmp_path / f"out.{suffix}"
    writing.save_picture(path, np.zeros((9, 8, 3), np.uint8), ABOUT, photograph=source)
    assert read_metadata(path) == FULL  # So that a picture of a picture keeps them, too.
    assert description.read_description(path) == ABOUT
    with Image.open(path) as picture:
        exif = picture.getexif()
        assert not exif.get_ifd(GPS_IFD) and 0x010F not in exif
        captured = exif.get_ifd(EXIF_IFD).get(0x9003) or exif.get(0x9003)
        assert captured == FULL.captured


@pytest.mark.parametrize("suffix", [*SUFFIXES, "tif"])
def test_without_a_description_only_the_color_profile_is_written(tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    writing.save_picture(path, np.zeros((9, 8, 3), np.uint8), None, photograph=FULL)
    with Image.open(path) as picture:
        assert picture.info["icc_profile"]
        assert not {0x8298, 0x013B, 0x010E, 0x0131, 0x9003, EXIF_IFD} & set(picture.getexif())
    for word in ("tf_style", FULL.title, "Zo", "2020"):
        assert word.encode() not in path.read_bytes()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_deep_pictures_keep_the_texts(tmp_path, suffix):
    pytest.importorskip("pyvips")
    image, path = np.zeros((1, 9, 8, 3), np.float32), tmp_path / f"out.{suffix}"
    writing.save_image(path, image, None, ABOUT, bits=16, photograph=FULL)
    about = description.read_description(path)
    if suffix == "png":
        assert read_metadata(path) == FULL
        assert about == ABOUT
    else:  # libvips writes no other tag than ImageDescription.
        assert about == {**ABOUT, "photograph": FULL._asdict()}
        assert read_metadata(path) == Metadata()
    writing.save_image(path, image, None, None, bits=16, photograph=FULL)
    assert b"tf_style" not in path.read_bytes()


def iptc_segment(texts):
    """A segment APP13 with IPTC texts in an image resource (IIM 4.2, section 1.6)."""
    records = b"".join(
        b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(text)) + text
        for number, text in texts
    )
    records += b"\0" * (len(records) % 2)
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    body = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body


def test_iptc_texts_are_read(tmp_path):
    texts = ((116, b"Agency"), (80, b"First"), (80, b"Second"), (120, "B\u00e4ume".encode()))
    path = photograph(tmp_path / "a.jpg", Image.Exif())
    data = path.read_bytes()
    path.write_bytes(data[:2] + iptc_segment(texts) + data[2:])
    assert read_metadata(path) == Metadata("Agency", "First", "B\u00e4ume")
    # EXIF comes first.
    assert read_metadata(photograph(path, camera_exif())) == FULL


def test_texts_of_a_png_are_read(tmp_path):
    info = PngImagePlugin.PngInfo()
    for key, value in (("Copyright", "Agency"), ("Author", "\u7d75"), ("Description", "Trees")):
        info.add_itxt(key, value)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=info)
    assert read_metadata(tmp_path / "a.png") == Metadata("Agency", "\u7d75", "Trees")


def test_a_title_that_is_a_number_is_none(tmp_path):
    # As a length it would ask for four gigabytes.
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x9C9B, 4, 1, 2**32 - 1)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg", exif=exif + bytes(4))
    assert read_metadata(tmp_path / "a.jpg") == Metadata()


def test_long_texts_are_cut_off_so_that_a_jpeg_can_be_written(tmp_path):
    long = "\u7d75" * 9000
    path = photograph(tmp_path / "a.png", camera_exif(Metadata(long, "x" * 60000, long, "no date")))
    found = read_metadata(path)
    assert found == Metadata(long[:2666], "x" * 8000, long[:2666], "")
    writing.save_picture(tmp_path / "b.jpg", np.zeros((9, 8, 3), np.uint8), ABOUT, photograph=found)
    assert read_metadata(tmp_path / "b.jpg") == found


def test_files_beyond_pillow_have_metadata_too(tmp_path, monkeypatch):
    paths = [photograph(tmp_path / f"a.{suffix}", camera_exif()) for suffix in ("jpg", "png")]
    monkeypatch.setattr(pillow, "PIL_PIXELS", 10)
    assert [read_metadata(path) for path in paths] == [FULL, FULL]


def test_hostile_metadata_never_raises(tmp_path, rng):
    """Random bytes in place of the EXIF data, and in the middle of real EXIF data."""
    whole = camera_exif().tobytes()
    for number in range(300):
        data = bytearray(whole if number % 2 else rng.bytes(200))
        for _ in range(number % 7):
            data[rng.integers(6, len(data))] = rng.integers(256)
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, "JPEG", exif=b"Exif\0\0" + bytes(data[6:]))
        (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
        assert isinstance(read_metadata(tmp_path / "a.jpg"), Metadata)
    assert read_metadata(tmp_path / "missing.jpg") == Metadata()
    assert read_metadata(tmp_path) == Metadata()
    assert read_metadata(np.zeros((4, 4, 3))) == Metadata()
    assert metadata.MOST_BYTES * 4 + 8192 < 65533
