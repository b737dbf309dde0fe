"""The table of optimizers: how each is run, in slices or in a graph, and what it stores.

No TensorFlow here before an optimizer is made. A new optimizer is an entry of `OPTIMIZERS` and of
`config.optimizer.OPTIMIZER_NAMES`.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tf_style.config.optimizer import OptimizerConfig

if TYPE_CHECKING:
    from tf_style.optimizers.slices import Method
    from tf_style.optimizers.solution import GraphSolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class Storage:
    """How an optimizer stores its history.

    Attributes:
        history: number of curvature pairs.
        bfloat16_history: whether they are rounded to bfloat16.
    """

    history: int = OptimizerConfig.history
    bfloat16_history: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What the program knows about one optimizer.

    Attributes:
        make: makes a `slices.Method` of (function, start, config, storage, **options), with the
            options `arguments` and `jit_compile`.
        in_graph: maps (function, start, config, num_steps=, in_place=) to a `GraphSolution`.
        pairs_stored: maps the history to the number of pairs of images in memory.
        can_shorten: whether a shorter history saves memory.
        can_round: whether the history can be stored in bfloat16.
    """

    make: Callable[..., "Method[Any]"]
    in_graph: Callable[..., "GraphSolution"]
    pairs_stored: Callable[[int], int]
    can_shorten: bool
    can_round: bool


def _lbfgs(
    function: Any, start: Any, _: OptimizerConfig, storage: Storage, **options: Any
) -> "Method[Any]":
    from tf_style.optimizers.lbfgs import Lbfgs

    return Lbfgs(function, start, **dataclasses.asdict(storage), **options)


def _tfp_lbfgs(
    function: Any, start: Any, _: OptimizerConfig, storage: Storage, **options: Any
) -> "Method[Any]":
    from tf_style.optimizers.tfp_lbfgs import TfpLbfgs

    return TfpLbfgs(function, start, history=storage.history, **options)


def _adam(
    function: Any, start: Any, config: OptimizerConfig, _: Storage, **options: Any
) -> "Method[Any]":
    from tf_style.optimizers.adam import Adam

    return Adam(function, start, learning_rate=config.learning_rate, **options)


def _lbfgs_in_graph(
    function: Any, start: Any, config: OptimizerConfig, *, num_steps: Any, in_place: bool
) -> "GraphSolution":
    from tf_style.optimizers.graph_minimizers import minimize_lbfgs_in_graph

    return minimize_lbfgs_in_graph(
        function, start, num_steps=num_steps, history=config.history, in_place=in_place
    )


def _tfp_lbfgs_in_graph(
    function: Any, start: Any, config: OptimizerConfig, *, num_steps: Any, in_place: bool
) -> "GraphSolution":
    from tf_style.optimizers.graph_minimizers import minimize_tfp_lbfgs_in_graph

    return minimize_tfp_lbfgs_in_graph(function, start, num_steps=num_steps, history=config.history)


def _adam_in_graph(
    function: Any, start: Any, config: OptimizerConfig, *, num_steps: Any, in_place: bool
) -> "GraphSolution":
    from tf_style.optimizers.graph_minimizers import minimize_adam_in_graph

    return minimize_adam_in_graph(
        function, start, num_steps=num_steps, learning_rate=config.learning_rate
    )


OPTIMIZERS = {
    "lbfgs": Optimizer(
        make=_lbfgs,
        in_graph=_lbfgs_in_graph,
        pairs_stored=lambda history: history,
        can_shorten=True,
        can_round=True,
    ),
    "tfp_lbfgs": Optimizer(
        make=_tfp_lbfgs,
        in_graph=_tfp_lbfgs_in_graph,
        pairs_stored=lambda history: 5 * history,  # It copies them.
        can_shorten=True,
        can_round=False,  # TFP stores its pairs in the position's type.
    ),
    "adam": Optimizer(
        make=_adam,
        in_graph=_adam_in_graph,
        pairs_stored=lambda _: 1,  # Its two moments.
        can_shorten=False,
        can_round=False,
    ),
}
"""What each of `config.optimizer.OPTIMIZER_NAMES` stands for."""
