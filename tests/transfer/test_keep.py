"""Parts that are kept: they are the photograph, bit for bit, whatever else is asked for."""

import numpy as np
import pytest
from PIL import Image

import tf_style
from tf_style.cli import main
from tf_style.optimizers.solution import Status

pytestmark = pytest.mark.usefixtures("mini_network")

SIZE = (36, 48)
KEEP = np.zeros(SIZE, np.uint8)
KEEP[:, 28:] = 255
KEEP[:, 24:28] = 128


def config(**options):
    return tf_style.StyleConfig(size=0).replace(**{"steps": 4, "scales": "0.5:2,1:2", **options})


def pictures(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in (SIZE, (40, 40))]


def check(result, content):
    """Checks that white is the photograph to the bit, and that black is not."""
    np.testing.assert_array_equal(result.pixels[..., :3][:, 28:], content[:, 28:, :3])
    assert np.mean(result.pixels[..., :3][:, :24] != content[:, :24, :3]) > 0.5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color": "luminance"},
        {"color": "content", "photorealistic": True, "regions": "none"},
        {"optimizer": "adam", "gamut": False, "mask_mode": "inside"},
        {"init": "noise", "style_scales": "1,0.5", "scales": "none"},
        {"size": 96, "regions": "auto", "num_regions": 2, "scales": "none", "steps": 1},
    ],
)
def test_kept_pixels_are_the_photographs(options):
    content, style = pictures()
    if options.get("size"):  # Regions are found in larger pictures, if there are any.
        content, style = (picture.repeat(2, 0).repeat(2, 1) for picture in (content, style))
        content[:36] //= 8
        style[:40] //= 8
    keep = KEEP.repeat(len(content) // 36, 0).repeat(len(content) // 36, 1)
    result = tf_style.stylize(content, style, config=config(**options), keep=keep)
    white = keep == 255
    np.testing.assert_array_equal(result.pixels[white], content[white])
    assert np.mean(result.pixels[keep == 0] != content[keep == 0]) > 0.1
    assert (result.regions is not None) == (options.get("regions") == "auto")


def test_a_mask_of_what_to_keep_is_the_inverse_of_a_content_mask():
    content, style = pictures()
    kept = tf_style.stylize(content, style, config=config(), keep=KEEP)
    masked = tf_style.stylize(content, style, config=config(), content_masks=[255 - KEEP])
    np.testing.assert_allclose(kept.image, masked.image, atol=1e-5)
    assert kept.loss == pytest.approx(masked.loss, rel=1e-5)


def test_something_is_kept_beside_regions_styles_maps_and_transparency():
    content, style = pictures()
    content = np.dstack([content, np.full(SIZE, 200, np.uint8)])
    top = np.zeros(SIZE, np.uint8)
    top[:18] = 255
    result = tf_style.stylize(
        content,
        [style, style[::-1].copy()],
        config=config(color="match,content"),
        content_masks=[top, 255 - top],
        content_map=top,
        keep=KEEP,
    )
    check(result, content)
    np.testing.assert_array_equal(result.pixels[..., 3], 200)


def test_pictures_with_kept_parts_are_resumed_to_the_same_bits(tmp_path):
    content, style = pictures()
    options = config(deterministic=True, scales="none")
    whole = tf_style.stylize(content, style, config=options, keep=KEEP)
    folder = tmp_path / "run"
    first = tf_style.stylize(
        *(content, style),
        config=options,
        keep=KEEP,
        checkpoint_dir=folder,
        on_progress=lambda progress: progress.step >= 2,
    )
    assert first.status is Status.CANCELLED
    check(first, content)
    with pytest.raises(ValueError, match="the same inputs. Received: different keep"):
        tf_style.stylize(content, style, config=options, keep=255 - KEEP, checkpoint_dir=folder)
    found = tf_style.stylize(content, style, config=options, keep=KEEP, checkpoint_dir=folder)
    np.testing.assert_array_equal(found.image, whole.image)


def test_the_command_line_keeps_and_remembers(tmp_path, picture_file, capsys):
    content, style, keep = (picture_file(f"{name}.png") for name in ("content", "style", "keep"))
    mask = np.zeros([32, 40], np.uint8)
    mask[:, 20:] = 255
    Image.fromarray(mask).save(keep)
    output = tmp_path / "out.png"
    words = [f"--content={content}", f"--style={style}", "--size=0", "--steps=2", "--scales=none"]
    assert main.main([*words, f"--keep={keep}", f"--output={output}", "--quiet"]) == 0
    with Image.open(output) as painted, Image.open(content) as photograph:
        found, wanted = (np.asarray(each.convert("RGB")) for each in (painted, photograph))
    np.testing.assert_array_equal(found[:, 20:], wanted[:, 20:])
    assert np.mean(found[:, :20] != wanted[:, :20]) > 0.5
    capsys.readouterr()
    again = [*words, f"--config={output}", f"--output={tmp_path / 'other.png'}"]
    assert main.main(again) == 0
    assert "was made with --keep. Give it again" in capsys.readouterr().err
    Image.fromarray(np.full([32, 40], 255, np.uint8)).save(keep)
    assert main.main([*words, f"--keep={keep}", f"--output={output}"]) == 2
    assert "`keep` must be black somewhere" in capsys.readouterr().err
