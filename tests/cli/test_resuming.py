"""The command line: resuming interrupted runs."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_style.cli import main, run
from tf_style.files import atomic
from tf_style.transfer import checkpoint_file, checkpoints


@pytest.fixture
def files(picture_file):
    return {"content": picture_file("content.png"), "style": picture_file("style.png", 30, 30)}


def arguments(files, output, **flags):
    flags = {
        **files,
        "output": output,
        "size": 40,
        "scales": "0.5:3,1:5",
        "deterministic": "true",
        "save_every": 1,
        **flags,
    }
    return [f"--{name}={value}" for name, value in flags.items()]


def pixels(path):
    return np.asarray(Image.open(path))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def broken_at(monkeypatch):
    """Returns a function that interrupts the next run at a slice of its steps."""

    def at(count):
        real, calls = run.Run._on_progress, []

        def on_progress(self, progress):
            calls.append(progress.step)
            if len(calls) == count:
                self._interrupted()
            return real(self, progress)

        monkeypatch.setattr(run.Run, "_on_progress", on_progress)

    return at


@pytest.mark.usefixtures("mini_network")
def test_one_flag_resumes_an_interrupted_run(files, tmp_path, broken_at, monkeypatch, capsys):
    whole, output = tmp_path / "whole.png", tmp_path / "out.png"
    folder = tmp_path / "out.png.checkpoint"
    traces = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    assert main.main(arguments(files, whole, trace=traces[0])) == 0
    assert not list(tmp_path.glob("*.checkpoint"))
    monkeypatch.chdir(tmp_path)
    names = {name: path.name for name, path in files.items()}
    for count in (2, 4, 2):
        broken_at(count)
        command = [f"--resume={folder}"]
        if not folder.exists():
            command = arguments(names, "out.png", trace="out.jsonl")
        assert main.main(command) == 130
        assert "To resume: tf_style --resume=" in capsys.readouterr().err
        assert folder.exists()
        assert output.exists()
        output.unlink()
        monkeypatch.chdir("/")  # The run can be resumed from any folder.
    monkeypatch.undo()
    from mini_network import make_mini_layers, use_mini_network

    use_mini_network(monkeypatch, make_mini_layers())
    assert main.main([f"--resume={folder}", "--quiet"]) == 0
    np.testing.assert_array_equal(pixels(output), pixels(whole))
    assert not folder.exists()
    losses = [[(line["step"], line["total"]) for line in lines(trace)] for trace in traces]
    assert losses[0] == losses[1]
    for step in range(1, 9):
        name = f"_{step:05d}.png"
        same = pixels(tmp_path / f"whole{name}"), pixels(tmp_path / f"out{name}")
        np.testing.assert_array_equal(*same)


@pytest.fixture
def unfinished(files, tmp_path, broken_at, monkeypatch, capsys):
    """The folder of a run that was interrupted after its second slice."""
    broken_at(2)
    assert main.main(arguments(files, tmp_path / "out.png")) == 130
    monkeypatch.setattr(run.Run, "_work", refuse)
    capsys.readouterr()
    return tmp_path / "out.png.checkpoint"


def refuse(self):
    raise AssertionError("The work must not begin.")


def refused(capsys, *command):
    assert main.main(list(command)) == 2
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 1
    return printed


@pytest.mark.usefixtures("mini_network")
def test_a_run_that_cannot_be_resumed_is_refused_with_a_remedy(
    unfinished, files, tmp_path, monkeypatch, capsys
):
    resume = f"--resume={unfinished}"
    printed = refused(capsys, resume, "--steps=7", "--content=x.png")
    assert "Cannot use --steps, --content with `resume`" in printed or (
        "Cannot use --content, --steps with `resume`" in printed
    )
    printed = refused(capsys, "--resume=no/folder")
    assert "must be a folder with a checkpoint. Received: resume='no/folder'" in printed

    # Another picture under the same name; then no picture.
    kept = files["content"].read_bytes()
    Image.fromarray(255 - pixels(files["content"])).save(files["content"])
    printed = refused(capsys, resume)
    assert "must be from a run with the same inputs. Received: different content, start" in printed
    files["content"].unlink()
    assert "`content` must be" in refused(capsys, resume)
    files["content"].write_bytes(kept)

    # Another output with the same folder.
    flags = arguments(files, tmp_path / "other.png", checkpoint_dir=unfinished)
    printed = refused(capsys, *flags)
    assert "must not hold the unfinished run of another picture" in printed
    assert f"finish that run first: tf_style --resume={unfinished}" in printed

    # A damaged checkpoint after a whole one; then one of another version.
    (path,) = unfinished.iterdir()
    data = path.read_bytes()
    damaged = unfinished / "00000002.checkpoint"
    damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    printed = refused(capsys, resume)
    assert f"The one before it, of step 2, is intact: remove '{damaged}' to resume" in printed
    damaged.unlink()
    monkeypatch.setattr(checkpoint_file, "__version__", "9.9.9")
    printed = refused(capsys, resume)
    assert "must be from tf_style 9.9.9. Received: version " in printed
    assert path.read_bytes() == data


@pytest.mark.usefixtures("mini_network")
@pytest.mark.parametrize("request_saved", [None, {}, {"content": 3}, {"styles": [3]}])
def test_a_checkpoint_of_a_python_program_is_refused(unfinished, capsys, request_saved):
    (path,) = unfinished.iterdir()
    found = checkpoint_file.read(path)
    description = {**found.description, "run": request_saved}
    checkpoint_file.write(path, description, {name: found.arrays[name] for name in found.arrays})
    printed = refused(capsys, f"--resume={unfinished}")
    assert "must come from the command line to be resumed" in printed


@pytest.mark.usefixtures("mini_network")
def test_a_new_run_reports_an_unfinished_one_and_keeps_it(
    files, tmp_path, broken_at, monkeypatch, capsys
):
    folder = tmp_path / "out.png.checkpoint"
    broken_at(2)
    assert main.main(arguments(files, tmp_path / "out.png")) == 130
    monkeypatch.undo()
    from mini_network import make_mini_layers, use_mini_network

    use_mini_network(monkeypatch, make_mini_layers())
    before = [path.read_bytes() for path in folder.iterdir()]
    capsys.readouterr()
    assert main.main(arguments(files, tmp_path / "out.png")) == 0
    printed = capsys.readouterr().err
    assert f"{folder} holds an unfinished run of {tmp_path / 'out.png'}, step 2 of 8." in printed
    assert f"tf_style --resume={folder}" in printed
    assert [path.read_bytes() for path in folder.iterdir()] == before


@pytest.mark.usefixtures("mini_network")
def test_a_full_disk_does_not_end_the_run(files, tmp_path, monkeypatch, capsys):
    real = atomic.write_atomically

    def full(path, write):
        if path.suffix == ".checkpoint":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, write)

    monkeypatch.setattr(atomic, "write_atomically", full)
    assert main.main(arguments(files, tmp_path / "out.png", checkpoint_seconds=0)) == 0
    printed = capsys.readouterr().err
    assert printed.count("Could not write the checkpoint of step") == 1
    assert "No space left on device. The run continues and tries again every 0 s." in printed
    assert (tmp_path / "out.png").exists()
    assert not (tmp_path / "out.png.checkpoint").exists()


@pytest.mark.usefixtures("mini_network")
def test_checkpoints_can_be_turned_off(files, tmp_path, broken_at, capsys):
    broken_at(2)
    flags = arguments(files, tmp_path / "out.png", checkpoint_dir="none", checkpoint_seconds=0)
    assert main.main(flags) == 130
    assert "--resume" not in capsys.readouterr().err
    assert not list(tmp_path.glob("*.checkpoint"))


# A program that writes checkpoints as fast as it can until it is killed.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from tf_style.config.style_config import StyleConfig
from tf_style.transfer import checkpoints

class Progress:
    phase, num_steps, config = "picture", 10**9, StyleConfig()
    step = 0
    def state(self):
        return {"step": self.step, "ring": np.full([400, 1000], self.step, np.float32)}

writer = checkpoints.Checkpoints(Path(sys.argv[1]), {}, seconds=0.0, started=0.0)
progress = Progress()
while True:
    progress.step += 1
    writer.after_slice(progress, notify=print)
"""


def test_a_process_killed_while_writing_leaves_a_whole_checkpoint(tmp_path, rng):
    folder = tmp_path / "kept"
    last = 0
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)])
        deadline = time.monotonic() + 60
        before = sorted(folder.glob("*.checkpoint"))
        while sorted(folder.glob("*.checkpoint")) == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = checkpoints.newest(folder, argument="resume")
        assert int(found.path.stem) > last
        last = int(found.path.stem)
        np.testing.assert_array_equal(found.arrays["ring"], found.arrays["step"])
        assert len(list(folder.glob("*.checkpoint"))) <= 3
    assert Path(folder, found.path.name).exists()
