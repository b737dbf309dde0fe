"""`tf_style interpolate`: a strip or an animation between styles, or between strengths.

Takes the command's arguments; writes one file and gives an exit code.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_style._checks import check_number, exists, shown, user_path
from tf_style.cli import flags, overwriting, process
from tf_style.cli.run import INTERRUPTED
from tf_style.cli.settings import settings_from
from tf_style.config.control import numbers
from tf_style.config.fields import option
from tf_style.config.style_config import StyleConfig
from tf_style.images import animations, writing
from tf_style.images.metadata import NO_METADATA
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.preparation import prepare_inputs
from tf_style.provenance.description import describe
from tf_style.provenance.origin import origin_of

if TYPE_CHECKING:
    from tf_style.transfer.interpolation import Frame


_HELP = """\
tf_style interpolate paints a series of pictures between styles, or between strengths of one style.

  tf_style interpolate photo.jpg a.jpg,b.jpg strip.png [flags]
  tf_style interpolate photo.jpg a.jpg film.gif --strengths=0.25,4"""

POSITIONAL = ("content", "style", "output")
"""The flags that positional arguments set, in this order."""

_GAP = 8  # px, white, between the pictures of a strip.
_SUFFIXES = (
    *(suffix for suffix in writing.SUFFIXES if suffix not in (".webp", ".btf")),
    *animations.SUFFIXES,
)
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
        "",
        "A strip (.png, .jpg, .avif, .tif), or an animation that plays forward and back (.webp, "
        ".gif).",
    )
    frames: int = option(5, "How many pictures to paint.")
    strengths: str = option(
        "",
        "First and last style strength, as in '0.25,4': interpolates between strengths instead of "
        "styles.",
    )
    seconds: float = option(4.0, "Length of an animation in seconds, forward and back.")
    metadata: bool = option(
        True,
        "Store in the file how it was made, and the photograph's copyright, artist, title and "
        "capture date (never its place).",
    )
    overwrite: bool = option(
        False,
        "Replace an existing file without asking. What tf_style made from the same pictures is "
        "replaced in any case.",
    )
    config: str = option(
        "", "Read all settings from this JSON file, or from a picture that tf_style made."
    )
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show these flags.")
    helpfull: bool = option(False, "Show all flags.")


def command(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    table = flags.command_table(InterpolateOptions, without=_LEFT_OUT)
    values = flags.parse(flags.make_flags(table), arguments, positional=POSITIONAL)
    options = flags.of_type(InterpolateOptions, values)
    if options.help or options.helpfull:
        full = options.helpfull
        print(
            flags.command_help(_HELP, "Pictures and files", InterpolateOptions, table, is_full=full)
        )
        return 0
    _check(options)
    settings = settings_from(values, options.config)
    _check_settings(settings, between_styles=not options.strengths)
    with process.quiet_stderr(not options.verbose):
        inputs = _read_inputs(options, settings)
    _check_output(options, settings, inputs)
    for note in inputs.notes:
        print(note)
    process.set_environment(quiet=not options.verbose)
    with process.quiet_stderr(not options.verbose):
        pictures, about = _painted(options, settings, inputs)
    _write(options, pictures, about if options.metadata else None, inputs)
    is_whole = len(pictures) == options.frames
    which = "" if is_whole else f" with {len(pictures)} of {options.frames} pictures"
    print(f"Saved {options.output}{which}")
    return 0 if is_whole else INTERRUPTED


def _read_inputs(options: InterpolateOptions, settings: StyleConfig) -> Inputs:
    inputs = prepare_inputs(options.content, options.style, settings)
    return inputs._replace(origin=origin_of(options.content, options.style, {}))


def _check_output(options: InterpolateOptions, settings: StyleConfig, inputs: Inputs) -> None:
    """Raises an error unless all pictures can be written; asks before a file is replaced."""
    output, (height, width) = user_path(options.output), inputs.content.shape[1:3]
    named = [options.content, *options.style, options.config, settings.init]
    named.append(settings.network.weights)
    sources = [user_path(name) for name in named if name and exists(name)]
    if _is_animation(output):
        animations.check_animation(
            output,
            size=(height, width),
            num_pictures=options.frames,
            seconds=options.seconds,
            inputs=sources,
        )
    else:
        strip = height, options.frames * (width + _GAP) - _GAP
        writing.check_output(output, inputs=sources, size=strip, as_pixels=True)
    sha256 = inputs.origin.inputs_sha256 if inputs.origin else ""
    replaced = [("output", output)] if overwriting.is_other_picture(output, sha256) else []
    overwriting.check(replaced, overwrite=options.overwrite)


def _painted(
    options: InterpolateOptions, settings: StyleConfig, inputs: Inputs
) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Returns the pictures, uint8 `[H, W, 3 | 4]`, and their description.

    After Ctrl-C, the pictures are those that have been painted.
    """
    process.tune_tensorflow()
    from tf_style.engine.assembly import load_problem
    from tf_style.transfer.fast_start import with_fast_start
    from tf_style.transfer.finishing import finished
    from tf_style.transfer.interpolation import between_strengths, between_styles, interpolate

    if options.strengths:
        first, last = numbers(options.strengths, argument="strengths")
        strengths = between_strengths(first, last, options.frames)
        blends = [tuple(map(float, inputs.blend))] * options.frames
    else:
        blends = between_styles(len(inputs.styles), options.frames)
        strengths = [1.0] * options.frames
    blend = np.array(blends[0], np.float32)
    inputs = with_fast_start(inputs._replace(blend=blend), settings, notify=print)
    problem, weights_sha256 = load_problem(settings, notify=print)
    frames = interpolate(problem, inputs, settings, blends=blends, strengths=strengths)
    pictures: list[np.ndarray] = []
    try:
        for frame in frames:
            strength = frame.strength * settings.loss.style_strength
            image = finished(frame.image, inputs, settings.replace(style_strength=strength))
            pictures.append(writing.to_pixels(image, inputs.alpha))
            print(_frame_line(len(pictures), options.frames, frame), flush=True)
    except KeyboardInterrupt:
        if not pictures:
            raise
    ends = [0, len(pictures) - 1]
    about = {
        **describe(settings, weights_sha256, inputs.origin, arithmetic=problem.arithmetic),
        "interpolation": {
            "frames": len(pictures),
            "blends": [list(blends[end]) for end in ends],
            "strengths": [strengths[end] for end in ends],
        },
    }
    return pictures, about


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


def _check(options: InterpolateOptions) -> None:
    """Raises ValueError if a flag is missing or invalid."""
    missing = [f"--{name}" for name in ("content", "style", "output") if not getattr(options, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style interpolate photo.jpg "
            "a.jpg,b.jpg strip.png."
        )
    check_number("frames", options.frames, minimum=2, maximum=1000)
    check_number("seconds", options.seconds, minimum=0.1, maximum=3600.0)
    output = user_path(options.output)
    if output.suffix.lower() not in _SUFFIXES:
        listed = ", ".join(_SUFFIXES)
        raise ValueError(
            f"`output` must end in one of {listed}. Received: output='{output}'. Use .png for a "
            "strip, .webp for an animation."
        )
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


def _frame_line(number: int, count: int, frame: "Frame") -> str:
    """Returns a line that describes a painted picture."""
    blend = ", ".join(f"{weight:.2f}" for weight in frame.blend)
    return (
        f"{number}/{count}: styles {blend}, strength {frame.strength:.3g}, "
        f"{frame.num_evaluations} evaluations, loss {frame.loss:.5g}"
    )


def _write(
    options: InterpolateOptions,
    pictures: list[np.ndarray],
    about: dict[str, Any] | None,
    inputs: Inputs,
) -> None:
    """Writes a strip or an animation."""
    photograph = inputs.origin.photograph if inputs.origin else NO_METADATA
    if _is_animation(user_path(options.output)):
        animations.save_animation(
            options.output, pictures, about, seconds=options.seconds, photograph=photograph
        )
    else:
        writing.save_picture(options.output, joined(pictures), about, photograph=photograph)


def _is_animation(path: Path) -> bool:
    return path.suffix.lower() in animations.SUFFIXES


def joined(pictures: list[np.ndarray]) -> np.ndarray:
    """Returns pictures of one size, uint8 `[H, W, c]`, side by side with white gaps."""
    height, _, channels = pictures[0].shape
    gap = np.full([height, _GAP, channels], 255, np.uint8)
    parts = [part for pixels in pictures for part in (pixels, gap)]
    return np.concatenate(parts[:-1], 1)
