"""The progress that the command line shows: a bar, lines, or messages only."""

import io
import sys
import types

import pytest

from tf_style.cli import progress_bar

PROGRESS = types.SimpleNamespace(
    step=3, num_steps=140, stage_size=(96, 128), loss=1234.567, num_evaluations=5, seconds=7.6
)


def test_a_line_has_size_loss_and_evaluations():
    assert progress_bar.line(PROGRESS) == "128x96 px, loss 1235, 5 evals"


def test_quiet_shows_messages_only(capsys):
    with progress_bar.display(quiet=True) as display:
        display.update(PROGRESS)
        display.message("done")
    assert capsys.readouterr().err == "done\n"


def test_without_a_terminal_a_line_is_written_every_ten_seconds(capsys, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: clock[0])
    with progress_bar.display(quiet=False) as display:
        for clock[0] in (100.0, 105.0, 111.0):
            display.update(PROGRESS)
    line = "step 3/140  128x96 px, loss 1235, 5 evals  8 s\n"
    assert capsys.readouterr().err == 2 * line


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_shows_a_bar_with_the_same_line(monkeypatch, width):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar.display(quiet=False) as display:
        display.update(PROGRESS)
        display.message("halfway [there]")
    shown = sys.stderr.getvalue()
    assert "3/140" in shown
    assert "loss 1235" in shown
    assert "halfway [there]" in shown
