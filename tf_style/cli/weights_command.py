"""`tf_style fetch_weights`: downloads the network's weights in advance, or checks a file.

Takes the command's arguments; fills the cache and gives an exit code.
"""

import dataclasses
from collections.abc import Sequence

from tf_style.cli import flags, process
from tf_style.config.fields import option
from tf_style.config.network import NetworkConfig

_HELP = """\
tf_style fetch_weights [--weights=vgg19-8bit|imagenet]

  Downloads the network's weights into the cache (TF_STYLE_CACHE), or checks a weights file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsOptions:
    """The flags of `tf_style fetch_weights`."""

    weights: str = option(NetworkConfig.weights, "The weights to download, or a file to check.")
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show this help.")


def command(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    from tf_style.network import weights

    values = flags.make_flags(flags.command_table(WeightsOptions))
    options = flags.of_type(WeightsOptions, flags.parse(values, arguments, positional=("weights",)))
    if options.help:
        print(_HELP)
        return 0
    process.set_environment(quiet=not options.verbose)
    with process.quiet_stderr(
        not options.verbose
    ):  # Keras imports TensorFlow, which prints messages.
        loaded = weights.load_weights(options.weights, notify=print)
    where = weights.cache_dir() if options.weights in weights.SOURCES else options.weights
    print(f"{options.weights}: {len(loaded.layers)} layers, SHA-256 {loaded.sha256}, in {where}")
    return 0
