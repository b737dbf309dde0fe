"""Imports point one way; modules stay small."""

import ast
from pathlib import Path

import tf_style

PACKAGE = Path(tf_style.__file__).parent
# Each module imports only from rows above its own. A new module must be given a place.
ROWS = [
    {"_checks", "_version", "_runtime"},
    {"vgg19", "matrix_root"},
    {"layer_weights", "presets", "schedule"},
    {"options"},
    {
        "config",
        "images",
        "preprocessing",
        "losses",
        "codebook",
        "weight_files",
        "progress_bar",
        "solution",
        "gradients",
        "graphs",
        "lbfgs_steps",
        "parametrization",
    },
    {"convolution", "flag_options", "keras_inputs", "pooling"},
    {"layers", "precision"},
    {"inputs", "saving", "weights", "extractor", "lbfgs", "tfp_lbfgs", "adam"},
    {"network", "objective"},
    {"problem", "keras_losses", "vgg19_features", "restyling"},
    {"style_bank"},
    {"augmentation"},
    {"keras"},
    {"engine"},
    {"transfer"},
    {"run", "weights_command"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(ROWS) for name in names}
WITH_TENSORFLOW = {
    "adam", "augmentation", "convolution", "engine", "extractor", "gradients", "graphs",
    "keras_inputs", "keras_losses", "layers", "lbfgs", "lbfgs_steps", "losses", "matrix_root",
    "network", "objective", "parametrization", "pooling", "precision", "preprocessing", "problem",
    "restyling", "solution", "style_bank", "tfp_lbfgs", "transfer", "vgg19_features",
}  # fmt: skip
MODULES = sorted(path for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def imported(path, *, top_level=False):
    """Yields the modules that a file imports: at its top level only, or anywhere."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def inner(path):
    """Yields the names of the package's modules that a file imports."""
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "tf_style" and len(parts) > 1 and (PACKAGE / f"{parts[1]}.py").exists():
            yield parts[1]


def type_only(path):
    """Returns the modules that a file imports for type checking only."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in ast.walk(node):
                if isinstance(child, ast.ImportFrom):
                    names.add(child.module.split(".")[1])
    return names


def test_every_module_has_a_place():
    assert {path.stem for path in MODULES} == set(RANK)


def test_imports_point_up_the_list():
    bad = [
        (path.stem, name)
        for path in MODULES
        for name in inner(path)
        if RANK[name] >= RANK[path.stem] and name not in type_only(path)
    ]
    assert not bad, f"imports must point up the list: {bad}"


def test_only_lbfgs_modules_import_tensorflow_probability():
    users = {
        path.stem
        for path in MODULES
        if any(name.startswith("tensorflow_probability") for name in imported(path))
    }
    assert users == {"lbfgs_steps", "tfp_lbfgs"}


def test_what_the_command_line_needs_at_once_imports_no_tensorflow():
    users = {
        path.stem
        for path in MODULES
        if any(
            name.split(".")[0] in ("tensorflow", "keras", "h5py")
            for name in imported(path, top_level=True)
        )
    }
    assert users == WITH_TENSORFLOW


def test_modules_stay_readable():
    long = {path.stem: len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def test_only_the_command_line_prints_or_exits():
    printing = {
        path.stem
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit")
    }
    assert printing <= {"cli", "progress_bar", "weights_command", "__main__"}
