"""`tf_style fast`: from arguments to the saved picture, and what is refused."""

import dataclasses
import re
import types

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image
from tiny_style_network import make_tiny_network

from tf_style.cli import main
from tf_style.feedforward import network_file, pictures
from tf_style.feedforward.styles import blended
from tf_style.images import writing
from tf_style.images.reading import read_picture
from tf_style.provenance.description import read_description
from tf_style.training.training import DivergedError


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """What is compared here does not depend on this processor."""
    monkeypatch.setattr(pictures, "processor_features", lambda: "")


@pytest.fixture
def network(tmp_path):
    """A network as it is read from its file."""
    path = tmp_path / "tiny.tfstyle"
    network_file.write_network(path, make_tiny_network("one", "two"))
    return network_file.read_network(path)


@pytest.fixture
def run(tmp_path, capsys, monkeypatch, picture_file, network):
    """Returns a function that runs the command on a photograph and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    picture_file("photo.png", 50, 41)

    def call(*arguments, code=0):
        defaults = {"--network": "tiny.tfstyle", "--size": "0"}
        given = {argument.partition("=")[0] for argument in arguments}
        added = [f"{name}={value}" for name, value in defaults.items() if name not in given]
        command = ["fast", *added, *arguments]
        assert main.main(command) == code, capsys.readouterr().err
        printed = capsys.readouterr()
        if code == 2:
            assert len(printed.err.splitlines()) == 1
            return printed.err
        return printed.out

    return call


def pixels_of(name):
    return np.asarray(Image.open(name))


def photograph(name="photo.png"):
    return read_picture(name).image


def painted(network, style, image=None, strength=1.0):
    """Returns the pixels of a whole picture in a style."""
    image = photograph() if image is None else image
    found = pictures.paint_picture(network, image, style, strength=strength)
    return np.rint(255.0 * np.clip(found[0], 0.0, 1.0)).astype(np.uint8)


def test_a_picture_in_a_named_style(run, network):
    assert "Saved out.png: 50x41 px" in run("photo.png", "out.png", "--style=one")
    np.testing.assert_array_equal(pixels_of("out.png"), painted(network, network.styles["one"]))
    about = read_description("out.png")
    assert about["network_sha256"] == network_file.sha256_of(network)
    assert about["config"]["style"] == ["one"]
    assert about["config"]["strength"] == 1.0


def test_a_blend_with_a_strength(run, network):
    run("photo.png", "out.png", "--style=one:3,two:1", "--strength=0.5")
    style = blended(network.styles.values(), (3.0, 1.0))
    expected = painted(network, style, strength=0.5)
    np.testing.assert_array_equal(pixels_of("out.png"), expected)
    assert read_description("out.png")["config"]["style"] == ["one:3", "two:1"]
    run("photo.png", "equal.png", "--style=one", "--style=two")
    run("photo.png", "halves.png", "--style=one:1,two:1")
    np.testing.assert_array_equal(pixels_of("equal.png"), pixels_of("halves.png"))


def test_contrasts_are_raised_as_asked(run, network):
    for contrast in (0.0, 0.1):
        run("photo.png", "out.png", "--style=one", f"--local_contrast={contrast}", "--overwrite")
        architecture = dataclasses.replace(network.architecture, local_contrast=contrast)
        asked = network._replace(architecture=architecture)
        expected = painted(asked, network.styles["one"])
        np.testing.assert_array_equal(pixels_of("out.png"), expected)
        assert not np.array_equal(expected, painted(network, network.styles["one"]))
        assert read_description("out.png")["config"]["local_contrast"] == contrast


def test_contrasts_are_raised_as_the_networks_file_tells(run, network):
    calm = network.with_local_contrast(0.0)
    network_file.write_network("calm.tfstyle", calm)
    run("photo.png", "out.png", "--style=one", "--network=calm.tfstyle")
    np.testing.assert_array_equal(pixels_of("out.png"), painted(calm, network.styles["one"]))
    assert read_description("out.png")["config"]["local_contrast"] == 0.0


def test_the_size_is_the_longer_edge(run):
    run("photo.png", "out.png", "--style=one", "--size=40")
    assert pixels_of("out.png").shape == (33, 40, 3)


def test_styles_are_listed(run):
    assert run("--list_styles") == "one\ntwo\n"


def test_masks_say_where_each_style_is(run, network):
    left = np.zeros([41, 50], np.uint8)
    left[:, :20] = 255
    right = np.zeros([41, 50], np.uint8)
    right[:, 30:] = 255
    for name, mask in [("left.png", left), ("right.png", right)]:
        Image.fromarray(mask).save(name)
    run("photo.png", "out.png", "--style=one,two", "--content_masks=left.png,right.png")
    found = pixels_of("out.png")
    one, two = (painted(network, style) for style in network.styles.values())
    np.testing.assert_array_equal(found[:, :20], one[:, :20])
    np.testing.assert_array_equal(found[:, 30:], two[:, 30:])
    np.testing.assert_array_equal(found[:, 20:30], pixels_of("photo.png")[:, 20:30])
    run("photo.png", "kept.png", "--style=one", "--keep=left.png")
    kept = pixels_of("kept.png")
    np.testing.assert_array_equal(kept[:, :20], pixels_of("photo.png")[:, :20])
    np.testing.assert_array_equal(kept[:, 20:], one[:, 20:])
    assert read_description("kept.png")["controls"] == ["keep"]


def test_soft_masks_blend_and_overlapping_ones_share(run, network):
    Image.fromarray(np.full([41, 50], 128, np.uint8)).save("half.png")
    Image.fromarray(np.full([41, 50], 255, np.uint8)).save("all.png")
    run("photo.png", "soft.png", "--style=one", "--content_masks=half.png")
    run("photo.png", "both.png", "--style=one,two", "--content_masks=all.png,all.png")
    one, two = (painted(network, style) / 255.0 for style in network.styles.values())
    photo = photograph()[0]
    expected = photo + 128 / 255 * (one - photo)
    np.testing.assert_allclose(pixels_of("soft.png") / 255.0, expected, atol=1.01 / 255)
    np.testing.assert_allclose(pixels_of("both.png") / 255.0, (one + two) / 2, atol=1.01 / 255)


def test_alpha_is_kept(run, rng):
    pixels = rng.integers(0, 256, (41, 50, 4), np.uint8)
    pixels[:20, :, 3] = 255
    Image.fromarray(pixels).save("seen.png")
    run("seen.png", "out.png", "--style=one")
    np.testing.assert_array_equal(pixels_of("out.png")[..., 3], pixels[..., 3])
    assert "has no alpha" in run("seen.png", "out.jpg", "--style=one")


def test_16_bits(run, network):
    pytest.importorskip("pyvips")
    run("photo.png", "out.tif", "--style=one", "--bits=16")
    found = tifffile.imread("out.tif")
    assert found.dtype == np.uint16
    expected = pictures.paint_picture(network, photograph(), network.styles["one"])[0]
    np.testing.assert_allclose(found / 65535.0, expected, atol=1e-4)


def luma(pixels):
    return pixels @ np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize("rule", ["content", "luminance"])
def test_rules_of_color_keep_the_photographs_chroma(run, network, rule):
    flat = np.full([41, 50, 3], (130, 110, 90), np.uint8)
    flat[10:30, 10:30] = (110, 120, 130)
    Image.fromarray(flat).save("flat.png")
    run("flat.png", "out.png", "--style=one", f"--color={rule}")
    found = pixels_of("out.png").astype(float)
    chroma, expected = (each - luma(each)[..., None] for each in (found, flat.astype(float)))
    # Chroma is paler only where the luma leaves no room for it; never more, never turned.
    assert (np.abs(chroma) <= np.abs(expected) + 1.0).all()
    image = flat[np.newaxis].astype(np.float32) / 255.0
    if rule == "luminance":
        image = np.repeat(luma(image)[..., None], 3, -1).astype(np.float32)
    expected = painted(network, network.styles["one"], image).astype(float)
    np.testing.assert_allclose(luma(found), luma(expected), atol=1.5)


def test_matched_colors_have_the_photographs_mean(run):
    run("photo.png", "out.png", "--style=one", "--color=match", "--strength=0.3")
    means = [pixels_of(name).mean((0, 1)) for name in ("out.png", "photo.png")]
    np.testing.assert_allclose(*means, atol=6.0)  # Some colors are clipped.


def test_any_painting_is_a_style(run, network, monkeypatch, picture_file):
    from tf_style.feedforward import predictor

    picture_file("painting.png", 64, 48)
    predicted = 0.5 * network.styles["two"]
    read = []

    def styles_of(network, found, notify):
        read.extend(found)
        return [predicted]

    monkeypatch.setattr(predictor, "styles_of", styles_of)
    run("photo.png", "out.png", "--style=painting.png")
    np.testing.assert_array_equal(pixels_of("out.png"), painted(network, predicted))
    np.testing.assert_array_equal(read[0], photograph("painting.png"))
    run("photo.png", "mixed.png", "--style=painting.png:1,one:1")
    style = 0.5 * (predicted + network.styles["one"])
    np.testing.assert_array_equal(pixels_of("mixed.png"), painted(network, style))


@pytest.fixture
def use_tuning(network, monkeypatch, picture_file):
    """Returns a function that fakes a tuning of some steps, then an error; gives what it got."""
    from tf_style.training import assembly, tuning

    def use(num_steps, error=None):
        picture_file("painting.png", 64, 48)
        given = {}

        def tuned(objective, config, network, paintings, photograph):
            given.update(config=config, paintings=paintings, photograph=photograph)
            for step in range(1, num_steps + 1):
                reached = types.SimpleNamespace(reached=types.SimpleNamespace(step=step))
                styles = {"painting.png": step * network.styles["two"]}
                yield types.SimpleNamespace(styles=styles, progress=reached)
            if error is not None:
                raise error

        monkeypatch.setattr(tuning, "tuned", tuned)
        monkeypatch.setattr(assembly, "load_objective", lambda config, notify: None)
        return given

    return use


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_a_painting_is_tuned_until_time_or_the_user_ends_it(run, network, use_tuning, error):
    given = use_tuning(2, error)
    printed = run("photo.png", "out.png", "--style=painting.png", "--tune_seconds=30")
    assert "Tuning for 30 s" in printed
    assert "Tuned in 2 steps." in printed
    expected = painted(network, 2.0 * network.styles["two"])
    np.testing.assert_array_equal(pixels_of("out.png"), expected)
    assert given["config"].minutes == 0.5
    np.testing.assert_array_equal(given["photograph"], photograph())
    np.testing.assert_array_equal(given["paintings"]["painting.png"], photograph("painting.png"))


FAILURES = [DivergedError("The loss is nan."), MemoryError("There is not enough memory.")]


@pytest.mark.parametrize("error", FAILURES)
def test_a_tuning_that_fails_leaves_the_last_good_style(run, network, use_tuning, error):
    use_tuning(2, error)
    printed = run("photo.png", "out.png", "--style=painting.png", "--tune_seconds=30")
    assert f"The tuning ended early: {error} The last good style is painted." in printed
    expected = painted(network, 2.0 * network.styles["two"])
    np.testing.assert_array_equal(pixels_of("out.png"), expected)


@pytest.mark.parametrize("error", FAILURES)
def test_a_tuning_that_fails_at_once_is_one_line(run, use_tuning, error):
    use_tuning(0, error)
    message = run("photo.png", "out.png", "--style=painting.png", "--tune_seconds=30", code=2)
    assert str(error) in message


def test_only_what_was_made_from_the_same_is_replaced(run):
    run("photo.png", "out.png", "--style=one")
    run("photo.png", "out.png", "--style=one", "--strength=0.5")
    message = run("photo.png", "out.png", "--style=two", code=2)
    assert "`output` must be a new file" in message
    run("photo.png", "out.png", "--style=two", "--overwrite")


def test_a_picture_of_a_network_holds_no_settings_of_the_optimizer(run, capsys):
    run("photo.png", "out.png", "--style=one")
    command = ["photo.png", "photo.png", "new.png", "--config=out.png"]
    assert main.main(command) == 2
    assert "`tf_style fast` painted" in capsys.readouterr().err


def test_too_little_memory_is_one_line(run, monkeypatch):
    def paint(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    monkeypatch.setattr(pictures, "paint", paint)
    message = run("photo.png", "out.png", "--style=one", code=2)
    assert "not enough memory for 50x41 px. Use a smaller `size`" in message


def test_a_picture_is_not_lost_if_its_place_cannot_be_written_any_more(run, monkeypatch, tmp_path):
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))
    save = writing.save_image

    def save_image(path, *arguments, **options):
        if path.name == "out.png":
            raise OSError("No space left on device")
        save(path, *arguments, **options)

    monkeypatch.setattr(writing, "save_image", save_image)
    assert main.main(["fast", "photo.png", "out.png", "--style=one", "--network=tiny.tfstyle"]) == 2
    assert (tmp_path / "spare" / "tf_style_out.png").is_file()


def test_metadata_can_be_left_out(run):
    run("photo.png", "out.png", "--style=one", "--nometadata")
    with pytest.raises(ValueError, match="holds no settings"):
        read_description("out.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photo.png", "out.png", "--style=onee"], "one of 'one', 'two'.*Did you mean 'one'?"),
        (["photo.png", "out.png"], "`style` must be one of 'one', 'two'"),
        (["photo.png", "--style=one"], "--output must be given"),
        (["none.png", "out.png", "--style=one"], "`content` must be an existing"),
        (["photo.png", "out.png", "--style=none.jpg"], "`style` must be an existing"),
        (["photo.png", "none/out.png", "--style=one"], "in an existing folder"),
        (["photo.png", "photo.png", "--style=one"], "photo.png"),
        (["photo.png", "out.xyz", "--style=one"], "`output` must end in"),
        (["photo.png", "out.jpg", "--style=one", "--bits=16"], "16 bits"),
        (["photo.png", "out.png", "--style=one", "--size=27"], "at least 28 px on each side"),
        (["photo.png", "out.png", "--style=one", "--strength=3"], "`strength` must lie"),
        (["photo.png", "out.png", "--style=one", "--local_contrast=2"], "`local_contrast` must"),
        (["photo.png", "out.png", "--style=one", "--color=blue"], "`color` must be one of"),
        (
            ["photo.png", "out.png", "--style=one", "--tune_seconds=9"],
            "Cannot use `tune_seconds` without a painting",
        ),
        (
            ["photo.png", "out.png", "--style=one", "--keep_margins"],
            "Cannot use `keep_margins` without a painting",
        ),
        (["photo.png", "out.png", "--style=one:1,two"], "each style a weight"),
        (["photo.png", "out.png", "--fast_styles=one"], "Did you mean --style?"),
        (["photo.png", "out.png", "--style=one", "--network=none.tfstyle"], "`network` must be an"),
        (["photo.png", "out.png", "--style=one", "--network=photo.png"], "not a network of"),
        (["photo.png", "out.png", "--style=one", "--network=cut.tfstyle"], "truncated or damaged"),
        (["photo.png", "out.png", "--style=one", "--network=later.tfstyle"], "another version"),
        (
            ["photo.png", "out.png", "--style=one,two", "--content_masks=a.png,b.png,c.png"],
            "2 styles and 3 masks",
        ),
        (["photo.png", "out.png", "--style=one", "--content_masks=a.png"], "content_masks"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, arguments, message):
    data = (tmp_path / "tiny.tfstyle").read_bytes()
    (tmp_path / "cut.tfstyle").write_bytes(data[:-20])
    (tmp_path / "later.tfstyle").write_bytes(data.replace(b"network 1\n", b"network 9\n", 1))
    printed = run(*arguments, code=2)
    assert re.search(message, printed), printed
    assert not (tmp_path / "out.png").exists()
