"""A token that ends runs from any thread. No TensorFlow here."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn


class Cancellation:
    """Ends the runs that it is passed to, from any thread, within one step of the optimizer.

    A step is one evaluation of the loss, rarely more; with the optimizer 'tfp_lbfgs' 2 to 3. With
    `jit_compile="loop"` a run ends after about 0.2 seconds, or a step if that takes longer. Before
    the first step, pictures and weights are read and graphs traced, which nothing interrupts. A
    token stays cancelled. One token may be passed to several runs.

    Example:
        >>> cancellation = tf_style.Cancellation()
        >>> threading.Timer(60.0, cancellation.cancel).start()
        >>> result = tf_style.stylize("photo.jpg", "painting.jpg", cancellation=cancellation)
        >>> result.status
        <Status.CANCELLED: 'Stopped on request.'>
    """

    def __init__(self) -> None:
        # A signal handler may interrupt the thread that holds the lock, and cancel.
        self._lock = threading.RLock()
        self._is_cancelled = False
        self._actions: dict[object, Callable[[], object]] = {}

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "Cannot pickle a Cancellation. This is because it ends runs of its own process. Make "
            "one in each process."
        )

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` has been called."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Asks the runs to end with their current pictures; returns at once."""
        with self._lock:
            self._is_cancelled = True
            actions = list(self._actions.values())
            self._actions.clear()
        for action in actions:
            action()

    @contextlib.contextmanager
    def calling(self, action: Callable[[], object]) -> Iterator[None]:
        """Calls the action when `cancel` is called in the block, or at once if it was before."""
        key = object()
        with self._lock:
            self._actions[key] = action
        try:
            if self._is_cancelled:
                action()
            yield
        finally:
            with self._lock:
                self._actions.pop(key, None)
