"""A short run of the load test: four clients, bad requests, clients that leave, and a swap."""

import subprocess
import sys

import pytest
from places import TOOLS

TOOL = TOOLS / "hardening" / "load_test.py"


@pytest.mark.slow
def test_a_server_under_load_gives_no_wrong_answer():
    command = [sys.executable, str(TOOL), "--requests=120", "--distinct=5", "--bad=0.3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrong answers: 0" in done.stdout
    assert " 0 answered with 5xx" in done.stdout
    assert "The server stopped with code 0." in done.stdout
