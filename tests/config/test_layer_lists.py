"""Parsing one name for each layer."""

import pytest

from tf_style.config.layer_lists import layer_choices

LAYERS = ["block1_conv1", "block4_conv1"]
NAMES = ["gram", "sliced", "mean_std"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gram", ["gram", "gram"]),
        ("block1_conv1:gram,block4_conv1:sliced", ["gram", "sliced"]),
        ("conv4_1:sliced, relu1_1 : gram", ["gram", "sliced"]),
        ("gram,conv4_1:sliced", ["gram", "sliced"]),
        ("conv4_1:sliced,gram", ["gram", "sliced"]),
    ],
)
def test_every_layer_gets_a_name(text, expected):
    found = layer_choices(text, LAYERS, NAMES, argument="style_loss")
    assert found == dict(zip(LAYERS, expected, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grom", "`style_loss` must be one of 'gram', 'sliced', 'mean_std'. Received: "),
        ("grom", "Did you mean 'gram'?"),
        ("conv1_1:grom,sliced", "Did you mean 'gram'?"),
        ("", "must be one of"),
        ("gram,", "must be one of"),
        ("conv9_1:gram,sliced", "must name layers of VGG-19"),
        ("conv2_1:gram,sliced", "in use, 'block1_conv1', 'block4_conv1'. Received"),
        ("conv1_1:gram,relu1_1:gram,sliced", "each layer once. Received: 'block1_conv1' twice"),
        ("gram,sliced", "at most one name without a layer"),
        ("conv1_1:gram", "nothing for 'block4_conv1'. Add a name without a layer"),
    ],
)
def test_invalid_text_is_an_error_with_a_remedy(text, message):
    with pytest.raises(ValueError) as error:
        layer_choices(text, LAYERS, NAMES, argument="style_loss")
    assert message in str(error.value)
