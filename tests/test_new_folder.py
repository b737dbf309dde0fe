"""Folders that are there only when complete."""

import pytest

from tf_style.new_folder import new_folder


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


def test_nothing_is_left_of_a_folder_that_was_not_completed(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


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
