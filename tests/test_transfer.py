"""`stylize` end to end on a small network."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import tf_style
from tf_style import color, saving, transfer
from tf_style.solution import Status

pytestmark = pytest.mark.usefixtures("mini_network")


def config(**options):
    return tf_style.StyleConfig().replace(**{"size": 48, "steps": 12, **options})


def pictures(seed=0, content=(36, 48), style=(40, 40)):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in (content, style)]


@pytest.mark.parametrize(
    ("preset", "optimizer"),
    [
        *((name, "lbfgs") for name in ("default", "gatys2016", "crowsonkb")),
        ("default", "tfp_lbfgs"),
        ("default", "adam"),
    ],
)
def test_the_loss_ends_well_below_its_start(optimizer, preset):
    seen = []
    options = tf_style.preset(preset).replace(size=48, steps=40, scales="none", optimizer=optimizer)
    result = tf_style.stylize(
        *pictures(), config=options, on_progress=lambda progress: seen.append(progress)
    )
    assert result.terms["total"] < 0.5 * seen[0].terms["total"]
    assert result.status is Status.STEPS_USED
    assert result.step == result.num_steps == 40
    assert result.image.shape == (1, 36, 48, 3)
    assert result.image.dtype == np.float32


def test_progress_is_told_in_order_with_every_term():
    seen = []
    result = tf_style.stylize(*pictures(), config=config(scales="none"), on_progress=seen.append)
    assert [p.step for p in seen] == sorted(p.step for p in seen)
    last = seen[-1]
    assert (last.step, last.num_steps) == (12, 12)
    assert last.num_evaluations == result.num_evaluations >= 12
    names = {"total", "content", "style", "variation", "content/block4_conv2"}
    names |= {f"style/block{block}_conv1" for block in range(1, 6)}
    assert set(last.terms) == names
    parts = sum(last.terms[name] for name in ("content", "style", "variation"))
    assert last.terms["total"] == pytest.approx(parts, rel=1e-5)
    np.testing.assert_array_equal(last.image, result.image)
    assert last.stage_size == (36, 48)
    assert last.loss == result.loss
    seconds = [p.seconds for p in seen]
    assert seconds == sorted(seconds)


def test_a_true_answer_stops_with_what_there_is():
    result = tf_style.stylize(*pictures(), config=config(), on_progress=lambda progress: True)
    assert result.status is Status.CANCELLED
    assert 1 <= result.step < 12


def test_the_same_command_gives_the_same_picture():
    options = config(init="noise", seed=3)
    first, again = (tf_style.stylize(*pictures(), config=options).image for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_further_runs_of_any_size_trace_nothing_again(monkeypatch):
    used = []
    transfer._problem.cache_clear()
    real = transfer._problem
    monkeypatch.setattr(transfer, "_problem", lambda recipe: used.append(real(recipe)) or used[-1])
    counts = []
    for seed, sizes in enumerate(
        [((36, 48), (40, 40)), ((36, 48), (40, 40)), ((40, 32), (20, 24))]
    ):
        tf_style.stylize(*pictures(seed, *sizes), config=config(scales="0.5:3,1:2"))
        problem = used[-1]
        counts.append(
            (
                problem.value_and_gradient.experimental_get_tracing_count(),
                problem.objective.targets.experimental_get_tracing_count(),
            )
        )
    assert used[0] is used[1] is used[2]
    assert counts == counts[:1] * 3
    assert counts[0][0] <= 2  # For steps, and for the line search if there was one.


def test_alpha_is_given_back_and_all_is_saved(tmp_path):
    content, style = pictures()
    alpha = np.zeros((36, 48, 1), np.uint8)
    alpha[:, 24:] = 255
    options = config(steps=2)
    result = tf_style.stylize(np.concatenate([content, alpha], -1), style, config=options)
    assert result.pixels.shape == (36, 48, 4)
    np.testing.assert_array_equal(result.pixels[..., 3:], alpha)
    result.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), result.pixels)
    found = saving.read_description(tmp_path / "out.png")
    assert tf_style.StyleConfig.from_dict(found["config"]) == options
    assert found["weights_sha256"] == "0" * 64


def chroma(image):
    image = np.asarray(image, np.float64)
    return image - (image @ (0.299, 0.587, 0.114))[..., np.newaxis]


@pytest.mark.parametrize("mode", ["content", "luminance"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adam"},
        {"optimizer": "tfp_lbfgs", "scales": "none"},
        {"init": "noise", "gamut": False, "scales": "0.5:3,1:3", "steps": 3},
    ],
    ids=str,
)
def test_the_result_has_the_contents_chroma_wherever_it_can_be_had(mode, options):
    content, style = (96 + picture // 4 for picture in pictures())  # Pale: mostly within 0..1.
    seen = []
    settings = config(color=mode, **options)
    result = tf_style.stylize(content, style, config=settings, on_progress=seen.append)
    wanted = content[np.newaxis] / 255.0
    # Before it is brought within 0..1 it has the content's chroma, and the luma that was painted.
    painted = result._painted()
    merged = color.with_luminance(result.view.color, color.luminance(painted))
    np.testing.assert_allclose(chroma(merged), chroma(wanted), atol=1e-6)
    np.testing.assert_allclose(
        merged.astype(np.float64) @ (0.299, 0.587, 0.114),
        painted.astype(np.float64) @ (0.299, 0.587, 0.114),
        atol=1e-6,
    )
    for progress in (*seen, result):
        assert progress.image.dtype == np.float32
        assert (progress.image.min() >= 0.0) and (progress.image.max() <= 1.0)
        np.testing.assert_array_equal(
            progress.pixels, np.round(progress.image[0] * 255).astype(np.uint8)
        )
        levels = chroma(progress.pixels) - chroma(content)
        # At the border of the cube it is paler; all else is there to a level of the file.
        inside = (progress.pixels > 0).all(-1) & (progress.pixels < 255).all(-1)
        assert inside.mean() > 0.5
        assert np.abs(levels[inside]).max() <= 1.0
    np.testing.assert_array_equal(seen[-1].image, result.image)


def test_with_luminance_the_colors_of_the_style_play_no_part():
    content, style = pictures()
    luma = np.repeat(color.luminance(style[np.newaxis] / np.float32(255))[0], 3, axis=-1)
    options = config(color="luminance", steps=3, scales="none")
    ours, grey = (tf_style.stylize(content, image, config=options).image for image in (style, luma))
    np.testing.assert_allclose(ours, grey, atol=1e-3)


def test_matched_colors_are_those_of_a_style_matched_by_hand():
    content, style = (picture / np.float32(255) for picture in pictures())
    matched = tf_style.match_colors(style[np.newaxis], content[np.newaxis], method="symmetric")
    options = config(style_size=40, steps=3, scales="none")
    ours = tf_style.stylize(
        content, style, config=options.replace(color="match", color_match="symmetric")
    )
    by_hand = tf_style.stylize(content, np.clip(matched, 0, 1), config=options)
    np.testing.assert_allclose(ours.image, by_hand.image, atol=1e-5)


def test_the_styles_colors_are_the_pictures_of_the_optimizer_to_the_bit():
    result = tf_style.stylize(*pictures(), config=config(color="style", steps=3))
    np.testing.assert_array_equal(result.image, result.view.image.numpy())


@pytest.mark.parametrize("mode", ["content", "match", "luminance"])
def test_alpha_is_given_back_whatever_the_color(mode):
    content, style = pictures()
    alpha = np.zeros((36, 48, 1), np.uint8)
    alpha[:, 24:] = 255
    options = config(steps=2, color=mode)
    result = tf_style.stylize(np.concatenate([content, alpha], -1), style, config=options)
    np.testing.assert_array_equal(result.pixels[..., 3:], alpha)


def test_a_loss_that_is_not_finite_is_named(mini_layers, monkeypatch):
    from tf_style.weights import Weights

    huge = {name: (kernel * 1e6, bias) for name, (kernel, bias) in mini_layers.items()}
    monkeypatch.setattr(transfer, "load_weights", lambda name, notify=None: Weights(huge, "1" * 64))
    with pytest.raises(FloatingPointError, match=r"'(style|content)/block\d_conv\d' is not finite"):
        tf_style.stylize(*pictures(), config=config())


def test_a_weight_that_is_too_large_is_named_by_its_term(mini_layers, monkeypatch):
    from tf_style.weights import Weights

    kernel, bias = mini_layers["block1_conv1"]
    loud = {**mini_layers, "block1_conv1": (kernel * 1e4, bias * 1e4)}
    monkeypatch.setattr(transfer, "load_weights", lambda name, notify=None: Weights(loud, "2" * 64))
    with pytest.raises(FloatingPointError, match="loss term 'style' is not finite after 0 steps"):
        tf_style.stylize(*pictures(), config=config(style_weight=1e30))


@pytest.mark.parametrize("options", [{"config": {"size": 64}}, {"on_progress": 3}])
def test_wrong_kinds_of_options_are_named_before_the_work(options):
    with pytest.raises(TypeError, match=f"`{next(iter(options))}` must be"):
        tf_style.stylize(*pictures(), **options)


def test_results_are_values():
    result = tf_style.stylize(*pictures(), config=config(steps=1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.status = None


def test_one_step_lowers_the_loss_for_an_image_of_the_smallest_size():
    result = tf_style.stylize(*pictures(0, (16, 16), (16, 16)), config=config(size=0, steps=3))
    assert result.image.shape == (1, 16, 16, 3)
    assert np.isfinite(result.terms["total"])
