"""Options of the computation."""

import dataclasses

from tf_style._checks import check_choice, check_number
from tf_style.config.fields import TypeChecked, option

PRECISIONS = ("auto", "float32", "bfloat16")
JIT_COMPILE = ("off", "objective", "loop")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeConfig(TypeChecked):
    """With what it is computed, and for how long."""

    precision: str = option(
        "auto",
        "Of the convolutions: 'float32', 'bfloat16' (not with padding 'reflect_all'), or 'auto': "
        "bfloat16 where a short measurement finds it faster.",
    )
    deterministic: bool = option(
        False,
        "Give the same picture, bit for bit, run after run on the same machine. "
        "In Python it stays on in the process, as TensorFlow has no way back.",
    )
    jit_compile: str = option(
        "off",
        "What XLA compiles, anew for each size: 'off', the 'objective' and its gradient, or the "
        "whole 'loop' of the optimizer. For GPUs; on CPUs it is slower.",
    )
    memory_limit: float = option(
        0.0,
        "Memory that a run may take, in GB; 0 for what the machine has left. Sizes that need more "
        "are computed in tiles, with the same result; where that is not enough, with a shorter "
        "history.",
    )
    time_budget: float = option(
        0.0,
        "Seconds until the picture is there, on the command line from the start of the process, "
        "in Python from the call; at the full size it replaces the steps. 0 is off.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("jit_compile", self.jit_compile, JIT_COMPILE)
        check_number("memory_limit", self.memory_limit, minimum=0.0, maximum=1e6)
        check_number("time_budget", self.time_budget, minimum=0.0, maximum=1e9)
        if self.deterministic and self.time_budget:
            raise ValueError(
                "Cannot use `deterministic` with `time_budget`. This is because how far a run "
                f"comes in a time is chance. Received: time_budget={self.time_budget:g}."
            )
