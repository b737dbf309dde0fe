"""Every Python program in tools/ answers --help."""

import subprocess
import sys

import pytest
from places import TOOLS

PROGRAMS = sorted(
    path.relative_to(TOOLS).as_posix()
    for path in TOOLS.rglob("*.py")
    if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_answers_help(program, tmp_path):
    done = subprocess.run(
        [sys.executable, TOOLS / program, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert not list(tmp_path.iterdir())
