"""Settings of the process, in new processes."""

import subprocess
import sys

from places import SUPPORT


def run(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_tensorflow_creates_at_import_is_not_searched_for_garbage():
    program = """
import gc
from tf_style.cli import process
collected = []
gc.callbacks.append(lambda phase, info: collected.append(info["generation"]))
process.set_environment()
process.tune_tensorflow()
assert collected == [], collected
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
assert len(gc.get_objects()) < gc.get_freeze_count()
"""
    run(program)


def test_a_program_without_garbage_collection_stays_so():
    program = """
import gc
from tf_style.cli import process
gc.disable()
process.tune_tensorflow()
assert not gc.isenabled()
"""
    run(program)


def test_a_default_run_imports_only_what_it_needs(picture_file, tmp_path):
    program = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
import pytest
from mini_network import make_mini_layers, use_mini_network
from tf_style.cli.main import main
with pytest.MonkeyPatch.context() as patch:
    use_mini_network(patch, make_mini_layers())
    assert main([*sys.argv[1:], "--size=32", "--steps=3"]) == 0
print(*sys.modules)
"""
    pictures = picture_file("content.png"), picture_file("style.png")
    modules = run(program, *pictures, tmp_path / "out.png").splitlines()[-1].split()
    assert "tensorflow" in modules
    unused = "tensorflow_probability", "tf_keras", "fsspec", "pyvips", "tifffile", "pillow_heif"
    assert not set(unused) & set(modules)
    commands = [name for name in modules if name.endswith("_command")]
    assert commands == ["tf_style.cli.stylize_command"]
    # Keras is there, because `import tensorflow` imports it; `use_mini_network` imports `export`.
    folders = {name.split(".")[1] for name in modules if name.startswith("tf_style.")}
    assert not {"keras", "portable", "pipeline", "serving"} & folders
