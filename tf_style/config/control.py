"""Options for several styles and for regions. No TensorFlow here."""

import dataclasses

from tf_style._checks import check_choice, check_number, shown
from tf_style.config.fields import TypeChecked, option

REGIONS = ("", "auto", "none")
MAX_REGIONS = 16


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
    regions: str = option(
        "",
        "'auto' finds regions that photograph and painting have in common, so that sky takes its "
        "style from sky; 'none' finds none. Left out, there are those of --content_masks; without "
        "them --photorealistic finds its own.",
    )
    num_regions: int = option(
        3, "How many regions to look for; fewer are used where the pictures have less in common."
    )
    content_map_gain: float = option(
        10.0, "How many times as much the content counts where --content_map is white."
    )
    photorealistic: bool = option(
        False,
        "For a photograph as style: take the edges and fine detail of the result from the content, "
        "and the style by regions.",
    )
    fidelity: float = option(
        0.03,
        "With --photorealistic: how near to stay to what was painted rather than to the content's "
        "gradients, per square px. Waves longer than 6.3 px over its root are kept (36 px).",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("regions", self.regions, REGIONS)
        check_number("num_regions", self.num_regions, minimum=2, maximum=MAX_REGIONS)
        check_number("content_map_gain", self.content_map_gain, minimum=0.0, maximum=1e6)
        check_number("fidelity", self.fidelity, minimum=1e-6, maximum=1e6)
        self._check_belongings()
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

    @property
    def finds_regions(self) -> bool:
        """Whether regions are found where no masks are given."""
        return self.regions == "auto" or (self.photorealistic and not self.regions)

    def _check_belongings(self) -> None:
        """Raises ValueError if an option is set that changes nothing."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, belongs, owner in (
            ("fidelity", self.photorealistic, "photorealistic"),
            ("num_regions", self.finds_regions, "regions='auto'"),
        ):
            if getattr(self, name) != defaults[name] and not belongs:
                raise ValueError(
                    f"Cannot use `{name}` without {owner}. This is because nothing else uses it. "
                    f"Received: {name}={getattr(self, name)}. Leave it out, or use both."
                )
        if self.regions == "auto" and self.region_strengths:
            raise ValueError(
                "Cannot use `region_strengths` with regions='auto'. This is because it is not "
                f"known how many are found. Received: region_strengths={self.region_strengths!r}. "
                "Use `content_masks`."
            )


def numbers(text: str, *, argument: str) -> tuple[float, ...]:
    """Returns the numbers of a text like '0.7,0.3'; none for an empty one.

    Raises:
        ValueError: unless each is 0 or a number of 1e-6..1e6.
    """
    if not text:
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (-1.0,)
    if not all(number == 0.0 or 1e-6 <= number <= 1e6 for number in found):
        raise ValueError(
            f"`{argument}` must be numbers separated by commas, as in '0.7,0.3', each 0 or of "
            f"1e-6 to 1e6. Received: {argument}={shown(text)}."
        )
    return found
