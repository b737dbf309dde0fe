"""`tf_style interpolate`: a strip or an animation between styles, or between strengths."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from tf_style._checks import check_number, user_path
from tf_style.cli import flags, process
from tf_style.cli import settings as settings_file
from tf_style.cli.run import INTERRUPTED
from tf_style.config.control import numbers
from tf_style.config.fields import option, typed_fields
from tf_style.config.style_config import StyleConfig
from tf_style.files import atomic
from tf_style.images import pillow

if TYPE_CHECKING:
    from tf_style.transfer.interpolation import Frame


_HELP = """\
tf_style interpolate paints what lies between styles, or between strengths of one.

  tf_style interpolate --content=photo.jpg --style=a.jpg,b.jpg --output=strip.png [flags]
  tf_style interpolate --content=photo.jpg --style=a.jpg --strengths=0.25,4 --output=film.gif"""

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
    "photorealistic",
    "fidelity",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InterpolateOptions:
    """The flags of `tf_style interpolate` beside those of the config."""

    content: str = option("", "The photograph.")
    style: str = option("", "The painting; or several, separated by commas.")
    output: str = option(
        "", "A strip (.png, .jpg, .tif) or an animation, there and back (.gif, .webp)."
    )
    frames: int = option(5, "How many pictures.")
    strengths: str = option(
        "", "First and last --style_strength, as in '0.25,4', instead of from style to style."
    )
    seconds: float = option(4.0, "How long an animation takes, there and back.")
    config: str = option(
        "", "Take every setting from this JSON file, or from a picture that tf_style made."
    )
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show this help.")


def command(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    table = [*typed_fields(InterpolateOptions), *flags.config_table(without=_LEFT_OUT)]
    values = flags.parse(flags.make_flags(table), arguments)
    options = flags.of_type(InterpolateOptions, values)
    if options.help:
        print("\n".join([_HELP, *flags.help_lines("Pictures and files", table), ""]))
        return 0
    from tf_style.images import writing
    from tf_style.inputs.inputs import prepare_inputs
    from tf_style.transfer.finishing import finished

    output, styles = _checked(options)
    settings = settings_file.settings(values, options.config)
    _check_settings(settings, between_styles=not options.strengths)
    named = [options.content, *styles, options.config, settings.init, settings.network.weights]
    sources = [user_path(name) for name in named if name and user_path(name).exists()]
    atomic.check_writable(output, argument="output", inputs=sources)
    with process.quiet_stderr(not options.verbose):
        inputs = prepare_inputs(options.content, styles, settings)
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
                print(_told(len(pictures), options.frames, frame), flush=True)
        except KeyboardInterrupt:
            if not pictures:
                raise
            code = INTERRUPTED
    atomic.write_atomically(output, lambda file: _write(pictures, output, options.seconds, file))
    print(f"Saved {output}" + (f" with {len(pictures)} of {options.frames}" if code else ""))
    return code


def _check_settings(settings: StyleConfig, *, between_styles: bool) -> None:
    """Raises ValueError for what pictures that lie between others have not."""
    control = settings.control
    found = {
        "style_scales": control.style_scales,
        "region_strengths": control.region_strengths,
        "regions": control.regions,
        "photorealistic": control.photorealistic,
        "time_budget": settings.compute.time_budget,
        "style_blend": control.style_blend if between_styles else "",
    }
    for name, value in found.items():
        if value:
            raise ValueError(
                f"Cannot use `{name}` here. This is because the pictures lie between whole styles "
                f"of one scale, each with its steps. Received: {name}={value!r}. Leave it out."
            )


def _checked(options: InterpolateOptions) -> tuple[Path, list[str]]:
    """Returns the output and the styles, if all flags can be used."""
    missing = [f"--{name}" for name in ("content", "style", "output") if not getattr(options, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style interpolate --content=photo.jpg "
            "--style=a.jpg,b.jpg --output=strip.png."
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
    styles = flags.paths(options.style)
    if len(styles) < 2 and not options.strengths:
        raise ValueError(
            "`style` must be at least two pictures, separated by commas; or give --strengths. "
            f"Received: style={options.style!r}."
        )
    return output, styles


def _told(number: int, count: int, frame: "Frame") -> str:
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
    """Returns pictures of one size, uint8 `[H, W, c]`, side by side with a white gap."""
    height, _, channels = pictures[0].shape
    gap = np.full([height, _GAP, channels], 255, np.uint8)
    parts = [part for pixels in pictures for part in (pixels, gap)]
    return np.concatenate(parts[:-1], 1)
