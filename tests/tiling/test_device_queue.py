"""Work spread over devices: results in order, each item once, one at a time on each device."""

import threading
import time

import pytest
import tensorflow as tf

from tf_style.tiling.device_queue import spread


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_each_item_is_processed_once_and_results_are_in_order(count, length):
    running, most, lock = [0] * count, [0] * count, threading.Lock()
    loaded = []

    def load(item):
        loaded.append(item)
        return item, item % count

    def work(item, which):
        with lock:
            running[which] += 1
            most[which] = max(most[which], running[which])
        time.sleep(0.01 * (length - item))  # The first items end last.
        with lock:
            running[which] -= 1
        return 10 * item

    found = list(spread(load, work, range(length), ["CPU:0"] * count))
    assert found == [10 * item for item in range(length)]
    assert loaded == list(range(length))
    assert max(most) <= 1


def test_the_next_item_is_processed_while_a_result_is_stored():
    begun = threading.Event()

    def work(item):
        if item:
            begun.set()
        return item

    for item in spread(lambda item: (item,), work, range(2), ["CPU:0"]):
        assert item or begun.wait(10.0)


def test_work_runs_on_its_device():
    def work(value):
        return tf.constant(value).device

    (device,) = spread(lambda item: (item,), work, [1.0], ["CPU:0"])
    assert device.endswith("CPU:0")


@pytest.mark.parametrize("fails", ["load", "work"])
def test_errors_reach_the_caller_and_all_threads_end(fails):
    def failing(name, item):
        if name == fails and item == 2:
            raise ValueError("third")
        return item

    before = threading.active_count()
    given = []
    with pytest.raises(ValueError, match="third"):
        for item in spread(
            lambda item: (failing("load", item),),
            lambda item: failing("work", item),
            range(9),
            ["CPU:0"] * 2,
        ):
            given.append(item)
    assert given == list(range(len(given))) and len(given) < 3
    assert threading.active_count() == before
