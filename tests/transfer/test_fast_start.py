"""init='fast': runs that start from what a trained network paints."""

import numpy as np
import pytest
from PIL import Image
from tiny_style_network import make_tiny_network

import tf_style
from tf_style.cli import main
from tf_style.config.style_config import StyleConfig
from tf_style.feedforward import pictures, predictor
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs
from tf_style.transfer import batch, fast_start, interpolation

LAYERS = {"content_layers": "conv2_1", "style_layers": "conv1_1,conv2_1"}
FAST = StyleConfig(init="fast", size=48, steps=2, scales="none", **LAYERS)


@pytest.fixture(autouse=True)
def network(monkeypatch, mini_network):
    """The bundled network is a tiny one, which paints in float32."""
    found = make_tiny_network("one")
    monkeypatch.setattr(fast_start, "named_network", lambda name: found)
    monkeypatch.setattr(pictures, "processor_features", lambda: "")
    return found


@pytest.fixture
def arrays(rng):
    return rng.random((40, 48, 3), np.float32), rng.random((36, 30, 3), np.float32)


def painted(network, inputs, style=0):
    """Returns what the network paints for one of the styles."""
    (row,) = predictor.styles_of(network, [inputs.styles[style]])
    return pictures.paint_picture(network, inputs.content, row)


def test_the_start_is_what_the_network_paints(network, arrays):
    inputs = prepare_inputs(*arrays, FAST)
    np.testing.assert_array_equal(inputs.start, inputs.content)  # What checkpoints are named by.
    start = fast_start.with_fast_start(inputs, FAST).start
    np.testing.assert_allclose(start, painted(network, inputs), atol=1e-6)


def test_other_starts_are_left_alone(arrays):
    config = FAST.replace(init="content")
    inputs = prepare_inputs(*arrays, config)
    assert fast_start.with_fast_start(inputs, config) is inputs


def test_each_region_starts_in_its_style(network, arrays, rng):
    content, style = arrays
    left = np.zeros([40, 48], np.uint8)
    left[:, :20] = 255
    other = rng.random((36, 30, 3), np.float32)
    controls = ControlPictures(content_masks=[left, 255 - left])
    inputs = prepare_inputs(content, [style, other], FAST, controls)
    start = fast_start.with_fast_start(inputs, FAST).start
    for columns, index in ((slice(0, 20), 0), (slice(20, 48), 1)):
        expected = painted(network, inputs, index)[:, :, columns]
        np.testing.assert_allclose(start[:, :, columns], expected, atol=1e-6)


def test_stylize_begins_there(network, arrays):
    seen = []
    config = FAST.replace(gamut=False)
    tf_style.stylize(*arrays, config=config, on_progress=lambda now: seen.append(now.image) or True)
    inputs = prepare_inputs(*arrays, config)
    expected = painted(network, inputs)
    # It ended after a step or two, so it is still nearer to its start than to the photograph.
    distances = [np.abs(seen[0] - each).mean() for each in (expected, inputs.content)]
    assert distances[0] < 0.5 * distances[1]


def test_a_resumed_run_ends_like_an_unbroken_one(arrays, tmp_path):
    config = FAST.replace(steps=4, scales="0.5:2,1:2", deterministic=True)
    whole = tf_style.stylize(*arrays, config=config)
    options = {"config": config, "checkpoint_dir": tmp_path / "saved", "progress_every": 1}
    tf_style.stylize(*arrays, **options, on_progress=lambda now: now.step >= 1)
    resumed = tf_style.stylize(*arrays, **options)
    np.testing.assert_array_equal(resumed.image, whole.image)


@pytest.mark.usefixtures("eagerly")
def test_batches_begin_there(monkeypatch, arrays):
    starts = []

    class Stopped(Exception):
        pass

    def run_batch(problem, runs, **_):
        starts.extend(run.pictures.start.numpy() for run in runs)
        raise Stopped

    inputs = prepare_inputs(*arrays, FAST)
    expected = fast_start.with_fast_start(inputs, FAST).start
    monkeypatch.setattr(batch, "run_batch", run_batch)
    with pytest.raises(Stopped):
        tf_style.stylize_batch([arrays[0]] * 2, [arrays[1]] * 2, config=FAST)
    assert len(starts) == 2
    for start in starts:
        np.testing.assert_allclose(start, expected, atol=1e-6)


def test_a_row_of_pictures_begins_with_its_first_style(monkeypatch, arrays, tmp_path, capsys):
    starts = []

    def interpolate(problem, inputs, config, **_):
        starts.append(inputs)
        raise ValueError("stopped here")

    monkeypatch.setattr(interpolation, "interpolate", interpolate)
    monkeypatch.chdir(tmp_path)
    for name, values in zip(
        ("photo.png", "a.png", "b.png"), (*arrays, arrays[1][::-1]), strict=True
    ):
        Image.fromarray((255 * values).astype(np.uint8)).save(name)
    flags = ["--init=fast", "--size=48", "--frames=3"]
    assert main.main(["interpolate", "photo.png", "a.png,b.png", "out.png", *flags]) == 2
    assert "stopped here" in capsys.readouterr().err
    alone = prepare_inputs("photo.png", "a.png", FAST.replace(style_layers="conv1_1"))
    expected = fast_start.with_fast_start(alone, FAST).start
    np.testing.assert_allclose(starts[0].start, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((19, 48, 3), (36, 30, 3)), "`init` must not be 'fast'.*48x19 px"),
        (((40, 48, 3), (12, 48, 3)), "`style` must have at least 16 px"),
    ],
)
def test_pictures_that_are_too_small_for_the_networks_are_refused(rng, shapes, message):
    content, style = (rng.random(shape, np.float32) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        tf_style.stylize(content, style, config=FAST)


def test_graphs_refuse_it():
    from tf_style.engine.graph_stages import check_graph

    with pytest.raises(ValueError, match="`init` must be one of 'content', 'style', 'noise' in a"):
        check_graph(FAST)
