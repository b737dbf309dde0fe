"""Imports point one way; modules stay small."""

import ast
from pathlib import Path

import tf_style

PACKAGE = Path(tf_style.__file__).parent
# Each module imports only from rows above its own. A new module must be given a place.
ROWS = [
    {
        "_checks",
        "_version",
        "_runtime",
        "captured",
        "color",
        "device_queue",
        "gradients",
        "libvips",
        "maps",
        "rings",
    },
    {"large_pictures", "large_saving"},
    {"color_match", "vgg19", "matrix_root", "pil_pictures"},
    {"layer_choices", "layer_weights", "presets", "schedule", "solution", "tiles"},
    {"options"},
    {"control_options"},
    {
        "config",
        "images",
        "preprocessing",
        "losses",
        "codebook",
        "weight_files",
        "progress_bar",
        "export_options",
        "new_folder",
        "graphs",
        "guidance",
        "guided_filter",
        "lbfgs_steps",
        "named_graphs",
        "parametrization",
        "resampling",
    },
    {
        "convolution",
        "flag_options",
        "graph_images",
        "keras_inputs",
        "line_search",
        "masks",
        "moment_losses",
        "photorealism",
        "pooling",
        "tfp_state",
    },
    {
        "automatic_regions",
        "coloring",
        "kernel_losses",
        "layers",
        "precision",
        "lbfgs_graph",
        "sliced_losses",
    },
    {
        "control_inputs",
        "style_losses",
        "saving",
        "weights",
        "extractor",
        "lbfgs",
        "tfp_lbfgs",
        "adam",
        "portable_layers",
        "fine_texture",
        "trace_file",
        "memory",
        "variations",
    },
    {"checkpoint_file", "graph_minimizers", "inputs", "network", "portable_losses", "styles"},
    {"checkpoints", "finishing", "found_regions"},
    {"loss_terms"},
    {"objective", "segment_graphs", "strips", "tensor_names"},
    {"tile_passes"},
    {"tile_parts"},
    {"tiled_objective"},
    {
        "keras_losses",
        "portable",
        "problem",
        "region_targets",
        "restyling",
        "vgg19_features",
    },
    {"problem_cache", "scene", "style_bank", "to_litert", "to_onnx", "conversion_check"},
    {"augmentation", "conversion", "graph_transfer", "solver"},
    {"engine"},
    {"dry_run", "interpolation", "keras", "progress", "signatures"},
    {"transfer"},
    {"export"},
    {"exported_model", "pipeline", "resuming", "stablehlo"},
    {"run"},
    {"serving.errors", "serving.signatures", "serving.versions", "serving.metrics"},
    {"serving.json_arrays", "serving.paths", "serving.batching", "serving.store"},
    {"serving.body", "serving.executor", "serving.model", "serving.rest", "serving.server"},
    {"serving.service"},
    {"serving.app"},
    {"settings_file"},
    {"export_command", "interpolate_command", "serve_command", "weights_command"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(ROWS) for name in names}
WITHOUT_TENSORFLOW = {
    "__main__", "_checks", "_runtime", "_version", "automatic_regions", "captured",
    "checkpoint_file", "checkpoints", "cli", "codebook", "color", "color_match", "coloring",
    "config", "control_inputs", "control_options", "export_command", "export_options",
    "fine_texture", "finishing", "flag_options", "found_regions", "guided_filter", "images",
    "inputs", "interpolate_command", "keras", "large_pictures", "large_saving", "layer_choices",
    "layer_weights", "libvips", "maps", "masks", "memory", "new_folder", "options",
    "photorealism", "pil_pictures", "presets", "progress_bar", "resuming", "run", "saving",
    "schedule", "serve_command", "settings_file", "tiles", "trace_file", "transfer", "vgg19",
    "weight_files", "weights", "weights_command",
    *(name for name in RANK if name.startswith("serving.")),
} - {"serving.model"}  # fmt: skip
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.stem != "__init__")


def module(path):
    """Returns a file's name as in the rows: with its folder's, if it is in a subpackage."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


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
        if parts[0] == "tf_style":
            for depth in (2, 3):  # A module of the package, or of a subpackage.
                if PACKAGE.joinpath(*parts[1:depth]).with_suffix(".py").exists():
                    yield ".".join(parts[1:depth])


def type_only(path):
    """Returns the modules that a file imports for type checking only."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in ast.walk(node):
                if isinstance(child, ast.ImportFrom):
                    names.add(child.module.removeprefix("tf_style."))
    return names


def test_every_module_has_a_place():
    assert {module(path) for path in MODULES} == set(RANK)


def test_imports_point_up_the_list():
    bad = [
        (module(path), name)
        for path in MODULES
        for name in inner(path)
        if RANK[name] >= RANK[module(path)] and name not in type_only(path)
    ]
    assert not bad, f"imports must point up the list: {bad}"


def test_only_lbfgs_modules_import_tensorflow_probability():
    users = {
        module(path)
        for path in MODULES
        if any(name.startswith("tensorflow_probability") for name in imported(path))
    }
    assert users == {"graph_minimizers", "line_search", "tfp_lbfgs", "tfp_state"}


def test_only_one_module_imports_pyvips():
    users = {module(path) for path in MODULES if "pyvips" in imported(path)}
    assert users == {"libvips"}


def test_what_the_command_line_needs_at_once_imports_no_tensorflow():
    users = {
        module(path)
        for path in MODULES
        if any(
            name.split(".")[0] in ("tensorflow", "keras", "h5py")
            for name in imported(path, top_level=True)
        )
    }
    assert {module(path) for path in MODULES} - users == WITHOUT_TENSORFLOW


def test_modules_stay_readable():
    long = {module(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def test_only_the_command_line_prints_or_exits():
    printing = {
        module(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit")
    }
    assert printing <= {
        "cli", "progress_bar", "export_command", "interpolate_command", "serve_command",
        "weights_command", "__main__",
    }  # fmt: skip
