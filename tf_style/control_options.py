"""Options for several styles and for regions. No TensorFlow here."""

import dataclasses

from tf_style._checks import TypeChecked, check_number
from tf_style.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControlConfig(TypeChecked):
    """Which style counts how much, and where."""

    style_blend: str = option(
        "",
        "Weights of several styles, separated by commas, as in '0.7,0.3'; their sum does not "
        "matter. Left out, all count alike.",
    )
    style_scales: str = option(
        "",
        "Take each style at several scales at once, as in '1,0.5': relative to the size that "
        "--style_scale or --style_size gives; their statistics are averaged.",
    )
    region_strengths: str = option(
        "",
        "Factors of the style loss in each region, separated by commas; 0 leaves a region as it "
        "is in the photograph. Left out, 1 everywhere.",
    )
    content_map_gain: float = option(
        10.0, "How much more the content counts where --content_map is white."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("content_map_gain", self.content_map_gain, minimum=0.0, maximum=1e6)
        blend = numbers(self.style_blend, argument="style_blend")
        if blend and not sum(blend):
            raise ValueError(
                "`style_blend` must have a weight above 0. Received: "
                f"style_blend={self.style_blend!r}."
            )
        scales = numbers(self.style_scales, argument="style_scales")
        if scales and not 0.0 < min(scales) <= max(scales) <= 10.0:
            raise ValueError(
                "`style_scales` must lie above 0 and be at most 10. Received: "
                f"style_scales={self.style_scales!r}."
            )
        strengths = numbers(self.region_strengths, argument="region_strengths")
        if strengths and not sum(strengths):
            raise ValueError(
                "`region_strengths` must have one above 0, as else nothing is to be done. "
                f"Received: region_strengths={self.region_strengths!r}."
            )


def numbers(text: str, *, argument: str) -> tuple[float, ...]:
    """Returns the numbers of a text like '0.7,0.3'; none for an empty one.

    Raises:
        ValueError: unless each is a number of 0..1e6.
    """
    if not text:
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (-1.0,)
    if not all(0.0 <= number <= 1e6 for number in found):
        raise ValueError(
            f"`{argument}` must be numbers of 0 to 1000000, separated by commas, as in '0.7,0.3'. "
            f"Received: {argument}={text!r}."
        )
    return found
