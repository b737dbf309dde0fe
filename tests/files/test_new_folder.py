"""Folders that are there only when complete."""

import os
from pathlib import Path

import pytest

from tf_style.files.new_folder import new_folder


@pytest.mark.parametrize("exists", [True, False])
def test_a_complete_folder_takes_its_place(tmp_path, exists):
    path = tmp_path / "out"
    if exists:
        path.mkdir()
    with new_folder(path) as folder:
        (folder / "file").write_text("whole")
        assert not (path / "file").exists()
    assert (path / "file").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_folder_stays_itself_and_gets_its_files_last(tmp_path, monkeypatch):
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


def test_an_empty_folder_need_not_lie_in_one_that_can_be_written(tmp_path, monkeypatch):
    path = tmp_path / "mounted"
    path.mkdir()
    monkeypatch.setattr(os, "access", lambda folder, mode: Path(folder) != tmp_path)
    with new_folder(path) as folder:
        (folder / "file").write_text("whole")
    assert (path / "file").read_text() == "whole"
    with pytest.raises(PermissionError, match="must be a folder that can be written, or lie in"):
        new_folder(tmp_path / "other").__enter__()


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_left_of_a_folder_that_was_not_completed(tmp_path, exists):
    if exists:
        (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["out"] * exists


def test_what_holds_anything_or_is_no_folder_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, error, told in [
        ("full", FileExistsError, "`export_to` must be a new or an empty folder.*Name another"),
        ("file", NotADirectoryError, "`export_to` must be a folder.*a file"),
    ]:
        with pytest.raises(error, match=told), new_folder(tmp_path / name, argument="export_to"):
            raise AssertionError
    assert (tmp_path / "full" / "file").read_text() == "mine"
