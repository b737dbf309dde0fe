"""Every name in backticks exists: in the documents and in the package's docstrings.

Checked are paths, flags, dotted names, and identifiers with an underscore or a capital inside.
Plain words pass, and so do names of other programs (`OUTSIDE`).
"""

import ast
import functools
import re
from pathlib import Path

import pytest
from places import ROOT

PACKAGE = ROOT / "tf_style"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "BUILD_NOTES.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ("tf_style", "tests", "tools", "examples", "docs", ".ci")

OUTSIDE_MODULES = {"tf", "tfp", "np", "numpy", "keras", "jax", "PIL", "Image", "absl", "argparse"}
"""A dotted name that starts with one of these is another package's."""
OUTSIDE = {
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY",
    "SelfAdjointEigV2",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "json_tensor",
}
"""Names of other programs that no source mentions."""
VARIABLES = {"augmentation", "config", "inputs", "options", "style"}
"""Modules that are also variables: `config.layers` is any attribute, `config.INITS` must exist."""
LAYER = re.compile(r"block[1-5]_(conv[1-4]|pool)|(conv|relu)[1-5]_[1-4]|pool[1-5]")
FILE = re.compile(
    r"\.(bin|btf|c|csv|gz|h5|html|ico|jpe?g|json|jsonl|keras|npz|onnx|pb|pickle|pkl|png|sh|svg|"
    r"tfl?ite|tfrecords?|tiff?|toml|txt|webp|whl|ya?ml|zip)$"
)
TOKEN = re.compile(
    r"--[a-z][\w-]*|[\w.*{}<>-]*(?:/[\w.*{}<>-]+)+/?|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
)
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*\w")


@functools.cache
def tree_of(path):
    """Returns a source file's syntax tree."""
    return ast.parse(path.read_text())


def names_in(node):
    """Yields the identifiers in a syntax node, also those in a string without spaces."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and not re.search(r"\s", node.value):
            yield from re.findall(r"[A-Za-z_]\w*", node.value)
    elif isinstance(node, ast.alias):
        yield from f"{node.name}.{node.asname or ''}".split(".")
    else:
        for field in ("id", "attr", "arg", "name", "module"):
            value = getattr(node, field, None)
            yield from value.split(".") if isinstance(value, str) else ()


@functools.cache
def known():
    """Returns every identifier in the Python sources: names, attributes, arguments, keys."""
    paths = [path for folder in FOLDERS[:4] for path in (ROOT / folder).rglob("*.py")]
    names = {part for path in paths for part in path.relative_to(ROOT).with_suffix("").parts}
    for path in paths:
        if path != Path(__file__).resolve():
            names.update(name for node in ast.walk(tree_of(path)) for name in names_in(node))
    return names


def top_level(body):
    """Returns the names that a list of statements defines or imports, also below `if` and `try`."""
    names = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(
                each.id for part in targets for each in ast.walk(part) if isinstance(each, ast.Name)
            )
        else:
            names |= top_level(getattr(node, "body", [])) | top_level(getattr(node, "orelse", []))
    return names


@functools.cache
def modules():
    """Returns the names in each module and folder of the package, by its last name: a set each.

    Modules of one name count together: `objective.Objective` may be in either.
    """
    found = {}
    for path in SOURCES:
        is_folder = path.name == "__init__.py"
        names = top_level(tree_of(path).body)
        lazy = (n for n in ast.walk(tree_of(path)) if is_folder and isinstance(n, ast.Constant))
        names.update(node.value for node in lazy if isinstance(node.value, str))
        found.setdefault(path.parent.name if is_folder else path.stem, set()).update(names)
        found.setdefault((path.parent.parent if is_folder else path.parent).name, set()).add(
            path.parent.name if is_folder else path.stem
        )
    return found


@functools.cache
def classes():
    """Returns the attributes of each class of the package; any known name if it has bases."""
    found = {}
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                own = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
                inherited = known() if node.bases else set()
                found.setdefault(node.name, set()).update(top_level(node.body), own, inherited)
    return found


def is_dotted_name(name):
    """Whether a dotted name can be followed from a module or class of ours to its end."""
    first, *rest = name.split(".")
    if first in OUTSIDE_MODULES or name in OUTSIDE:
        return True
    for part in rest:
        if first in VARIABLES and part.islower():
            owned = known()
        elif first in modules():
            owned = modules()[first]
        elif first in classes():
            owned = classes()[first]
        else:
            owned = known()
        if part not in owned and part not in OUTSIDE:
            return False
        first = part
    return first in known() | OUTSIDE


def is_path(name):
    """Whether a path exists, from the root of the repository or of the package; `*` is any."""
    pattern = re.sub(r"\{[^}]*\}|<[^>]*>", "*", name.rstrip("/"))
    return any(any(folder.glob(pattern)) for folder in (ROOT, PACKAGE))


def is_ours(name):
    """Whether a name has the form of one of ours, so that it must exist."""
    pieces = name.strip("_").split("_")
    is_formula = max(map(len, pieces)) <= 2  # `w_l`, `M_s`.
    is_pattern = "LAYER" in pieces  # `content_LAYER`.
    return not (is_formula or is_pattern) and (
        len(pieces) > 1 or bool(re.search(r"[a-z0-9][A-Z]", name))
    )


def exists(token):
    """Whether a token is a plain word, or names something that exists."""
    if token.startswith("--"):
        return token[2:] in known() or token in OUTSIDE
    if token.endswith((".py", ".md")) and "/" not in token:
        return any(ROOT.glob(token)) or any(any((ROOT / folder).rglob(token)) for folder in FOLDERS)
    if "/" in token:
        return token.split("/")[0] not in FOLDERS or is_path(token)
    if FILE.search(token) and not (token.startswith("tf_style.") and is_dotted_name(token)):
        return True
    if "." in token:
        return is_dotted_name(token)
    return not is_ours(token) or token in known() | OUTSIDE or bool(LAYER.fullmatch(token))


def missing(text):
    """Returns the names in backticks that do not exist, in order."""
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    tokens = [token.rstrip(".") for span in spans for token in TOKEN.findall(span)]
    return [token for token in dict.fromkeys(tokens) if not exists(token)]


def docstrings(path):
    """Yields the line and text of each bare string: docstrings, also of constants."""
    for node in ast.walk(tree_of(path)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield node.lineno, value.value


def present(path):
    """Returns a document's text; of the changelog, only what is not released yet."""
    text = path.read_text()
    return "\n## ".join(text.split("\n## ")[:2]) if path.name == "CHANGELOG.md" else text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_in_documents_exist(path):
    bad = missing(present(path))
    assert not bad, f"{path.relative_to(ROOT)} names what does not exist: {bad}"


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES}), ids=lambda p: p.name)
def test_names_in_docstrings_exist(folder):
    bad = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in folder.glob("*.py")
        for line, text in docstrings(path)
        for name in missing(text)
    ]
    assert not bad, "docstrings name what does not exist:\n" + "\n".join(bad)


def test_paths_exist_anywhere_in_documents_and_sources():
    bad = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in [*DOCUMENTS, *SOURCES]
        for name in dict.fromkeys(PATH.findall(path.read_text()))
        if not is_path(name)
    ]
    assert not bad, "paths that do not exist:\n" + "\n".join(bad)


@pytest.mark.parametrize(
    "text",
    [
        "`images.read_picture` was a module, `config.INITS` another",
        "`tf_style.no_such_module`",
        "`Objective.no_such_method`",
        "`tools/bench_parts.py` has moved",
        "`--no_such_flag`",
        "`NoSuchClass`, or `no_such_function(x)`",
    ],
)
def test_a_stale_name_is_found(text):
    assert missing(text)


@pytest.mark.parametrize(
    "text",
    [
        "`tf_style.keras`, `tf_style.stylize`, `tf_style.losses.style.STYLE_LOSSES`",
        "`reading.read_picture`, `Objective.terms`, `StyleConfig`",
        "`tools/speed/bench_parts.py`, `docs/notes/network.md`",
        "`--style_strength=2`, `style_strength`, `gatys2016_mean`, `block4_conv2`",
        "`image`, `[1, h, w, c]`, `w_l`, `photo.jpg`",
    ],
)
def test_a_true_name_passes(text):
    assert missing(text) == []
