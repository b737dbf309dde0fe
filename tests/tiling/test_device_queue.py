"""Work spread over devices: in order, each once, one at a time on each device."""

import threading
import time

import pytest
import tensorflow as tf

from tf_style.tiling.device_queue import spread


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_each_item_is_worked_on_once_and_given_in_order(count, length):
    running, most, lock = [0] * count, [0] * count, threading.Lock()
    loaded = []

    def load(item):
        loaded.append(item)
        return item, item % count

    def work(item, which):
        with lock:
            running[which] += 1
            most[which] = max(most[which], running[which])
        time.sleep(0.01 * (length - item))  # The first ones end last.
        with lock:
            running[which] -= 1
        return 10 * item

    found = list(spread(load, work, range(length), ["CPU:0"] * count))
    assert found == [10 * item for item in range(length)]
    assert loaded == list(range(length))
    assert max(most) <= 1


def test_the_next_item_is_under_way_while_one_is_kept():
    begun = threading.Event()

    def work(item):
        if item:
            begun.set()
        return item

    for item in spread(lambda item: (item,), work, range(2), ["CPU:0"]):
        assert item or begun.wait(10.0)


def test_work_is_done_on_its_device():
    def work(value):
        return tf.constant(value).device

    (device,) = spread(lambda item: (item,), work, [1.0], ["CPU:0"])
    assert device.endswith("CPU:0")


@pytest.mark.parametrize("fails", ["load", "work"])
def test_errors_reach_the_caller_and_no_thread_is_left(fails):
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
