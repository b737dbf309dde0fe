"""The trace of a resumed run: lines that will be written again are cut off."""

import json

import pytest

from tf_style.cli import trace_file

WHOLE = "".join(json.dumps({"step": step, "loss": 1.0 / step}) + "\n" for step in (1, 5, 9, 14))


@pytest.mark.parametrize(
    ("first_step", "steps"),
    [(0, []), (1, []), (5, [1]), (9, [1, 5]), (10, [1, 5, 9]), (99, [1, 5, 9, 14])],
)
@pytest.mark.parametrize("end", ["", '{"step": 15, "lo', "no JSON\n", "[3]\n"])
def test_lines_from_the_first_step_on_are_cut_off(tmp_path, first_step, steps, end):
    path = tmp_path / "trace.jsonl"
    path.write_text(WHOLE + end)
    with trace_file.opened(path, first_step=first_step) as file:
        file.write('{"step": 100}\n')
    found = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert found == [*steps, 100]


def test_a_missing_trace_is_started_again(tmp_path):
    with trace_file.opened(tmp_path / "trace.jsonl", first_step=7) as file:
        file.write("line\n")
    assert (tmp_path / "trace.jsonl").read_text() == "line\n"
