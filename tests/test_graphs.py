"""Graphs for all sizes, and slots that graphs hand tensors on in."""

import numpy as np
import tensorflow as tf

from tf_style.graphs import for_all_sizes, put, slot, taken


def test_one_graph_serves_all_sizes_and_one_more_every_type():
    traced = []

    def doubled(x):
        traced.append(x.dtype)
        return 2 * x

    graph = for_all_sizes(doubled)
    for size in (3, 5, 1):
        np.testing.assert_array_equal(graph(np.arange(size)), 2 * np.arange(size))
    graph(np.ones(4, np.float32))
    assert traced == [tf.int64, tf.float32]


def test_a_slot_hands_a_tensor_from_graph_to_graph():
    like = tf.TensorSpec([None, None], tf.float32)

    def with_row(handle, row, values):
        matrix = taken(handle, like)
        put(handle, tf.tensor_scatter_nd_update(matrix, [[row]], [values]))
        return tf.shape(matrix)

    graph = for_all_sizes(with_row)
    place = slot(tf.zeros([2, 3]))
    np.testing.assert_array_equal(graph(place.handle, 1, [1.0, 2.0, 3.0]), [2, 3])
    np.testing.assert_array_equal(graph(place.handle, 0, [4.0, 5.0, 6.0]), [2, 3])
    np.testing.assert_array_equal(place.numpy(), [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]])


def test_what_is_taken_leaves_the_slot_empty():
    place = slot(tf.ones([2, 3]))
    like = tf.TensorSpec([None, None], tf.float32)
    graph = for_all_sizes(lambda handle: taken(handle, like))
    np.testing.assert_array_equal(graph(place.handle), np.ones([2, 3]))
    assert place.numpy().size == 0
