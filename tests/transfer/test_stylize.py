"""`stylize` end to end on a small network."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

import tf_style
from tf_style.cli import main
from tf_style.cli import settings as settings_file
from tf_style.engine import assembly
from tf_style.images import color
from tf_style.optimizers.solution import Status
from tf_style.provenance import description

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
    if preset == "default":  # Content and variation, which noise has, may end as large as style.
        options = options.replace(content_weight=0.1, tv_weight=0.0)
    result = tf_style.stylize(
        *pictures(), config=options, on_progress=lambda progress: seen.append(progress)
    )
    assert result.terms["total"] < 0.5 * seen[0].terms["total"]
    assert result.status is Status.STEPS_USED
    assert result.step == result.num_steps == 40
    assert result.image.shape == (1, 36, 48, 3)
    assert result.image.dtype == np.float32


def test_progress_is_reported_in_order_with_every_term():
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


def test_a_true_result_of_on_progress_ends_the_run_with_the_current_picture():
    result = tf_style.stylize(*pictures(), config=config(), on_progress=lambda progress: True)
    assert result.status is Status.CANCELLED
    assert 1 <= result.step < 12


def test_the_same_command_gives_the_same_picture():
    options = config(init="noise", seed=3)
    first, again = (tf_style.stylize(*pictures(), config=options).image for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_later_runs_of_any_size_trace_nothing_again(monkeypatch):
    used = []
    assembly._shared.cache_clear()
    real = assembly._shared
    monkeypatch.setattr(assembly, "_shared", lambda recipe: used.append(real(recipe)) or used[-1])
    counts = []
    for seed, sizes in enumerate(
        [((36, 48), (40, 40)), ((36, 48), (40, 40)), ((40, 32), (20, 24))]
    ):
        tf_style.stylize(*pictures(seed, *sizes), config=config(scales="0.5:3,1:2"))
        problem = used[-1]
        counts.append(
            (
                problem.value_and_gradient.experimental_get_tracing_count(),
                problem.objective._graph_of_targets.experimental_get_tracing_count(),
            )
        )
    assert used[0] is used[1] is used[2]
    assert counts == counts[:1] * 3
    assert counts[0][0] <= 2  # For steps, and for the line search if there was one.


def test_the_result_has_the_alpha_of_the_content_and_is_saved_with_it(tmp_path):
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
    found = description.read_description(tmp_path / "out.png")
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
def test_the_result_has_the_chroma_of_the_content_within_the_gamut(mode, options):
    content, style = (96 + picture // 4 for picture in pictures())  # Pale: mostly within 0..1.
    seen = []
    settings = config(color=mode, **options)
    result = tf_style.stylize(content, style, config=settings, on_progress=seen.append)
    wanted = content[np.newaxis] / 255.0
    # Before it is clipped to 0..1, it has the chroma of the content and the painted luma.
    painted = result._painted()
    merged = color.with_luminance(result.view.inputs.color, color.luminance(painted))
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
        # At the border of the gamut, and where it is much darker, it is paler; elsewhere it agrees
        # to one level of the file.
        inside = (progress.pixels > 0).all(-1) & (progress.pixels < 255).all(-1)
        weights = (0.299, 0.587, 0.114)
        inside &= 1.5 * (progress.pixels @ weights - 1.0) > content @ weights
        assert inside.mean() > 0.5
        assert np.abs(levels[inside]).max() <= 1.0
    np.testing.assert_array_equal(seen[-1].image, result.image)


def test_with_luminance_the_colors_of_the_style_have_no_effect():
    content, style = pictures()
    luma = np.repeat(color.luminance(style[np.newaxis] / np.float32(255))[0], 3, axis=-1)
    options = config(color="luminance", steps=3, scales="none")
    ours, gray = (tf_style.stylize(content, image, config=options).image for image in (style, luma))
    np.testing.assert_allclose(ours, gray, atol=1e-3)


def test_matched_colors_are_those_of_a_style_matched_by_hand():
    content, style = (picture / np.float32(255) for picture in pictures())
    matched = tf_style.match_colors(style[np.newaxis], content[np.newaxis], method="symmetric")
    options = config(style_size=40, steps=3, scales="none")
    ours = tf_style.stylize(
        content, style, config=options.replace(color="match", color_match="symmetric")
    )
    by_hand = tf_style.stylize(content, np.clip(matched, 0, 1), config=options)
    np.testing.assert_allclose(ours.image, by_hand.image, atol=1e-5)


def test_with_the_colors_of_the_style_the_result_is_the_optimized_image_to_the_bit():
    options = config(color="style", limit_chroma=False, steps=3)
    result = tf_style.stylize(*pictures(), config=options)
    np.testing.assert_array_equal(result.image, result.view.image.numpy())


@pytest.mark.parametrize("mode", ["content", "match", "luminance"])
def test_the_result_has_the_alpha_of_the_content_with_every_color_rule(mode):
    content, style = pictures()
    alpha = np.zeros((36, 48, 1), np.uint8)
    alpha[:, 24:] = 255
    options = config(steps=2, color=mode)
    result = tf_style.stylize(np.concatenate([content, alpha], -1), style, config=options)
    np.testing.assert_array_equal(result.pixels[..., 3:], alpha)


def test_a_loss_that_is_not_finite_is_named(mini_layers, monkeypatch):
    from tf_style.network.weights import Weights

    huge = {name: (kernel * 1e6, bias) for name, (kernel, bias) in mini_layers.items()}
    monkeypatch.setattr(assembly, "load_weights", lambda name, notify=None: Weights(huge, "1" * 64))
    with pytest.raises(FloatingPointError, match=r"'(style|content)/block\d_conv\d' is not finite"):
        tf_style.stylize(*pictures(), config=config())


def test_a_weight_that_is_too_large_is_named_by_its_term(mini_layers, monkeypatch):
    from tf_style.network.weights import Weights

    kernel, bias = mini_layers["block1_conv1"]
    loud = {**mini_layers, "block1_conv1": (kernel * 1e4, bias * 1e4)}
    monkeypatch.setattr(assembly, "load_weights", lambda name, notify=None: Weights(loud, "2" * 64))
    with pytest.raises(FloatingPointError, match="loss term 'style' is not finite after 0 steps"):
        tf_style.stylize(*pictures(), config=config(style_weight=1e30, relative_losses=False))


@pytest.mark.parametrize("options", [{"config": {"size": 64}}, {"on_progress": 3}])
def test_options_of_wrong_types_are_named_before_the_run(options):
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


def halves(flip=False, size=(64, 96), seed=5):
    """Returns a picture of stripes beside fine grain, or the other way round."""
    rng = np.random.default_rng(seed)
    stripes = np.where(np.arange(size[0]) // 8 % 2, 230, 20)[:, np.newaxis, np.newaxis]
    picture = np.broadcast_to(stripes, (*size, 3)).astype(np.uint8).copy()
    grain = rng.integers(60, 200, (size[0], size[1] // 2, 3), np.uint8)
    picture[:, size[1] // 2 :] = grain
    return picture[:, ::-1] if flip else picture


def test_found_regions_are_those_of_masks_with_the_same_values():
    content, style = halves(), halves(flip=True, size=(64, 64))
    notes = []
    options = config(size=96, steps=4)
    finding = options.replace(regions="auto", num_regions=2)
    found = tf_style.stylize(content, style, config=finding, notify=notes.append)
    regions = found.regions
    assert regions.content.shape == (1, 64, 96, 2)
    assert any("Regions found: 2" in note for note in notes)
    first = regions.content[0, 32, :, 0]
    assert abs(first[:40].mean() - first[56:].mean()) > 0.4
    masked = tf_style.stylize(
        content,
        style,
        config=options,
        content_masks=[regions.content[0, ..., i] for i in range(2)],
        style_masks=[regions.styles[0][0, ..., i] for i in range(2)],
    )
    np.testing.assert_allclose(found.image, masked.image, atol=1e-4)


def test_uniform_pictures_have_no_regions():
    flat = np.full([40, 40, 3], 90, np.uint8)
    options = config(steps=1, scales="none", regions="auto")
    assert tf_style.stylize(flat, flat, config=options).regions is None


def test_the_photorealistic_picture_is_the_painted_one_with_the_gradients_of_the_content():
    content, style = pictures()
    options = config(regions="none", steps=4)
    painted = tf_style.stylize(content, style, config=options).image
    options = options.replace(photorealistic=True, fidelity=0.1)
    seen = []
    found = tf_style.stylize(content, style, config=options, on_progress=seen.append)
    photograph = found.view.inputs.content
    expected = tf_style.screened_poisson(painted, photograph, fidelity=0.1)
    np.testing.assert_allclose(found.image, np.clip(expected, 0.0, 1.0), atol=1e-6)
    np.testing.assert_array_equal(seen[-1].image, found.image)
    assert np.abs(found.image - painted).max() > 0.05


def test_photorealistic_runs_find_regions_unless_regions_is_none():
    both = halves(), halves(flip=True, size=(64, 64))
    options = config(size=96, steps=1, scales="none", photorealistic=True)
    assert tf_style.stylize(*both, config=options.replace(num_regions=2)).regions is not None
    assert tf_style.stylize(*both, config=options.replace(regions="none")).regions is None


@pytest.mark.parametrize("color", ["style", "luminance"])
def test_untouched_parts_stay_in_a_photorealistic_picture(color):
    content, style = pictures()
    mask = np.zeros(content.shape[:2], np.uint8)
    mask[:, :24] = 255
    result = tf_style.stylize(
        content, style, config=config(photorealistic=True, color=color), content_masks=[mask]
    )
    np.testing.assert_array_equal(result.pixels[:, 24:], content[:, 24:])
    assert np.abs(result.pixels[:, :20].astype(int) - content[:, :20]).mean() > 0.1


_LOSSES = (
    "gram,conv2_1:covariance,conv3_1:mean_std,conv4_1:wasserstein,conv5_1:mmd_linear",
    "mmd_polynomial,conv2_1:mmd_gaussian,conv3_1:sliced,conv4_1:histogram",
)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "lbfgs", "style_loss": _LOSSES[0], "content_reduction": "self_similarity"},
        {"optimizer": "lbfgs", "style_loss": _LOSSES[1], "precision": "bfloat16"},
        {
            "optimizer": "tfp_lbfgs",
            "style_loss": _LOSSES[1],
            "content_reduction": "sum",
            "scales": "none",
        },
        {"optimizer": "adam", "style_loss": _LOSSES[0], "content_reduction": "self_similarity"},
    ],
)
def test_losses_controls_and_optimizers_can_be_combined(options):
    content, style = pictures()
    mask = np.zeros(content.shape[:2], np.uint8)
    mask[:, :24] = 255
    seen = []
    result = tf_style.stylize(
        content,
        [style, style[::-1].copy()],
        config=config(**{"steps": 6, "scales": "0.5:2,1:6", "edge_weight": 300.0, **options}),
        content_masks=[mask, 255 - mask],
        content_map=mask,
        on_progress=seen.append,
    )
    assert result.status is Status.STEPS_USED
    assert np.isfinite(result.image).all()
    at_full_size = [step.loss for step in seen if step.stage_size == (36, 48)]
    assert result.loss <= max(at_full_size)


@pytest.mark.parametrize("losses", ["gram", _LOSSES[1]])
def test_graphs_rewritten_by_tensorflow_make_the_same_picture(losses, request):
    options = config(style_loss=losses, scales="none", steps=3)
    plain = tf_style.stylize(*pictures(), config=options).image
    request.getfixturevalue("graph_rewriting")
    assembly._shared.cache_clear()
    rewritten = tf_style.stylize(*pictures(), config=options).image
    assembly._shared.cache_clear()
    np.testing.assert_allclose(rewritten, plain, atol=1e-4)


@pytest.mark.parametrize("color", ["content", "luminance"])
def test_untouched_parts_stay_in_pictures_of_floats_too(color):
    rng = np.random.default_rng(2)
    content = rng.choice(np.float32([0.1, 0.3, 0.5, 0.7, 0.9]), (32, 32, 3))
    mask = np.zeros([32, 32], np.uint8)
    mask[:, :16] = 255
    style = pictures()[1]
    result = tf_style.stylize(
        content, style, config=config(size=0, steps=2, color=color), content_masks=[mask]
    )
    np.testing.assert_array_equal(result.image[0, :, 16:], content[:, 16:])


def test_a_soft_mask_counts_once_in_a_photorealistic_picture():
    content, style = pictures()
    half = {"content_masks": [np.full(content.shape[:2], 128, np.uint8)]}
    options = config(steps=2)
    plain = tf_style.stylize(content, style, config=options, **half).image
    options = options.replace(
        photorealistic=True, fidelity=1e6
    )  # Almost the painted picture itself.
    found = tf_style.stylize(content, style, config=options, **half).image
    np.testing.assert_allclose(found, plain, atol=1e-4)


def test_the_fine_texture_is_reported_and_can_be_cancelled():
    content, style = pictures()
    options = config(steps=8, scales="none", style_loss="gram,conv4_1:sliced", style_weight=0.0)
    seen = []
    result = tf_style.stylize(
        content, style, config=options, fine_style=style[::-1], on_progress=seen.append
    )
    phases = [progress.phase for progress in seen]
    assert phases == sorted(phases, reverse=True) and set(phases) == {"texture", "picture"}
    assert seen[0].image.shape == (1, 40, 40, 3)  # That of the style.
    assert set(seen[0].terms) >= {"style/block1_conv1", "style/block2_conv1"}
    assert result.phase == "picture" and result.image.shape == (1, 36, 48, 3)
    cancelled = tf_style.stylize(
        content,
        [style, style],
        config=options,
        fine_style=style,
        on_progress=lambda progress: progress.phase == "texture",
    )
    assert cancelled.status is Status.CANCELLED


def test_long_pictures_can_have_regions_and_tiny_ones_are_refused():
    options = config(size=0, steps=1, scales="none", regions="auto")
    rng = np.random.default_rng(3)
    long, tiny = (rng.integers(0, 256, (*size, 3), np.uint8) for size in ((18, 512), (12, 40)))
    assert tf_style.stylize(long, pictures()[1], config=options).image.shape == (1, 18, 512, 3)
    options = options.replace(content_layers="conv2_1", style_layers="conv1_1")
    with pytest.raises(ValueError, match="`content` must have at least 16 px on each side"):
        tf_style.stylize(tiny, pictures()[1], config=options)


def test_styles_may_lack_regions_with_every_loss():
    red, green = [255, 0, 0], [0, 255, 0]
    content, style = pictures()
    both = np.full([*content.shape[:2], 3], red, np.uint8)
    both[:, 20:] = green
    one = np.full([*style.shape[:2], 3], red, np.uint8)
    two = one.copy()
    two[20:] = green
    result = tf_style.stylize(
        content,
        [style, style[::-1].copy()],
        config=config(steps=2, style_loss=_LOSSES[1], color="match,content"),
        content_masks=[both],
        style_masks=[two, one],
    )
    assert np.isfinite(result.image).all()


def test_a_picture_names_the_control_pictures_it_was_made_with(tmp_path, picture_file, capsys):
    content, style, mask = (picture_file(f"{name}.png") for name in ("content", "style", "mask"))
    Image.fromarray(np.full([32, 40], 255, np.uint8)).save(mask)
    output, other = tmp_path / "masked.png", tmp_path / "plain.png"
    words = [f"--content={content}", f"--style={style}", "--quiet"]
    made = [f"--content_masks={mask}", f"--content_map={mask}", "--size=0", "--steps=1"]
    assert main.main([*words, *made, "--scales=none", f"--output={output}"]) == 0
    assert settings_file.controls_of(str(output)) == ("content_masks", "content_map")
    capsys.readouterr()
    again = [*words, f"--config={output}", f"--output={other}"]
    assert main.main([*again, f"--content_masks={mask}"]) == 0
    printed = capsys.readouterr().err
    assert "was made with --content_map. Give it again" in printed
    assert "--content_masks" not in printed


def test_pictures_in_memory_and_at_addresses_are_those_of_the_files(picture_file, tmp_path):
    photo, painting, mask = picture_file("a.png"), picture_file("b.png"), tmp_path / "mask.png"
    Image.fromarray(np.eye(32, 40, dtype=np.uint8) * 255).save(mask)
    expected = tf_style.stylize(photo, painting, config=config(steps=2), keep=mask)
    found = tf_style.stylize(
        io.BytesIO(photo.read_bytes()),
        [painting.read_bytes()],
        config=config(steps=2),
        keep=f"file://{mask}",
    )
    np.testing.assert_array_equal(found.image, expected.image)
    described = []
    for name, result in (("a", expected), ("b", found)):
        result.save(tmp_path / f"{name}.png")
        described.append(description.read_description(tmp_path / f"{name}.png"))
    assert described[0]["inputs_sha256"] == described[1]["inputs_sha256"]
