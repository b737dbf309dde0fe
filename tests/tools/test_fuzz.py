"""The fuzzer in tools/hardening: its mutations, its judgment, and a few hundred cases."""

import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import TOOLS

sys.path.insert(0, str(TOOLS / "hardening"))

import fuzz
import fuzz_mutations
from fuzz_targets import TARGETS, Target

# These import TensorFlow.
SLOW = (
    "command_line", "exported_model", "graph_pictures", "warm_up_requests", "tensors", "shards",
    "trainings",
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in SLOW])
def test_hostile_input_gives_a_result_or_a_clear_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = TARGETS[name]
    for data in target.seeds():  # Most mutations start from these valid files.
        assert fuzz.judge(target, data)[1] is None
    findings = []
    fuzz.run_cases(
        fuzz.case_strategy(target), 30, 0, lambda data: findings.append(fuzz.judge(target, data)[1])
    )
    assert len(findings) >= 30
    assert set(findings) == {None}
    there = {path.name for path in tmp_path.iterdir()}
    assert there == ({Path(target.file).parts[0]} if target.file else set())


def odd_error():
    raise KeyError("picture")


def unnamed_error():
    raise ValueError("invalid literal")


def two_lines():
    raise ValueError("`picture` is odd:\nvery odd")


def a_warning():
    warnings.warn("odd", stacklevel=1)


def too_much():
    try:
        raise MemoryError
    except MemoryError as error:
        raise ValueError("`picture` is damaged.") from error


def wrong_result():
    raise AssertionError("values beyond 0..1")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (odd_error, "KeyError in test_fuzz.py:odd_error"),
        (unnamed_error, "message without a name"),
        (two_lines, "message of 2 lines"),
        (a_warning, "UserWarning at test_fuzz.py"),
        (too_much, "asked for too much memory"),
        (wrong_result, "wrong result, values beyond 0..1"),
    ],
)
def test_a_fault_is_reported_by_its_kind(fault, kind):
    target = Target(lambda: [b""], lambda data: fault(), ("`picture`",))
    _, finding = fuzz.judge(target, b"")
    assert finding.kind.startswith(kind)


def test_an_error_in_one_line_that_names_the_input_is_no_fault():
    def refuse(data):
        raise ValueError("`picture` must be a picture.")

    ended = fuzz.judge(Target(lambda: [b""], refuse, ("`picture`",)), b"")
    assert ended == ("ValueError", None)


@pytest.mark.parametrize("name", ["images", "weights_npz", "config", "command_line"])
def test_splitting_and_joining_changes_nothing(name):
    target = TARGETS[name]
    taken = 0
    for data in target.seeds():
        for form in target.formats:
            if parts := form.split(data):
                assert form.split(form.join(parts)) == parts
                taken += 1
    assert taken > 1


@given(st.binary(max_size=40), st.tuples(*[st.integers(0, 2**16)] * 4))
def test_mutations_accept_any_numbers(data, change):
    assert isinstance(fuzz_mutations.mutated(data, change, [b"token"]), bytes)
