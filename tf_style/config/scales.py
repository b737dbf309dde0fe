"""The text form of a coarse-to-fine schedule. No TensorFlow here."""

from typing import NamedTuple

from tf_style._checks import shown


class Stage(NamedTuple):
    """One size of a coarse-to-fine schedule.

    Attributes:
        scale: size relative to the result, above 0 and at most 1.
        steps: number of optimizer steps, at least 1.
    """

    scale: float
    steps: int


def parse_scales(text: str) -> tuple[Stage, ...]:
    """Returns the stages in 'scale:steps,...'; an empty tuple for 'auto' and 'none'.

    Raises:
        ValueError: if the text has another form, the scales do not increase to 1, or a number
            of steps is below 1.
    """
    if text in ("auto", "none"):
        return ()
    try:
        pairs = [part.split(":") for part in text.split(",")]
        stages = tuple(Stage(float(scale), int(steps)) for scale, steps in pairs)
    except ValueError:
        stages = ()
    scales = [stage.scale for stage in stages]
    if (
        not stages
        or scales[-1] != 1.0
        or not all(low < high for low, high in zip([0.0, *scales], scales, strict=False))
        or any(stage.steps < 1 for stage in stages)
    ):
        raise ValueError(
            "`scales` must be 'auto', 'none', or rising scales that end with 1, each with its "
            f"steps, as in '0.25:50,0.5:25,1:25'. Received: scales={shown(text)}."
        )
    return stages
