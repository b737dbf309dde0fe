"""Many pictures through `tf.data`: to files, and on several devices."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from mini_network import make_mini_layers, use_mini_network
from PIL import Image
from places import SUPPORT

import tf_style
from tf_style.engine import assembly
from tf_style.network.weights import Weights
from tf_style.pipeline import (
    decode_pictures,
    read_pictures,
    read_tfrecords,
    stylizer,
    write_pngs,
    write_tfrecords,
)

pytestmark = pytest.mark.usefixtures("mini_network")

# Adam, because the graph of a line search takes seconds to build.
CONFIG = tf_style.StyleConfig(size=40).replace(scales="0.5:3,1:4", optimizer="adam")

TWO_DEVICES = """
import sys
sys.path[:0] = sys.argv[1].split(":")
import pytest, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from mini_network import make_mini_layers, use_mini_network
from test_pipeline import CONFIG
from tf_style.pipeline import read_pictures, stylized_on, stylizer
with pytest.MonkeyPatch.context() as monkeypatch:
    use_mini_network(monkeypatch, make_mini_layers())
    files = sys.argv[2:]
    pictures = read_pictures(files, files[:1], config=CONFIG)
    alone = [element["image"].numpy() for element in pictures.map(stylizer(CONFIG))]
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    found = list(stylized_on(strategy, pictures, CONFIG))
    assert [element["name"].numpy() for element in found] == [
        element["name"].numpy() for element in pictures
    ]
    worst = max(abs(a - b["image"].numpy()).max() for a, b in zip(alone, found, strict=True))
    print(worst)
"""


@pytest.fixture
def files(picture_file):
    sizes = {"a.png": (48, 36), "b.png": (40, 30), "c.jpg": (33, 52)}
    return [picture_file(name, *size) for name, size in sizes.items()]


@pytest.fixture(scope="module")
def add_image():
    """The function for `Dataset.map`, traced once for all tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, make_mini_layers())
        yield stylizer(CONFIG)


def test_files_become_images_of_the_size_asked_for(files):
    elements = list(read_pictures(files, files[:1], config=CONFIG))
    assert [element["name"].numpy() for element in elements] == [b"a-a", b"b-a", b"c-a"]
    shapes = [tuple(element["content"].shape) for element in elements]
    assert shapes == [(1, 30, 40, 3), (1, 30, 40, 3), (1, 40, 25, 3)]


def test_what_is_left_out_of_a_picture_is_told(files, tmp_path):
    dark = tmp_path / "dark.gif"
    frames = [Image.new("L", (40, 30), level) for level in (0, 9)]
    frames[0].save(dark, save_all=True, append_images=frames[1:])
    notes = []
    list(read_pictures([dark], files[:1], config=CONFIG, notify=notes.append))
    assert [note.split(",")[0] for note in notes] == [
        "dark-a: `content` has 2 frames; frame 1 is used",
        "dark-a: `content` is very dark",
    ]


def test_a_missing_file_and_a_url_are_told(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(FileNotFoundError, match="`styles` .*'https://example.com/a.png', a URL"):
        read_pictures(files, ["https://example.com/a.png"])


def test_each_picture_is_the_one_that_stylize_makes(files, add_image):
    pictures = read_pictures(files, files[::-1], config=CONFIG)
    for element, content, style in zip(pictures.map(add_image), files, files[::-1], strict=True):
        expected = tf_style.stylize(content, style, config=CONFIG)
        np.testing.assert_allclose(element["image"], expected.image, atol=1e-4)


def test_names_are_unique_whatever_the_files_are_called(picture_file, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    styles = [picture_file(name) for name in ("x/s.png", "y/s.png", "s-2.png", "s.png")]
    pictures = read_pictures([picture_file("a.png")] * 4, styles, config=CONFIG)
    names = [element["name"].numpy().decode() for element in pictures]
    assert names == ["a-s", "a-s-3", "a-s-2", "a-s-4"]


def test_a_loss_that_is_not_finite_makes_no_picture(files, monkeypatch, mini_layers):
    layers = {name: (1e12 * kernel, bias) for name, (kernel, bias) in mini_layers.items()}
    monkeypatch.setattr(assembly, "load_weights", lambda name, notify=None: Weights(layers, ""))
    pictures = read_pictures(files[:1], files[:1], config=CONFIG).map(stylizer(CONFIG))
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not finite"):
        next(iter(pictures))


def test_pictures_go_to_png_files_and_to_tfrecords_and_back(files, tmp_path, add_image):
    elements = list(read_pictures(files, files[:1], config=CONFIG).map(add_image))
    paths = write_pngs(elements, tmp_path / "out").paths
    assert [path.name for path in paths] == ["a-a.png", "b-a.png", "c-a.png"]
    written = write_tfrecords(elements, tmp_path / "out.tfrecord")
    assert written == ([tmp_path / "out.tfrecord"], ["a-a", "b-a", "c-a"], {})
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == [
        "out", "out.tfrecord"
    ]  # fmt: skip
    read = read_tfrecords(tmp_path / "out.tfrecord")
    for element, path, again in zip(elements, paths, read, strict=True):
        expected = np.round(element["image"][0] * 255.0)
        np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
        np.testing.assert_allclose(again["image"][0] * 255.0, expected, atol=1e-4)
        assert again["name"] == element["name"]


@pytest.mark.slow
def test_two_devices_share_the_pictures(files):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, f"{SUPPORT}:{Path(__file__).parent}", *files],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 1e-4


def test_wrong_arguments_are_named(files, tmp_path):
    with pytest.raises(ValueError, match="`styles` must be one path, or as many"):
        read_pictures(files, files[:2])
    with pytest.raises(FileNotFoundError, match="`styles` must be an existing file"):
        read_pictures(files, [tmp_path / "none.png"])
    with pytest.raises(ValueError, match="`init` must be one of .* in a graph"):
        stylizer(CONFIG.replace(init="start.png"))
    with pytest.raises(ValueError, match="Cannot use `time_budget` in a graph"):
        stylizer(CONFIG.replace(time_budget=3.0))
    with pytest.raises(ValueError, match="Cannot use `color` in a graph.*color='luminance'"):
        stylizer(CONFIG.replace(color="luminance"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(tf.errors.InvalidArgumentError, match="`content` must be a picture"):
        list(read_pictures([broken], files[:1]))


def test_one_path_is_no_list_and_generators_are_read(files):
    for contents, styles, name in ((str(files[0]), files, "contents"), (files, files[0], "styles")):
        with pytest.raises(TypeError, match=f"`{name}` must be a list of paths.*into a list"):
            read_pictures(contents, styles)
    with pytest.raises(ValueError, match="`contents` must have at least one path"):
        read_pictures([], files)
    with pytest.raises(TypeError, match="`styles` must be a path"):
        read_pictures(files, [3])
    assert len(read_pictures(iter(files), (file for file in files), config=CONFIG)) == 3


def test_elements_of_another_form_are_refused_in_one_line(files, tmp_path, add_image):
    pictures = read_pictures(files[:2], files[:1], config=CONFIG)
    one = tf.zeros([1, 20, 20, 3])
    for call, message in (
        (lambda: write_pngs(pictures, tmp_path), "an entry 'image'.*Map the dataset by `stylizer"),
        (lambda: write_tfrecords(pictures, tmp_path / "r"), "an entry 'image'"),
        (lambda: write_pngs([{"image": one}], tmp_path), "an entry 'name'"),
        (lambda: write_pngs([one], tmp_path), "`elements` must be dicts of tensors"),
        (lambda: add_image({"a": 1}), r"an entry 'content'. Received: entries \['a'\]"),
        (lambda: add_image({"content": one, "style": one[0]}), "`style` must be one picture"),
        (lambda: pictures.batch(1).map(add_image), "`content` must be one picture.*one by one"),
        (lambda: decode_pictures(pictures.map(lambda _: {"name": "a"})), "an entry 'content'"),
        (lambda: decode_pictures([{"name": b"a"}]), "`elements` must be a tf.data.Dataset"),
    ):
        with pytest.raises((TypeError, ValueError), match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_duplicate_names_get_numbers_and_a_name_cannot_leave_the_folder(files, tmp_path):
    found = read_pictures([files[0]] * 3, files[:1], config=CONFIG)
    assert [element["name"].numpy() for element in found] == [b"a-a", b"a-a-2", b"a-a-3"]
    elements = [{"name": tf.constant("../a"), "image": tf.zeros([1, 4, 4, 3])}]
    with pytest.raises(ValueError, match="`name` must be a file name alone"):
        write_pngs(elements, tmp_path / "out")


def test_a_damaged_picture_is_not_blamed_on_the_file_to_write(files, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    elements = read_pictures([tmp_path / "broken.png"], files[:1], config=CONFIG)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`content` must be a picture"):
        write_tfrecords(elements, tmp_path / "out.tfrecord")
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    elements = [{"name": tf.constant("a"), "image": tf.zeros([1, 4, 4, 3])}]
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_tfrecords(elements, tmp_path / "none" / "out.tfrecord")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_old_records(tmp_path, monkeypatch):
    class FullDisk(tf.io.TFRecordWriter):
        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "no space left")

    path = tmp_path / "out.tfrecord"
    path.write_bytes(b"old")
    monkeypatch.setattr(tf.io, "TFRecordWriter", FullDisk)
    elements = [{"name": tf.constant("a"), "image": tf.zeros([1, 4, 4, 3])}]
    with pytest.raises(OSError, match="`path` cannot be written: no space left"):
        write_tfrecords(elements, path)
    assert [file.name for file in tmp_path.iterdir()] == ["out.tfrecord"]
    assert path.read_bytes() == b"old"


def test_the_contents_alpha_is_kept_as_stylize_keeps_it(files, add_image, tmp_path, rng):
    shades = rng.integers(0, 256, (36, 48, 4), np.uint8)
    Image.fromarray(shades).save(tmp_path / "clear.png")
    contents = [tmp_path / "clear.png", files[1]]
    elements = list(read_pictures(contents, files[2:], config=CONFIG).map(add_image))
    expected = tf_style.stylize(contents[0], files[2], config=CONFIG.replace(steps=1))
    paths = write_pngs(elements, tmp_path / "out").paths
    with Image.open(paths[0]) as clear, Image.open(paths[1]) as opaque:
        assert (clear.mode, opaque.mode) == ("RGBA", "RGB")
        found = np.asarray(clear)[..., 3]
    np.testing.assert_array_equal(found, expected.pixels[..., 3])
    write_tfrecords(elements, tmp_path / "records")
    again = list(read_tfrecords(tmp_path / "records"))
    np.testing.assert_array_equal(np.round(again[0]["alpha"][0, ..., 0] * 255.0), found)
    np.testing.assert_array_equal(again[1]["alpha"], np.ones_like(elements[1]["alpha"]))


def test_names_may_be_any_bytes(files, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    files[0].rename(odd)
    elements = [
        {**element, "image": element["content"]}
        for element in read_pictures([odd], files[1:2], config=CONFIG)
    ]
    assert elements[0]["name"] == b"caf\xe9-b"
    write_tfrecords(elements, tmp_path / "records")
    (path,) = write_pngs(read_tfrecords(tmp_path / "records"), tmp_path / "out").paths
    assert os.fsencode(path.name) == b"caf\xe9-b.png"
    assert path.is_file()


def test_elements_of_unknown_shape_are_stylized(files, add_image):
    (known,) = read_pictures(files[:1], files[1:2], config=CONFIG)
    spec = {name: tf.TensorSpec(None) for name in ("content", "style")}
    pictures = {name: known[name] for name in spec}
    unknown = tf.data.Dataset.from_generator(lambda: iter([pictures]), output_signature=spec)
    (found,) = unknown.map(add_image)
    np.testing.assert_allclose(found["image"], add_image(pictures)["image"], atol=1e-5)
