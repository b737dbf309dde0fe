"""The commands of `tf_style`: the words that may come first, and the module that runs each.

Takes a command line; gives an exit code. A command's module is imported only when it runs. No
TensorFlow here.
"""

import importlib
from collections.abc import Sequence

DEFAULT = "stylize_command"
"""The module that runs if the first argument is not the name of a command."""

COMMANDS = {
    "fast": ("fast_command", "paints a picture in seconds, with a trained network"),
    "train": ("train_command", "trains a network that paints in one pass"),
    "export": ("export_command", "writes a model for servers and other programs"),
    "interpolate": ("interpolate_command", "paints a series between two styles or strengths"),
    "serve": ("serve_command", "serves a SavedModel over HTTP, like TensorFlow Serving"),
    "fetch_weights": ("weights_command", "downloads the network's weights in advance"),
}
"""By first argument: the module whose `command` takes the other arguments, and its help text."""


def run(arguments: Sequence[str]) -> int:
    """Runs the command that the first argument names; returns the exit code."""
    named = bool(arguments) and arguments[0] in COMMANDS
    module = COMMANDS[arguments[0]][0] if named else DEFAULT
    command = importlib.import_module(f"tf_style.cli.{module}").command
    return command(arguments[1:] if named else arguments)


def help_lines() -> list[str]:
    """Returns one line of help for each command."""
    return [f"  tf_style {name:<14} {text}" for name, (_, text) in COMMANDS.items()]
