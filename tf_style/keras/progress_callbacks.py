"""Keras callbacks as the `on_progress` of `tf_style.stylize`."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

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
    EarlyStopping does, ends the run. The model has neither weights nor an optimizer.

    Args:
        callbacks: objects of `keras.callbacks`, or of classes derived from them.

    Example:
        >>> stopping = keras.callbacks.EarlyStopping("style", mode="min", patience=3)
        >>> with tf_style.keras.progress_callbacks([stopping]) as on_progress:
        ...     tf_style.stylize("a.jpg", "b.jpg", on_progress=on_progress, progress_every=5)
    """
    model = keras.Model()
    model.stop_training, model.optimizer = False, None
    called = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=None, steps=1)
    called.on_train_begin()
    logs: dict[str, float] = {}

    def on_progress(progress: "Progress") -> bool:
        logs.update({"loss": progress.loss, **progress.terms})
        called.on_epoch_begin(progress.step)
        called.on_train_batch_begin(0)
        called.on_train_batch_end(0, dict(logs))
        called.on_epoch_end(progress.step, dict(logs))
        return bool(model.stop_training)

    try:
        yield on_progress
    finally:
        called.on_train_end(dict(logs))
