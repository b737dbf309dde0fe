"""Schedules, compared with those computed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_style.config.scales import Stage, parse_scales
from tf_style.engine.schedule import OVERHEAD, first_share, plan_stages, scaled_size


@pytest.mark.parametrize(
    ("size", "stages"),
    [
        # 512 halves to 256 and 128; 64 would be below 96.
        ((384, 512), [(0.25, 40), (0.5, 20), (1.0, 20)]),
        ((1024, 768), [(0.125, 40), (0.25, 40), (0.5, 20), (1.0, 20)]),
        # A small full size gets proportionally more steps: 20 * 512 / 256.
        ((256, 256), [(0.5, 20), (1.0, 40)]),
        ((191, 191), [(1.0, 54)]),
        ((16, 16), [(1.0, 80)]),  # At most four times as many.
        # The shorter side needs 16 px, so 40 px can be halved once.
        ((40, 800), [(0.5, 20), (1.0, 20)]),
        ((800, 31), [(0.5, 20), (1.0, 20)]),
        ((800, 30), [(1.0, 20)]),
    ],
)
def test_auto_halves_while_the_picture_is_large_enough(size, stages):
    found = plan_stages(size, scales="auto", steps=20, smallest_side=16)
    assert found == tuple(Stage(*stage) for stage in stages)


def test_none_is_the_full_size_alone():
    assert plan_stages((2000, 2000), scales="none", steps=7, smallest_side=16) == (Stage(1.0, 7),)


def test_given_scales_are_used_unless_they_are_too_small_for_the_layers():
    scales = "0.1:5,0.25:80,1:20"
    found = plan_stages((100, 120), scales=scales, steps=7, smallest_side=16)
    assert found == (Stage(0.25, 80), Stage(1.0, 20))
    assert plan_stages((100, 120), scales=scales, steps=7, smallest_side=10)[0] == Stage(0.1, 5)


def test_spaces_are_ignored():
    assert parse_scales("0.5: 40, 1 :20") == (Stage(0.5, 40), Stage(1.0, 20))


@pytest.mark.parametrize(
    "text",
    ["", "1", "0.5:10", "1:20,0.5:10", "0.5:10,0.5:10,1:5", "0:5,1:5", "-1:5,1:5", "0.5:0,1:5",
     "0.5:1.5,1:5", "half:5,1:5", "0.5:10,2:5", "nan:5,1:5", "0.5:5,nan:5,1:5", "inf:5", "auto,1:5",
     "0.5:10,1:20,", "1:2:3", "Auto"],
)  # fmt: skip
def test_wrong_scales_are_refused_with_the_rule_the_value_and_an_example(text):
    with pytest.raises(ValueError) as error:
        parse_scales(text)
    message = str(error.value)
    assert message.startswith("`scales` must be 'auto', 'none', or rising scales that end with 1")
    assert "as in '0.25:50,0.5:25,1:25'" in message
    assert f"Received: scales={text!r}." in message


@given(st.text(alphabet="0123456789.:,-+einfautoxn _", max_size=20))
def test_any_text_gives_stages_or_a_clear_error(text):
    try:
        stages = parse_scales(text)
    except ValueError as error:
        assert str(error).startswith("`scales` must be")
        return
    if stages:
        assert [stage.scale for stage in stages] == sorted({stage.scale for stage in stages})
        assert 0.0 < stages[0].scale <= stages[-1].scale == 1.0
        assert min(stage.steps for stage in stages) >= 1


@given(
    st.integers(16, 9000),
    st.integers(16, 9000),
    st.integers(1, 500),
    st.sampled_from([2, 16, 32]),
)
def test_every_automatic_plan_ends_at_the_full_size_and_fits(height, width, steps, smallest):
    smallest = min(smallest, height, width)
    stages = plan_stages((height, width), scales="auto", steps=steps, smallest_side=smallest)
    assert stages[-1].scale == 1.0
    assert steps <= stages[-1].steps <= 4 * steps
    assert {stage.steps for stage in stages[:-1]} <= {steps, 2 * steps}
    for coarse, fine in zip(stages, stages[1:], strict=False):
        assert fine.scale == 2 * coarse.scale
    assert min(scaled_size((height, width), stages[0].scale)) >= smallest


def test_each_size_gets_its_share_of_the_time_and_later_ones_a_few_evaluations():
    # Evaluations cost 1 and 4 OVERHEAD, stages 40 and 80: one third and two thirds of the time.
    stages, num_pixels = (Stage(0.0, 40), Stage(1.0, 20)), 3 * OVERHEAD

    def share(stages, left, seconds):
        """Returns the first share if an evaluation at the full size takes so many seconds."""
        seconds_per_pixel = seconds / (4 * OVERHEAD)
        return first_share(stages, num_pixels, left=left, seconds_per_pixel=seconds_per_pixel)

    assert share(stages, 30.0, 1.0) == pytest.approx(10.0)
    # Three evaluations of 8 s at the full size leave 6 s for this stage; of 10 s, none.
    assert share(stages, 30.0, 8.0) == pytest.approx(6.0)
    assert share(stages, 30.0, 10.0) == 30.0
    assert share(stages[1:], 30.0, 1.0) == 30.0
    assert share(stages, -10.0, 1.0) == -10.0


def test_sizes_are_rounded_and_at_least_one_pixel():
    assert scaled_size((30, 41), 0.5) == (15, 21)
    assert scaled_size((100, 3), 0.125) == (13, 1)
    assert scaled_size((10, 10), 0.04) == (1, 1)
    assert scaled_size((7, 9), 1.0) == (7, 9)
