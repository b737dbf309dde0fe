"""Options for several styles, and for regions with their own styles. No TensorFlow here."""

import dataclasses

from tf_style._checks import check_choice, check_number, shown
from tf_style.config.fields import TypeChecked, option

REGIONS = ("", "auto", "none")
PROTECT = ("", "faces")
MAX_REGIONS = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControlConfig(TypeChecked):
    """How much each style counts, and where."""

    style_blend: str = option(
        "",
        "Weights of several styles, separated by commas, as in '0.7,0.3'; their sum does not "
        "matter. By default all styles count equally.",
    )
    style_scales: str = option(
        "",
        "Use each style at several scales at once, as in '1,0.5', relative to the size set by "
        "--style_scale or --style_size; the statistics of all scales are averaged.",
    )
    region_strengths: str = option(
        "",
        "The strength of the style in each region, beside --style_strength, separated by commas; 0 "
        "leaves a region as it is in the photograph. By default 1 everywhere.",
    )
    regions: str = option(
        "",
        "'auto' finds regions that photograph and painting have in common, so that sky takes its "
        "style from sky; 'none' finds none. By default the regions are those of --content_masks; "
        "without masks, --photorealistic finds regions by itself.",
    )
    num_regions: int = option(
        3, "How many regions to look for; fewer are used if the pictures have fewer in common."
    )
    content_map_gain: float = option(
        10.0, "How many times as much the content counts where --content_map is white."
    )
    protect: str = option(
        "",
        "'faces' finds faces, and the content counts more there, as with --content_map. Needs the "
        "extra `faces`.",
    )
    photorealistic: bool = option(
        False,
        "For a photograph as style: keep the edges and fine detail of the content, and apply the "
        "style region by region.",
    )
    fidelity: float = option(
        0.03,
        "With --photorealistic: how closely the result follows what was painted rather than the "
        "content's gradients, in 1/px^2. Wavelengths above 6.3 px / sqrt(fidelity) stay as "
        "painted: 36 px by default.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("regions", self.regions, REGIONS)
        check_choice("protect", self.protect, PROTECT)
        check_number("num_regions", self.num_regions, minimum=2, maximum=MAX_REGIONS)
        check_number("content_map_gain", self.content_map_gain, minimum=0.0, maximum=1e6)
        check_number("fidelity", self.fidelity, minimum=1e-6, maximum=1e6)
        self._check_unused()
        blend = numbers(self.style_blend, argument="style_blend")
        if blend and not sum(blend):
            raise ValueError(
                "`style_blend` must have a weight above 0. Received: "
                f"style_blend={self.style_blend!r}."
            )
        scales = numbers(self.style_scales, argument="style_scales")
        if scales and not 0.0 < min(scales) <= max(scales) <= 10.0:
            raise ValueError(
                "`style_scales` must be above 0 and at most 10. Received: "
                f"style_scales={self.style_scales!r}."
            )
        strengths = numbers(self.region_strengths, argument="region_strengths")
        if strengths and not sum(strengths):
            raise ValueError(
                "`region_strengths` must have a number above 0, or nothing would be painted. "
                f"Received: region_strengths={self.region_strengths!r}."
            )

    @property
    def finds_regions(self) -> bool:
        """Whether regions are found automatically if no masks are given."""
        return self.regions == "auto" or (self.photorealistic and not self.regions)

    def _check_unused(self) -> None:
        """Raises ValueError if an option is set that has no effect."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, is_used, owner in (
            ("fidelity", self.photorealistic, "photorealistic"),
            ("num_regions", self.finds_regions, "regions='auto'"),
        ):
            if getattr(self, name) != defaults[name] and not is_used:
                raise ValueError(
                    f"Cannot use `{name}` without {owner}. This is because nothing else uses it. "
                    f"Received: {name}={getattr(self, name)}. Leave it out, or use both."
                )
        if self.regions == "auto" and self.region_strengths:
            raise ValueError(
                "Cannot use `region_strengths` with regions='auto'. This is because the "
                "number of regions is not known in advance. "
                f"Received: region_strengths={self.region_strengths!r}. "
                "Use `content_masks`."
            )


def numbers(text: str, *, argument: str) -> tuple[float, ...]:
    """Returns the numbers in a text like '0.7,0.3'; an empty tuple for empty text.

    Raises:
        ValueError: unless each number is 0 or within 1e-6..1e6.
    """
    if not text:
        return ()
    try:
        parsed = tuple(float(part) for part in text.split(","))
    except ValueError:
        parsed = (-1.0,)
    if not all(number == 0.0 or 1e-6 <= number <= 1e6 for number in parsed):
        raise ValueError(
            f"`{argument}` must be numbers separated by commas, as in '0.7,0.3', each 0 or within "
            f"1e-6..1e6. Received: {argument}={shown(text)}."
        )
    return parsed
