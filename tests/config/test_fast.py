"""The options of pictures that are painted in one pass."""

import pytest

from tf_style.config.fast import FastConfig


def test_a_contrast_is_a_number_or_left_out():
    assert FastConfig().local_contrast is None
    assert FastConfig(local_contrast=None).local_contrast is None
    found = FastConfig(local_contrast=1).local_contrast
    assert (type(found), found) == (float, 1.0)


@pytest.mark.parametrize("value", [True, "0.2", (0.2,)])
def test_a_contrast_of_another_type_is_refused(value):
    with pytest.raises(TypeError, match="`local_contrast` must be of type float or None. Received"):
        FastConfig(local_contrast=value)


@pytest.mark.parametrize("value", [-1.0, 0.5, 1e6, float("nan")])
def test_seconds_of_a_tuning_are_0_or_enough_for_a_step(value):
    assert FastConfig(tune_seconds=0).tune_seconds == 0.0
    with pytest.raises(ValueError, match="`tune_seconds` must be 0, or lie within 0.6..86400. Rec"):
        FastConfig(tune_seconds=value)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_contrast_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="`local_contrast` must lie within 0..1. Received"):
        FastConfig(local_contrast=value)
