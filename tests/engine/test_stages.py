"""Runs on the small network: coarse to fine, within a time budget, within a memory limit."""

import subprocess
import sys
import time

import numpy as np
import pytest
import reference
import tensorflow as tf
from places import SUPPORT
from units import PAPER

import tf_style
from tf_style.config.style_config import StyleConfig
from tf_style.engine import assembly, memory_plan, plan
from tf_style.engine.coarse_to_fine import refined
from tf_style.engine.parametrization import PARAMETRIZATIONS
from tf_style.engine.pictures import Pictures, at_scale
from tf_style.engine.solver import Solver
from tf_style.images import resizing
from tf_style.inputs.preparation import prepare_inputs
from tf_style.optimizers.solution import Status
from tf_style.transfer.dry_run import report

pytestmark = pytest.mark.usefixtures("mini_network")

HEIGHT, WIDTH = 36, 48
TWO_SIZES = "0.5:6,1:4"


def config(**options):
    return StyleConfig().replace(**{"size": WIDTH, "scales": TWO_SIZES, **options})


def picture(rng, height, width):
    """Smooth shapes with some noise, as photographs have."""
    rows, columns = np.mgrid[:height, :width] / 12.0
    shapes = np.stack([np.sin(rows), np.cos(columns), np.sin(rows + columns)], -1)
    values = 0.5 + 0.3 * shapes + 0.05 * rng.normal(size=shapes.shape)
    return np.clip(values, 0.0, 1.0).astype(np.float32)


@pytest.fixture
def pictures(rng):
    return picture(rng, HEIGHT, WIDTH), picture(rng, 40, 44)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_run_goes_through_the_planned_sizes(optimizer, pictures):
    seen = []
    result = tf_style.stylize(
        *pictures, config=config(optimizer=optimizer), on_progress=seen.append
    )
    sizes = [progress.stage_size for progress in seen]
    assert list(dict.fromkeys(sizes)) == [(18, 24), (36, 48)]
    last_coarse = max(i for i, size in enumerate(sizes) if size == (18, 24))
    assert seen[last_coarse].step == 6
    steps = [progress.step for progress in seen]
    assert steps == sorted(set(steps))
    evaluations = [progress.num_evaluations for progress in seen]
    assert evaluations == sorted(evaluations)
    assert (result.step, result.num_steps, result.status) == (10, 10, Status.STEPS_USED)
    # Whatever the size of the stage, the picture has the size of the result.
    assert {progress.image.shape for progress in seen} == {(1, HEIGHT, WIDTH, 3)}
    assert result.image.shape == (1, HEIGHT, WIDTH, 3)
    assert result.stage_size == (HEIGHT, WIDTH)


def test_each_size_has_its_exponent(pictures, monkeypatch):
    bases = []
    original = PARAMETRIZATIONS["spectrum"]

    def basis(height, width, exponent):
        bases.append(original.basis(height, width, exponent))
        return bases[-1]

    monkeypatch.setitem(PARAMETRIZATIONS, "spectrum", original._replace(basis=basis))
    assembly._shared.cache_clear()
    tf_style.stylize(*pictures, config=config(scales="0.5:1,1:1", exponents="0.25,-0.25"))
    assembly._shared.cache_clear()
    coarse, fine = (basis.scale.numpy()[:, 0] for basis in bases)
    assert coarse.size < fine.size
    assert coarse[1] > coarse[-1]
    assert fine[1] < fine[-1]


def test_the_coarse_size_is_a_head_start(pictures):
    alone, after = (
        tf_style.stylize(*pictures, config=config(scales=scales, steps=3)).loss
        for scales in ("none", "0.5:40,1:3")
    )
    assert after < alone


@pytest.mark.parametrize("parametrization", ["spectrum", "pixels"])
def test_the_reported_loss_is_that_of_the_saved_picture(parametrization, pictures, mini_layers):
    content, style = pictures
    settings = config(parametrization=parametrization)
    result = tf_style.stylize(content, style, config=settings)
    assert result.image.min() >= 0.0
    assert result.image.max() <= 1.0
    assert result.loss == pytest.approx(result.terms["total"], rel=1e-3)
    style = prepare_inputs(content, style, settings).styles[0]
    truth = reference.total_loss(
        result.image, content[None], style, mini_layers, settings.to_dict()
    )
    assert result.loss == pytest.approx(truth, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "jit_compile"),
    [("lbfgs", "objective"), ("lbfgs", "loop"), ("tfp_lbfgs", "loop"), ("adam", "loop")],
)
def test_compiled_by_xla_the_picture_is_the_same(optimizer, jit_compile, pictures):
    options = {"optimizer": optimizer, "scales": "none", "steps": 3}
    if jit_compile == "loop":  # The compilation time grows with the layers.
        options |= {"content_layers": "conv2_2", "style_layers": "conv1_1,conv2_1"}
    plain = tf_style.stylize(*pictures, config=config(**options))
    found = tf_style.stylize(*pictures, config=config(jit_compile=jit_compile, **options))
    np.testing.assert_allclose(found.image, plain.image, atol=1e-4)
    assert found.num_evaluations == plain.num_evaluations
    assert found.loss == pytest.approx(plain.loss, rel=1e-4)


def test_without_a_gamut_values_may_lie_outside(pictures):
    options = {"gamut": False, "init": "noise", "steps": 9, "exponents": "0.25,-0.25"}
    strong = config(style_weight=2000.0, **options, **PAPER)
    result = tf_style.stylize(*pictures, config=strong)
    assert result.image.min() < 0.0
    assert result.loss == pytest.approx(result.terms["total"], rel=1e-4)


def test_refining_the_unchanged_coarse_start_gives_the_start(rng):
    whole = picture(rng, 41, 60)[None]
    start = resizing.resize(whole, (21, 30))
    coarse = resizing.resize(whole, (10, 15))
    np.testing.assert_allclose(
        refined(tf.constant(coarse), tf.constant(start), tf.constant(whole)), start, atol=1e-6
    )
    # At the full size the start is the whole itself.
    np.testing.assert_allclose(
        refined(tf.constant(start), tf.constant(whole), tf.constant(whole)), whole, atol=1e-6
    )


def test_refining_adds_what_the_coarse_size_changed_and_keeps_the_detail(rng):
    whole = 0.25 + 0.5 * picture(rng, 40, 60)[None]
    coarse = resizing.resize(whole, (20, 30))
    found = refined(tf.constant(coarse + np.float32(0.1)), tf.constant(whole), tf.constant(whole))
    np.testing.assert_allclose(found, whole + 0.1, atol=1e-5)


def test_pictures_are_scaled_down_together_but_styles_only_as_far_as_the_layers_allow(rng):
    sizes = ((200, 160), (40, 100), (200, 160))
    content, style, start = (tf.constant(picture(rng, *size)[None]) for size in sizes)
    whole = Pictures(content, (style,), start)

    def sides(pictures):
        parts = (pictures.content, *pictures.styles, pictures.start)
        return [tuple(part.shape[1:3]) for part in parts]

    assert sides(at_scale(whole, 0.5)) == [(100, 80), (20, 50), (100, 80)]
    found = at_scale(whole, 0.25, smallest_side=16)
    assert sides(found) == [(50, 40), (16, 40), (50, 40)]
    same = at_scale(whole, 1.0, smallest_side=16)
    for part, expected in zip((same[0], same[1][0], same[2]), (content, style, start), strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("padding", ["zeros", "reflect_all"])
def test_small_styles_and_wide_paddings_survive_the_coarse_sizes(padding, rng):
    content, style = picture(rng, 60, 120), picture(rng, 33, 60)
    options = config(size=0, scales="0.3:2,0.5:2,0.6:2,1:2", padding=padding)
    result = tf_style.stylize(content, style, config=options)
    assert np.isfinite(result.loss)
    sizes = [stage.scale for stage in plan.stages_of((60, 120), options)]
    assert sizes == ([0.3, 0.5, 0.6, 1.0] if padding == "zeros" else [0.6, 1.0])


def test_a_tiny_time_budget_still_gives_a_picture(pictures):
    options = config(time_budget=1e-3, limit_chroma=False)
    result = tf_style.stylize(*pictures, config=options)
    assert result.status is Status.TIME_USED
    assert result.image.shape == (1, HEIGHT, WIDTH, 3)
    # No step was made: the coarse start with the detail of the photograph is the photograph.
    assert (result.step, result.stage_size) == (0, (18, 24))
    np.testing.assert_allclose(result.image[0], pictures[0], atol=1e-2)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_run_with_a_time_budget_goes_through_the_sizes_and_ends_in_time(optimizer, pictures):
    options = {"optimizer": optimizer, "scales": "0.5:40,1:20"}
    tf_style.stylize(*pictures, config=config(**{**options, "scales": TWO_SIZES}))  # Traces.
    began = time.perf_counter()
    result = tf_style.stylize(*pictures, config=config(time_budget=4.0, **options))
    seconds = time.perf_counter() - began
    assert result.status in (Status.TIME_USED, Status.LINE_SEARCH_FAILED)
    assert result.stage_size == (HEIGHT, WIDTH)
    assert seconds < 4.0
    if result.status is Status.TIME_USED:
        assert seconds > 2.5
    assert result.num_steps == max(result.step, 60)
    assert result.step > 60  # At the full size the time counts, not the 20 planned steps.


SCRIPT = """
import hashlib, sys
sys.path.insert(0, {tests!r})
import numpy as np
from mini_network import make_mini_layers
import tf_style
from tf_style.engine import assembly
from tf_style.network import extractor
from tf_style.network.weights import Weights

layers = make_mini_layers()
assembly.load_weights = lambda name, notify=None: Weights(layers, "0" * 64)
extractor.mean_activations = lambda: {{
    name: np.ones(kernel.shape[-1]) for name, (kernel, _) in layers.items()
}}
rng = np.random.default_rng(1)
pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((150, 200), (120, 90))]
options = tf_style.StyleConfig().replace(size=0, steps=8, deterministic=True)
result = tf_style.stylize(*pictures, config=options)
print(hashlib.sha256(result.image.tobytes()).hexdigest(), result.loss)
"""


@pytest.mark.slow
def test_deterministic_runs_in_fresh_processes_agree_bit_for_bit():
    script = SCRIPT.format(tests=str(SUPPORT))
    found = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert found[0].stdout
    assert found[0].stdout == found[1].stdout


def tiled(monkeypatch, **options):
    """Returns a config in which only the full size is computed in tiles."""
    monkeypatch.setattr(memory_plan, "_PROGRAM", 0.0)
    monkeypatch.setattr(memory_plan, "_TILE_GRAPHS", 0.0)
    monkeypatch.setattr(memory_plan, "_SIDES", (32,))
    monkeypatch.setattr(memory_plan, "_TILE", 0.0)
    return config(memory_limit=0.003, **options)


def test_a_size_that_does_not_fit_has_the_same_picture_in_tiles(pictures, monkeypatch):
    whole = tf_style.stylize(*pictures, config=config())
    notes = []
    found = tf_style.stylize(*pictures, config=tiled(monkeypatch), notify=notes.append)
    assert ["48x36 px: in tiles of 32 px" in note for note in notes] == [True]
    np.testing.assert_allclose(found.image, whole.image, atol=2e-3)
    assert dict(found.terms) == pytest.approx(dict(whole.terms), rel=1e-2)


def test_a_size_that_runs_out_of_memory_is_tried_again_in_tiles(pictures, monkeypatch):
    minimize, tries = Solver.minimize, []

    def too_large(solver, stage, plan, *arguments, **options):
        tiling = plan.tiling
        if stage.start.shape[1:] == (HEIGHT, WIDTH):
            tries.append(tiling)
            if tiling is None:
                raise tf.errors.ResourceExhaustedError(None, None, "There is no memory.")
        return minimize(solver, stage, plan, *arguments, **options)

    monkeypatch.setattr(Solver, "minimize", too_large)
    monkeypatch.setattr(memory_plan, "_PROGRAM", 0.0)
    monkeypatch.setattr(memory_plan, "_TILE_GRAPHS", 0.0)
    monkeypatch.setattr(memory_plan, "_TILE", 0.0)
    result = tf_style.stylize(*pictures, config=config(memory_limit=1.0))
    assert [tiling is None for tiling in tries] == [True, False]
    assert (result.step, result.status) == (10, Status.STEPS_USED)


def test_if_no_plan_needs_less_memory_the_error_names_a_way_out(pictures, monkeypatch):
    def too_large(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "There is no memory.")

    monkeypatch.setattr(Solver, "minimize", too_large)
    with pytest.raises(MemoryError, match="Use a smaller `size`"):
        tf_style.stylize(*pictures, config=config(style_loss="sliced"))


def test_a_dry_run_reports_sizes_memory_and_time(pictures, monkeypatch):
    lines = report(prepare_inputs(*pictures, config()), tiled(monkeypatch))
    assert lines[0].startswith("24x18 px: 6 steps, whole")
    assert lines[1].startswith("48x36 px: 4 steps, in tiles of 32 px")
    assert lines[2].startswith("Total: 10 steps, about 12 evaluations")


def test_a_run_is_resumed_with_the_memory_limit_that_it_began_with_or_a_lower_one():
    saved = {"stages": 0, "step": 3, "num_evaluations": 4, "limit": 7_000_000_000}
    state = {f"before_{name}": np.int64(value) for name, value in saved.items()}
    limits = [
        plan.limit_for((64, 64), tf_style.StyleConfig().replace(memory_limit=limit), state)
        for limit in (0.0, 2.0, 9.0)
    ]
    assert limits == [7_000_000_000, 2_000_000_000, 7_000_000_000]
    new = tf_style.StyleConfig().replace(memory_limit=9.0)
    assert plan.limit_for((64, 64), new, None) == 9_000_000_000
