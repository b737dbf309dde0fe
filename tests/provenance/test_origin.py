"""The origin of a picture: the hash of what was given, and the photograph's metadata."""

import numpy as np
import pytest
from PIL import Image

import tf_style
from tf_style.images.metadata import Metadata, read_metadata
from tf_style.provenance.description import read_description
from tf_style.provenance.origin import origin_of


def test_the_hash_depends_on_every_picture_and_its_role(picture_file, rng):
    photo, a, b = (picture_file(f"{name}.png") for name in "pab")
    pixels = rng.integers(0, 256, (8, 9, 3), np.uint8)
    none = {"content_masks": (), "keep": None}
    given = [
        (photo, a, none),
        (photo, (a, b), none),
        (photo, (b, a), none),
        (a, photo, none),
        (photo, a, {**none, "keep": b}),
        (photo, a, {**none, "content_masks": (b,)}),
        (pixels, a, none),
        (pixels.astype(np.float32), a, none),
        (pixels[::-1], a, none),
        (pixels.reshape(9, 8, 3), a, none),
    ]
    hashes = [origin_of(*each).inputs_sha256 for each in given]
    assert len({*hashes}) == len(given)
    assert hashes == [origin_of(*each).inputs_sha256 for each in given]
    red, blue = (Image.new("P", (4, 4)) for _ in range(2))
    red.putpalette([255, 0, 0])
    blue.putpalette([0, 0, 255])
    assert origin_of(red, blue, none) != origin_of(blue, red, none)
    # How a picture is named does not count, only what it holds.
    copy = photo.with_name("copy.png")
    copy.write_bytes(photo.read_bytes())
    assert origin_of(str(copy), [a], {}) == origin_of(photo, a, none)
    assert origin_of(Image.fromarray(pixels), a, {}) == origin_of(
        Image.fromarray(pixels.copy()), a, {}
    )


@pytest.mark.usefixtures("mini_network")
def test_a_saved_result_tells_its_origin_unless_it_shall_not(tmp_path, picture_file):
    exif = Image.Exif()
    exif[0x8298] = "(c) Agency"
    photo, painting = tmp_path / "photo.jpg", picture_file("painting.png")
    Image.new("RGB", (40, 32), "olive").save(photo, exif=exif)
    config = tf_style.StyleConfig(size=32).replace(steps=1, scales="none")
    result = tf_style.stylize(photo, painting, config=config)
    result.save(tmp_path / "out.png")
    expected = origin_of(photo, painting, {}).inputs_sha256
    assert read_description(tmp_path / "out.png")["inputs_sha256"] == expected
    assert read_metadata(tmp_path / "out.png") == Metadata("(c) Agency")
    result.save(tmp_path / "out.png", metadata=False)
    with Image.open(tmp_path / "out.png") as picture:
        assert not picture.getexif() and "icc_profile" in picture.info
