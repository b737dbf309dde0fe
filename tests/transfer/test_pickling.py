"""Results, targets and errors travel between processes; states of runs continue from a pickle."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

import tf_style
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs
from tf_style.optimizers.solution import Status
from tf_style.provenance.description import read_description
from tf_style.transfer.painting import paint


def config(**options):
    options = {"size": 48, "steps": 6, "scales": "none", "deterministic": True, **options}
    return tf_style.StyleConfig().replace(**options)


def pictures():
    rng = np.random.default_rng(3)
    return [
        rng.integers(0, 256, (*size, channels), np.uint8)
        for size, channels in (((36, 48), 4), ((40, 40), 3))
    ]


def painted(optimizer):
    """Paints with the small network: for another process, where there are no fixtures."""
    from mini_network import make_mini_layers, use_mini_network

    with pytest.MonkeyPatch.context() as patch:
        use_mini_network(patch, make_mini_layers())
        return tf_style.stylize(*pictures(), config=config(optimizer=optimizer))


def test_a_result_comes_back_from_a_process_as_it_is_here(mini_network, tmp_path):
    here = tf_style.stylize(*pictures(), config=config(optimizer="adam"))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        there = pool.submit(painted, "adam").result()
    assert there.status is here.status is Status.STEPS_USED
    assert there.config == here.config
    assert there.pixels.shape == (36, 48, 4)
    # There, TensorFlow rewrites graphs, which changes the rounding.
    np.testing.assert_allclose(there.image, here.image, atol=1e-4)
    assert there.terms == pytest.approx(here.terms, rel=1e-3)
    there.save(tmp_path / "there.png")
    here.save(tmp_path / "here.png")
    assert read_description(tmp_path / "there.png") == read_description(tmp_path / "here.png")
    with pytest.raises(ValueError, match="while `on_progress` runs"):
        there.state()


def test_a_pickled_progress_is_small_and_has_the_picture_of_its_step(mini_network):
    kept = []

    def keep(progress):
        kept.append((progress, pickle.dumps(progress), progress.pixels, dict(progress.terms)))

    chosen = config(scales="0.5:3,1:3", optimizer="adam")
    tf_style.stylize(*pictures(), config=chosen, on_progress=keep, progress_every=3)
    assert [progress.step for progress, *_ in kept] == [3, 6]
    for progress, data, pixels, terms in kept:
        back = pickle.loads(data)
        assert (back.step, back.stage_size) == (progress.step, progress.stage_size)
        np.testing.assert_array_equal(back.pixels, pixels)
        assert back.terms == terms
        assert (
            len(data)
            < 2 * sum(part.nbytes for part in back.view.inputs if isinstance(part, np.ndarray))
            + 200_000
        )


@pytest.mark.parametrize("optimizer", ["lbfgs", "tfp_lbfgs", "adam"])
def test_a_run_continues_bit_for_bit_from_a_pickled_state(mini_network, optimizer):
    chosen = config(optimizer=optimizer)
    inputs = prepare_inputs(*pictures(), chosen, ControlPictures((), (), None, None, None))
    whole = paint(inputs, chosen)
    saved = []

    def keep(progress):
        saved.append(pickle.dumps(dict(progress.state())))
        return progress.step >= 3

    paint(inputs, chosen, on_progress=keep, pause_every=1)
    resumed = paint(inputs, chosen, resume_from=pickle.loads(saved[-1]))
    assert (resumed.step, resumed.num_evaluations) == (whole.step, whole.num_evaluations)
    np.testing.assert_array_equal(resumed.image, whole.image)


@pytest.mark.parametrize("style_loss", ["gram", "wasserstein", "sliced", "histogram"])
def test_targets_and_terms_give_the_same_loss_after_pickling(mini_layers, style_loss):
    loss = tf_style.LossConfig(style_loss=style_loss)
    extractor = tf_style.build_extractor(mini_layers, layers=loss.layers)
    objective = tf_style.Objective(extractor, loss)
    image = tf.random.stateless_uniform([1, 40, 48, 3], [1, 2])
    targets = objective.targets(image[:, ::-1], image[:, :, ::-1])
    terms = objective.terms(image, pickle.loads(pickle.dumps(targets)))
    expected = pickle.loads(pickle.dumps(objective.terms(image, targets)))
    tf.nest.map_structure(np.testing.assert_array_equal, terms, expected)


@pytest.mark.parametrize(
    "value",
    [
        tf_style.preset("crowsonkb").replace(size=99),
        tf_style.LossWeights(1.0, 2.0, 3.0),
        tf_style.Status.CANCELLED,
        tf_style.PortableOptions(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_settings_are_equal_after_pickling(value):
    assert pickle.loads(pickle.dumps(value)) == value


def test_errors_of_minimizers_can_be_raised_in_another_process():
    with pytest.raises(tf_style.NotFiniteError) as caught:
        tf_style.minimize_adam(lambda x: (tf.reduce_sum(x) / 0.0, x), tf.ones([2]), num_steps=3)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    assert error.num_steps == 0
    np.testing.assert_array_equal(error.position, [1.0, 1.0])


def test_a_cancellation_says_why_it_stays_in_its_process():
    with pytest.raises(TypeError, match="its own process. Make one in each process"):
        pickle.dumps(tf_style.Cancellation())
