"""A process that paints pictures of ever new sizes makes no more graphs."""

import gc

import numpy as np
import pytest
import tensorflow as tf

import tf_style


def num_graphs():
    gc.collect()
    return sum(isinstance(each, tf.Graph) for each in gc.get_objects())


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_number_of_graphs_does_not_depend_on_the_number_of_sizes(mini_network, optimizer):
    config = tf_style.StyleConfig().replace(size=0, steps=2, scales="none", optimizer=optimizer)
    before, counts = num_graphs(), []
    for number in range(12):
        picture = np.random.default_rng(number).integers(
            0, 256, (40 + number, 60 - 2 * number, 3), np.uint8
        )
        tf_style.stylize(picture, picture[::-1], config=config)
        if number in (2, 11):
            counts.append(num_graphs())
    assert counts[0] == counts[1] <= before + 64
