"""Names of files that are hard to print or to make longer."""

import io
import os
import sys

import pytest

from tf_style.cli import main
from tf_style.provenance.description import read_description

TINY = ["--size=32", "--steps=2", "--scales=none"]
LATIN_1 = os.fsdecode(b"caf\xe9")
pytestmark = pytest.mark.usefixtures("mini_network")


@pytest.fixture
def files(picture_file):
    return [str(picture_file(f"{LATIN_1}.png")), str(picture_file("painting.png", 30, 30))]


def strict_streams(monkeypatch):
    """Sets streams as of a process with a UTF-8 locale: stdout refuses what is not UTF-8.

    Returns a function that gives what was printed.
    """
    errors = {"stdout": "strict", "stderr": "backslashreplace"}
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors=each) for each in errors.values()]
    for name, stream in zip(errors, streams, strict=True):
        monkeypatch.setattr(sys, name, stream)

    def printed():
        for stream in streams:
            stream.flush()
        return b"".join(stream.buffer.getvalue() for stream in streams).decode()

    return printed


@pytest.mark.parametrize("command", [[], ["interpolate", "--strengths=1,2", "--frames=2"]])
def test_a_name_that_is_not_utf_8_is_read_written_and_printed(
    files, tmp_path, monkeypatch, command
):
    printed = strict_streams(monkeypatch)
    output = tmp_path / f"out_{LATIN_1}.png"
    assert main.main([*command, *files, str(output), *TINY]) == 0, printed()
    assert "inputs_sha256" in read_description(output)
    assert f"Saved {tmp_path}/out_caf\\udce9.png" in printed()
    assert main.main([*command, f"{files[0]}x", files[1], str(output), *TINY]) == 2
    assert "must be an existing file" in printed()


def test_settings_may_have_a_name_that_is_not_utf_8(files, tmp_path, monkeypatch):
    printed = strict_streams(monkeypatch)
    settings = tmp_path / f"{LATIN_1}.json"
    command = [*files, str(tmp_path / "out.png"), *TINY]
    assert main.main([*command, "--dry_run", f"--save_config={settings}"]) == 0
    assert f"Saved the settings as {tmp_path}/caf\\udce9.json" in printed()
    assert main.main([*command, f"--config={settings}"]) == 0


def test_the_longest_name_works_with_checkpoints_and_snapshots(files, tmp_path, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    output = folder / ("n" * 251 + ".png")
    flags = [*TINY, "--checkpoint_seconds=0", "--save_every=1"]
    for _ in range(2):  # The second time, the snapshots of the first are replaced.
        assert main.main([*files, str(output), *flags]) == 0
        printed = capsys.readouterr().err
        assert "Saved " in printed and "No snapshot" not in printed and "Could not" not in printed
        assert len(list(folder.iterdir())) == 3
    # Another photograph's snapshots are known under their cut names.
    output.unlink()
    assert main.main([files[1], files[1], str(output), *flags]) == 2
    assert "_00001.png', which exists, like 1 more." in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["output", "trace", "save_config", "config", "checkpoint_dir"])
def test_a_name_that_is_too_long_is_told_with_its_flag(files, tmp_path, capsys, flag):
    given = {"content": files[0], "style": files[1], "output": str(tmp_path / "out.png")}
    given[flag] = str(tmp_path / ("n" * 252 + ".png"))
    assert main.main([f"--{name}={value}" for name, value in given.items()]) == 2
    printed = capsys.readouterr().err
    assert f"`{flag}` must be a possible name: File name too long. Received: {flag}=" in printed
    assert len(printed.splitlines()) == 1
