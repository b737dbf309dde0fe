"""README and the pages in docs/ are true: code runs, commands are the ones CI runs, links exist."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from tf_style import cli, config
from tf_style.export_command import ExportOptions
from tf_style.interpolate_command import InterpolateOptions
from tf_style.serve_command import ServeOptions

ROOT = Path(__file__).resolve().parents[2]
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
    known = set(cli.make_flags()) | {"all", "output_dir"}
    for options in (ExportOptions, InterpolateOptions, ServeOptions):
        known |= {field.name for field in dataclasses.fields(options)}
    known |= {"data", "rest_api_port", "model_base_path", "model_name"}  # Of curl, and of servers.
    used = set(re.findall(r"--([a-z_]+)", README + CONTROL)) - {"e"}
    assert used <= known, used - known


def test_every_preset_is_explained():
    assert all(f"`{name}`" in README for name in config.PRESETS)


def test_files_that_readme_names_exist():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    links += [f"docs/{name}" for name in re.findall(r"!\[.*\]\(([^)]+)\)", CONTROL)]
    files = re.findall(r"(?:examples|tools|docs)/[\w.]+", README)
    missing = [name for name in {*links, *files} if not (ROOT / name).exists()]
    assert not missing
