"""What tools/docs makes from the code is up to date, and says what is there."""

import subprocess
import sys

import pytest
from places import ROOT, TOOLS

import tf_style
import tf_style.feedforward
import tf_style.keras
import tf_style.pipeline

API = ROOT / "docs/api.md"


def test_the_files_made_from_the_code_are_up_to_date():
    command = [sys.executable, TOOLS / "docs/write_reference.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module", [tf_style, tf_style.keras, tf_style.pipeline, tf_style.feedforward]
)
def test_every_public_name_has_a_heading_and_its_first_sentence(module):
    text = API.read_text(encoding="utf-8")
    for name in set(module.__all__) - {"__version__"}:
        item = getattr(module, name)
        if module is tf_style.feedforward and name in tf_style.__all__:
            name = f"feedforward.{name}"
        heading = f"### class {name}\n" if isinstance(item, type) else f"### {name}\n"
        assert text.count(heading) == 1
        entry = text.partition(heading)[2].partition("\n### ")[0]
        assert item.__doc__.splitlines()[0].strip() in entry


def test_options_are_listed_with_their_defaults():
    text = API.read_text(encoding="utf-8")
    assert "- `size` = `512`: Longer edge" in text
    assert "- `style_blend` = `" in text  # Of a group that is no public name.
