"""`tf_style interpolate`: a strip or an animation between styles, or between strengths.

Takes the command's arguments; writes one file and gives an exit code.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from tf_style._checks import check_number, exists, shown, user_path
from tf_style.cli import flags, process
from tf_style.cli.request import check_positional
from tf_style.cli.run import INTERRUPTED
from tf_style.cli.settings import settings_from
from tf_style.config.control import numbers
from tf_style.config.fields import option
from tf_style.config.style_config import StyleConfig
from tf_style.files import atomic
from tf_style.images import pillow

if TYPE_CHECKING:
    from tf_style.transfer.interpolation import Frame


_HELP = """\
tf_style interpolate paints a series of pictures between styles, or between strengths of one style.

  tf_style interpolate photo.jpg a.jpg,b.jpg strip.png [flags]
  tf_style interpolate photo.jpg a.jpg film.gif --strengths=0.25,4"""

POSITIONAL = ("content", "style", "output")
"""The flags that positional arguments set, in this order."""

_GAP = 8  # px, white, between the pictures of a strip.
_STRIPS, _ANIMATIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff"), (".gif", ".webp")
_LEFT_OUT = (
    "time_budget",
    "style_scales",
    "region_strengths",
    "content_map_gain",
    "mask_mode",
    "regions",
    "num_regions",
    "protect",
    "photorealistic",
    "fidelity",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InterpolateOptions:
    """The flags of `tf_style interpolate` besides those of the config."""

    content: str = option("", "The photograph.")
    style: flags.FILES = option(
        (), "The painting. For several, repeat the flag, or put commas between the names."
    )
    output: str = option(
        "", "A strip (.png, .jpg, .tif), or an animation that plays forward and back (.gif, .webp)."
    )
    frames: int = option(5, "How many pictures to paint.")
    strengths: str = option(
        "",
        "First and last style strength, as in '0.25,4': interpolates between strengths instead of "
        "styles.",
    )
    seconds: float = option(4.0, "Length of an animation in seconds, forward and back.")
    config: str = option(
        "", "Read all settings from this JSON file, or from a picture that tf_style made."
    )
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show these flags.")
    helpfull: bool = option(False, "Show all flags.")


def command(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    table = flags.command_table(InterpolateOptions, without=_LEFT_OUT)
    values = flags.parse(
        flags.make_flags(table), arguments, positional=POSITIONAL, check_positional=check_positional
    )
    options = flags.of_type(InterpolateOptions, values)
    if options.help or options.helpfull:
        full = options.helpfull
        print(
            flags.command_help(_HELP, "Pictures and files", InterpolateOptions, table, is_full=full)
        )
        return 0
    from tf_style.images import writing
    from tf_style.inputs.preparation import prepare_inputs
    from tf_style.transfer.finishing import finished

    output, styles = _checked(options), options.style
    settings = settings_from(values, options.config)
    _check_settings(settings, between_styles=not options.strengths)
    named = [options.content, *styles, options.config, settings.init, settings.network.weights]
    sources = [user_path(name) for name in named if name and exists(name)]
    atomic.check_writable(output, argument="output", inputs=sources)
    with process.quiet_stderr(not options.verbose):
        inputs = prepare_inputs(options.content, styles, settings)
    for note in inputs.notes:
        print(note)
    process.set_environment(quiet=not options.verbose)
    with process.quiet_stderr(not options.verbose):
        process.tune_tensorflow()
        from tf_style.engine.assembly import load_problem
        from tf_style.transfer.interpolation import between_strengths, between_styles, interpolate

        if options.strengths:
            first, last = numbers(options.strengths, argument="strengths")
            strengths = between_strengths(first, last, options.frames)
            blends = [tuple(map(float, inputs.blend))] * options.frames
        else:
            blends = between_styles(len(inputs.styles), options.frames)
            strengths = [1.0] * options.frames
        problem, _ = load_problem(settings, notify=print)
        frames = interpolate(problem, inputs, settings, blends=blends, strengths=strengths)
        pictures: list[np.ndarray] = []
        code = 0
        try:
            for frame in frames:
                image = finished(frame.image, inputs, settings)
                pictures.append(writing.to_pixels(image, inputs.alpha))
                print(_frame_line(len(pictures), options.frames, frame), flush=True)
        except KeyboardInterrupt:
            if not pictures:
                raise
            code = INTERRUPTED
    atomic.write_atomically(output, lambda file: _write(pictures, output, options.seconds, file))
    print(
        f"Saved {output}" + (f" with {len(pictures)} of {options.frames} pictures" if code else "")
    )
    return code


def _check_settings(settings: StyleConfig, *, between_styles: bool) -> None:
    """Raises ValueError for settings that cannot be interpolated."""
    control = settings.control
    found = {
        "style_scales": control.style_scales,
        "region_strengths": control.region_strengths,
        "regions": control.regions,
        "protect": control.protect,
        "photorealistic": control.photorealistic,
        "time_budget": settings.compute.time_budget,
        "style_blend": control.style_blend if between_styles else "",
    }
    for name, value in found.items():
        if value:
            raise ValueError(
                f"Cannot use `{name}` here. This is because interpolation works between whole "
                f"styles at one scale, with a fixed number of steps. Received: {name}={value!r}. "
                "Leave it out."
            )


def _checked(options: InterpolateOptions) -> Path:
    """Returns the output. Raises ValueError if a flag is missing or invalid."""
    missing = [f"--{name}" for name in ("content", "style", "output") if not getattr(options, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style interpolate photo.jpg "
            "a.jpg,b.jpg strip.png."
        )
    check_number("frames", options.frames, minimum=2, maximum=1000)
    check_number("seconds", options.seconds, minimum=0.1, maximum=3600.0)
    output = user_path(options.output)
    if output.suffix.lower() not in (*_STRIPS, *_ANIMATIONS):
        listed = ", ".join((*_STRIPS, *_ANIMATIONS))
        raise ValueError(f"`output` must end in one of {listed}. Received: output='{output}'.")
    if options.strengths and len(numbers(options.strengths, argument="strengths")) != 2:
        raise ValueError(
            "`strengths` must be two numbers, as in '0.25,4'. Received: "
            f"strengths={options.strengths!r}."
        )
    if len(options.style) < 2 and not options.strengths:
        raise ValueError(
            "`style` must be at least two pictures, separated by commas; or give --strengths. "
            f"Received: style={shown(','.join(options.style))}."
        )
    return output


def _frame_line(number: int, count: int, frame: "Frame") -> str:
    """Returns a line that describes a painted picture."""
    blend = ", ".join(f"{weight:.2f}" for weight in frame.blend)
    return (
        f"{number}/{count}: styles {blend}, strength {frame.strength:.3g}, "
        f"{frame.num_evaluations} evaluations, loss {frame.loss:.5g}"
    )


def _write(pictures: list[np.ndarray], output: Path, seconds: float, file: BinaryIO) -> None:
    """Writes a strip or an animation to an open file."""
    kind = Image.registered_extensions()[output.suffix.lower()]
    if output.suffix.lower() in _ANIMATIONS:
        frames = [Image.fromarray(pixels) for pixels in [*pictures, *pictures[-2:0:-1]]]
        duration = round(1000.0 * seconds / len(frames))
        frames[0].save(
            file, kind, save_all=True, append_images=frames[1:], duration=duration, loop=0
        )
        return
    strip = joined(pictures)
    if kind == "JPEG":
        pillow.on_white(Image.fromarray(strip)).save(file, kind, quality=95, subsampling=0)
    else:
        Image.fromarray(strip).save(file, kind)


def joined(pictures: list[np.ndarray]) -> np.ndarray:
    """Returns pictures of one size, uint8 `[H, W, c]`, side by side with white gaps."""
    height, _, channels = pictures[0].shape
    gap = np.full([height, _GAP, channels], 255, np.uint8)
    parts = [part for pixels in pictures for part in (pixels, gap)]
    return np.concatenate(parts[:-1], 1)
