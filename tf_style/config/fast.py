"""Options of pictures that a network paints in one pass. No TensorFlow here."""

import dataclasses
from typing import Any

from tf_style._checks import check_choice, check_number
from tf_style.config.fields import OptionalFloat, TypeChecked, option
from tf_style.config.style_config import COLORS

MOST_STRENGTH = 2.0
"""The network then paints its own picture."""

LOCAL_CONTRAST, MOST_LOCAL_CONTRAST = 0.2, 1.0
"""What weak contrasts are raised towards by default, and at most, of 1."""

_LEAST_TUNING, _MOST_TUNING = 0.6, 86_400.0  # Seconds.


@dataclasses.dataclass(frozen=True, kw_only=True)
class FastConfig(TypeChecked):
    """Everything that determines a picture painted in one pass, except the pictures and styles."""

    network: str = option(
        "default", "The network: 'default', which comes with the package, or a .tfstyle file."
    )
    size: int = option(1024, "Longer edge of the result, in px; 0 keeps the photograph's own size.")
    strength: float = option(
        1.0,
        "Strength of the style, 0..2: below 1 the photograph shines through, above 1 the network "
        "paints on its own picture.",
    )
    local_contrast: OptionalFloat = option(
        None,
        "Weak contrasts of the photograph are raised towards this, where black is 0 and white is "
        "1, before it is painted: flat skies get strokes. 0 leaves them as they are. That of the "
        "network if left out, 0.2 by default.",
    )
    color: str = option(
        "style",
        "Colors of the result: the network's ('style'), or those of the photograph, in one of "
        "three ways: 'content' takes the photograph's chroma, 'match' its mean and covariance, "
        "'luminance' paints a gray photograph and then takes the chroma.",
    )
    keep_margins: bool = option(
        False, "Keep the uniform margin of a scanned painting. Otherwise it is left out."
    )
    tune_seconds: float = option(
        0.0,
        "For paintings: before painting, tune their styles on the photograph for about this many "
        "seconds. 60 bring them far nearer to the painting. Ctrl-C ends it early.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.network:
            raise ValueError("`network` must not be empty. Received: network=''.")
        check_number("size", self.size, minimum=0, maximum=30000)
        check_number("strength", self.strength, minimum=0.0, maximum=MOST_STRENGTH)
        if self.local_contrast is not None:
            check_number(
                "local_contrast", self.local_contrast, minimum=0.0, maximum=MOST_LOCAL_CONTRAST
            )
        check_choice("color", self.color, COLORS)
        if self.tune_seconds and not _LEAST_TUNING <= self.tune_seconds <= _MOST_TUNING:
            raise ValueError(
                f"`tune_seconds` must be 0, or lie within {_LEAST_TUNING:g}..{_MOST_TUNING:g}. "
                f"Received: tune_seconds={self.tune_seconds:g}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns every option in plain JSON types."""
        return dataclasses.asdict(self)
