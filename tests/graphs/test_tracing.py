"""Graphs for all sizes, slots that pass on tensors, and the cache by function."""

import functools
import gc
import weakref

import numpy as np
import tensorflow as tf

from tf_style.graphs import tracing
from tf_style.graphs.slots import put, slot, taken
from tf_style.graphs.tracing import for_all_sizes, kept_by_function


def read(place):
    return tf.raw_ops.ReadVariableOp(resource=place, dtype=tf.float32).numpy()


def test_there_is_one_graph_for_all_sizes_and_one_more_for_each_type():
    traced = []

    def doubled(x):
        traced.append(x.dtype)
        return 2 * x

    graph = for_all_sizes(doubled)
    for size in (3, 5, 1):
        np.testing.assert_array_equal(graph(np.arange(size)), 2 * np.arange(size))
    graph(np.ones(4, np.float32))
    assert traced == [tf.int64, tf.float32]


def test_a_slot_passes_a_tensor_from_graph_to_graph():
    like = tf.TensorSpec([None, None], tf.float32)

    def with_row(handle, row, values):
        matrix = taken(handle, like)
        put(handle, tf.tensor_scatter_nd_update(matrix, [[row]], [values]))
        return tf.shape(matrix)

    graph = for_all_sizes(with_row)
    place = slot(tf.zeros([2, 3]))
    gc.collect()
    np.testing.assert_array_equal(graph(place, 1, [1.0, 2.0, 3.0]), [2, 3])
    np.testing.assert_array_equal(graph(place, 0, [4.0, 5.0, 6.0]), [2, 3])
    np.testing.assert_array_equal(read(place), [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]])


def test_taking_a_tensor_empties_the_slot():
    place = slot(tf.ones([2, 3]))
    like = tf.TensorSpec([None, None], tf.float32)
    graph = for_all_sizes(lambda handle: taken(handle, like))
    np.testing.assert_array_equal(graph(place), np.ones([2, 3]))
    assert read(place).size == 0


def test_results_are_cached_for_the_last_two_functions(monkeypatch):
    kept_as_in_programs = functools.lru_cache(maxsize=2)(tracing._made_of.__wrapped__)
    monkeypatch.setattr(tracing, "_made_of", kept_as_in_programs)
    made = []

    @kept_by_function
    def first(function, number):
        made.append(function(number))
        return made[-1]

    @kept_by_function
    def second(function):
        return object()

    functions = [lambda number, factor=factor: factor * number for factor in (2, 3, 5)]
    assert [first(functions[0], number) for number in (1, 7, 1)] == [2, 14, 2]
    assert made == [2, 14]
    kept = second(functions[0])
    assert second(functions[0]) is kept
    first(functions[1], 1)
    assert second(functions[0]) is kept
    first(functions[1], 1)
    first(functions[2], 1)  # Frees all results for the least recently used function.
    assert made == [2, 14, 3, 5]
    held = weakref.ref(functions[1])
    del functions[1]
    first(functions[0], 1), second(functions[1])
    gc.collect()
    assert held() is None
