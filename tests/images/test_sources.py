"""Pictures from memory, open files and addresses are read as the same file on the disk."""

import hashlib
import io
import sys

import fsspec
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_style.images import sources
from tf_style.images.metadata import read_metadata
from tf_style.images.reading import read_picture
from tf_style.provenance.origin import origin_of


@pytest.fixture
def path(picture_file):
    return picture_file("photo.png")


@pytest.fixture
def memory():
    """The address of a folder in fsspec's memory."""
    yield "memory://pictures"
    fsspec.filesystem("memory").rm("/", recursive=True)


def store(address, data):
    with fsspec.open(address, "wb") as file:
        file.write(data)
    return address


def forms(data, memory):
    """Returns the bytes of a file in every form."""
    read = io.BytesIO(data)
    read.seek(0, io.SEEK_END)  # As after writing.
    return [
        data,
        bytearray(data),
        memoryview(data),
        np.bytes_(data),
        io.BytesIO(data),
        read,
        tf.constant(data),
        store(f"{memory}/a.png", data),
    ]


def test_every_form_gives_the_picture_and_the_hash_of_the_file(path, memory):
    data, expected = path.read_bytes(), np.asarray(Image.open(path))
    for form in [path, str(path), f"file://{path}", *forms(data, memory)]:
        found = sources.fetched(form, argument="content")
        image = read_picture(form).image[0]
        np.testing.assert_array_equal(np.round(image * 255.0), expected)
        digest = hashlib.sha256(f"content {hashlib.sha256(data).hexdigest()}\n".encode())
        digest.update(f"style {hashlib.sha256(data).hexdigest()}".encode())
        assert origin_of(found, found, {}).inputs_sha256 == digest.hexdigest()


def test_a_masks_and_a_photographs_metadata_are_read(tmp_path):
    exif = Image.Exif()
    exif[0x8298] = "(c) nobody"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    data = (tmp_path / "a.jpg").read_bytes()
    found = read_metadata(sources.fetched(data, argument="content"))
    assert found == read_metadata(tmp_path / "a.jpg") and "nobody" in str(found)


def test_formats_are_known_by_their_suffix_where_they_have_no_mark(memory):
    data = io.BytesIO()
    Image.new("RGB", (9, 8), "red").save(data, "TGA")
    assert read_picture(store(f"{memory}/a.tga", data.getvalue())).size == (8, 9)


def test_errors_name_the_argument_and_what_was_given(memory, path, monkeypatch):
    damaged = path.read_bytes()[:900]
    for form, text in (
        (damaged, "a file of 900 bytes"),
        (store(f"{memory}/b.png", damaged), "/b.png'"),
    ):
        with pytest.raises(
            ValueError, match=f"`style` is damaged.*Received: style=.*{text}, a PNG"
        ) as caught:
            read_picture(form, argument="style")
        assert "tf_style_" not in str(caught.value)
    with pytest.raises(
        ValueError, match="`keep` must be a picture .*Received: keep=a file of 4 bytes"
    ):
        read_picture(b"none", argument="keep")
    with pytest.raises(FileNotFoundError, match="`content` cannot be read: .*'memory://no.png'"):
        read_picture("memory://no.png", argument="content")
    with pytest.raises(OSError, match="`content` cannot be read: Protocol not known"):
        read_picture("nothing://no.png", argument="content")
    with pytest.raises(TypeError, match="`content` must be open for reading bytes.*mode 'rb'"):
        read_picture(io.StringIO("text"), argument="content")
    monkeypatch.setattr(sources, "MAX_BYTES", 100)
    for form in forms(path.read_bytes(), memory):
        with pytest.raises(ValueError, match="`content` must have at most 100 bytes"):
            read_picture(form, argument="content")


def test_without_fsspec_the_error_names_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        FileNotFoundError, match=r"Download it first.*pip install 'tf-style\[remote\]'"
    ):
        read_picture("https://example.com/a.png", argument="content")


def test_a_protocol_whose_package_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImportError, match="`content` needs a package.*'s3://bucket/a.png'.*s3fs"):
        read_picture("s3://bucket/a.png", argument="content")
