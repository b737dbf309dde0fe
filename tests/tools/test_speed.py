"""The bench against pastiche in tools/speed: sizes, order, tables. And the bench of the start."""

import json
import re
import subprocess
import sys

import pytest
from places import TOOLS

FOLDER = TOOLS / "speed"


def report(path):
    command = [sys.executable, FOLDER / "bench_report.py", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def bench_peers(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import bench_peers

    return bench_peers


@pytest.fixture
def bench_report(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import bench_report

    return bench_report


# Two starts of 4 and 6 s, steps of 2 and 4 s in the middle: 5 s + 3 s an evaluation.
TIMINGS = [{"start": 4.0, "steps": [9.0, 2.0, 1.0]}, {"start": 6.0, "steps": [4.0, 4.0, 5.0]}]
CURVE = [[0, 100.0, 100.0], [10, 40.0, 50.0], [20, 20.0, 30.0], [30, 10.0, 32.0]]


def bench_run(seconds, loss, kind="saved"):
    return {"kind": kind, "budget": seconds, "seconds": seconds, "loss": loss, "mib": 10 * seconds}


def test_the_bench_sizes_pictures_as_pastiche_does(bench_peers):
    assert bench_peers.content_size((1024, 768), 512) == (512, 384)
    assert bench_peers.content_size((300, 451), 512) == (341, 512)
    assert bench_peers.content_size((70, 70), 64) == (64, 64)
    # sqrt(512 * 384 * 80 / 100) = 396.6, 397 * 100 / 80 = 496.25
    assert bench_peers.style_size((100, 80), 512 * 384) == (496, 397)


def test_timings_of_pastiche_are_spread_among_our_runs(bench_peers):
    assert bench_peers.interleave([1, 2, 3, 4], 3) == [None, 1, 2, None, 3, 4, None]
    assert bench_peers.interleave([1, 2, 3], 1) == [None, 1, 2, 3]
    assert bench_peers.interleave([], 2) == [None, None]


def test_a_row_of_the_table_is_correct(bench_report):
    runs = [bench_run(10.0, 33.0), bench_run(24.0, 8.0), bench_run(19.0, 32.0)]
    runs += [bench_run(96.0, 4.0), bench_run(38.0, 9.0, "float"), bench_run(1.0, None)]
    pair = {"name": "a-b", "curve": CURVE, "timings": TIMINGS, "runs": runs, "peer_mib": 7.0}
    assert bench_report.peer_seconds(TIMINGS, 30) == 95.0
    assert bench_report.row_of(pair, 30) == bench_report.Row(
        name="a-b",
        peer_seconds=95.0,
        peer_saved=32.0,
        peer_float=10.0,
        to_saved=19.0,
        to_saved_ratio=5.0,
        to_float=24.0,
        to_float_ratio=95.0 / 24.0,
        share=0.25,
        share_seconds=24.0,
        floats=38.0,
        floats_ratio=2.5,
        peer_mib=7.0,
        our_mib=960.0,
    )
    assert bench_report.evaluations_to_reach(CURVE, 30.0, bench_report.SAVED) == 20.0
    # Halfway, by logarithm, from 40 after 10 evaluations to 20 after 20.
    halfway = bench_report.evaluations_to_reach(CURVE, 800.0**0.5, bench_report.FLOAT)
    assert halfway == pytest.approx(15.0)
    assert bench_report.evaluations_to_reach(CURVE, 101.0, bench_report.FLOAT) == 0.0
    assert bench_report.evaluations_to_reach(CURVE, 29.0, bench_report.SAVED) is None


def test_the_median_counts_values_that_were_not_reached(bench_report):
    rows = []
    for loss in (20.0, 9.0, 5.0, 11.0):
        runs = [bench_run(loss, loss)]
        pair = {"name": "a", "curve": CURVE, "timings": TIMINGS, "runs": runs}
        rows.append(bench_report.row_of(pair, 30))
    median = bench_report.median_row(rows)
    assert (median.to_saved, median.to_saved_ratio) == (10.0, (95 / 11 + 95 / 9) / 2)
    assert (median.to_float, median.to_float_ratio) == (None, None)
    assert bench_report.median_row(rows[:3]).to_float == 9.0
    assert bench_report.median_row(rows[:3]).to_float_ratio == 95.0 / 9.0
    assert median.peer_mib is None


def test_the_report_shows_what_was_not_reached(tmp_path):
    pair = {"name": "a-b", "curve": CURVE, "timings": TIMINGS, "size": [8, 6]}
    pair["runs"] = [bench_run(19.0, 31.0)]
    bench = {"settings": {"evaluations": 30}, "pairs": [pair, {**pair, "runs": []}]}
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    done = report(tmp_path / "bench.json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"budget 19 +19.0 +31 +19 = 63.1 s +3.3\n", done.stdout)
    assert "19.0 s (5.0x)" in done.stdout
    assert "not reached" in done.stdout
    (tmp_path / "bench.json").write_text("{")
    assert report(tmp_path / "bench.json").returncode == 2


@pytest.mark.weights
def test_the_bench_of_the_start_ends_at_the_first_evaluation():
    command = [sys.executable, FOLDER / "bench_start.py", "--runs=1", "--", "--size=32"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    alone, first = (float(x) for x in re.findall(r": ([\d.]+) s, median of 1 ", done.stdout))
    assert 0.0 < alone < first
    rows = re.findall(r"^ *([\d.]+) +([\d.]+) +([\d.]+)  +(.+)$", done.stdout, re.MULTILINE)
    assert {"import tensorflow", "targets", "first evaluation, traced and run"} <= {
        row[-1] for row in rows
    }
    for begin, end, took, _ in rows:
        assert 0.0 < float(begin) <= float(end) <= first + 0.01
        assert abs(float(end) - float(begin) - float(took)) < 0.02
