"""The network that comes with the package. No TensorFlow here."""

import functools
import importlib.resources

from tf_style.feedforward.network_file import StyleNetwork, read_network

DEFAULT = "default"
"""What the bundled network is called where a network is named."""


def named_network(name: str, *, argument: str = "network") -> StyleNetwork:
    """Returns the bundled network for "default", or else the network in the file of that path.

    Args:
        name: "default", or the path of a `.tfstyle` file.
        argument: name of the argument in error messages.

    Raises:
        OSError: if the file cannot be read.
        NetworkFileError: if it is not a network, is damaged, or is from another version.
    """
    return _bundled() if name == DEFAULT else read_network(name, argument=argument)


@functools.cache
def _bundled() -> StyleNetwork:
    with importlib.resources.as_file(
        importlib.resources.files("tf_style.feedforward") / "data/default.tfstyle"
    ) as path:
        return read_network(path)
