"""The soak test in tools/hardening."""

import subprocess
import sys

import numpy as np
import pytest
from places import TOOLS

TOOL = TOOLS / "hardening" / "soak.py"


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOL.parent))
    import soak

    return soak


def test_jobs_are_of_every_kind_and_some_are_repeated(soak):
    jobs = soak.draw_jobs(200, 0)
    assert len(jobs) == 200
    assert {job.kind for job in jobs} == set(soak.KINDS)
    assert len(set(jobs)) < len(jobs)
    assert jobs == soak.draw_jobs(200, 0) != soak.draw_jobs(200, 1)
    for job in jobs[:5]:
        first, again = soak.pictures(job), soak.pictures(job)
        assert first["content"].shape[:2] == (job.height, job.width)
        np.testing.assert_array_equal(first["content"], again["content"])


def test_growth_is_measured_over_the_second_half(soak):
    growth = soak.growth
    assert growth([7.0] * 40) == pytest.approx(0.0, abs=1e-12)
    assert growth([*range(50), *[50.0] * 50]) == pytest.approx(0.0)  # A start that ends.
    # From 100 to 110 in a straight line, over its mean, 105.
    assert growth([0.0] * 11 + [100.0 + step for step in range(11)]) == pytest.approx(10 / 105)


@pytest.mark.slow
def test_a_small_soak_finds_no_fault():
    command = [sys.executable, TOOL, "--jobs=3", "--network=small"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 jobs, 0 faults" in done.stdout
    assert done.stdout.count("in a process of its own") == 3
