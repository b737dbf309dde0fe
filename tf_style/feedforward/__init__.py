"""Networks that paint in one pass: trained for paintings, or for any painting at once.

    from tf_style.feedforward import export_network, load

Names are loaded on first use, so `import tf_style.feedforward` does not import TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_style.feedforward.model import StylePainter as StylePainter
    from tf_style.feedforward.model import load as load
    from tf_style.portable.network import export_network as export_network

_HOME = {
    "StylePainter": "feedforward.model",
    "export_network": "portable.network",
    "load": "feedforward.model",
}

__all__ = sorted(_HOME)


if not TYPE_CHECKING:  # Type checkers would take every name for one that is there.

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'tf_style.feedforward' has no attribute {name!r}")
        return getattr(importlib.import_module(f"tf_style.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
