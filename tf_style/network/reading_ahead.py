"""Reads the weights of a config in a thread, while the program does other things.

No TensorFlow here: the point is to read while TensorFlow is being imported.
"""

import threading
from concurrent.futures import Future
from typing import TypeAlias

from tf_style.config.network import NetworkConfig
from tf_style.network.weights import Weights, mean_activations, normalize, stored_weights

WeightsAhead: TypeAlias = Future[Weights | None]
"""Gives the weights, normalized if the config says so; None if they must be fetched first."""


def read_ahead(config: NetworkConfig) -> WeightsAhead:
    """Starts to read the weights of a config; its errors are those of `stored_weights`."""
    ahead: WeightsAhead = Future()

    def read() -> None:
        try:
            ahead.set_result(_read(config))
        except Exception as error:  # `result` raises it.
            ahead.set_exception(error)

    # A daemon, so that a program which ends early does not wait for it.
    threading.Thread(target=read, name="tf_style_weights", daemon=True).start()
    return ahead


def _read(config: NetworkConfig) -> Weights | None:
    weights = stored_weights(config.weights)
    if weights is None or not config.normalized:
        return weights
    return weights._replace(layers=normalize(weights.layers, mean_activations()))
