"""VGG-19 as data, compared with the Keras model."""

import keras
import pytest

from tf_style import vgg19


def test_layers_and_kernels_match_keras():
    model = keras.applications.VGG19(weights=None, include_top=False)
    theirs = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    assert [layer.name for layer in theirs] == list(vgg19.LAYERS)
    shapes = {layer.name: tuple(layer.kernel.shape) for layer in theirs if hasattr(layer, "kernel")}
    assert shapes == vgg19.KERNEL_SHAPES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv4_2", "block4_conv2"),
        ("relu4_2", "block4_conv2"),
        ("block4_conv2", "block4_conv2"),
        ("pool3", "block3_pool"),
    ],
)
def test_aliases_name_keras_layers(name, expected):
    assert vgg19.canonical_layer(name) == expected


def test_an_unknown_layer_suggests_the_nearest_name():
    with pytest.raises(ValueError, match=r"`style_layers` must .*'conv4_9'.*Did you mean 'conv4_"):
        vgg19.canonical_layer("conv4_9", argument="style_layers")


@pytest.mark.parametrize(
    ("layers", "side"),
    [(["block1_conv1"], 1), (["block1_pool"], 2), (["block4_conv2"], 8), (["block5_conv1"], 16)],
)
def test_minimum_side_follows_from_the_poolings(layers, side):
    assert vgg19.minimum_side(layers) == side


def test_up_to_ends_with_the_deepest_layer():
    assert vgg19.up_to(["block2_conv1", "block1_conv2"])[-1] == "block2_conv1"
