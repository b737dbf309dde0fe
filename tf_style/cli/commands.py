"""The subcommands."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


COMMANDS = {
    "export": ("export_command", "writes a SavedModel, for servers and other programs"),
    "interpolate": ("interpolate_command", "paints what lies between styles, or strengths"),
    "serve": ("serve_command", "serves a SavedModel over HTTP, as TensorFlow Serving does"),
    "fetch_weights": ("weights_command", "fetches the network's weights ahead of time"),
}
"""What the first argument may name: the module whose `command` takes the others, and its help."""
