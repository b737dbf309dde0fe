"""Reading the description of a picture that another program may have made."""

import pytest
from PIL import Image

from tf_style.provenance import description


def test_malformed_settings_in_a_picture_are_refused(tmp_path):
    exif = Image.Exif()
    for text in ("[" * 60000, "{}", "not json", '{"config": 3}'):
        exif[0x010E] = text
        Image.new("RGB", (4, 4)).save(tmp_path / "a.png", exif=exif)
        with pytest.raises(ValueError, match="`config` must be .*holds no settings"):
            description.read_description(tmp_path / "a.png")


def test_a_picture_without_settings_is_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="holds no settings of tf_style"):
        description.read_description(tmp_path / "a.png")
