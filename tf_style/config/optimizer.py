"""Options of the optimizer."""

import dataclasses

from tf_style._checks import check_choice, check_number
from tf_style.config.fields import TypeChecked, option
from tf_style.config.scales import parse_scales

OPTIMIZER_NAMES = ("lbfgs", "tfp_lbfgs", "adam")
PARAMETRIZATION_NAMES = ("spectrum", "pixels")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig(TypeChecked):
    """How it is minimized."""

    optimizer: str = option(
        "lbfgs",
        "'lbfgs' (best), 'tfp_lbfgs' (TensorFlow Probability's own) or 'adam' (least memory).",
    )
    steps: int = option(
        25,
        "Steps of the optimizer at the full size, if that is 512 px or more; a smaller one gets "
        "up to four times as many. One costs one evaluation of the loss and its gradient (two to "
        "three with tfp_lbfgs).",
    )
    scales: str = option(
        "auto",
        "Sizes to go through, relative to the full one, each with its steps, as in "
        "'0.25:50,0.5:25,1:25' (sizes too small for the layers are left out); 'auto': halves down "
        "to about 100 px, the half with `steps`, smaller ones with twice as many; 'none': the "
        "full size alone, with just the steps.",
    )
    parametrization: str = option(
        "spectrum",
        "What L-BFGS varies: the image's scaled 'spectrum', in which it converges faster, or its "
        "'pixels'. Adam always varies pixels.",
    )
    gamut: bool = option(
        True, "Minimize the loss of the picture as it is saved, its values within 0..1."
    )
    history: int = option(
        20, "Curvature pairs that L-BFGS keeps; each takes twice the picture's memory in floats."
    )
    learning_rate: float = option(
        0.02, "Step size of Adam, where the picture's values run from 0 to 1."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("optimizer", self.optimizer, OPTIMIZER_NAMES)
        check_choice("parametrization", self.parametrization, PARAMETRIZATION_NAMES)
        parse_scales(self.scales)
        check_number("steps", self.steps, minimum=1)
        check_number("history", self.history, minimum=1)
        check_number("learning_rate", self.learning_rate, minimum=1e-8)

    @property
    def parametrization_in_use(self) -> str:
        """What the optimizer varies."""
        return "pixels" if self.optimizer == "adam" else self.parametrization
