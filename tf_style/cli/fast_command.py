"""`tf_style fast`: paints a picture in one pass of a trained network.

Takes the command's arguments; writes the picture and gives an exit code. Everything that can be
checked is checked before TensorFlow is imported.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_style._checks import exists, shown, user_path
from tf_style.cli import flags, overwriting, process, saving
from tf_style.config.fast import FastConfig
from tf_style.config.fields import option, typed_fields
from tf_style.config.style_config import StyleConfig
from tf_style.feedforward.bundled import named_network
from tf_style.feedforward.network_file import StyleNetwork, sha256_of
from tf_style.feedforward.preparation import prepare_photograph, read_painting, training_of
from tf_style.feedforward.styles import Chosen, blended, chosen_styles
from tf_style.images import writing
from tf_style.images.metadata import NO_METADATA
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.inputs import Inputs
from tf_style.provenance.description import describe_fast
from tf_style.provenance.origin import origin_of

_HELP = """\
tf_style fast paints a photograph in seconds, in a style that a network was trained for, or in that
of any painting.

  tf_style fast photo.jpg out.png --style=great_wave
  tf_style fast photo.jpg out.png --style=great_wave:0.7,the_scream:0.3
  tf_style fast photo.jpg out.png --style=painting.jpg"""

POSITIONAL = ("content", "output")
"""The flags that positional arguments set, in this order."""

_OF_PAINTINGS = {
    "tune_seconds": "styles of the network have been trained for long",
    "keep_margins": "styles of the network are numbers, without margins",
}
"""The flags that do nothing for named styles, and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FastOptions:
    """The flags of `tf_style fast` besides those of `FastConfig`."""

    content: str = option("", "The photograph.")
    output: str = option("", "The result: .png, .jpg, .webp, .avif or .tif; .btf for BigTIFF.")
    style: flags.FILES = option(
        (),
        "A style of the network (see --list_styles), or the file of any painting. Several are a "
        "blend, with weights as in 'great_wave:0.7,the_scream:0.3' or without; or one for each of "
        "--content_masks. It can be left out if the network has one style.",
    )
    list_styles: bool = option(False, "Print the names of the network's styles, and do no more.")
    content_masks: flags.FILES = option(
        (),
        "Masks of the photograph, white where to paint, one for all styles or one for each. Parts "
        "that no mask covers stay unchanged.",
    )
    keep: str = option(
        "", "A mask, white where the photograph stays as it is, to the bit; gray at soft edges."
    )
    bits: int = option(8, "Bits of each channel of the result: 8, or 16 for PNG and TIFF.")
    metadata: bool = option(
        True,
        "Store in the result how it was made, and the photograph's copyright, artist, title and "
        "capture date (never its place). --nometadata stores only the color profile.",
    )
    overwrite: bool = option(
        False,
        "Replace an existing file without asking. What tf_style made from the same pictures in the "
        "same style is replaced in any case.",
    )
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show this help.")


def command(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    table = [*typed_fields(FastOptions), *typed_fields(FastConfig)]
    values = flags.parse(flags.make_flags(table), arguments, positional=POSITIONAL)
    options = flags.of_type(FastOptions, values)
    if options.help:
        print(flags.command_help(_HELP, "Flags", FastOptions, table, is_full=True))
        return 0
    config = flags.of_type(FastConfig, values)
    network = named_network(config.network)
    if options.list_styles:
        print("\n".join(network.styles))
        return 0
    job = _prepared(options, config, network)
    for note in [*job.notes, *writing.notes_on_alpha(job.output, job.inputs.alpha)]:
        print(note)
    process.set_environment(quiet=not options.verbose)
    with process.quiet_stderr(not options.verbose):
        image = _painted(job)
    path, code = saving.save(job.output, lambda path: _write(job, image, path), print)
    height, width = image.shape[1:3]
    print(f"Saved {path}: {width}x{height} px, {process.seconds_since_start():.1f} s.")
    return code


class _Job(NamedTuple):
    """A picture to be painted: everything is read and checked.

    Attributes:
        options: the flags.
        config: of the picture.
        network: what paints.
        chosen: the styles.
        paintings: those of the styles that are files, by path.
        inputs: the photograph and its masks.
        notes: on the pictures.
    """

    options: FastOptions
    config: FastConfig
    network: StyleNetwork
    chosen: Chosen
    paintings: dict[str, np.ndarray]
    inputs: Inputs
    notes: tuple[str, ...]

    @property
    def output(self) -> Path:
        """File for the picture."""
        return user_path(self.options.output)


def _prepared(options: FastOptions, config: FastConfig, network: StyleNetwork) -> _Job:
    """Returns the job, after checking everything; asks before a file is replaced."""
    if config.local_contrast is None:  # The picture's record tells what it is.
        contrast = network.architecture.local_contrast
        config = dataclasses.replace(config, local_contrast=contrast)
    missing = [f"--{name}" for name in POSITIONAL if not getattr(options, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style fast photo.jpg out.png "
            "--style=great_wave. See tf_style fast --help."
        )
    chosen = chosen_styles(options.style, network, num_masks=len(options.content_masks))
    for name, why in _OF_PAINTINGS.items():
        if getattr(config, name) and not chosen.paintings(network):
            raise ValueError(
                f"Cannot use `{name}` without a painting. This is because {why}. Received: "
                f"style={shown(','.join(options.style))}. Leave it out, or give the file of a "
                "painting."
            )
    named = [options.content, *options.content_masks, options.keep, config.network]
    named += chosen.paintings(network)
    sources = [user_path(name) for name in named if name and exists(name)]
    writing.check_output(options.output, inputs=sources, bits=options.bits)
    controls = ControlPictures(content_masks=options.content_masks, keep=options.keep or None)
    with process.quiet_stderr(not options.verbose):  # Image decoders report damaged files there.
        count = 1 if chosen.is_blend(len(options.content_masks)) else len(chosen.sources)
        inputs = prepare_photograph(options.content, config, controls, num_styles=count)
        read = {}
        if paintings := chosen.paintings(network):
            training = training_of(network).replace(keep_margins=config.keep_margins)
            read = {name: read_painting(name, training) for name in paintings}
        # A named style counts as its numbers: one of another network is another style.
        styles = [network.styles.get(name, name) for name in chosen.sources]
        origin = origin_of(options.content, styles, controls._asdict())
    size = inputs.content.shape[1:3]
    writing.check_output(options.output, inputs=sources, size=size, bits=options.bits)
    job = _Job(
        options,
        config,
        network,
        chosen,
        {name: painting for name, (painting, _) in read.items()},
        inputs._replace(origin=origin),
        (*inputs.notes, *(line for _, lines in read.values() for line in lines)),
    )
    is_other = overwriting.is_other_picture(job.output, origin.inputs_sha256)
    overwriting.check([("output", job.output)] if is_other else [], overwrite=options.overwrite)
    return job


def _painted(job: _Job) -> np.ndarray:
    """Returns the finished picture, float32 `[1, H, W, 3]`, RGB."""
    process.tune_tensorflow()
    from tf_style.feedforward.pictures import fast_dtype, paint_inputs
    from tf_style.transfer.finishing import finished

    styles = _styles(job)
    if len(job.inputs.styles) == 1:
        weights = job.chosen.weights or [1.0] * len(styles)
        styles = [blended(styles, weights)]
    dtype = fast_dtype(job.options.bits)
    image = paint_inputs(job.network, job.inputs, styles, job.config, dtype=dtype)
    return finished(image, job.inputs, StyleConfig())


def _styles(job: _Job) -> list[np.ndarray]:
    """Returns scales and shifts of each style that was asked for."""
    predicted: dict[str, np.ndarray] = {}
    if job.paintings and job.config.tune_seconds:
        predicted = _tuned(job)
    elif job.paintings:
        from tf_style.feedforward.predictor import styles_of  # It imports Keras.

        found = styles_of(job.network, list(job.paintings.values()), notify=print)
        predicted = dict(zip(job.paintings, found, strict=True))
    known = {**predicted, **job.network.styles}
    return [known[source] for source in job.chosen.sources]


def _tuned(job: _Job) -> dict[str, np.ndarray]:
    """Returns the styles of the paintings, tuned on the photograph until time or Ctrl-C ends it."""
    from tf_style.training.assembly import load_objective
    from tf_style.training.training import DivergedError
    from tf_style.training.tuning import Tuned, tuned, tuning_config

    seconds = job.config.tune_seconds
    config = tuning_config(job.network, seconds)
    objective = load_objective(config, notify=print)
    print(f"Tuning for {seconds:g} s on the photograph; Ctrl-C ends it early.", flush=True)
    ends: list[Tuned] = []
    try:
        for now in tuned(objective, config, job.network, job.paintings, job.inputs.content):
            ends = [now]
    except KeyboardInterrupt:
        if not ends:
            raise
    except (DivergedError, MemoryError) as error:
        if not ends:
            raise
        print(f"The tuning ended early: {error} The last good style is painted.", flush=True)
    print(f"Tuned in {ends[0].progress.reached.step} steps.", flush=True)
    return ends[0].styles


def _write(job: _Job, image: np.ndarray, path: Path) -> None:
    inputs, about = job.inputs, None
    if job.options.metadata:
        sha256 = sha256_of(job.network)
        about = describe_fast(job.config, job.chosen.texts, sha256, inputs.origin)
        about["controls"] = list(inputs.controls)
    photograph = inputs.origin.photograph if inputs.origin else NO_METADATA
    writing.save_image(
        path, image, inputs.alpha, about, bits=job.options.bits, photograph=photograph
    )
