"""Rows of pictures between styles and strengths."""

import os
import re

import numpy as np
import pytest
from PIL import Image, features

import tf_style
from tf_style.cli import interpolate_command, main
from tf_style.engine.assembly import load_problem
from tf_style.images import animations
from tf_style.images.metadata import read_metadata
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs
from tf_style.provenance.description import read_description
from tf_style.provenance.origin import origin_of
from tf_style.transfer.interpolation import between_strengths, between_styles, interpolate

CONFIG = tf_style.StyleConfig(size=0).replace(scales="none", steps=8, history=4)


def test_styles_follow_each_other_in_equal_steps():
    assert between_styles(2, 3) == [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
    found = between_styles(3, 5)
    expected = [(1, 0, 0), (0.5, 0.5, 0), (0, 1, 0), (0, 0.5, 0.5), (0, 0, 1)]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(np.sum(between_styles(4, 17), 1), 1.0)


def test_strengths_grow_by_equal_ratios():
    assert between_strengths(0.25, 4.0, 3) == pytest.approx([0.25, 1.0, 4.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: between_styles(1, 4), "at least two pictures"),
        (lambda: between_styles(3, 2), "at least as many as there are styles"),
        (lambda: between_strengths(0.0, 4.0, 3), "two numbers above 0"),
    ],
)
def test_wrong_rows_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["content_masks", "content_map", "keep"])
def test_pictures_with_masks_are_refused(mini_network, name, rng):
    mask = np.zeros([32, 40, 1], np.uint8)
    mask[:, :20] = 255
    content = rng.integers(0, 256, (32, 40, 3), np.uint8)
    inputs = prepare_inputs(content, content, CONFIG, ControlPictures(**{name: mask}))
    problem, _ = load_problem(CONFIG)
    row = interpolate(problem, inputs, CONFIG, blends=[(1.0,)], strengths=[1.0])
    with pytest.raises(ValueError, match="`inputs` must have no regions.*Use `stylize`"):
        next(row)


def test_each_frame_has_a_lower_loss_than_the_frame_it_started_from(mini_network, picture_file):
    """Each frame is also of its stated blend: for that, it has the lowest loss of all frames."""
    paths = [picture_file(name) for name in ("content.png", "a.png", "b.png")]
    inputs = prepare_inputs(paths[0], paths[1:], CONFIG)
    problem, _ = load_problem(CONFIG)
    blends = between_styles(2, 3)
    frames = list(interpolate(problem, inputs, CONFIG, blends=blends, strengths=[1.0, 1.0, 1.0]))
    assert [frame.blend for frame in frames] == blends
    assert frames[1].num_evaluations < frames[0].num_evaluations
    for index, frame in enumerate(frames):
        one = inputs._replace(blend=np.array(frame.blend, np.float32))
        values = [loss_of(problem, one, other.image) for other in frames]
        assert values[index] == min(values)
        assert frame.loss == pytest.approx(values[index], rel=1e-3)


def loss_of(problem, inputs, image):
    from tf_style.engine.pictures import pictures_of
    from tf_style.objective.region_targets import controlled_targets

    pictures = pictures_of(inputs)
    targets = controlled_targets(
        problem.objective, pictures.content, pictures.styles, pictures.controls
    )
    return float(problem.objective.value_and_gradient(image, targets)[0])


def test_only_what_is_visible_of_a_style_counts_in_each_frame(mini_network, rng):
    content = rng.integers(0, 256, (32, 40, 3), np.uint8)
    cut = rng.integers(0, 256, (36, 44, 4), np.uint8)
    cut[..., 3] = 0
    cut[:20, :, 3] = cut[:, :24, 3] = 255
    inputs = prepare_inputs(content, cut, CONFIG)
    assert inputs.style_weights[0].mean() < 0.9
    problem, _ = load_problem(CONFIG)
    frames = interpolate(problem, inputs, CONFIG, blends=2 * [(1.0,)], strengths=[1.0, 1.0])
    for frame in frames:
        assert frame.loss == pytest.approx(loss_of(problem, inputs, frame.image), rel=1e-3)
        opaque = inputs._replace(style_weights=())
        assert frame.loss != pytest.approx(loss_of(problem, opaque, frame.image), rel=1e-3)


def test_the_command_writes_strips_and_animations(mini_network, picture_file, tmp_path, capsys):
    paths = {name: picture_file(f"{name}.png") for name in ("content", "a", "b")}
    words = ["interpolate", f"--content={paths['content']}", "--size=0", "--frames=3"]
    words += ["--scales=none", "--steps=4", f"--output={tmp_path / 'strip.png'}"]
    assert main.main([*words, f"--style={paths['a']},{paths['b']}"]) == 0
    printed = capsys.readouterr().out
    assert "2/3: styles 0.50, 0.50, strength 1" in printed
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.size == (3 * 40 + 2 * 8, 32)
    words[-1] = f"--output={tmp_path / 'film.gif'}"
    assert main.main([*words, f"--style={paths['a']}", "--strengths=0.25,4"]) == 0
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 4  # 0.25, 1, 4 and 1 again.


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"style": "a.png"}, "`style` must be at least two pictures, separated by commas"),
        ({"output": "film.mp4"}, "`output` must end in one of .png"),
        ({"strengths": "1,2,3"}, "`strengths` must be two numbers"),
        ({"frames": "1"}, "`frames` must lie within 2..1000"),
        ({"content": ""}, "--content must be given"),
    ],
)
def test_wrong_flags_are_reported_in_one_line(flags, message, picture_file, tmp_path, capsys):
    paths = {name: str(picture_file(f"{name}.png")) for name in ("content", "a", "b")}
    words = {"content": paths["content"], "style": f"{paths['a']},{paths['b']}"}
    words = {**words, "output": str(tmp_path / "strip.png"), **flags}
    assert main.main(["interpolate", *(f"--{key}={value}" for key, value in words.items())]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_pictures_of_a_strip_are_in_order():
    pictures = [np.full([2, 3, 3], value, np.uint8) for value in (1, 2)]
    strip = interpolate_command.joined(pictures)
    assert strip.shape == (2, 3 + 8 + 3, 3)
    assert strip[0, :, 0].tolist() == [1] * 3 + [255] * 8 + [2] * 3


def test_a_strip_can_have_the_chroma_of_the_content(mini_network, picture_file, tmp_path):
    paths = {name: picture_file(f"{name}.png") for name in ("content", "a", "b")}
    words = ["interpolate", f"--content={paths['content']}", "--size=0", "--frames=2"]
    words += ["--scales=none", "--steps=2", f"--output={tmp_path / 'strip.png'}"]
    words += ["--color=luminance", f"--style={paths['a']},{paths['b']}"]
    assert main.main(words) == 0
    with Image.open(tmp_path / "strip.png") as strip, Image.open(paths["content"]) as content:
        found, wanted = (np.asarray(picture, float) for picture in (strip, content))
    for first in (0, 48):
        part = found[:, first : first + 40]
        inside = ((part > 1) & (part < 254)).all(-1)
        assert inside.mean() > 0.2
        for channel in (0, 2):  # Chroma: differences of channels, each rounded to a level.
            gaps = (part - wanted)[..., channel] - (part - wanted)[..., 1]
            assert np.abs(gaps[inside]).max() <= 1.01


@pytest.mark.parametrize(
    "options",
    [
        {"style_scales": "1,0.5"},
        {"regions": "auto"},
        {"region_strengths": "1,2"},
        {"photorealistic": True},
        {"protect": "faces"},
        {"style_blend": "1,2"},
        {"time_budget": 3.0},
    ],
)
def test_options_that_cannot_be_interpolated_are_refused(options, picture_file, tmp_path, capsys):
    path = picture_file("a.png")
    file = tmp_path / "mine.json"
    file.write_text(tf_style.StyleConfig().replace(**options).to_json())
    words = ["interpolate", f"--content={path}", f"--style={path},{path}", f"--config={file}"]
    assert main.main([*words, f"--output={tmp_path / 'strip.png'}"]) == 2
    assert f"Cannot use `{list(options)[0]}`" in capsys.readouterr().err


def test_the_output_must_not_be_an_input(picture_file, tmp_path, capsys):
    path = picture_file("a.png")
    start = picture_file("start.png")
    words = ["interpolate", f"--content={path}", f"--style={path},{path}", f"--init={start}"]
    assert main.main([*words, f"--output={start}"]) == 2
    assert "`output`" in capsys.readouterr().err


def test_interrupted_work_is_saved(mini_network, picture_file, tmp_path, monkeypatch, capsys):
    from tf_style.transfer import interpolation

    def frames(*_, **__):
        pixels = np.full([1, 32, 40, 3], 0.5, np.float32)
        for _ in range(2):
            yield interpolation.Frame(
                image=pixels, blend=(1.0, 0.0), strength=1.0, loss=1.0, num_evaluations=1
            )
        raise KeyboardInterrupt

    monkeypatch.setattr(interpolation, "interpolate", frames)
    path, output = picture_file("a.png"), tmp_path / "strip.png"
    words = ["interpolate", f"--content={path}", f"--style={path},{path}", f"--output={output}"]
    assert main.main([*words, "--size=0"]) == 130
    assert "with 2 of 5" in capsys.readouterr().out
    with Image.open(output) as strip:
        assert strip.size == (2 * 40 + 8, 32)


def test_transparent_parts_of_a_jpeg_strip_are_white(mini_network, picture_file, tmp_path):
    photo, output = tmp_path / "photo.png", tmp_path / "strip.jpg"
    picture = Image.new("RGBA", (40, 32), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 24, 40, 32))
    picture.save(photo)
    words = ["interpolate", str(photo), str(picture_file("a.png")), str(output), *TINY]
    assert main.main([*words, "--strengths=1,2", "--frames=2"]) == 0
    with Image.open(output) as strip:
        assert np.asarray(strip)[:16].min() >= 250


TINY = ["--size=0", "--scales=none", "--steps=1"]
SUFFIXES = ["png", "jpg", "tif", "gif", "webp", *(["avif"] if features.check("avif") else [])]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_file_tells_how_it_was_made(mini_network, picture_file, tmp_path, suffix, capsys):
    exif = Image.Exif()
    exif[0x8298] = "Agency"
    photo, output = tmp_path / "photo.jpg", tmp_path / f"strip.{suffix}"
    Image.new("RGB", (40, 32), "olive").save(photo, exif=exif)
    styles = [str(picture_file(name)) for name in ("a.png", "b.png")]
    given = ["interpolate", str(photo), ",".join(styles), str(output), "--frames=3"]
    assert main.main([*given, *TINY, "--style_strength=2"]) == 0, capsys.readouterr().err
    about = read_description(output)
    settings = {"steps": 1, "scales": "none", "style_strength": 2.0}
    expected = tf_style.StyleConfig(size=0).replace(**settings)
    assert tf_style.StyleConfig.from_dict(about["config"]) == expected
    assert about["interpolation"] == {
        "frames": 3,
        "blends": [[1.0, 0.0], [0.0, 1.0]],
        "strengths": [1.0, 1.0],
    }
    assert about["inputs_sha256"] == origin_of(photo, styles, {}).inputs_sha256
    if suffix == "gif":  # It has no EXIF data.
        assert about["photograph"]["copyright"] == "Agency"
    else:
        assert read_metadata(output).copyright == "Agency"
    with Image.open(output) as picture:
        assert picture.format == "GIF" or "icc_profile" in picture.info
        assert getattr(picture, "n_frames", 1) == (4 if suffix in ("gif", "webp") else 1)
    # It serves as a config for a picture, and for a strip.
    again = tmp_path / "again.png"
    same = f"--config={output}"
    assert main.main([str(photo), styles[0], str(again), same]) == 0, capsys.readouterr().err
    assert tf_style.StyleConfig.from_dict(read_description(again)["config"]) == expected
    assert main.main([*given[:3], str(again), "--frames=2", same, "--overwrite"]) == 0
    assert tf_style.StyleConfig.from_dict(read_description(again)["config"]) == expected
    # Not onto the file that the settings are read from. Without metadata it tells nothing.
    assert main.main([*given[:4], "--frames=2", same, "--nometadata", "--overwrite"]) == 2
    assert main.main([*given[:4], "--frames=2", *TINY, "--nometadata"]) == 0
    for word in (b"tf_style", b"Agency"):
        assert word not in output.read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("strip.jpg", "must be a PNG or TIFF file for 95992x32 px.* at most 65535 px per side"),
        ("strip.mp4", "must end in one of .*Use .png for a strip, .webp for an animation"),
        ("no/strip.png", "must be in an existing folder"),
        ("link.png", "a link that leads nowhere"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    picture_file, tmp_path, monkeypatch, capsys, name, message
):
    monkeypatch.setattr(interpolate_command, "_painted", lambda *_: pytest.fail("It began."))
    (tmp_path / "link.png").symlink_to("gone.png")
    photo, styles = picture_file("photo.png", 88, 32), picture_file("a.png")
    words = ["interpolate", str(photo), f"{styles},{styles}", str(tmp_path / name), *TINY]
    assert main.main([*words, "--frames=1000"]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_size_of_an_animation_is_checked_before_the_work(tmp_path, monkeypatch):
    animations.check_animation(tmp_path / "a.gif", size=(9, 20000), num_pictures=3, seconds=1)
    with pytest.raises(ValueError, match="for pictures of 20000x9 px.* at most 16383 px per side"):
        animations.check_animation(tmp_path / "a.webp", size=(9, 20000), num_pictures=3, seconds=1)
    asked = []
    monkeypatch.setattr(os, "posix_fallocate", lambda file, start, size: asked.append(size))
    animations.check_animation(tmp_path / "a.gif", size=(100, 200), num_pictures=11, seconds=1)
    with pytest.raises(ValueError, match="`seconds` must be at most 1310.7 for 2 pictures in .gif"):
        animations.check_animation(tmp_path / "a.gif", size=(9, 9), num_pictures=2, seconds=1311)
    noise = np.random.default_rng(0).integers(0, 256, (11, 100, 200, 3), np.uint8)
    for name in ("a.gif", "a.webp"):
        path = tmp_path / name
        animations.save_animation(path, list(noise), {"software": "x"}, seconds=1.0)
        assert path.stat().st_size < asked[0]
