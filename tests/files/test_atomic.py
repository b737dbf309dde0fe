"""Files that appear only when complete."""

import errno
import io
import os
from pathlib import Path

import pytest

from tf_style.files import atomic


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        atomic.write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["out.png"]


def test_the_file_that_a_link_names_is_replaced_and_the_link_stays(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "real.png").write_bytes(b"old")
    link, second = tmp_path / "link.png", tmp_path / "second.png"
    link.symlink_to("folder/real.png")
    second.symlink_to(link)
    atomic.check_writable(second, argument="output")
    atomic.write_atomically(second, lambda file: file.write(b"new"))
    assert (folder / "real.png").read_bytes() == b"new"
    assert link.is_symlink() and second.is_symlink()
    assert [path.name for path in folder.iterdir()] == ["real.png"]


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("missing.png", FileNotFoundError, "a link that leads nowhere.*points to 'missing.png'"),
        ("link.png", FileNotFoundError, "a link that leads nowhere.*points to 'link.png'"),
        (".", IsADirectoryError, "must be a file.*which is a link to a folder"),
    ],
)
def test_a_link_to_no_file_is_told(tmp_path, target, kind, message):
    (tmp_path / "link.png").symlink_to(target)
    with pytest.raises(kind, match=message):
        atomic.check_writable(tmp_path / "link.png", argument="output")
    assert [path.name for path in tmp_path.iterdir()] == ["link.png"]


def test_the_space_is_checked_where_the_file_of_a_link_is(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "folder" / "real.png")
    real, folders = atomic.part_file, []
    monkeypatch.setattr(
        atomic, "part_file", lambda path, write: folders.append(path.parent) or real(path, write)
    )
    atomic.check_writable(tmp_path / "link.png", argument="output")
    assert folders == [tmp_path / "folder"]


@pytest.mark.parametrize("end", ["_00001.png", ".checkpoint"])
def test_a_name_that_fits_is_whole_and_a_long_one_is_cut_and_unlike_others(tmp_path, end):
    assert atomic.fitting_name("photo", end) == f"photo{end}"
    assert atomic.fitting_name("n" * (255 - len(end)), end) == "n" * (255 - len(end)) + end
    stems = ["n" * 251, "n" * 250 + "m", "\u7d75" * 84, "caf\udce9" * 80]
    names = [atomic.fitting_name(stem, end) for stem in stems]
    assert len(set(names)) == len(names)
    for name in names:
        (tmp_path / name).touch()
        assert name.endswith(end) and len(os.fsencode(name)) <= 255


@pytest.mark.parametrize("argument", ["output", "trace"])
def test_an_impossible_name_is_told(tmp_path, argument):
    with pytest.raises(OSError, match=f"^`{argument}` must be a possible name: File name too long"):
        atomic.check_writable(tmp_path / ("n" * 256), argument=argument)


def test_a_pipe_is_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="`output` must be a regular file.*pipe', a pipe or device"):
        atomic.check_writable(path, argument="output")
    with pytest.raises(OSError, match="Cannot write 'pipe': it is a folder, pipe or device"):
        atomic.write_atomically(path, lambda file: file.write(b"x"))
    assert path.is_fifo() and [each.name for each in tmp_path.iterdir()] == ["pipe"]


def test_files_are_written_to_paths_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="'memory://out.png', a URL: files are written to"):
        atomic.write_atomically(Path("memory://out.png"), lambda file: None)
    with pytest.raises(TypeError, match="`path` must be a path, as text or as a pathlib.Path"):
        atomic.check_writable(io.BytesIO(), argument="path")
