"""Pictures that are optimized together are those that are optimized alone."""

import numpy as np
import pytest
import tensorflow as tf

import tf_style
from tf_style.engine import batch, batch_stages

pytestmark = pytest.mark.usefixtures("mini_network")

LAYERS = {"content_layers": "conv3_1", "style_layers": "conv1_1,conv2_1,conv3_1"}
CONFIG = tf_style.StyleConfig(size=0, style_size=36).replace(scales="0.5:4,1:3", **LAYERS)
UNSCALED = CONFIG.replace(scales="none", steps=5)


def picture(rng, height, width):
    return rng.random((height, width, 3), np.float32)


@pytest.fixture
def pictures(rng):
    contents = [picture(rng, 36, 48) for _ in range(3)]
    return contents, [picture(rng, side, 36) for side in (40, 36, 30)]


def check_same(found, expected):
    np.testing.assert_allclose(found.image, expected.image, atol=2e-3)
    assert found.loss == pytest.approx(expected.loss, rel=1e-4)
    assert (found.step, found.num_steps, found.status) == (
        expected.step,
        expected.num_steps,
        expected.status,
    )
    assert found.num_evaluations == expected.num_evaluations
    assert found.config == expected.config
    for name, value in expected.terms.items():
        assert found.terms[name] == pytest.approx(value, rel=1e-3, abs=1e-6)


def test_each_has_its_style_weights_and_steps(pictures):
    contents, styles = pictures
    configs = [
        UNSCALED,
        UNSCALED.replace(steps=3, style_strength=2.0, tv_weight=0.0),
        UNSCALED.replace(content_weight=3.0, style_weight=1.0),
    ]
    found = tf_style.stylize_batch(contents, styles, config=configs)
    assert [result.step for result in found] == [5, 3, 5]
    for result, content, style, config in zip(found, contents, styles, configs, strict=True):
        check_same(result, tf_style.stylize(content, style, config=config))


def test_coarse_stages_sizes_blends_and_other_options_may_differ(pictures, rng):
    contents, styles = pictures
    contents[1] = picture(rng, 32, 32)
    styles[2] = [styles[0], styles[2]]
    configs = [CONFIG, CONFIG, CONFIG.replace(style_blend="1,3")]
    contents.append(contents[0])
    styles.append(styles[0])
    configs.append(CONFIG.replace(optimizer="adam"))  # Not for batches.
    found = tf_style.stylize_batch(contents, styles, config=configs)
    for result, content, style, config in zip(found, contents, styles, configs, strict=True):
        check_same(result, tf_style.stylize(content, style, config=config))


def test_one_evaluation_serves_several_pictures_up_to_a_number_of_pixels(pictures, monkeypatch):
    contents, styles = pictures
    sizes = []
    original = batch_stages.stacked

    def stacked(problems):
        sizes.append(len(problems))
        return original(problems)

    monkeypatch.setattr(batch_stages, "stacked", stacked)
    monkeypatch.setattr(batch_stages, "MOST_PIXELS", 2 * 36 * 48 + 1)
    tf_style.stylize_batch(contents, styles, config=CONFIG.replace(scales="0.5:1,1:1"))
    assert sizes == [3, 2, 1]  # At half the size three fit, at the full size two.
    assert batch.MOST_PIXELS >= 4 * 128 * 128


def test_progress_comes_at_multiples_of_steps(pictures):
    contents, styles = pictures
    seen = []
    configs = [UNSCALED.replace(steps=steps) for steps in (6, 5, 4)]
    tf_style.stylize_batch(
        iter(contents),
        tuple(styles),
        config=configs,
        on_progress=lambda index, progress: seen.append((index, progress.step)),
        progress_every=2,
    )
    assert sorted(seen) == [(0, 2), (0, 4), (0, 6), (1, 2), (1, 4), (2, 2), (2, 4)]


def test_a_picture_can_end_alone(pictures):
    contents, styles = pictures
    seen = []

    def on_progress(index, progress):
        seen.append((index, progress.step, progress.image.shape))
        return index == 1

    found = tf_style.stylize_batch(contents, styles, config=CONFIG, on_progress=on_progress)
    assert [result.status.name for result in found] == ["STEPS_USED", "CANCELLED", "STEPS_USED"]
    assert found[1].step < found[0].step == 7
    assert {shape for *_, shape in seen} == {(1, 36, 48, 3)}
    assert [index for index, *_ in seen].count(1) == 1


def test_lines_about_a_picture_name_it(pictures):
    contents, styles = pictures
    contents[2] = np.full((36, 48, 3), 0.02, np.float32)
    lines = []
    tf_style.stylize_batch(
        contents, styles, config=CONFIG.replace(scales="none", steps=1), notify=lines.append
    )
    assert [line[:2] for line in lines if "very dark" in line] == ["2:"]


def test_a_loss_that_is_not_finite_is_named(pictures):
    contents, styles = pictures
    contents[1] = contents[1] * np.float32(np.nan)
    with pytest.raises((FloatingPointError, ValueError), match="finite"):
        tf_style.stylize_batch(contents, styles, config=UNSCALED)
    huge = UNSCALED.replace(style_weight=1e30, relative_losses=False, content_power=16.0)
    with pytest.raises(FloatingPointError, match="'content' is not finite after 0 steps"):
        tf_style.stylize_batch(
            [contents[0]] * 2, styles[:2], config=huge.replace(content_weight=1e30, init="noise")
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"styles": []}, "`styles` must have one entry for each of `contents`. Received: 0 for 2"),
        ({"config": [CONFIG]}, "`config` must have one entry"),
        ({"config": [CONFIG, 3]}, "`config` must be a StyleConfig, or a list.* Received: int"),
        ({"config": [CONFIG, None]}, "`config` must be a StyleConfig, or a list"),
        ({"config": {"size": 9}}, "`config` must be a StyleConfig, or a list"),
        ({"config": tf_style.LossConfig()}, "`config` must be a StyleConfig, or a list"),
        ({"styles": "a.png"}, "`styles` must be a list of pictures. Received: styles='a.png'"),
        ({"styles": np.zeros([8, 8, 3])}, "Received: styles=an array of 3 dimensions"),
        ({"styles": 5}, "`styles` must be a list of pictures"),
        ({"on_progress": 5}, "`on_progress` must be callable"),
        ({"cancellation": object()}, "`cancellation` must be a Cancellation"),
    ],
)
def test_wrong_arguments_are_refused(rng, options, message):
    contents = [picture(rng, 32, 32)] * 2
    with pytest.raises((ValueError, TypeError), match=message):
        tf_style.stylize_batch(contents, **{"styles": contents, "config": CONFIG, **options})


def test_errors_about_a_picture_begin_with_its_index(rng, tmp_path):
    good = picture(rng, 32, 32)
    for bad, kind in ((tmp_path / "none.png", FileNotFoundError), (good[..., :2], ValueError)):
        with pytest.raises(kind, match="^1: "):
            tf_style.stylize_batch([good, bad], [good, good], config=CONFIG)


def test_a_token_ends_all_runs(pictures):
    contents, styles = pictures
    cancellation = tf_style.Cancellation()

    def on_progress(index, progress):
        cancellation.cancel()

    found = tf_style.stylize_batch(
        contents, styles, config=CONFIG, on_progress=on_progress, cancellation=cancellation
    )
    assert {result.status.name for result in found} == {"CANCELLED"}
    assert max(result.step for result in found) < 7
    assert {result.image.shape for result in found} == {(1, 36, 48, 3)}


def test_little_memory_has_no_batches():
    size = (36, 48)
    assert batch_stages.can_share(CONFIG, size)
    assert not batch_stages.can_share(CONFIG.replace(memory_limit=1.3), size)


def test_no_pictures_have_no_results():
    assert tf_style.stylize_batch([], []) == []


def test_pictures_of_one_kind_share_a_batch(rng):
    """Structures of data that cannot be stacked are computed apart."""
    one = batch_stages.StageProblem(
        batch_stages.ProblemData((tf.zeros([1, 2, 2, 3]),), ()), tf.zeros([3, 2, 2])
    )
    other = one._replace(data=one.data._replace(untouched=(tf.zeros([1, 2, 2, 1]),)))
    assert batch.kind_of(one) != batch.kind_of(other)
    both = batch.stacked([one, one])
    assert both.start.shape == (6, 2, 2)
    assert both.data.targets[0].shape == (2, 2, 2, 3)
