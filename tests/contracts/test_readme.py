"""README and the pages in docs/ are true: code runs, commands are the ones CI runs, links exist."""

import dataclasses
import re
import shutil

import pytest
from places import ROOT

from tf_style.cli import stylize_command
from tf_style.cli.export_command import ExportOptions
from tf_style.cli.interpolate_command import InterpolateOptions
from tf_style.cli.serve_command import ServeOptions
from tf_style.config import presets

README = (ROOT / "README.md").read_text()
CONTROL = "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
PYTHON = re.findall(r"```python\n(.*?)```", README + CONTROL, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_blocks_run(number, tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    code = PYTHON[number].replace("size=256", "size=48").replace("steps=10", "steps=2")
    exec(compile(code, f"README block {number}", "exec"), {})


def test_ci_runs_readmes_test_command_and_nothing_else():
    commands = [
        line
        for line in (ROOT / ".ci/run").read_text().splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == [SHELL[-1].strip()]


def test_every_flag_in_readme_exists():
    known = set(stylize_command.make_flags()) | {"all", "output_dir"}
    for options in (ExportOptions, InterpolateOptions, ServeOptions):
        known |= {field.name for field in dataclasses.fields(options)}
    known |= {"data", "rest_api_port", "model_base_path", "model_name"}  # Of curl, and of servers.
    used = set(re.findall(r"--([a-z_]+)", README + CONTROL)) - {"e"}
    assert used <= known, used - known


def test_every_preset_is_explained():
    assert all(f"`{name}`" in README for name in presets.PRESETS)


def test_files_that_readme_names_exist():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    links += [f"docs/{name}" for name in re.findall(r"!\[.*\]\(([^)]+)\)", CONTROL)]
    files = re.findall(r"(?:examples|tools|docs)/[\w.]+", README)
    missing = [name for name in {*links, *files} if not (ROOT / name).exists()]
    assert not missing
