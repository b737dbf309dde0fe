"""Writing pictures: formats, metadata, permissions and early checks."""

import errno
import io
import os

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from tf_style.config.style_config import StyleConfig, preset
from tf_style.images import writing
from tf_style.provenance import description

FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "webp": "WEBP",
    "tif": "TIFF",
    "tiff": "TIFF",
    **({"avif": "AVIF"} if features.check("avif") else {}),
}
DESCRIPTION = description.describe(preset("gatys2016"), "ab" * 32)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_suffix_decides_the_format_and_metadata_is_stored(tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    pixels = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    writing.save_picture(path, pixels, DESCRIPTION)
    with Image.open(path) as picture:
        assert picture.format == FORMATS[suffix]
        assert picture.size == (30, 20)
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        # The profile has a fixed date; the current one would make files of equal pictures differ.
        assert picture.info["icc_profile"][24:36] == bytes([7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
        assert picture.getexif()[0x0131].startswith("tf_style ")
        np.testing.assert_allclose(np.asarray(picture)[10, 10], [200, 100, 50], atol=3)
    found = description.read_description(path)
    assert found["weights_sha256"] == "ab" * 32
    assert StyleConfig.from_dict(found["config"]) == preset("gatys2016")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_lossless_formats_keep_every_pixel(tmp_path, rng, suffix):
    pixels = rng.integers(0, 256, (9, 8, 4), np.uint8)
    writing.save_picture(tmp_path / f"a.{suffix}", pixels, DESCRIPTION)
    with Image.open(tmp_path / f"a.{suffix}") as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_jpeg_composites_alpha_on_white(tmp_path):
    writing.save_picture(tmp_path / "a.jpg", np.zeros((16, 16, 4), np.uint8), DESCRIPTION)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert np.asarray(picture).min() > 250


def test_the_umask_determines_the_permissions(tmp_path):
    writing.save_picture(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), DESCRIPTION)
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("out.pgn", ValueError, "must end in .png, .jpg.*Did you mean '.png'"),
        ("out", ValueError, "must end in"),
        ("out.gif", ValueError, "must end in .*'. GIF holds 256 colors, .* Use .png.$"),
        ("out.BMP", ValueError, "must end in .*'. BMP holds no color profile .* Use .png.$"),
        ("out.heic", ValueError, "must end in .*'. That format is not written. Use .png.$"),
        ("out.mp4", ValueError, "must end in .*'. A film is not a picture. Use .png.$"),
        ("missing/out.png", FileNotFoundError, "existing folder"),
        ("folder.png", IsADirectoryError, "a folder"),
        ("input.png", ValueError, "must not overwrite another file"),
        ("link.png", ValueError, "must not overwrite another file"),
    ],
)
def test_impossible_outputs_are_refused_early(tmp_path, name, kind, message):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "input.png").write_bytes(b"")
    (tmp_path / "link.png").symlink_to(tmp_path / "input.png")
    with pytest.raises(kind, match=message):
        writing.check_output(tmp_path / name, inputs=[tmp_path / "input.png"], size=(10, 10))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_missing_space_and_permission_are_found_early(tmp_path, monkeypatch, code):
    def refuse(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="`output` cannot be written: .*out.png"):
        writing.check_output(tmp_path / "out.png", size=(1000, 1000))
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_the_format_does_not_support_is_refused(tmp_path):
    with pytest.raises(ValueError, match="WEBP holds at most 16383 px"):
        writing.check_output(tmp_path / "out.webp", size=(100, 20000))


def test_checking_does_not_change_an_existing_file(tmp_path):
    (tmp_path / "out.png").write_bytes(b"old")
    writing.check_output(tmp_path / "out.png", size=(10, 10))
    assert (tmp_path / "out.png").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_reserved_space_suffices_for_noise(tmp_path, rng):
    pixels = rng.integers(0, 256, (200, 300, 4), np.uint8)
    for suffix in FORMATS:
        path = tmp_path / f"a.{suffix}"
        writing.save_picture(path, pixels, DESCRIPTION)
        assert path.stat().st_size < 6 * 200 * 300 + 65536


def test_long_and_non_ascii_names_can_be_written(tmp_path):
    path = tmp_path / ("\u7d75" * 80 + ".png")
    writing.save_picture(path, np.zeros((4, 4, 3), np.uint8), DESCRIPTION)
    assert path.exists()
