"""Summaries are written to folders."""

import pytest

import tf_style


@pytest.mark.parametrize("log_dir", [None, 3, b"logs"])
def test_the_folder_must_be_a_path(log_dir):
    with pytest.raises(TypeError, match="`log_dir` must be a path, as text or"):
        tf_style.write_summaries(log_dir)


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "notes.txt"
    path.touch()
    with pytest.raises(NotADirectoryError, match="`log_dir` must be a folder"):
        tf_style.write_summaries(path)
