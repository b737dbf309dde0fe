"""The installed package: its metadata, its entry point, and the files in a wheel."""

import importlib
import importlib.metadata
import re
import subprocess
import sys
import zipfile

import pytest
from places import ROOT

import tf_style


def test_the_installed_version_is_in_the_package_and_the_changelog():
    assert importlib.metadata.version("tf-style") == tf_style.__version__
    assert tf_style.__version__ in (ROOT / "CHANGELOG.md").read_text()


def test_the_console_script_starts_the_command_line():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="tf_style")
    assert entry.load() is importlib.import_module("tf_style.cli.main").main


def test_metadata_states_requirements_and_python_version():
    metadata = importlib.metadata.metadata("tf-style")
    assert metadata["Requires-Python"] == ">=3.10"
    required = {re.split(r"[^\w-]", line)[0] for line in metadata.get_all("Requires-Dist")}
    assert {"tensorflow", "tensorflow-probability", "numpy", "pillow", "absl-py"} <= required


@pytest.mark.slow
def test_a_wheel_contains_only_the_package_and_its_data(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "tf_style/network/data/vgg19_mean_activation.npz" in names
    assert "tf_style/network/data/vgg19_block1_conv1.npz" in names
    assert "tf_style/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tf_style"}
