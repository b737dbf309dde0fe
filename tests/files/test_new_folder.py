"""Folders that appear only when complete."""

import contextlib
import errno
import os
import stat
from pathlib import Path

import pytest

from tf_style.files.new_folder import new_folder


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_appears_when_complete(tmp_path, exists):
    path = tmp_path / "out"
    if exists:
        path.mkdir()
    with new_folder(path) as folder:
        (folder / "file").write_text("whole")
        assert not (path / "file").exists()
    assert (path / "file").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_empty_folder_is_filled_with_its_files_last(tmp_path, monkeypatch):
    path = tmp_path / "mounted"
    path.mkdir()
    number, order = path.stat().st_ino, []
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda a, b: order.append(Path(b).name) or real(a, b))
    with new_folder(path) as folder:
        (folder / "model.pb").write_text("graph")
        (folder / "variables").mkdir()
        (folder / "variables" / "values").write_text("numbers")
    assert order == ["variables", "model.pb"]
    assert path.stat().st_ino == number
    assert sorted(child.name for child in path.iterdir()) == order[::-1]


def test_the_parent_of_an_existing_empty_folder_need_not_be_writable(tmp_path, monkeypatch):
    path = tmp_path / "mounted"
    path.mkdir()
    monkeypatch.setattr(os, "access", lambda folder, mode: Path(folder) != tmp_path)
    with new_folder(path) as folder:
        (folder / "file").write_text("whole")
    assert (path / "file").read_text() == "whole"
    with pytest.raises(PermissionError, match="must be a folder that can be written to, or be"):
        new_folder(tmp_path / "other").__enter__()


@pytest.mark.parametrize("exists", [True, False])
def test_files_and_then_folders_are_on_disk_before_anything_moves(tmp_path, monkeypatch, exists):
    events = []
    fsync, replace = os.fsync, Path.replace

    def record_fsync(descriptor):
        events.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", lambda a, b: events.append("move") or replace(a, b))
    if exists:
        (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "variables").mkdir()
        (folder / "variables" / "values").write_text("numbers")
        (folder / "model.pb").write_text("graph")
        inner = [
            path.stat().st_ino for path in (folder / "variables" / "values", folder / "variables")
        ]
        outer = [path.stat().st_ino for path in (folder / "model.pb", folder)]
    assert events == [*inner, *outer, *["move"] * (2 if exists else 1)]


@pytest.mark.parametrize("is_folder", [True, False])
def test_only_folders_may_refuse_to_be_synced(tmp_path, monkeypatch, is_folder):
    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == is_folder:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    path = tmp_path / "out"
    expected = contextlib.nullcontext() if is_folder else pytest.raises(OSError, match="Invalid")
    with expected, new_folder(path) as folder:
        (folder / "file").write_text("whole")
    assert [child.name for child in tmp_path.rglob("*")] == ["out", "file"] * is_folder


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_left_of_an_incomplete_folder(tmp_path, exists):
    if exists:
        (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["out"] * exists


def test_full_folders_and_files_are_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, error, message in [
        ("full", FileExistsError, "`export_to` must be a new or an empty folder.*Choose another"),
        ("file", NotADirectoryError, "`export_to` must be a folder.*a file"),
    ]:
        with pytest.raises(error, match=message), new_folder(tmp_path / name, argument="export_to"):
            raise AssertionError
    assert (tmp_path / "full" / "file").read_text() == "mine"
