"""Imports between folders point one way, and what must start fast loads no TensorFlow."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

import tf_style

PACKAGE = Path(tf_style.__file__).parent
# Each folder imports only from itself and from folders above it in this list. "." holds the files
# of the package itself.
FOLDERS = [
    ".",
    "graphs",
    "files",
    "config",
    "images",
    "losses",
    "network",
    "optimizers",
    "objective",
    "provenance",
    "inputs",
    "tiling",
    "engine",
    "keras",
    "feedforward",
    "training",
    "transfer",
    "export",
    "portable",
    "pipeline",
    "serving",
    "cli",
]
RANK = {name: rank for rank, name in enumerate(FOLDERS)}
# Files that re-export names from below, or start the program.
EXEMPT = {"__init__.py", "__main__.py"}
FILES = sorted(PACKAGE.rglob("*.py"))


def folder_of(path):
    """Returns a file's folder, relative to the package."""
    return str(path.relative_to(PACKAGE).parent)


def imported(path):
    """Yields the names of the modules that a file imports, except those for type checking."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports must be absolute"
            yield node.module
            if node.module == "tf_style":
                yield from (f"tf_style.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def folders_imported(path):
    """Yields the folders of the package that a file imports from."""
    for name in imported(path):
        if name.startswith("tf_style."):
            first = name.split(".")[1]
            yield first if (PACKAGE / first).is_dir() else "."


def users_of(package):
    """Returns the files that import a package from outside, relative to the package's folder."""
    return {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(name.split(".")[0] == package for name in imported(path))
    }


def rows_of_contributing():
    """Returns the folders in the table of CONTRIBUTING.md, in order, with what each uses."""
    rows = re.findall(r"^\| `(\w+)/` \|.*\| (.*?) *\|$", text_of("CONTRIBUTING.md"), re.MULTILINE)
    return dict(rows)


def text_of(name):
    return (ROOT / name).read_text()


def test_every_folder_is_in_the_list():
    assert {folder_of(path) for path in FILES} == set(FOLDERS)


def test_contributing_names_every_folder_in_order():
    assert list(rows_of_contributing()) == FOLDERS[1:]


def test_contributing_lists_what_each_folder_uses():
    for folder, uses in rows_of_contributing().items():
        used = {
            other
            for path in FILES
            if folder_of(path) == folder
            for other in folders_imported(path)
            if other not in (".", folder)
        }
        listed = set(re.findall(r"\w+", uses))
        if not listed & {"above", "all", "others"}:
            assert used <= listed, folder
        assert listed - {"above", "all", "others", "and"} <= set(FOLDERS), folder


def test_no_module_imports_a_public_name_of_the_package():
    """`from tf_style import stylize` would import `transfer/` from anywhere, by the lazy face."""
    modules = {path.stem for path in PACKAGE.iterdir()}
    bad = [
        (str(path.relative_to(PACKAGE)), name)
        for path in FILES
        for name in imported(path)
        if name.startswith("tf_style.") and name.split(".")[1] not in modules
    ]
    assert not bad


def test_imports_between_folders_point_up_the_list():
    bad = [
        (str(path.relative_to(PACKAGE)), folder)
        for path in FILES
        if path.parent != PACKAGE or path.name not in EXEMPT
        for folder in folders_imported(path)
        if RANK[folder] > RANK[folder_of(path)]
    ]
    assert not bad, f"imports must point up the list of folders: {bad}"


def test_imports_form_no_cycle():
    modules = {
        path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in FILES
    }
    names = {name.removesuffix(".__init__"): path for path, name in modules.items()}
    edges = {}
    for path in FILES:
        tree = ast.parse(path.read_text())
        edges[path] = set()
        for node in tree.body:  # Only imports at the top level can fail because of a cycle.
            if isinstance(node, ast.ImportFrom) and node.module in names:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                edges[path] |= {names.get(name, names[node.module]) for name in whole}
    done, active = set(), []

    def visit(path):
        if path in active:
            pytest.fail(f"a cycle of imports: {[modules[each] for each in active]}")
        if path not in done:
            active.append(path)
            for other in edges[path] - {path}:
                visit(other)
            done.add(active.pop())

    for path in FILES:
        visit(path)


def test_only_the_optimizers_import_tensorflow_probability():
    assert {Path(name).parent.name for name in users_of("tensorflow_probability")} == {"optimizers"}


def test_tensorflow_probability_is_imported_only_when_it_is_needed():
    for path in (PACKAGE / "optimizers").glob("*.py"):
        top = [
            n
            for n in ast.parse(path.read_text()).body
            if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert not any("tensorflow_probability" in ast.unparse(node) for node in top), path


def test_only_one_module_of_the_server_imports_tensorflow():
    serving = {name for name in users_of("tensorflow") if name.startswith("serving/")}
    assert serving == {"serving/model.py"}


def test_only_one_module_imports_keras():
    assert users_of("keras") == {"_keras.py"}


def test_only_one_module_imports_pyvips():
    assert users_of("pyvips") == {"images/libvips.py"}


def test_only_one_module_imports_the_finder_of_faces():
    assert users_of("mtcnn") == {"inputs/face_finder.py"}


LIGHT = """
import sys
{statement}
heavy = [name for name in ("tensorflow", "keras", "h5py", "tf_keras") if name in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import tf_style",
        "import tf_style; tf_style.StyleConfig().replace(size=64)",
        "import tf_style.feedforward; dir(tf_style.feedforward)",
        "from tf_style.cli.main import main; main(['--help'])",
        "from tf_style.cli.main import main; main(['--helpfull'])",
        "from tf_style.cli.main import main; main(['export', '--help'])",
        "from tf_style.cli.main import main; main(['fast', '--help'])",
        "from tf_style.cli.main import main; "
        "assert main(['fast', 'none.jpg', 'out.png', '--style=a.jpg']) == 2",
        "from tf_style.cli.main import main; main(['interpolate', '--help'])",
        "from tf_style.cli.main import main; main(['fetch_weights', '--help'])",
        "from tf_style.cli.main import main; main(['train', '--help'])",
        "from tf_style.cli.main import main; assert main(['train', 'a.jpg', '.', 'a.png']) == 2",
        "from tf_style.cli.main import main; assert main(['--content=none.jpg']) == 2",
        "from tf_style.cli.main import main; assert main(['none.jpg', 'b.jpg', 'out.png']) == 2",
        "import tf_style.serving.app",
    ],
)
def test_what_must_start_fast_loads_no_tensorflow(statement):
    program = LIGHT.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_module_grows_without_end():
    # A file holds one noun. Its length is no reason to split it, but this much says: look again.
    long = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: lines for name, lines in long.items() if lines > 350} == {}


def test_only_the_command_line_prints_or_exits():
    printing = {
        folder_of(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit")
    }
    assert printing <= {".", "cli"}  # "." is `__main__`.
