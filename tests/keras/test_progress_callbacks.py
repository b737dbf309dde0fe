"""Keras callbacks as `on_progress`: what is refused, and Keras' own progress bar."""

import types

import keras
import pytest

from tf_style.keras import progress_callbacks

PROGRESS = types.SimpleNamespace(step=1, loss=2.0, terms={"style": 1.0})


@pytest.mark.parametrize(
    "callbacks, message",
    [
        (keras.callbacks.History(), "Put it into a list"),
        (None, "Put it into a list"),
        ([5], "Received: 5 in it"),
        ([keras.callbacks.CSVLogger], "Call the class"),
        (print, "must be a list of objects of `keras.callbacks`"),
    ],
)
def test_other_things_than_callbacks_are_refused(callbacks, message):
    with pytest.raises(TypeError, match=message) as caught, progress_callbacks(callbacks):
        pass
    assert "\n" not in str(caught.value)


def test_a_call_after_the_block_is_refused():
    with progress_callbacks([]) as on_progress:
        on_progress(PROGRESS)
    with pytest.raises(ValueError, match="within the `with` block"):
        on_progress(PROGRESS)


def test_the_progress_bar_of_keras_shows_the_loss(capsys):
    with progress_callbacks([keras.callbacks.ProgbarLogger()]) as on_progress:
        on_progress(PROGRESS)
    assert "loss: 2.0" in capsys.readouterr().out
