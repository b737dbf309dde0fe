"""Existing files: what a run may replace, and what it asks for or refuses."""

import os
import pty
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tf_style.cli import main, run
from tf_style.provenance.description import read_description

TINY = ("--size=32", "--steps=1", "--scales=none")
pytestmark = pytest.mark.usefixtures("mini_network")


@pytest.fixture
def files(picture_file):
    return [str(picture_file("photo.png")), str(picture_file("painting.png", 30, 30))]


def refused(capsys, *command):
    """Returns the one line that a refused command writes."""
    assert main.main(list(command)) == 2
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 1
    return printed


def done(capsys, *command):
    assert main.main(list(command)) == 0, capsys.readouterr().err
    capsys.readouterr()


@pytest.mark.parametrize("flag", ["", "-o", "--output"])
def test_a_picture_of_the_users_own_is_not_replaced(files, picture_file, capsys, monkeypatch, flag):
    own = picture_file("second.png")
    before = own.read_bytes()
    monkeypatch.setattr(run.Run, "start", lambda self: pytest.fail("The work must not begin."))
    printed = refused(capsys, *files, *([flag] if flag else []), str(own), *TINY)
    assert f"Received: output='{own}', which exists. Give --overwrite to replace it" in printed
    assert "Several paintings are one argument: a.jpg,b.jpg" in printed
    assert own.read_bytes() == before


def test_overwrite_replaces_it(files, picture_file, capsys):
    own = picture_file("second.png")
    done(capsys, *files, str(own), *TINY, "--overwrite")
    assert read_description(own)["config"]["steps"] == 1


def test_a_picture_made_from_the_same_pictures_is_replaced(files, picture_file, tmp_path, capsys):
    output = str(tmp_path / "out.png")
    done(capsys, *files, output, *TINY, "--save_every=1")
    # Other settings; then another way to name the same pictures.
    done(capsys, *files, output, "--size=40", "--steps=1", "--scales=none", "--save_every=1")
    copies = [shutil.copy(path, tmp_path / f"copy{n}.png") for n, path in enumerate(files)]
    done(capsys, *map(str, copies), output, *TINY)
    # Another photograph, or another painting, or one more.
    other = str(picture_file("other.png"))
    for pictures in ([other, files[1]], [files[0], other], [files[0], f"{files[1]},{other}"]):
        printed = refused(capsys, *pictures, output, *TINY)
        assert f"output='{output}', which exists. Give --overwrite" in printed
        assert "Several paintings" not in printed
    # Without its metadata nobody can know.
    done(capsys, *files, output, *TINY, "--nometadata")
    assert "which exists" in refused(capsys, *files, output, *TINY)


def test_snapshots_trace_and_settings_replace_nothing_either(files, tmp_path, capsys):
    output = str(tmp_path / "out.png")
    snapshot = tmp_path / "out_00001.png"
    snapshot.write_bytes(b"mine")
    (tmp_path / "out_00003.png").write_bytes(b"no snapshot")
    flags = [*TINY, "--steps=2", "--save_every=2"]
    flags.remove("--steps=1")
    done(capsys, *files, output, *flags)  # Every second step only.
    flags[-1] = "--save_every=1"
    assert "out_00001.png', which exists, like 1 more." in refused(capsys, *files, output, *flags)
    assert snapshot.read_bytes() == b"mine"
    for name in ("trace", "save_config"):
        path = tmp_path / "file"
        path.write_text("mine")
        printed = refused(capsys, *files, output, *TINY, f"--{name}={path}")
        assert f"`{name}` must be a new file. Received: {name}='{path}', which exists." in printed
        assert path.read_text() == "mine"
        done(capsys, *files, output, *TINY, f"--{name}={path}", "--overwrite")
        assert path.read_text() != "mine"
    # The same settings again are no loss, and neither is an empty file.
    done(capsys, *files, output, *TINY, f"--save_config={path}")
    path.write_text("")
    done(capsys, *files, output, *TINY, f"--trace={path}")


def test_a_dry_run_does_not_mind_what_it_would_replace(files, picture_file, tmp_path, capsys):
    own = picture_file("second.png")
    done(capsys, *files, str(own), *TINY, "--dry_run")
    (tmp_path / "c.json").write_text("mine")
    printed = refused(capsys, *files, str(own), "--dry_run", f"--save_config={tmp_path}/c.json")
    assert "`save_config` must be a new file." in printed


def test_a_strip_is_replaced_like_any_picture(files, picture_file, tmp_path, capsys):
    own, other = picture_file("second.png"), str(picture_file("other.png"))
    pictures = [files[0], f"{files[1]},{other}"]
    command = ["interpolate", *pictures, *TINY, "--frames=2"]
    assert "which exists" in refused(capsys, *command, str(own))
    done(capsys, *command, str(own), "--overwrite")
    done(capsys, *command, str(own))
    (tmp_path / "film.gif").write_bytes(b"mine")
    assert "which exists" in refused(capsys, *command, str(tmp_path / "film.gif"))


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("yes", 0), ("n", 2), ("", 2)])
def test_a_terminal_is_asked(tmp_path, picture_file, answer, code):
    """In a process whose stdin and stderr are a terminal; the settings are what is replaced."""
    files = [str(picture_file("photo.png")), str(picture_file("painting.png", 30, 30))]
    path, output = tmp_path / "c.json", tmp_path / "out.png"
    path.write_text("mine")
    program = (
        "import sys; from tf_style.cli import main, stylize_command as s;"
        "s._dry_run = lambda *_: 0; sys.exit(main.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, *files, str(output), "--dry_run"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*command, f"--save_config={path}"], stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        printed = b""
        while b"[y/N]" not in printed:
            printed += os.read(ours, 1024)
        assert process.wait(60) == code
    os.close(ours)
    assert f"{path} exists. Replace it? [y/N]".encode() in printed
    assert (path.read_text() == "mine") == (code == 2)


def test_a_resumed_run_replaces_its_own_files(files, tmp_path, monkeypatch, capsys):
    output, trace = tmp_path / "out.png", tmp_path / "trace.jsonl"
    real, calls = run.Run._on_progress, []

    def on_progress(self, progress):
        calls.append(progress.step)
        if len(calls) == 2:
            self._interrupted()
        return real(self, progress)

    monkeypatch.setattr(run.Run, "_on_progress", on_progress)
    flags = ["--size=32", "--steps=4", "--scales=none", "--save_every=1", "--nometadata"]
    assert main.main([*files, str(output), *flags, f"--trace={trace}"]) == 130
    assert output.exists()
    capsys.readouterr()
    resume = f"--resume={output}.checkpoint"
    own = tmp_path / "own.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(own)
    assert "which exists" in refused(capsys, resume, f"--output={own}")
    done(capsys, resume)
    done(capsys, *files, str(own), *TINY, "--overwrite")
