"""A whole run in one graph: it has the sizes, steps and numbers of the engine."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import tf_style
from tf_style.engine import graph_stages, schedule
from tf_style.engine.assembly import load_problem
from tf_style.engine.pictures import Pictures
from tf_style.objective.loss import LossWeights

pytestmark = pytest.mark.usefixtures("mini_network")

SIGNATURE = [tf.TensorSpec([1, None, None, 3], tf.float32)] * 2
SIDES = (16, 33, 95, 96, 191, 192, 200, 383, 384, 511, 512, 600, 1024, 1999, 4096)


@pytest.mark.parametrize("scales", ["auto", "none", "0.25:7,0.5:3,1:2", "0.3:4,1:9"])
@pytest.mark.parametrize(("steps", "smallest"), [(1, 2), (25, 16), (37, 32)])
def test_sizes_and_steps_are_those_of_the_schedule(scales, steps, smallest):
    graph = tf.function(
        lambda height, width, steps: graph_stages.graph_plan_stages(
            (height, width), scales=scales, steps=steps, smallest_side=smallest
        ),
        input_signature=[tf.TensorSpec([], tf.int32)] * 3,
    )
    for size in itertools.product(SIDES, (16, 192, 333, 1024)):
        expected = schedule.plan_stages(size, scales=scales, steps=steps, smallest_side=smallest)
        found = graph(*size, steps)
        assert list(zip(found.scales.numpy(), found.steps.numpy(), strict=True)) == list(expected)
        shapes = graph_stages.graph_scaled_size(size, found.scales)
        assert list(zip(*(sides.numpy() for sides in shapes), strict=True)) == [
            schedule.scaled_size(size, stage.scale) for stage in expected
        ]


@pytest.fixture
def pictures(rng):
    return [rng.random((1, *size, 3), np.float32) for size in ((36, 49), (41, 30))]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "optimizer": "tfp_lbfgs",
            "parametrization": "pixels",
            "gamut": False,
            "scales": "none",
        },
        {"optimizer": "adam", "padding": "zeros", "pooling": "max"},
        # One step: on so small a network the gradient depends on the last bits of the features.
        {"style_loss": "wasserstein", "scales": "none", "steps": 1},
        {"style_loss": "gram,conv3_1:sliced,conv5_1:mmd_gaussian", "scales": "none", "steps": 1},
    ],
    ids=str,
)
def test_the_picture_is_that_of_the_engine(options, pictures):
    settings = tf_style.StyleConfig(size=0, style_size=41).replace(
        **{"scales": "0.5:5,1:6", "steps": 6, **options}
    )
    problem, _ = load_problem(settings)

    @tf.function(input_signature=SIGNATURE, autograph=False)
    def graph(content, style):
        pictures = Pictures(content, (style,), content)
        return graph_stages.stylize_in_graph(problem, pictures, settings)

    found = graph(*pictures)
    expected = tf_style.stylize(*pictures, config=settings)
    assert int(found.num_steps) == expected.step
    assert int(found.num_evaluations) == expected.num_evaluations
    # Threads add numbers in varying order; tests/export compares bit for bit.
    np.testing.assert_allclose(found.image, expected.image, atol=1e-4)
    assert float(found.loss) == pytest.approx(expected.loss, rel=1e-4)


def test_weights_as_tensors_have_the_effect_of_those_of_the_config(pictures):
    settings = tf_style.StyleConfig(size=0, style_size=41).replace(scales="none", steps=5)
    other = settings.replace(content_weight=3.0, style_weight=70.0, tv_weight=5.0)
    problem, _ = load_problem(settings)

    @tf.function(input_signature=SIGNATURE, autograph=False)
    def graph(content, style):
        weights = LossWeights(*(tf.constant(weight) for weight in (3.0, 70.0, 5.0)))
        return graph_stages.stylize_in_graph(
            problem, Pictures(content, (style,), content), settings, weights=weights
        )

    expected = tf_style.stylize(*pictures, config=other)
    np.testing.assert_allclose(graph(*pictures).image, expected.image, atol=1e-4)
