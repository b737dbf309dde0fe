"""The public names: they exist and are documented, and options are keyword-only."""

import ast
import inspect
from pathlib import Path

import pytest

import tf_style

NAMES = [name for name in tf_style.__all__ if name != "__version__"]


def functions():
    """Yields the names of the public functions and methods, and the functions."""
    for name in NAMES:
        item = getattr(tf_style, name)
        if inspect.isfunction(item):
            yield name, item
        elif inspect.isclass(item):
            for method, function in vars(item).items():
                function = getattr(
                    function, "python_function", function
                )  # Unwraps a `tf.function`.
                if inspect.isfunction(function) and not method.startswith("_"):
                    yield f"{name}.{method}", function


def test_every_name_exists_and_is_listed():
    for name in NAMES:
        assert getattr(tf_style, name) is not None
    assert dir(tf_style) == tf_style.__all__


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented(name):
    text = inspect.getdoc(getattr(tf_style, name)) or ""
    assert len(text.splitlines()[0]) > 10
    assert getattr(tf_style, name).__module__.startswith("tf_style")


@pytest.mark.parametrize("name, function", list(functions()))
def test_options_are_keyword_only(name, function):
    defaults = inspect.getfullargspec(function).defaults
    assert not defaults, f"{name}: put a `*` before options"


@pytest.mark.parametrize("name, function", list(functions()))
def test_arguments_are_documented(name, function):
    arguments = [p for p in inspect.signature(function).parameters if p != "self"]
    text = inspect.getdoc(function) or ""
    assert text, f"{name} has no docstring"
    if len(arguments) > 1:
        missing = [argument for argument in arguments if f"{argument}:" not in text]
        assert not missing, f"{name} does not document {missing}"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'stylise'"):
        tf_style.stylise  # noqa: B018


def test_type_checkers_see_the_names_that_are_there():
    tree = ast.parse(Path(tf_style.__file__).read_text())
    block, _ = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module.removeprefix("tf_style.")
        for node in block.body
        for alias in node.names
    }
    assert seen == tf_style._HOME
