"""README and the pages in docs/ are true: code runs, flags exist, links lead somewhere.

`docs/notes/` holds measurements, not chapters: only its links are checked.
"""

import dataclasses
import re
import shutil

import pytest
from places import ROOT

from tf_style.cli import stylize_command, train_command
from tf_style.cli.export_command import ExportOptions
from tf_style.cli.fast_command import FastOptions
from tf_style.cli.interpolate_command import InterpolateOptions
from tf_style.cli.serve_command import ServeOptions
from tf_style.cli.weights_command import WeightsOptions
from tf_style.config import presets
from tf_style.config.fast import FastConfig

README = ROOT / "README.md"
CHAPTERS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *CHAPTERS, *sorted((ROOT / "docs/notes").glob("*.md"))]
_MAX_README_LINES = 170
_OPENING_LINES = 15
_SERVER_FLAGS = {"data", "rest_api_port", "model_base_path", "model_name"}
"""Flags of curl and of TensorFlow Serving."""


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


PYTHON = [
    pytest.param(code, id=f"{name_of(page)}-{number}")
    for page in (README, *CHAPTERS)
    for number, code in enumerate(blocks(page, "python"), 1)
]
each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)
each_chapter = pytest.mark.parametrize("page", CHAPTERS, ids=name_of)


@pytest.fixture
def without_determinism():
    """Turns deterministic operations off after a block that turns them on."""
    yield
    from tensorflow.python.framework import config

    config.disable_op_determinism()


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.usefixtures("without_determinism", "capsys")
@pytest.mark.parametrize("code", PYTHON)
def test_python_blocks_run(code, request, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    code = re.sub(r"size=(\[?)256\b", r"size=\g<1>48", code)
    code = re.sub(r"steps=(\[?)10\b", r"steps=\g<1>2", code)
    exec(compile(code, request.node.name, "exec"), {})


def test_ci_runs_the_test_command_of_readme_and_nothing_else():
    commands = [
        line
        for line in (ROOT / ".ci/run").read_text().splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == [blocks(README, "sh")[-1].strip()]


def test_readme_is_three_screens_at_most():
    assert len(README.read_text().splitlines()) <= _MAX_README_LINES


@each_chapter
def test_readme_links_every_chapter(page):
    assert f"]({name_of(page)}" in README.read_text()


@each_chapter
def test_a_chapter_opens_with_code(page):
    assert "```" in "\n".join(page.read_text().splitlines()[:_OPENING_LINES])


@pytest.mark.parametrize("page", [README, *CHAPTERS], ids=name_of)
def test_every_flag_exists(page):
    known = {*stylize_command.make_flags(), *_SERVER_FLAGS}
    known |= {field.name for field, _ in train_command.table()}
    commands = ExportOptions, InterpolateOptions, ServeOptions, WeightsOptions
    for options in (*commands, FastOptions, FastConfig):
        known |= {field.name for field in dataclasses.fields(options)}
    # A flag starts a word. Tools have their own flags.
    text = re.sub(r"python tools/[^`\n]*", "", page.read_text())
    used = set(re.findall(r"(?<![\w-])--([a-z_]+)", text))
    assert used <= known, sorted(used - known)


def test_every_preset_is_explained():
    explained = (ROOT / "docs/presets.md").read_text()
    for name in presets.PRESETS:
        assert f"`{name}`" in README.read_text()
        assert f"`{name}`" in explained


def anchors(page):
    """The names that links to headings of a page may use, formed as GitHub does."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_and_pictures_exist(page):
    missing = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert not missing


@pytest.mark.parametrize("page", [README, *CHAPTERS], ids=name_of)
def test_files_that_a_page_names_exist(page):
    form = r"(?<![\w/])(?:examples|tools|tf_style|docs)/[\w/]*\w\.\w+"
    named = set(re.findall(form, page.read_text()))
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert not missing


def test_every_picture_in_docs_is_shown():
    shown = "".join(page.read_text() for page in PAGES)
    shown += (ROOT / "BUILD_NOTES.md").read_text()
    unused = [path.name for path in (ROOT / "docs/images").iterdir() if path.name not in shown]
    assert not unused
