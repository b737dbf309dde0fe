"""Keras callbacks as the `on_progress` of `tf_style.stylize`."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tf_style._checks import shown
from tf_style._keras import keras

if TYPE_CHECKING:
    from tf_style.transfer.progress import Progress


@contextlib.contextmanager
def progress_callbacks(
    callbacks: "Sequence[keras.callbacks.Callback]",
) -> "Iterator[Callable[[Progress], bool]]":
    """Gives, in a `with` block, an `on_progress` that calls Keras callbacks.

    A call with a `Progress` is the end of a batch and of an epoch, whose number is
    `Progress.step`. The logs are `Progress.loss` as 'loss', and `Progress.terms` by their names.
    Training begins and ends with the block. A callback that stops the training, as
    EarlyStopping does, ends the run. The model has neither weights nor an optimizer, so callbacks
    that save or change those cannot work, such as ModelCheckpoint.

    Args:
        callbacks: objects of `keras.callbacks`, or of classes derived from them.

    Raises:
        TypeError: if `callbacks` is something else.

    Example:
        >>> stopping = keras.callbacks.EarlyStopping("style", mode="min", patience=3)
        >>> with tf_style.keras.progress_callbacks([stopping]) as on_progress:
        ...     tf_style.stylize("a.jpg", "b.jpg", on_progress=on_progress, progress_every=5)
    """
    model = keras.Model()
    model.stop_training, model.optimizer = False, None
    params = {"verbose": 1, "epochs": 1, "steps": 1}
    called = keras.callbacks.CallbackList(_checked(callbacks), model=model, **params)
    called.on_train_begin()
    logs: dict[str, float] = {}
    has_ended = False

    def on_progress(progress: "Progress") -> bool:
        if has_ended:
            raise ValueError(
                "`on_progress` must be called within the `with` block that gave it. Received: a "
                "call after it."
            )
        logs.update({"loss": progress.loss, **progress.terms})
        called.on_epoch_begin(progress.step)
        called.on_train_batch_begin(0)
        called.on_train_batch_end(0, dict(logs))
        called.on_epoch_end(progress.step, dict(logs))
        return bool(model.stop_training)

    try:
        yield on_progress
    finally:
        has_ended = True
        called.on_train_end(dict(logs))


def _checked(callbacks: Any) -> "list[keras.callbacks.Callback]":
    """Returns the callbacks as a list; raises TypeError if one of them is none."""
    rule = "`callbacks` must be a list of objects of `keras.callbacks`. Received:"
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"{rule} callbacks={shown(callbacks)}. Put it into a list.")
    found = list(callbacks)
    for each in found:
        if not isinstance(each, keras.callbacks.Callback):
            way_out = " Call the class, to make an object." if isinstance(each, type) else ""
            raise TypeError(f"{rule} {shown(each)} in it.{way_out}")
    return found
