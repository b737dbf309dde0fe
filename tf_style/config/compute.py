"""Options of the computation: precision, compilation, memory and time. No TensorFlow here."""

import dataclasses

from tf_style._checks import check_choice, check_number
from tf_style.config.fields import TypeChecked, option

FEATURE_PRECISIONS = ("float32", "bfloat16")
"""What features are computed and kept in."""

PRECISIONS = ("auto", *FEATURE_PRECISIONS)
JIT_COMPILE = ("auto", "off", "objective", "loop")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeConfig(TypeChecked):
    """How a run computes, and within which limits of memory and time."""

    precision: str = option(
        "auto",
        "Precision of the network: 'float32', 'bfloat16' (features of 8 bits), or 'auto': "
        "bfloat16 where it is faster.",
    )
    deterministic: bool = option(
        False,
        "Give the same picture, bit for bit, in every run on the same machine. In Python this "
        "stays on for the whole process, because TensorFlow cannot turn it off again.",
    )
    jit_compile: str = option(
        "off",
        "What XLA compiles, once for each size: nothing ('off'), the 'objective' and its gradient, "
        "or the whole 'loop' of the optimizer. For GPUs; slower on CPUs. 'auto' is 'loop' where "
        "TensorFlow sees a GPU, and 'off' on CPUs, with `deterministic` and with a time budget.",
    )
    memory_limit: float = option(
        0.0,
        "Memory that a run may use, in GB; 0 uses what the machine has free. Sizes that need more "
        "are computed in tiles, with the same result; if that is not enough, the history gets "
        "shorter.",
    )
    time_budget: float = option(
        0.0,
        "Finish within this many seconds, counted from the start of the process, or in Python from "
        "the call. It replaces `steps` at the full size. 0 means no limit.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("jit_compile", self.jit_compile, JIT_COMPILE)
        check_number("memory_limit", self.memory_limit, minimum=0.0, maximum=1e6)
        check_number("time_budget", self.time_budget, minimum=0.0, maximum=1e9)
        if self.deterministic and self.time_budget:
            raise ValueError(
                "Cannot use `deterministic` with `time_budget`. This is because the number of "
                "steps that fit into a time varies from run to run. "
                f"Received: time_budget={self.time_budget:g}."
            )
