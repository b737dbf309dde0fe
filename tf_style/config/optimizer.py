"""Options of the optimizer: steps, sizes and what it varies. No TensorFlow here."""

import dataclasses
import math

from tf_style._checks import check_choice, check_number, shown
from tf_style.config.fields import TypeChecked, option
from tf_style.config.scales import parse_scales

OPTIMIZER_NAMES = ("lbfgs", "tfp_lbfgs", "adam")
PARAMETRIZATION_NAMES = ("spectrum", "pixels")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig(TypeChecked):
    """How the loss is minimized."""

    optimizer: str = option(
        "lbfgs",
        "'lbfgs' (best), 'tfp_lbfgs' (TensorFlow Probability's own) or 'adam' (least memory).",
    )
    steps: int = option(
        23,
        "Optimizer steps at the full size, if that is 512 px or more; smaller results get up to "
        "four times as many. A step costs one evaluation of the loss and its gradient (two to "
        "three with tfp_lbfgs).",
    )
    scales: str = option(
        "auto",
        "Sizes from coarse to fine, relative to the full size, each with its steps, as in "
        "'0.25:50,0.5:25,1:25' (sizes too small for the layers are skipped); 'auto' halves the "
        "size down to about 100 px, with `steps` at the half and twice as many below; 'none' "
        "uses the full size alone, with exactly `steps`.",
    )
    parametrization: str = option(
        "spectrum",
        "What L-BFGS varies: the image's scaled 'spectrum', which converges faster, or its "
        "'pixels'. Adam always varies pixels.",
    )
    exponents: str = option(
        "0.5",
        "With --parametrization=spectrum, a frequency f is scaled by 1 / f**exponent: one number, "
        "or two for the coarsest and the finer sizes. Above 0 large forms move first; below 0 fine "
        "detail does, which can leave a weave.",
    )
    gamut: bool = option(
        True, "Minimize the loss of the picture as it is saved, with values clipped to 0..1."
    )
    history: int = option(
        20, "Curvature pairs that L-BFGS keeps; each takes twice the memory of the float picture."
    )
    learning_rate: float = option(0.02, "Step size of Adam, for picture values from 0 to 1.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("optimizer", self.optimizer, OPTIMIZER_NAMES)
        check_choice("parametrization", self.parametrization, PARAMETRIZATION_NAMES)
        parse_scales(self.scales)
        _ = self.spectrum_exponents  # Raises if the text is wrong.
        check_number("steps", self.steps, minimum=1)
        check_number("history", self.history, minimum=1)
        check_number("learning_rate", self.learning_rate, minimum=1e-8)

    @property
    def spectrum_exponents(self) -> tuple[float, float]:
        """The exponents of the spectrum: at the coarsest size, and at the finer ones."""
        try:
            first, *more = (float(part) for part in self.exponents.split(","))
        except ValueError:
            first, more = math.nan, []
        found = (first, more[0] if more else first)
        if len(more) > 1 or not all(-2.0 <= exponent <= 2.0 for exponent in found):
            raise ValueError(
                "`exponents` must be one or two numbers within -2..2, separated by a comma, as in "
                f"'0.5' or '0.25,-0.25'. Received: exponents={shown(self.exponents)}."
            )
        return found

    def exponent_at(self, number: int) -> float:
        """The exponent of a stage; number 0 is the coarsest."""
        return self.spectrum_exponents[number > 0]

    @property
    def parametrization_in_use(self) -> str:
        """The parametrization that the optimizer uses: always "pixels" for Adam."""
        return "pixels" if self.optimizer == "adam" else self.parametrization
