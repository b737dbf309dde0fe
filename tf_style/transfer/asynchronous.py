"""`stylize` for asyncio: the run has a thread, and ends with its task."""

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from tf_style.optimizers.cancellation import Cancellation
from tf_style.transfer.progress import StyleResult
from tf_style.transfer.stylize import stylize

P = ParamSpec("P")
R = TypeVar("R")


def _with_arguments_of(_: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Returns a decorator that tells type checkers that the arguments are those of a function."""
    return lambda function: function


@_with_arguments_of(stylize)
async def stylize_async(*arguments: Any, **options: Any) -> StyleResult:
    """Returns what `stylize` returns for the same arguments, and leaves the event loop free.

    The run has a thread of the loop's default executor, in which `on_progress` and `notify` are
    called too. If the task is cancelled, as by a timeout, the run ends within a step of the
    optimizer, and the task when the thread is free. Other runs with the same `cancellation` go on.

    Args:
        arguments: as for `stylize`.
        options: as for `stylize`.

    Raises:
        asyncio.CancelledError: if the task was cancelled.
        Exception: what `stylize` raises.

    Example:
        >>> async def main():
        ...     async with asyncio.timeout(60):
        ...         return await tf_style.stylize_async("photo.jpg", "painting.jpg")
    """
    # The task has a token of its own: others may share the given one, which ends it all the same.
    own, given = Cancellation(), options.get("cancellation")
    linked: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if isinstance(given, Cancellation):
        linked = given.calling(own.cancel)
    if given is None or isinstance(given, Cancellation):  # `stylize` refuses all else.
        options["cancellation"] = own
    call = functools.partial(contextvars.copy_context().run, stylize, *arguments, **options)
    with linked:
        run = asyncio.get_running_loop().run_in_executor(None, call)
        try:
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            own.cancel()
            if not run.done():
                await asyncio.wait([run])
            if not run.cancelled():
                run.exception()  # Nobody will ask for it; asyncio would log that.
            raise
