"""Spreads work on many items over devices, while other items are loaded and stored."""

import collections
import concurrent.futures
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import tensorflow as tf

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def spread(
    load: Callable[[_Item], tuple],
    work: Callable[..., _Result],
    items: Iterable[_Item],
    devices: Sequence[str],
) -> Iterator[_Result]:
    """Yields `work(*load(item))` for each item, in order.

    Each device works on one item at a time. Meanwhile the caller's thread loads the next item and
    stores the result of the one before: these wait for memory and disks more than for a processor.

    Args:
        load: gives the arguments of `work` for an item. Called in order, in the caller's thread.
        work: called in the thread of a device.
        items: at most one more than there are devices is in memory at a time.
        devices: TensorFlow's names of the devices, at least one.

    Raises:
        Exception: the exception of `load` or `work`, after the work in progress has ended.
    """

    def work_on(device: str, arguments: tuple) -> _Result:
        with tf.device(device):
            return work(*arguments)

    with contextlib.ExitStack() as stack:
        threads = [stack.enter_context(concurrent.futures.ThreadPoolExecutor(1)) for _ in devices]
        waiting: collections.deque = collections.deque()
        for index, item in enumerate(items):
            which = index % len(devices)
            waiting.append(threads[which].submit(work_on, devices[which], load(item)))
            if len(waiting) > len(devices):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
