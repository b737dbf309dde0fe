"""Keras as the user's settings leave it: other backends and data formats, each in a new process."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from places import SUPPORT

PREPARE = """
import sys
sys.path.insert(0, sys.argv[1])
import pytest
from mini_network import make_mini_layers, use_mini_network
use_mini_network(pytest.MonkeyPatch(), make_mini_layers())
"""
COMMAND = """
import sys
from tf_style.cli import main
from tf_style.cli import process
process.set_environment()  # Before the mini network, which imports Keras.
{prepare}
sys.exit(main.main(sys.argv[2:]))
"""
LIBRARY = """
{prepare}
import tensorflow as tf
import keras
from tf_style.keras import PerceptualLoss, StyleAugmentation, VGG19Features
images = tf.reshape(tf.range(2 * 24 * 32 * 3, dtype=tf.float32) % 7 / 7, (2, 24, 32, 3))
features = VGG19Features(["conv3_1"], value_range=(0, 1))(images)
augmentation = StyleAugmentation([images[0].numpy()], value_range=(0, 1), seed=1)
loss = PerceptualLoss(config={"content_layers": ["conv2_1"], "style_layers": ["conv1_1"]})
print(keras.config.image_data_format(), *(float(tf.reduce_sum(value)) for value in (
    features["block3_conv1"], augmentation(images), loss(images, 1 - images))))
"""
EVERYTHING = """
{prepare}
import numpy as np
import tensorflow as tf
import keras
import tf_style
from tf_style.config.network import PADDINGS, POOLINGS, NetworkConfig
from tf_style.engine import assembly
from tf_style.keras import ContentLoss, PerceptualLoss, StyleAugmentation, StyleLoss, VGG19Features
from tf_style.network.extractor import ARITHMETICS
from tf_style.pipeline import stylizer
layers = {"content_layers": ["conv2_1"], "style_layers": ["conv1_1"]}
config = tf_style.StyleConfig().replace(**layers, size=40, steps=2, scales="none", optimizer="adam")
picture = np.random.default_rng(0).uniform(size=(2, 32, 40, 3)).astype("float32")
x, y = picture[:1], picture[1:]
def features(pooling, padding, arithmetic):
    network = NetworkConfig(pooling=pooling, padding=padding)
    layer = VGG19Features(["conv3_1"], network=network, arithmetic=arithmetic)
    model = keras.Sequential([keras.Input((32, 40, 3)), layer])
    assert model.output_shape == (None, 8, 10, 6)
    return model(x)["block3_conv1"]
def trained():
    model = keras.Sequential([
        keras.Input((32, 40, 3)), StyleAugmentation([x[0]], value_range=(0, 1), seed=1),
        keras.layers.Conv2D(3, 1, data_format="channels_last", kernel_initializer="ones"),
    ])
    model.compile("sgd", loss=PerceptualLoss(config=layers))
    model.save(sys.argv[2])
    loaded = keras.models.load_model(sys.argv[2])
    loaded.fit(picture, picture, verbose=0)
    return loaded.layers[-1].kernel
def exported(folder):
    tf_style.export_saved_model(folder + "/saved", config=config)
    return tf_style.load(folder + "/saved").stylize(x, y)["image"]
def portable():
    extractor = tf_style.build_extractor(make_mini_layers(), layers=config.loss.layers)
    objective = tf_style.PortableObjective(extractor, config.loss)
    function = objective.signature("loss_and_gradient")
    given = [tf.zeros([side or 32 for side in spec.shape]) for spec in function.input_signature]
    return function(*given)["gradient"]
element = {"name": tf.constant("a"), "content": tf.constant(x), "style": tf.constant(y)}
def everything(folder):
    for pooling in POOLINGS:
        for padding in PADDINGS:
            yield features(pooling, padding, "direct")
        yield from (features(pooling, "zeros", arithmetic) for arithmetic in ARITHMETICS)
    for loss in (ContentLoss, StyleLoss, PerceptualLoss):
        yield loss(config=layers)(x, y)
    yield trained()
    yield tf_style.stylize(x, y, config=config).image
    yield stylizer(config)(element)["image"]
    yield exported(folder)
    yield portable()
import tempfile
found = []
for form in ("channels_last", "channels_first"):
    keras.config.set_image_data_format(form)
    keras.utils.set_random_seed(1)
    assembly._shared.cache_clear()
    with tempfile.TemporaryDirectory() as folder:
        found.append([np.asarray(value) for value in everything(folder)])
for last, first in zip(*found, strict=True):
    np.testing.assert_array_equal(first, last)
print(len(found[0]), "equal")
"""


def run(program, *arguments, settings=None, backend=None, home=None):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KERAS_")}
    if settings is not None:
        home.mkdir()
        (home / "keras.json").write_text(json.dumps(settings))
    environment |= {"KERAS_HOME": str(home)} if home else {}
    environment |= {"KERAS_BACKEND": backend} if backend else {}
    command = [sys.executable, "-c", program.replace("{prepare}", PREPARE), str(SUPPORT)]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, env=environment
    )


@pytest.mark.parametrize(
    "setting",
    [
        {"backend": "torch"},
        {
            "settings": {
                "backend": "jax",
                "floatx": "float16",
                "image_data_format": "channels_first",
            }
        },
    ],
)
def test_the_command_line_sets_kerass_backend_itself(setting, tmp_path):
    for name in ("a.png", "b.png"):
        pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    flags = ["--size=32", "--steps=1", "--scales=none", "--content_layers=conv2_1"]
    flags += ["--style_layers=conv1_1", "--optimizer=adam"]
    paths = [tmp_path / name for name in ("a.png", "b.png", "out.png")]
    done = run(COMMAND, *paths, *flags, home=tmp_path / "home", **setting)
    assert done.returncode == 0, done.stderr
    with Image.open(paths[2]) as picture:
        assert picture.size == (32, 24)


@pytest.mark.parametrize("name", ["torch", "jax"])
@pytest.mark.parametrize("in_file", [True, False])
def test_the_library_names_the_backend_and_the_way_out(name, in_file, tmp_path):
    home = tmp_path / "home"
    setting = {"settings": {"backend": name}} if in_file else {"backend": name}
    done = run("import tf_style.keras", home=home, **setting)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: `KERAS_BACKEND` must be 'tensorflow'. Received: ")
    assert f"KERAS_BACKEND='{name}'" in last
    assert "Set the environment variable KERAS_BACKEND=tensorflow" in last


def test_channels_first_changes_nothing(tmp_path):
    first = {"image_data_format": "channels_first", "backend": "tensorflow"}
    found = [
        run(LIBRARY, home=tmp_path / str(index), settings=settings)
        for index, settings in enumerate([{}, first])
    ]
    assert [done.returncode for done in found] == [0, 0], found[1].stderr
    (last, *expected), (other, *values) = (done.stdout.split() for done in found)
    assert (last, other) == ("channels_last", "channels_first")
    assert values == expected


@pytest.mark.slow
def test_the_format_set_in_the_program_changes_nothing_anywhere(tmp_path):
    done = run(EVERYTHING, tmp_path / "model.keras")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["22", "equal"]
