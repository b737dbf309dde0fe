"""A request to end a run early. Pure Python."""

import concurrent.futures
from collections.abc import Callable, Sequence


class Stop:
    """Says that nobody waits for a run's outputs any more."""

    def __init__(self) -> None:
        self._set: concurrent.futures.Future[None] = concurrent.futures.Future()

    @property
    def is_set(self) -> bool:
        """Whether the run should end."""
        return self._set.done()

    def set(self) -> None:
        """Asks the run to end; a second call does nothing."""
        self._set.cancel()

    def then(self, call: Callable[[], None]) -> None:
        """Calls a function when the stop is set, or at once if it is."""
        self._set.add_done_callback(lambda _: call())


def when_any(stops: Sequence[Stop]) -> Stop:
    """Returns a stop that is set when one of these is: that of a run which they share."""
    shared = Stop()
    for stop in stops:
        stop.then(shared.set)
    return shared
