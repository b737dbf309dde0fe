"""Work on many items, spread over devices, while others are loaded and kept."""

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
    """Yields what the work makes of what is loaded for each item, in order.

    Each device has one item at a time. Meanwhile this thread loads the next one, and the caller
    keeps what the one before gave: these wait for memory and disks, more than for a processor.

    Args:
        load: to an item the arguments of its work; called in order, in the caller's thread.
        work: called in a thread of its device.
        items: one more than there are devices is held at a time.
        devices: names of TensorFlow's.

    Raises:
        Exception: what loading or working raises, once what is under way has ended.
    """

    def on(device: str, arguments: tuple) -> _Result:
        with tf.device(device):
            return work(*arguments)

    with contextlib.ExitStack() as stack:
        threads = [stack.enter_context(concurrent.futures.ThreadPoolExecutor(1)) for _ in devices]
        waiting: collections.deque = collections.deque()
        for index, item in enumerate(items):
            which = index % len(devices)
            waiting.append(threads[which].submit(on, devices[which], load(item)))
            if len(waiting) > len(devices):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
